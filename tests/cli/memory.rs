//! What many services cost in memory, while all their minutes are open and while they close at once.
//!
//! Invariant: peaks of two runs are compared, so that what the program itself takes says nothing. They are looked at every
//! five milliseconds: one that ends sooner may be missed, none is made up.

use super::root;
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

const MINUTES: u64 = 20;
const FEW: u64 = 20;
const MANY: u64 = 2_000;
/// More than a service's open minute takes at the peak: its counts, two histograms and two verdicts, the rows made of them and
/// the encoder's pages.
const MINUTE_BYTES_MAX: u64 = 1024;

const PIPELINE: &str = "version: 1
name: memory
sources: [{ name: alb, format: aws_alb, lateness: 2h }]
services: [{ name: '{target_group}' }]
slos:
  - { name: availability, service: '*', objective: 99.9, window: 30d, indicator: { good: status < 500 } }
  - { name: latency, service: '*', objective: 99, window: 30d, indicator: { latency: { below: 200ms, of: upstream } } }
";

#[test]
fn an_open_minute_of_a_service_takes_less_than_a_kibibyte() {
    let folder = tempfile::tempdir().expect("a folder");
    let [few, many] = [FEW, MANY].map(|services| peak_bytes(folder.path(), services));
    assert!(many > few, "{few} bytes for {FEW} services, {many} for {MANY}");
    let each = (many - few) / (MINUTES * (MANY - FEW));
    assert!(each < MINUTE_BYTES_MAX, "{each} bytes each: {few} for {FEW} services, {many} for {MANY}");
}

/// The most memory that a backfill of that many services held at any time.
fn peak_bytes(folder: &Path, services: u64) -> u64 {
    let (pipeline, log) = (folder.join("memory.yaml"), folder.join("log"));
    fs::write(&pipeline, PIPELINE).expect("written");
    fs::write(&log, lines(services)).expect("written");
    let mut running = Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .args(["backfill", "--quiet", "--no-progress"])
        .arg(&pipeline)
        .arg("--input")
        .arg(&log)
        .arg("--out")
        .arg(folder.join(services.to_string()))
        .current_dir(root())
        .stdin(Stdio::null())
        .spawn()
        .expect("it starts");
    let status = format!("/proc/{}/status", running.id());
    let mut peak = 0;
    let ended = loop {
        let text = fs::read_to_string(&status).unwrap_or_default();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        peak = line.and_then(|kib| kib.trim().parse().ok()).map_or(peak, |kib: u64| kib * 1024);
        match running.try_wait().expect("it runs") {
            Some(status) => break status,
            None => sleep(Duration::from_millis(5)),
        }
    };
    assert!(ended.success() && peak > 0, "{ended}, {peak} bytes");
    peak
}

/// Four requests of every service in every minute, of as many latencies.
fn lines(services: u64) -> String {
    let mut lines = String::new();
    for i in 0..MINUTES * 4 * services {
        let (minute, second) = (i / services / 4, i / services % 4 * 15);
        let (service, latency_ms, status) =
            (i % services, i * 7919 % 900, if i % 97 == 0 { 500 } else { 200 });
        writeln!(
            lines,
            "https 2025-03-04T10:{minute:02}:{second:02}.500000Z app/edge/50dc6c495c0c9188 203.0.113.7:49152 \
             10.0.3.12:8080 0.001 0.{latency_ms:03} 0.000 {status} {status} 412 2113 \
             \"GET https://shop.example.com:443/ HTTP/2.0\" \"-\" - - \
             arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/s{service}/73e2d6bc24d8a067 \
             \"-\" \"-\" \"-\" 1 2025-03-04T10:{minute:02}:{second:02}.000000Z"
        )
        .expect("written");
    }
    lines
}
