//! What the benches share: a pipeline's settings, a made log, and how a run is measured and told.
//!
//! Invariant: settings and made lines are the same on every machine. No time that is measured fails anything.

#![allow(dead_code, reason = "each bench uses a part")]

use criterion::Throughput;
use ninetail::core::accumulator::{Accumulator, Slot};
use ninetail::core::format::Parser;
use ninetail::core::position::Partition;
use ninetail::core::record::Labels;
use ninetail::core::service::Classifier;
use ninetail::core::settings::{Format, Settings};
use ninetail::core::time::Time;
use ninetail::shell::pipeline::Pipeline;
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// Services by target group.
pub(crate) const BY_TARGET_GROUP: &str = "[{ name: '{target_group}' }]";
/// Lines of a made log: some 25 MB, more than the caches hold.
pub(crate) const LINES: u64 = 40_000;
/// Services of a made log.
pub(crate) const SERVICES: usize = 32;
/// Ingest's clock: later than every line.
pub(crate) const CLOCK: Time = Time::from_seconds(4_102_444_800);

/// A pipeline of these service rules (YAML) with an availability and a latency SLO for every service.
pub(crate) fn pipeline(services: &str) -> String {
    format!(
        "version: 1
name: bench
sources: [{{ name: alb, format: aws_alb }}]
services: {services}
slos:
  - {{ name: availability, service: '*', objective: 99.9, window: 30d, indicator: {{ good: status < 500, exclude: client_gone }} }}
  - {{ name: latency, service: '*', objective: 99, window: 30d, indicator: {{ latency: {{ below: 200ms, of: upstream }} }} }}
alerts: workbook
"
    )
}

/// The settings of [`pipeline`].
pub(crate) fn settings(services: &str) -> Settings {
    let parsed = Pipeline::parse(Path::new("bench.yaml"), &pipeline(services), HashMap::new());
    parsed.expect("the pipeline is valid").backfill_settings(None).expect("it has one source")
}

/// The rules of the settings.
pub(crate) fn classifier(settings: &Settings) -> Arc<Classifier> {
    Arc::new(Classifier::compile(settings, &mut Labels::default()).expect("the rules compile"))
}

/// A parser of [`log`].
pub(crate) fn parser() -> Parser {
    Parser::new(&Format::AwsAlb.into(), &Labels::default()).expect("a parser")
}

/// The one partition of the benches.
pub(crate) fn partition() -> Partition {
    Partition { source: "alb".into(), topic: "backfill".into(), number: 0 }
}

/// An accumulator of the settings that reads [`partition`].
pub(crate) fn accumulator(settings: &Settings, classifier: &Arc<Classifier>) -> (Accumulator, Slot) {
    let mut accumulator =
        Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum, Labels::default());
    accumulator.configure(vec![(None, 1, classifier.clone())]);
    let slot = accumulator.register(partition(), &Format::AwsAlb.into(), 0).expect("a slot");
    (accumulator, slot)
}

/// Seeded lines, 333 a second of event time.
pub(crate) fn traffic(services: usize) -> Traffic {
    Traffic::new(TrafficConfig { services, interval_ns: 3_000_000, ..TrafficConfig::default() })
}

/// The log that `NINETAIL_BENCH_LOG` names, else one of [`LINES`] made lines.
pub(crate) fn log() -> Vec<u8> {
    match std::env::var("NINETAIL_BENCH_LOG") {
        Ok(path) => std::fs::read(&path).unwrap_or_else(|e| panic!("cannot read {path}: {e}")),
        Err(_) => made(LINES, SERVICES),
    }
}

/// A log of so many lines.
pub(crate) fn made(lines: u64, services: usize) -> Vec<u8> {
    let (mut traffic, mut line, mut log) = (traffic(services), Vec::new(), Vec::new());
    for _ in 0..lines {
        traffic.next_line(&mut line);
        log.extend_from_slice(&line);
        log.push(b'\n');
    }
    log
}

/// The lines of a log without their newlines, found by a bare scan.
pub(crate) fn lines(log: &[u8]) -> impl Iterator<Item = &[u8]> {
    memchr::memchr_iter(b'\n', log).scan(0, |start, end| {
        let line = &log[*start..end];
        *start = end + 1;
        Some(line)
    })
}

/// How many newlines there are: what everything is compared with.
pub(crate) fn newlines(log: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', log).count() as u64
}

/// Lines and bytes of a log.
pub(crate) fn throughput(log: &[u8]) -> Throughput {
    Throughput::ElementsAndBytes { elements: newlines(log), bytes: log.len() as u64 }
}

/// How much to do: what the environment says, else `full`, or a hundredth of it (at least 1) with `--quick` and under
/// `cargo test`.
pub(crate) fn amount(variable: &str, full: u64) -> u64 {
    let given = |word: &str| std::env::args().any(|argument| argument == word);
    let otherwise = if given("--bench") && !given("--quick") { full } else { (full / 100).max(1) };
    std::env::var(variable).ok().and_then(|n| n.parse().ok()).unwrap_or(otherwise)
}

/// Runs once and prints how long it took, the processor time of this process and of the children it waited for, and
/// how much of each unit was done in a second. `run` says how much it did.
pub(crate) fn measure<const N: usize>(name: &str, units: [&str; N], run: impl FnOnce() -> [u64; N]) {
    let (wall, cpu) = (Instant::now(), cpu_s());
    let done = run();
    let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu_s() - cpu);
    let rates = units.iter().zip(done).map(|(unit, done)| rate(unit, done as f64 / wall));
    let rates = rates.collect::<Vec<_>>().join(", ");
    println!("{name:26} {wall:7.3} s, {cpu:6.2} cpu s: {rates}; peak {} MiB so far", peak_kib() >> 10);
}

fn rate(unit: &str, per_s: f64) -> String {
    match unit {
        "bytes" => format!("{:.1} MB/s", per_s / 1e6),
        unit => format!("{per_s:.0} {unit}/s"),
    }
}

/// User and system time of this process and of its children, seconds (`/proc/self/stat`, in hundredths).
fn cpu_s() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(") ").next().unwrap_or_default();
    after.split(' ').skip(11).take(4).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// The most memory that this process had at once.
fn peak_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.and_then(|kib| kib.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}
