//! temporary
use std::sync::Arc;
#[global_allocator]
static A: mimalloc::MiMalloc = mimalloc::MiMalloc;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let pipeline = match ninetail::shell::pipeline::Pipeline::load(std::path::Path::new(&a[2])) { Ok(p) => p, Err(e) => { eprintln!("{e}"); std::process::exit(78) } };
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let metrics = Arc::new(ninetail::edges::metrics::Metrics::new());
    let clock = ninetail::shell::clock::Clock::system();
    let r = if a[1] == "backfill" {
        ninetail::shell::backfill::backfill(&pipeline, &ninetail::shell::backfill::Options { inputs: vec![a[3].clone()], out: a[4].clone().into(), source: None, progress: true, clock, metrics, stop }).map(|s| println!("{s:?}"))
    } else {
        let o = ninetail::shell::run::Options { until_end: a.len() > 3, close: a.len() > 4, take_over: false, restart_at: vec![], clock, metrics, stop };
        let _a = ninetail::shell::run::attend(&pipeline, &o);
        ninetail::shell::run::run(&pipeline, &o)
    };
    if let Err(e) = r { eprintln!("error: {e}"); std::process::exit(1) }
}
