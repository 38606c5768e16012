//! The arguments of `generate traffic`, and what they mean.

use super::{Incident, SERVICES_MAX, START, TrafficConfig};
use crate::core::time::Time;
use std::path::PathBuf;

/// Seeded ALB access-log lines: to stdout, a file or a Kafka topic, flat out or at a rate.
///
/// Same options, same bytes, on every machine. With `--rate` the lines come in real time, and from now on
/// unless `--start` says otherwise.
#[derive(clap::Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail generate traffic --lines 100000 > alb.log
  ninetail generate traffic --lines 2000000 --services 32 --for 1h --output alb.log
  ninetail generate traffic --rate 500 --topic alb-logs --brokers localhost:9092 \\
      --incident service=checkout,from=2m,for=5m,errors=20%,latency=4x")]
pub struct TrafficArgs {
    /// Stop after so many lines [default: 100000, unless --for and --rate are given]
    #[arg(long, value_name = "N")]
    pub lines: Option<u64>,
    /// Span of event time (30s, 10m, 2h, 1d): the end with --rate, else what the lines are spread over
    /// [default: 1h]
    #[arg(long = "for", value_name = "DURATION", value_parser = seconds)]
    pub length_s: Option<u32>,
    /// Lines per second, on average, in real time [default: flat out]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub rate: Option<u32>,
    /// Seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of services
    #[arg(long, value_name = "N", default_value_t = 12, value_parser = services)]
    pub services: usize,
    /// Start of the event time, RFC 3339 [default: 2025-03-04T10:00:00Z; now with --rate]
    #[arg(long, value_name = "TIME", value_parser = instant)]
    pub start: Option<Time>,
    /// Scripted incident: service=NAME,from=2m,for=5m[,errors=20%][,latency=4x]; may be repeated
    #[arg(long = "incident", value_name = "SCRIPT", value_parser = incident)]
    pub incidents: Vec<Incident>,
    /// Hostile lines (cut, empty, binary, huge) per million
    #[arg(long, value_name = "PPM", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=1_000_000))]
    pub hostile: u32,
    /// File to write, `-` for stdout
    #[arg(long, short, value_name = "FILE", default_value = "-", conflicts_with = "topic")]
    pub output: PathBuf,
    /// Kafka topic to produce to, its partitions in turn
    #[arg(long, value_name = "TOPIC", requires = "brokers")]
    pub topic: Option<String>,
    /// Kafka brokers of the topic
    #[arg(long, value_name = "HOST:PORT,...", env = "KAFKA_BROKERS")]
    pub brokers: Option<String>,
}

impl TrafficArgs {
    /// The traffic asked for; `now` starts it where it comes in real time.
    pub(super) fn config(&self, now: Time) -> TrafficConfig {
        let span_ns = u64::from(self.length_s.unwrap_or(3_600)) * 1_000_000_000;
        let interval_ns = match (self.rate, self.lines()) {
            (Some(rate), _) => 1_000_000_000 / u64::from(rate),
            (None, lines) => span_ns / lines.unwrap_or(1).max(1),
        };
        TrafficConfig {
            seed: self.seed,
            services: self.services,
            start: self.start.unwrap_or(if self.rate.is_some() { now } else { START }),
            interval_ns: interval_ns.max(1),
            incidents: self.incidents.clone(),
            hostile_ppm: self.hostile,
        }
    }

    /// After how many lines to stop, if at a number.
    pub(super) fn lines(&self) -> Option<u64> {
        self.lines.or((self.rate.is_none()).then_some(100_000))
    }

    /// After how much event time to stop, microseconds, if at a time.
    pub(super) fn length_us(&self) -> Option<i64> {
        self.length_s.filter(|_| self.rate.is_some()).map(|s| i64::from(s) * 1_000_000)
    }
}

fn services(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(count) if (1..=SERVICES_MAX).contains(&count) => Ok(count),
        _ => Err(format!("must be a number from 1 to {SERVICES_MAX}")),
    }
}

fn instant(text: &str) -> Result<Time, String> {
    let time = Time::parse(text).ok_or("must be RFC 3339, like 2025-03-04T10:00:00Z")?;
    let last = Time::from_seconds(4_102_444_800);
    if time < Time::Y2000 || time > last { Err("must lie between 2000 and 2100".into()) } else { Ok(time) }
}

/// Whole seconds from `90s`, `5m`, `2h`, `1d`.
fn seconds(text: &str) -> Result<u32, String> {
    let units = [('s', 1), ('m', 60), ('h', 3_600), ('d', 86_400)];
    let parsed = units.iter().find_map(|(unit, length)| {
        let number: u32 = text.strip_suffix(*unit)?.parse().ok()?;
        number.checked_mul(*length)
    });
    parsed.ok_or_else(|| format!("`{text}` is no duration like 30s, 10m, 2h or 1d"))
}

/// A number with up to six decimal places, times a million.
fn millionths(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || whole.len() > 9 || places.len() > 6 || !digits(whole) || !digits(places) {
        return None;
    }
    Some(whole.parse::<u64>().ok()? * 1_000_000 + format!("{places:0<6}").parse::<u64>().ok()?)
}

fn incident(text: &str) -> Result<Incident, String> {
    let mut service = None;
    let (mut from_s, mut length_s) = (0, None);
    let (mut errors_ppm, mut latency_percent) = (None, None);
    for part in text.split(',') {
        let (key, value) = part.split_once('=').ok_or_else(|| format!("`{part}` is not KEY=VALUE"))?;
        match key {
            "service" => service = Some(value.to_string()),
            "from" => from_s = seconds(value)?,
            "for" => length_s = Some(seconds(value)?),
            "errors" => {
                let share = value.strip_suffix('%').and_then(millionths).map(|percent| percent / 100);
                let share = share.filter(|ppm| *ppm <= 1_000_000);
                errors_ppm = Some(share.ok_or("`errors` must be a share from 0% to 100%")? as u32);
            }
            "latency" => {
                let factor = value.strip_suffix('x').and_then(millionths).map(|x| x / 10_000);
                let factor = factor.filter(|percent| (1..=100_000).contains(percent));
                latency_percent =
                    Some(factor.ok_or("`latency` must be a factor from 0.01x to 1000x")? as u32);
            }
            _ => {
                return Err(format!("unknown key `{key}`: service, from, for, errors and latency are known"));
            }
        }
    }
    if errors_ppm.is_none() && latency_percent.is_none() {
        return Err("an incident needs `errors` or `latency`".into());
    }
    Ok(Incident {
        service: service.ok_or("an incident needs `service`")?,
        from_s,
        length_s: length_s.ok_or("an incident needs `for`")?,
        errors_ppm: errors_ppm.unwrap_or(500),
        latency_percent: latency_percent.unwrap_or(100),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn incidents_read_as_written() {
        let wanted = Incident {
            service: "cart".into(),
            from_s: 120,
            length_s: 300,
            errors_ppm: 25_000,
            latency_percent: 450,
        };
        assert_eq!(incident("service=cart,from=2m,for=5m,errors=2.5%,latency=4.5x"), Ok(wanted));
        let wrong = [
            ("", "KEY=VALUE"),
            ("service=a,for=1m", "needs `errors` or"),
            ("for=1m,errors=1%", "needs `service`"),
            ("service=a,errors=1%", "needs `for`"),
            ("service=a,for=1m,errors=101%", "0% to 100%"),
            ("service=a,for=1m,errors=0.2", "0% to 100%"),
            ("service=a,for=1m,latency=0x", "0.01x"),
            ("service=a,for=1,latency=2x", "no duration"),
            ("service=a,for=1m,latency=2x,colour=red", "unknown key `colour`"),
        ];
        for (text, part) in wrong {
            let error = incident(text).unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
        }
    }

    #[test]
    fn durations_do_not_overflow() {
        assert_eq!(seconds("2h"), Ok(7_200));
        for wrong in ["", "5", "m", "-1s", "1.5h", "99999999d"] {
            assert!(seconds(wrong).is_err(), "{wrong}");
        }
    }
}
