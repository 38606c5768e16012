//! The outbox over restarts; webhooks and Alertmanagers that fail, refuse, are slow, and come back.

use super::*;
use crate::core::event::{CONSUMED, FIRING, RESOLVED, fingerprint};
use crate::core::rollup::OutputPosition;
use receiver::{Answer, Posted, Receiver as Server};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

#[path = "../../../../tests/support/receiver.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod receiver;

/// A minute in 2018.
const BEGIN_S: i64 = 1_530_570_180;

fn event(position: u64, kind: &'static str, replay: bool) -> Event {
    let time = Time::from_seconds(BEGIN_S + 60 * position as i64);
    let burn = |window| json!({ "window": window, "rate": "36", "bad": 5, "total": 10 });
    Event {
        position: OutputPosition { position, index: 0 },
        key: "shop é".into(),
        subject: "shop%20%C3%A9/availability".into(),
        kind,
        id: format!("id-{position}"),
        time,
        recorded: time,
        severity: Default::default(),
        sequence: position,
        replay,
        data: json!({
            "slo": { "name": "availability", "service": "shop é", "tier": 1, "owner": null, "objective": "99.9",
                     "per": "route", "group": "/users/{id}",
                     "labels": { "channel": "payments", "cluster": "eu-2", "service": "another" },
                     "window": { "length": "30d" } },
            "budget": { "consumed_ratio": "0.4", "remaining_ratio": "0.6" },
            "burn": { "rule": "page-1h", "factor": "14.4", "governing_rate": "36", "long": burn("1h"), "short": burn("5m") },
            "severity": "page",
            "top_contributors": [
                { "dimensions": { "method": "GET", "route": "/cart" }, "bad": 4, "total": 5, "share": "0.8" },
                { "dimensions": { "method": null, "route": "/" }, "bad": 1, "total": 1, "share": "0.2" },
            ],
            "links": { "runbook_url": "https://runbooks.example.com/shop", "dashboard_url": null },
            "state": { "since": time.to_string(), "fingerprint": fingerprint("shop", "page-1h") },
            "replay": replay,
        })
        .to_string(),
    }
}

fn http(url: &str) -> HttpTarget {
    HttpTarget { url: url.to_owned(), timeout: Duration::from_secs(1), ca_file: None, auth: Auth::None }
}

fn webhook(name: &str, url: &str, mode: Mode) -> Receiver {
    let speaks = Speaks::Webhook { mode, headers: BTreeMap::new(), types: Vec::new(), replay: false };
    Receiver { name: name.to_owned(), http: http(url), speaks }
}

fn alertmanager(server: &str) -> Receiver {
    let labels = BTreeMap::from([("cluster".to_owned(), "eu-1".to_owned())]);
    let speaks = Speaks::Alertmanager { resend_every: Duration::from_secs(1), labels };
    Receiver { name: "alertmanager".into(), http: http(&format!("{server}/api/v2/alerts")), speaks }
}

fn open(state: &Path, receivers: &[Receiver]) -> Arc<Outbox> {
    let journal = "0123456789abcdef".into();
    Arc::new(Outbox::open(state, "edge".into(), journal, receivers.to_vec()).unwrap().unwrap())
}

/// Threads over an outbox.
struct Running {
    outbox: Arc<Outbox>,
    metrics: Arc<Metrics>,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Running {
    fn start(state: &Path, receivers: &[Receiver]) -> Running {
        let (outbox, metrics, stop) = (open(state, receivers), Arc::new(Metrics::new()), Arc::default());
        let mut running = Running { outbox, metrics, stop, threads: Vec::new() };
        for receiver in receivers {
            let delivery = Delivery {
                receiver: receiver.clone(),
                outbox: running.outbox.clone(),
                metrics: running.metrics.clone(),
                control: Control { stop: running.stop.clone(), ..Control::quiet() },
                now: Arc::new(|| {
                    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
                    Time(since.as_micros() as i64)
                }),
            };
            running.threads.push(std::thread::spawn(move || delivery.run()));
        }
        running
    }

    fn put(&self, events: &[Event]) {
        assert_eq!(self.outbox.put(events).unwrap(), BTreeMap::new());
    }

    /// Ends as the process does, and says how long that took.
    fn end(self) -> Duration {
        let started = Instant::now();
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            thread.join().unwrap();
        }
        started.elapsed()
    }

    #[track_caller]
    fn metric(&self, line: &str) {
        let until = Instant::now() + Duration::from_secs(10);
        while !self.metrics.text().lines().any(|l| l == line) {
            assert!(Instant::now() < until, "{line} is not in\n{}", self.metrics.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

fn ids(posted: &[Posted]) -> Vec<String> {
    posted.iter().map(|p| p.json()["id"].as_str().unwrap_or("?").to_owned()).collect()
}

#[test]
fn an_event_waits_once_until_every_receiver_has_it() {
    let folder = tempfile::tempdir().unwrap();
    let both = [webhook("a", "http://a", Mode::Structured), alertmanager("http://b")];
    let outbox = open(folder.path(), &both);
    let events = [event(2, CONSUMED, false), event(3, FIRING, false), event(4, FIRING, true)];
    for _ in 0..2 {
        // as after a crash, the same events are put again
        outbox.put(&events).unwrap();
    }
    let wanted = |outbox: &Outbox, receiver: &Receiver| -> Vec<u64> {
        let (events, _) = outbox.after(receiver, outbox.taken(receiver).unwrap(), 10).unwrap();
        events.iter().map(|w| w.at.position).collect()
    };
    assert_eq!(wanted(&outbox, &both[0]), [2, 3]);
    assert_eq!(wanted(&outbox, &both[1]), [3]);
    outbox.take(&both[0], OutputPosition { position: 2, index: 0 }, &[]).unwrap();
    outbox
        .take(&both[1], OutputPosition { position: 3, index: 0 }, &[("x".into(), Some(b"1".into()))])
        .unwrap();
    outbox.put(&events).unwrap();
    drop(outbox);

    let outbox = open(folder.path(), &both);
    assert_eq!(wanted(&outbox, &both[0]), [3], "what was acknowledged does not come back");
    assert_eq!(outbox.kept(&both[1]).unwrap(), [("x".to_owned(), b"1".to_vec())]);
    assert_eq!(outbox.waiting(OutputPosition::default()).unwrap(), 1, "2 is with everybody, 4 nobody wanted");
    outbox.take(&both[0], OutputPosition { position: 3, index: 0 }, &[]).unwrap();
    assert_eq!(outbox.waiting(OutputPosition::default()).unwrap(), 0);
    drop(outbox);

    // a new receiver begins now; one that is gone is forgotten with what it kept
    let other = webhook("new", "http://c", Mode::Structured);
    let outbox = open(folder.path(), std::slice::from_ref(&other));
    assert_eq!(outbox.taken(&other).unwrap().position, 4);
    outbox.put(&[event(5, CONSUMED, false)]).unwrap();
    assert_eq!(wanted(&outbox, &other), [5]);
    drop(outbox);
    assert_eq!(open(folder.path(), &both).kept(&both[1]).unwrap(), []);

    // another journal's events are nobody's; without receivers nothing is kept
    let journal = "fedcba9876543210".into();
    let outbox = Outbox::open(folder.path(), "edge".into(), journal, both.to_vec()).unwrap().unwrap();
    assert_eq!(outbox.waiting(OutputPosition::default()).unwrap(), 0);
    assert_eq!(outbox.taken(&both[0]).unwrap(), OutputPosition::default());
    drop(outbox);
    let none = Outbox::open(folder.path(), "edge".into(), "0".into(), Vec::new()).unwrap();
    assert!(none.is_none() && std::fs::read_dir(folder.path()).unwrap().next().is_none());
}

#[test]
fn too_many_events_cost_the_oldest_and_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let receivers = [webhook("a", "http://a", Mode::Structured), webhook("b", "http://b", Mode::Structured)];
    let mut outbox = open(folder.path(), &receivers);
    Arc::get_mut(&mut outbox).unwrap().events_max = 100;
    let numbered = |position| event(position, CONSUMED, false);
    let first: Vec<Event> = (1..=100).map(numbered).collect();
    assert_eq!(outbox.put(&first).unwrap(), BTreeMap::new());
    outbox.take(&receivers[0], OutputPosition { position: 4, index: 0 }, &[]).unwrap();
    let more: Vec<Event> = (101..=110).map(numbered).collect();
    assert_eq!(outbox.put(&more).unwrap(), BTreeMap::from([("a".to_owned(), 6), ("b".to_owned(), 10)]));
    let (events, _) = outbox.after(&receivers[1], OutputPosition::default(), 1).unwrap();
    assert_eq!(events[0].at.position, 11);
}

#[test]
fn a_webhook_gets_cloud_events_in_order_and_no_history() {
    let folder = tempfile::tempdir().unwrap();
    let (structured, binary, few) = (Server::start(), Server::start(), Server::start());
    let token = folder.path().join("token");
    std::fs::write(&token, "t0ken\n").unwrap();
    let mut picky = webhook("few", &few.url(), Mode::Structured);
    picky.speaks = Speaks::Webhook {
        mode: Mode::Structured,
        headers: BTreeMap::from([("X-Team".to_owned(), "payments".to_owned())]),
        types: vec![FIRING.to_owned()],
        replay: true,
    };
    picky.http.auth = Auth::Bearer(token);
    let receivers = [
        webhook("structured", &format!("{}/in", structured.url()), Mode::Structured),
        webhook("binary", &binary.url(), Mode::Binary),
        picky,
    ];
    let running = Running::start(folder.path(), &receivers);
    running.put(&[event(2, CONSUMED, false), event(3, FIRING, true)]);
    running.put(&[event(4, RESOLVED, false)]);

    let posted = structured.wait(2);
    assert_eq!(ids(&posted), ["id-2", "id-4"]);
    assert_eq!(posted[0].path, "/in");
    assert_eq!(posted[0].headers["content-type"], "application/cloudevents+json; charset=UTF-8");
    let want = event(2, CONSUMED, false);
    let want = want.to_json(&want.attributes("/ninetail/edge", Some(&"0123456789abcdef".into())));
    assert_eq!(posted[0].json().to_string(), want);

    let posted = binary.wait(2);
    let header = |name: &str| posted[1].headers[name].as_str();
    assert_eq!(header("content-type"), "application/json");
    assert_eq!((header("ce-id"), header("ce-type")), ("id-4", "slo.burn_rate.resolved"));
    // percent signs of the attribute are percent-encoded once more, as the binding says
    assert_eq!(header("ce-subject"), "shop%2520%25C3%25A9/availability");
    assert_eq!(header("ce-partitionkey"), "shop%20%C3%A9");
    assert_eq!(header("ce-specversion"), "1.0");
    assert!(!posted[1].headers.contains_key("ce-datacontenttype"));
    assert_eq!(posted[1].json().to_string(), event(4, RESOLVED, false).data);

    let posted = few.wait(1);
    assert_eq!(ids(&posted), ["id-3"]);
    assert_eq!(
        (&*posted[0].headers["x-team"], &*posted[0].headers["authorization"]),
        ("payments", "Bearer t0ken")
    );
    running.metric("ninetail_deliveries_total{receiver=\"structured\",outcome=\"taken\"} 2");
    running.end();
    assert_eq!((structured.posted().len(), few.posted().len()), (2, 1));
}

#[test]
fn a_webhook_that_fails_gets_everything_later() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let receivers = [webhook("hook", &server.url(), Mode::Structured)];
    let running = Running::start(folder.path(), &receivers);
    let second = Duration::from_secs(2);
    // busy; slower than the timeout; refused for good; fine
    server.answer(&[Answer::Status(503), Answer::Silence(second), Answer::Status(200), Answer::Status(400)]);
    let events: Vec<Event> = (2..6).map(|n| event(n, CONSUMED, false)).collect();
    let started = Instant::now();
    running.put(&events);
    assert!(started.elapsed() < Duration::from_millis(900), "a receiver does not hold up whoever puts");
    let posted = server.wait(6);
    assert_eq!(ids(&posted), ["id-2", "id-2", "id-2", "id-3", "id-4", "id-5"]);
    // 0.5 s after the first failure, 1 s after the timeout
    assert!(started.elapsed() > Duration::from_millis(2400), "{:?}", started.elapsed());
    for line in [
        "ninetail_deliveries_total{receiver=\"hook\",outcome=\"failed\"} 2",
        "ninetail_deliveries_total{receiver=\"hook\",outcome=\"refused\"} 1",
        "ninetail_delivery_dropped_total{receiver=\"hook\"} 1",
    ] {
        running.metric(line);
    }
    running.end();

    // nobody is there: the process ends all the same, and what waits is delivered by the next one
    let address = server.address();
    drop(server);
    let running = Running::start(folder.path(), &receivers);
    running.put(&[event(6, CONSUMED, false), event(7, CONSUMED, false)]);
    running.metric("ninetail_delivery_waiting{receiver=\"hook\"} 2");
    assert!(running.end() < Duration::from_secs(5));
    let server = Server::at(address);
    let running = Running::start(folder.path(), &receivers);
    assert_eq!(ids(&server.wait(2)), ["id-6", "id-7"]);
    running.put(&[event(8, CONSUMED, false)]);
    // told to stop, it delivers what was put before
    running.end();
    assert_eq!(ids(&server.posted()), ["id-6", "id-7", "id-8"]);
}

/// The alerts of a request, after what version 2 of the API demands of them.
fn alerts(posted: &Posted) -> Vec<Value> {
    assert_eq!(posted.path, "/api/v2/alerts");
    assert_eq!(posted.headers["content-type"], "application/json");
    let alerts = posted.json().as_array().expect("an array").clone();
    for alert in &alerts {
        for key in alert.as_object().expect("an object").keys() {
            assert!(["labels", "annotations", "startsAt", "endsAt"].contains(&&**key), "{key}");
        }
        let labels = alert["labels"].as_object().expect("labels");
        assert!(labels["alertname"] == "ErrorBudgetBurn");
        for (name, value) in labels.iter().chain(alert["annotations"].as_object().expect("annotations")) {
            let letters = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            assert!(letters && value.as_str().is_some_and(|v| !v.is_empty()), "{name}: {value}");
        }
        assert!(at(alert, "endsAt") >= at(alert, "startsAt"), "{alert}");
    }
    alerts
}

fn at(alert: &Value, name: &str) -> Time {
    Time::parse(alert[name].as_str().expect("a time")).expect("RFC 3339")
}

#[test]
fn an_alertmanager_is_told_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let receivers = [alertmanager(&server.url())];
    let running = Running::start(folder.path(), &receivers);
    running.put(&[event(2, FIRING, true), event(3, CONSUMED, false), event(4, FIRING, false)]);
    let posted = server.wait(3);
    let told: Vec<Value> = posted.iter().flat_map(alerts).collect();
    assert_eq!(told.len(), 3, "one alert, three times: {told:?}");
    let labels = json!({
        "alertname": "ErrorBudgetBurn", "channel": "payments", "cluster": "eu-2", "pipeline": "edge", "service": "shop é",
        "slo": "availability", "group": "/users/{id}", "tier": "1", "severity": "page", "rule": "page-1h", "long": "1h", "short": "5m",
    });
    assert_eq!(told[0]["labels"], labels);
    assert_eq!(at(&told[0], "startsAt"), event(4, FIRING, false).time);
    assert_eq!(told[0]["annotations"]["runbook_url"], "https://runbooks.example.com/shop");
    assert_eq!(told[0]["annotations"]["burn_rate_long"], "36");
    let contributors = "method=GET route=/cart: 4 of 5 bad; method=none route=/: 1 of 1 bad";
    assert_eq!(told[0]["annotations"]["top_contributors"], contributors);
    let summary = told[0]["annotations"]["summary"].as_str().expect("text");
    assert!(summary.contains("the error budget of availability for route /users/{id} (99.9 %"), "{summary}");
    assert_eq!(told[0]["labels"], told[2]["labels"]);
    assert!(at(&told[2], "endsAt") > at(&told[0], "endsAt"), "each report holds longer");
    running.metric("ninetail_delivery_alerts_firing{receiver=\"alertmanager\"} 1");
    running.end();

    // after a restart it is told at once, without a new event
    let seen = server.posted().len();
    let running = Running::start(folder.path(), &receivers);
    let again = alerts(server.wait(seen + 1).last().unwrap());
    assert_eq!((again.len(), &again[0]["labels"]), (1, &labels));

    // its end counts, though it was found in history
    running.put(&[event(9, RESOLVED, true)]);
    running.metric("ninetail_delivery_alerts_firing{receiver=\"alertmanager\"} 0");
    let seen = server.posted().len();
    let told: Vec<Value> = server.wait(seen + 3).iter().skip(seen + 1).flat_map(alerts).collect();
    assert!(told.len() >= 2, "it is told again");
    for alert in &told {
        assert_eq!(at(alert, "endsAt"), event(9, RESOLVED, true).time);
        assert_eq!(alert["labels"], labels);
    }
    running.end();
}

#[test]
fn an_alertmanager_that_was_away_is_told_how_things_stand() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start();
    let (address, url) = (server.address(), server.url());
    drop(server);
    let receivers = [alertmanager(&url)];
    let running = Running::start(folder.path(), &receivers);
    for n in 0..50 {
        running.put(&[event(2 + 2 * n, FIRING, false), event(3 + 2 * n, RESOLVED, false)]);
    }
    running.put(&[event(200, FIRING, false)]);
    running.metric("ninetail_delivery_alerts_firing{receiver=\"alertmanager\"} 1");
    assert_eq!(running.outbox.waiting(OutputPosition::default()).unwrap(), 0, "nothing piles up");
    let server = Server::at(address);
    let told = alerts(&server.wait(1)[0]);
    assert_eq!(told.len(), 1);
    assert_eq!(at(&told[0], "startsAt"), event(200, FIRING, false).time);
    running.end();
}

#[test]
fn waits_double_up_to_a_minute() {
    let mut retry = Retry::new();
    let mut waits = Vec::new();
    for _ in 0..9 {
        waits.push(retry.wait.as_millis());
        retry.failed();
    }
    assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 16_000, 32_000, 60_000, 60_000]);
    assert!(retry.is_failing() && !retry.is_due());
    retry.succeeded();
    assert!(retry.is_due() && retry.wait == RETRY_MIN);
}
