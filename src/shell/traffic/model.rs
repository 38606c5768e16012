//! What the generated traffic is like: services with their own load, latency, errors and paths.
//!
//! Modelled on what load-balancer logs look like: Zipf-like shares of traffic, log-normal target times with
//! a long tail, answers that the balancer made itself (502, 503, 504), clients that hang up (460), redirects
//! and firewall blocks without a target, WebSockets whose duration is a session's.

use super::Incident;
use super::rng::Rng;

/// Names of services; further ones get a number.
const NAMES: [&str; 32] = [
    "checkout",
    "search",
    "catalog",
    "cart",
    "accounts",
    "sessions",
    "pricing",
    "inventory",
    "payments",
    "recommendations",
    "reviews",
    "media",
    "images",
    "uploads",
    "notifications",
    "email-gateway",
    "webhooks",
    "graphql",
    "public-api",
    "partner-api",
    "admin",
    "reporting",
    "billing",
    "ledger",
    "shipping",
    "tracking",
    "geo",
    "feature-flags",
    "mobile-bff",
    "web-ssr",
    "profile",
    "auth",
];

pub(super) const SEGMENTS: [&str; 20] = [
    "v1", "v2", "api", "items", "users", "orders", "list", "detail", "events", "batch", "search", "suggest",
    "stats", "export", "health", "status", "session", "token", "assets", "thumb",
];

/// The seed's load balancers; one in three is young enough for the three fields of August 2025.
const BALANCERS: [&str; 3] = ["edge", "api", "internal"];

/// One service behind the load balancers.
#[derive(Clone, Debug)]
pub(super) struct Service {
    pub(super) name: String,
    pub(super) balancer: String,
    pub(super) transforms: bool,
    pub(super) target_group_arn: String,
    pub(super) host: String,
    pub(super) certificate_arn: String,
    pub(super) https: bool,
    pub(super) websockets: bool,
    pub(super) targets: Vec<String>,
    pub(super) paths: Vec<String>,
    pub(super) rule_priority: u64,
    median_us: f64,
    sigma: f64,
    error_ppm: u64,
}

impl Service {
    fn new(seed: u64, number: usize) -> Service {
        let mut rng = Rng::new(seed, 1_000 + number as u64);
        let base = NAMES[number % NAMES.len()];
        let name = if number < NAMES.len() {
            base.to_string()
        } else {
            format!("{base}-{}", number / NAMES.len() + 1)
        };
        let balancer = number % BALANCERS.len();
        let balancer_id = Rng::new(seed, 1 + balancer as u64).next();
        let (region, account) = ("eu-west-1", "123456789012");
        let id = rng.next();
        Service {
            balancer: format!("app/prod-{}/{balancer_id:016x}", BALANCERS[balancer]),
            transforms: balancer == 1,
            target_group_arn: format!(
                "arn:aws:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{id:016x}"
            ),
            host: format!("{name}.shop.example.com"),
            certificate_arn: format!(
                "arn:aws:acm:{region}:{account}:certificate/{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
                rng.below(1 << 32),
                rng.below(1 << 16),
                rng.below(1 << 12),
                rng.below(1 << 12),
                rng.below(1 << 48)
            ),
            https: number % 7 != 6,
            websockets: number % 5 == 4,
            targets: (0..3 + number % 6)
                .map(|_| {
                    let port = [8080, 3000, 8000, 9090][number % 4];
                    format!("10.{}.{}.{}:{port}", rng.below(8), rng.below(256), 1 + rng.below(254))
                })
                .collect(),
            paths: (0..12)
                .map(|_| (0..2 + rng.below(3)).map(|_| format!("/{}", rng.pick(&SEGMENTS))).collect())
                .collect(),
            rule_priority: 1 + rng.below(200),
            median_us: rng.log_uniform(2_000.0, 6.0),
            sigma: 0.4 + 0.6 * rng.unit(),
            error_ppm: rng.log_uniform(50.0, 4.0) as u64,
            name,
        }
    }
}

/// All services and their shares of the traffic.
#[derive(Clone, Debug)]
pub(super) struct Services {
    all: Vec<Service>,
    /// Running sums of the weights.
    sums: Vec<u64>,
}

impl Services {
    pub(super) fn new(seed: u64, count: usize) -> Services {
        let mut sum = 0;
        let sums = (0..count as u64).map(|k| {
            sum += 2_000_000_000 / (2 * k + 3);
            sum
        });
        let sums = sums.collect();
        Services { all: (0..count).map(|k| Service::new(seed, k)).collect(), sums }
    }

    /// One service by its share of the traffic.
    pub(super) fn pick(&self, rng: &mut Rng) -> &Service {
        let at = rng.below(self.sums.last().copied().unwrap_or(0));
        &self.all[self.sums.partition_point(|sum| *sum <= at).min(self.all.len() - 1)]
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.all.iter().any(|service| service.name == name)
    }
}

/// Who made the answer, and how it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    /// The target answered.
    Answered,
    /// The connection to the target broke: 502.
    Broken,
    /// No target could take it, or none answered in time: 503, 504.
    Undispatched,
    /// The client hung up: 460.
    ClientGone,
    /// Redirected by a rule.
    Redirected,
    /// Blocked by the firewall.
    Blocked,
    /// A WebSocket that was closed.
    Websocket,
}

/// What happened to one request. Times in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fate {
    pub(super) kind: Kind,
    pub(super) status: u16,
    /// Request, target and response processing, as logged; None is -1.
    pub(super) times_us: [Option<u64>; 3],
    /// From the request's creation to the end of the response.
    pub(super) taken_us: u64,
}

/// Decides the fate of one request of the service, `at_s` seconds after the traffic's start.
pub(super) fn fate(rng: &mut Rng, service: &Service, incidents: &[Incident], at_s: i64) -> Fate {
    let incident = incidents.iter().find(|i| i.service == service.name && i.covers(at_s));
    let (error_ppm, slower) = match incident {
        Some(incident) => (u64::from(incident.errors_ppm), f64::from(incident.latency_percent) / 100.0),
        None => (service.error_ppm, 1.0),
    };
    let mut target_us = rng.log_normal(service.median_us, service.sigma) * slower;
    if rng.one_in(2_000) {
        target_us *= 20.0;
    }
    let target_us = target_us.min(59_900_000.0) as u64;
    let queued_us = 1_000 * rng.below(3);
    let answered = |status| Fate {
        kind: Kind::Answered,
        status,
        times_us: [Some(queued_us), Some(target_us), Some(1_000 * (queued_us / 2_000))],
        taken_us: target_us + queued_us + 1_500,
    };
    let unanswered = |kind, status, taken_us| Fate { kind, status, times_us: [None; 3], taken_us };
    if rng.below(1_000_000) < error_ppm {
        return match rng.weighted(&[6, 1, 1, 2]) {
            0 => answered(*rng.pick(&[500, 500, 500, 503])),
            1 => Fate {
                times_us: [Some(0), None, None],
                ..unanswered(Kind::Broken, 502, 2_000 + rng.below(20_000))
            },
            2 => unanswered(Kind::Undispatched, 503, 1_000 + rng.below(2_000)),
            _ => unanswered(Kind::Undispatched, 504, 10_000_000 + rng.below(3_000)),
        };
    }
    match rng.below(1_000) {
        0..=9 => unanswered(Kind::Redirected, 301, 1_000 + rng.below(1_000)),
        10..=12 => unanswered(Kind::Blocked, 403, 1_000 + rng.below(2_000)),
        13 => unanswered(Kind::ClientGone, 460, rng.log_uniform(500_000.0, 6.0) as u64),
        14..=18 if service.websockets => {
            let session_us = rng.log_uniform(1_000_000.0, 8.0) as u64;
            Fate {
                kind: Kind::Websocket,
                status: 101,
                times_us: [Some(queued_us), Some(session_us), Some(0)],
                taken_us: session_us + queued_us,
            }
        }
        _ => {
            const STATUSES: [u16; 9] = [200, 304, 201, 204, 404, 401, 302, 400, 429];
            answered(STATUSES[rng.weighted(&[800, 50, 40, 30, 30, 20, 10, 10, 10])])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_services_take_most_of_the_traffic() {
        let services = Services::new(1, 40);
        let mut rng = Rng::new(1, 1);
        let mut first = 0;
        for _ in 0..10_000 {
            first += usize::from(services.pick(&mut rng).name == "checkout");
        }
        assert!((1_500..3_500).contains(&first), "{first}");
        assert!(services.has("auth") && services.has("checkout-2") && !services.has("nobody"));
    }

    #[test]
    fn an_incident_raises_errors_and_latency_while_it_lasts() {
        let services = Services::new(1, 1);
        let incident = Incident {
            service: "checkout".into(),
            from_s: 60,
            length_s: 60,
            errors_ppm: 300_000,
            latency_percent: 500,
        };
        let mut rng = Rng::new(1, 1);
        let mut errors = |at_s| {
            let mut count = 0;
            for _ in 0..2_000 {
                let service = services.pick(&mut rng);
                count +=
                    u32::from(fate(&mut rng, service, std::slice::from_ref(&incident), at_s).status >= 500);
            }
            count
        };
        let (before, during, after) = (errors(59), errors(60), errors(120));
        assert!(before < 20 && after < 20, "{before} {after}");
        assert!((500..700).contains(&during), "{during}");
    }
}
