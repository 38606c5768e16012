//! What happens in the demo: the traffic, and two incidents in every hour of its clock.
//!
//! Invariant: the script is fixed: every demo tells the same story.

use crate::shell::traffic::{Incident, START, TrafficConfig};

/// Seconds of the demo's clock per second.
pub(super) const SCALE: u32 = 60;
/// Lines per second of real time, on average.
const LINES_PER_S: u64 = 1_500;
/// For so many hours of its clock there are incidents.
const HOURS: u32 = 100;

/// The traffic.
pub(super) fn traffic() -> TrafficConfig {
    TrafficConfig {
        seed: 1,
        services: 6,
        start: START,
        interval_ns: 1_000_000_000 * u64::from(SCALE) / LINES_PER_S,
        incidents: (0..HOURS).flat_map(incidents).collect(),
        hostile_ppm: 200,
    }
}

/// Half of checkout fails for 6 minutes: that is 5 % of an hour, where 99.9 % pages above 1.44 %, and 0.8 %
/// of 6 hours, where it pages above 0.6 %. Then search is slow for 10 minutes: 16 % of an hour, where 99.5 %
/// pages above 7.2 %.
fn incidents(hour: u32) -> [Incident; 2] {
    let at = |minute| (hour * 60 + minute) * 60;
    [
        Incident {
            service: "checkout".into(),
            from_s: at(4),
            length_s: 6 * 60,
            errors_ppm: 500_000,
            latency_percent: 150,
        },
        Incident {
            service: "search".into(),
            from_s: at(20),
            length_s: 10 * 60,
            errors_ppm: 300,
            latency_percent: 4_000,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shell::traffic::Traffic;

    #[test]
    fn incidents_hit_services_that_there_are() {
        let config = traffic();
        assert_eq!(config.interval_ns, 40_000_000);
        let traffic = Traffic::new(config.clone());
        assert!(config.incidents.iter().all(|i| traffic.has_service(&i.service)));
    }
}
