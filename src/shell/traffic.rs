//! Seeded load-balancer traffic with real-looking distributions and scripted incidents.
//!
//! Behind `generate traffic`, the demo and the tests. Invariant: the lines and their arrival times are a
//! function of the [`TrafficConfig`] alone, on every machine.

mod args;
mod line;
mod live;
mod model;
mod output;
mod rng;

pub use args::TrafficArgs;
pub use live::produce;
pub use output::TrafficError;

use crate::core::time::Time;
use rng::Rng;

/// What traffic to make.
#[derive(Clone, PartialEq, Debug)]
pub struct TrafficConfig {
    /// Same seed, same traffic.
    pub seed: u64,
    /// How many services share it, Zipf-like: from 1 to [`SERVICES_MAX`].
    pub services: usize,
    /// When it begins.
    pub start: Time,
    /// Mean distance of two lines, nanoseconds of event time. A daily wave and bursts vary it.
    pub interval_ns: u64,
    /// Scripted incidents. The first that covers a service decides.
    pub incidents: Vec<Incident>,
    /// Hostile lines (cut, empty, binary, unbalanced, huge), parts per million.
    pub hostile_ppm: u32,
}

/// The most services that can be asked for; each takes about 2 KiB.
pub const SERVICES_MAX: usize = 100_000;

/// When traffic begins unless told otherwise: 2025-03-04T10:00:00Z.
pub const START: Time = Time::from_seconds(1_741_082_400);

/// The latest that a line arrives after its request ended, microseconds.
pub const DELAY_MAX_US: i64 = 30_000_000;

impl Default for TrafficConfig {
    /// 100 lines a second of 12 services, nothing scripted.
    fn default() -> TrafficConfig {
        TrafficConfig {
            seed: 1,
            services: 12,
            start: START,
            interval_ns: 10_000_000,
            incidents: Vec::new(),
            hostile_ppm: 0,
        }
    }
}

/// A time in which one service fails or is slow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Incident {
    /// The service (its target group's name).
    pub service: String,
    /// Seconds from the traffic's start.
    pub from_s: u32,
    /// How long it lasts, seconds.
    pub length_s: u32,
    /// Share of the service's requests that fail with a 5xx, parts per million.
    pub errors_ppm: u32,
    /// Latency of its targets in percent of the usual: 400 is four times as slow.
    pub latency_percent: u32,
}

impl Incident {
    fn covers(&self, at_s: i64) -> bool {
        let from = i64::from(self.from_s);
        (from..from + i64::from(self.length_s)).contains(&at_s)
    }
}

/// The endless stream of lines.
#[derive(Clone, Debug)]
pub struct Traffic {
    config: TrafficConfig,
    services: model::Services,
    rng: Rng,
    /// Nanoseconds since the start at which the next line arrives.
    at_ns: u64,
}

impl Traffic {
    /// Traffic from its first line. The number of services is held within 1 and [`SERVICES_MAX`].
    pub fn new(config: TrafficConfig) -> Traffic {
        let services = model::Services::new(config.seed, config.services.clamp(1, SERVICES_MAX));
        Traffic { services, rng: Rng::new(config.seed, 0), at_ns: 0, config }
    }

    /// Whether one of the services bears that name.
    pub fn has_service(&self, name: &str) -> bool {
        self.services.has(name)
    }

    /// When the next line arrives.
    pub fn next_arrival(&self) -> Time {
        Time(self.config.start.0.saturating_add((self.at_ns / 1_000) as i64))
    }

    /// Replaces the buffer's content by the next line, without a newline in it, and returns when it
    /// arrives: never before the line before, and up to [`DELAY_MAX_US`] after the request's end.
    pub fn next_line(&mut self, out: &mut Vec<u8>) -> Time {
        let arrival = self.next_arrival();
        let rng = &mut self.rng;
        // Most lines come within two seconds, one in two hundred up to half a minute late.
        let delay_us = if rng.one_in(200) { rng.below(DELAY_MAX_US as u64) } else { rng.below(2_000_000) };
        let time = Time((arrival.0 - delay_us as i64).max(self.config.start.0));
        let service = self.services.pick(rng);
        let at_s = (time.0 - self.config.start.0) / 1_000_000;
        let fate = model::fate(rng, service, &self.config.incidents, at_s);
        out.clear();
        line::write(out, rng, service, fate, time);
        if self.config.hostile_ppm > 0 && rng.below(1_000_000) < u64::from(self.config.hostile_ppm) {
            damage(rng, out);
        }
        self.at_ns += self.config.interval_ns * 1_000 / weight(self.config.seed, arrival);
        arrival
    }
}

/// Load at that moment per mille of the mean: a daily wave, minutes of their own, a burst now and then.
fn weight(seed: u64, at: Time) -> u64 {
    let second = at.seconds();
    // A parabola up in the afternoon, one down at night: near enough to a sine.
    let half = second.rem_euclid(86_400) - 43_200;
    let x = half.abs() * 1_000 / 43_200;
    let wave = 4 * x * (1_000 - x) / 1_000 * half.signum() * 350 / 1_000;
    let mut rng = Rng::new(seed, 1 << 40 ^ second.div_euclid(60) as u64);
    let minute = if rng.one_in(20) { 1_700 + rng.below(800) } else { 860 + rng.below(200) };
    (1_000 + wave) as u64 * minute / 1_000
}

/// Makes a line hostile. It stays one line.
fn damage(rng: &mut Rng, line: &mut Vec<u8>) {
    match rng.below(5) {
        0 => line.truncate(rng.below(line.len() as u64) as usize),
        1 => line.clear(),
        2 => line.extend((0..40).map(|_| rng.next() as u8).filter(|byte| !matches!(byte, b'\n' | b'\r'))),
        3 => {
            if let Some(quote) = line.iter().position(|byte| *byte == b'"') {
                line.remove(quote);
            }
        }
        _ => {
            let middle = line.len() / 2;
            line.splice(middle..middle, std::iter::repeat_n(b'a', 60_000));
        }
    }
}

/// `generate traffic`: writes the lines where the arguments say.
pub fn command(args: &TrafficArgs) -> Result<(), TrafficError> {
    output::write(args)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(config: TrafficConfig, count: usize) -> Vec<(Time, Vec<u8>)> {
        let mut traffic = Traffic::new(config);
        let line = |_| {
            let mut line = Vec::new();
            (traffic.next_line(&mut line), line)
        };
        (0..count).map(line).collect()
    }

    fn end(line: &[u8]) -> Time {
        let text = std::str::from_utf8(line).unwrap();
        Time::parse(text.split(' ').nth(1).unwrap()).unwrap()
    }

    #[test]
    fn a_seed_is_one_traffic() {
        let config = TrafficConfig::default();
        assert_eq!(lines(config.clone(), 500), lines(config.clone(), 500));
        assert_ne!(lines(config.clone(), 5), lines(TrafficConfig { seed: 2, ..config }, 5));
    }

    /// Changing any byte changes what tests and readers have seen: on purpose only.
    #[test]
    fn the_bytes_of_a_seed_stay() {
        let mut hash = xxhash_rust::xxh3::Xxh3Default::new();
        for (time, line) in lines(TrafficConfig { hostile_ppm: 1_000, ..TrafficConfig::default() }, 10_000) {
            hash.update(&time.0.to_le_bytes());
            hash.update(&line);
        }
        assert_eq!(hash.digest(), 715_502_181_016_184_542);
    }

    #[test]
    fn lines_arrive_in_order_and_not_before_their_end() {
        let all = lines(TrafficConfig::default(), 5_000);
        for pair in all.windows(2) {
            assert!(pair[0].0 <= pair[1].0);
        }
        for (arrival, line) in &all {
            let delay = arrival.0 - end(line).0;
            assert!((0..=DELAY_MAX_US).contains(&delay), "{delay}");
        }
    }

    #[test]
    fn the_rate_is_about_kept() {
        let all =
            lines(TrafficConfig { start: Time::from_seconds(0), ..TrafficConfig::default() }, 1_000_000);
        let seconds = all.last().unwrap().0.seconds();
        assert!((8_000..14_000).contains(&seconds), "{seconds}");
    }

    #[test]
    fn lines_have_the_fields_of_the_log() {
        for (_, line) in lines(TrafficConfig::default(), 5_000) {
            let text = String::from_utf8(line).unwrap();
            assert!(!text.contains('\n'));
            let quotes = text.matches('"').count();
            let outside: usize = text
                .split('"')
                .enumerate()
                .filter(|(i, _)| i % 2 == 0)
                .map(|(_, t)| t.matches(' ').count())
                .sum();
            assert_eq!(quotes % 2, 0, "{text}");
            assert!(matches!(outside + 1, 30 | 33), "{} fields in {text}", outside + 1);
        }
    }

    /// What the generator writes the product reads: each line is a record, hostile ones at worst a reason.
    #[test]
    fn lines_are_records() {
        use crate::core::format::{Parsed, Parser};
        use crate::core::record::{Fields, Labels, Record};
        use crate::core::settings::Format;
        for (arrival, line) in lines(TrafficConfig::default(), 5_000) {
            let mut parser = Parser::new(&Format::AwsAlb.into(), &Labels::default()).expect("a parser");
            let mut record = Record::at(Time(0));
            assert_eq!(parser.parse(&line, Fields::ALL, &mut record), Ok(Parsed::Record));
            assert_eq!((record.time, record.status.is_some()), (end(&line), true));
            assert!(record.time <= arrival && record.client_latency_us.is_some());
        }
    }

    #[test]
    fn hostile_lines_stay_lines() {
        let config = TrafficConfig { hostile_ppm: 500_000, ..TrafficConfig::default() };
        let all = lines(config, 1_000);
        assert!(all.iter().all(|(_, line)| !line.contains(&b'\n')));
        assert!(all.iter().any(|(_, line)| line.is_empty()));
        assert!(all.iter().any(|(_, line)| line.len() > 60_000));
    }
}
