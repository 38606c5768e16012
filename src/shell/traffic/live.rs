//! Traffic to a topic as a clock goes: each line is produced when it arrives by that clock.
//!
//! Invariant: a line that is counted here was acknowledged by the broker, or an error says otherwise.

use super::output::Sink;
use super::{Traffic, TrafficConfig, TrafficError};
use crate::shell::clock::Clock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Pause where no line is due: lines go out in small groups.
const PACE: Duration = Duration::from_millis(20);

/// Produces until told to stop; returns how many lines were produced. `each` sees every line.
///
/// # Errors
/// If the topic does not exist or does not take the lines.
pub fn produce(
    config: TrafficConfig,
    topic: &str,
    brokers: &str,
    clock: Clock,
    stop: &AtomicBool,
    mut each: impl FnMut(&[u8]),
) -> Result<u64, TrafficError> {
    let mut sink = Sink::topic(topic, brokers)?;
    let mut traffic = Traffic::new(config);
    let mut line = Vec::with_capacity(1_024);
    let mut lines = 0;
    while !stop.load(Ordering::Relaxed) {
        if traffic.next_arrival() > clock.now() {
            std::thread::sleep(PACE);
            continue;
        }
        traffic.next_line(&mut line);
        each(&line);
        sink.line(&mut line)?;
        lines += 1;
    }
    sink.finish()?;
    Ok(lines)
}
