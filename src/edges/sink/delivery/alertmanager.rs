//! Alerts to an Alertmanager (API version 2): it is told the state of every alert, again and again.
//!
//! Invariant: what counts is each alert's latest state, so an Alertmanager that was away is told how things stand
//! and not what happened meanwhile; one that fired and ended while it was away pages nobody. Labels are an alert's identity
//! and hold nothing that changes while it fires; numbers are annotations.

use super::http::{Answer, Http};
use super::{Delivery, Retry, TURN};
use crate::core::event::{FIRING, RESOLVED};
use crate::core::time::{SECOND_US, Time};
use crate::edges::metrics::ReceiverLabel;
use crate::edges::sink::delivery::OutboxError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Events that are read at a time.
const BATCH_MAX: usize = 1000;
/// Alerts in one request.
const ALERTS_MAX: usize = 500;
/// How long an alert that ended is told again: an Alertmanager that restarted meanwhile has forgotten it.
const RESOLVED_FOR: Duration = Duration::from_secs(5 * 60);
/// An alert that is not told again for so many intervals ends by itself: we are gone, or cannot reach it.
const INTERVALS_MAX: i64 = 4;

/// An alert, as the outbox keeps it.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
struct Alert {
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
    starts_at: Time,
    /// None while it fires.
    ends_at: Option<Time>,
    /// When this state was taken first. None: not yet.
    told_at: Option<Time>,
}

/// What is known of an Alertmanager's alerts, by fingerprint.
struct Alerts {
    labels: BTreeMap<String, String>,
    known: BTreeMap<String, Alert>,
    /// Those whose kept form is behind.
    changed: Vec<String>,
}

pub(super) fn run(delivery: &Delivery, resend_every: Duration, labels: BTreeMap<String, String>) {
    let mut http = Http::new(&delivery.receiver.http);
    let mut retry = Retry::new();
    let mut alerts = loop {
        match Alerts::restored(delivery, labels.clone()) {
            Ok(alerts) => break alerts,
            Err(error) => delivery.log(&error.to_string()),
        }
        retry.failed();
        while !retry.is_due() {
            if delivery.control.stopped() {
                return;
            }
            std::thread::sleep(TURN);
        }
        retry.not_before = None;
    };
    // told anew after a restart: the Alertmanager may have restarted too
    let mut told_all: Option<Instant> = None;
    while !retry.gives_up(&delivery.control) {
        // asked before the outbox: what was put before the end is looked at
        let ending = delivery.control.stopped();
        if let Err(error) = alerts.follow(delivery) {
            delivery.log(&error.to_string());
            std::thread::sleep(TURN);
        }
        let again = told_all.is_none_or(|at| at.elapsed() >= resend_every);
        if retry.is_due() && (again || alerts.has_news()) {
            match alerts.tell(delivery, &mut http, resend_every, again) {
                Ok(()) => {
                    retry.succeeded();
                    if again {
                        told_all = Some(Instant::now());
                    }
                    // a change that cannot be kept is tried again with the next
                    let _ = alerts.keep(delivery).inspect_err(|error| delivery.log(&error.to_string()));
                }
                Err(why) => {
                    retry.failed();
                    delivery.log(&format!("cannot be reached, trying again: {why}"));
                }
            }
        }
        if ending && !alerts.has_news() {
            return;
        }
        delivery.outbox.wait(TURN);
    }
}

impl Alerts {
    fn restored(delivery: &Delivery, labels: BTreeMap<String, String>) -> Result<Alerts, OutboxError> {
        let kept = delivery.outbox.kept(&delivery.receiver)?;
        // what we kept is JSON of ours
        let known =
            kept.into_iter().filter_map(|(name, json)| Some((name, serde_json::from_slice(&json).ok()?)));
        Ok(Alerts { labels, known: known.collect(), changed: Vec::new() })
    }

    /// Takes all events that wait into the alerts' states, and keeps both.
    fn follow(&mut self, delivery: &Delivery) -> Result<(), OutboxError> {
        loop {
            let (outbox, receiver) = (&delivery.outbox, &delivery.receiver);
            let from = outbox.taken(receiver)?;
            let (events, looked) = outbox.after(receiver, from, BATCH_MAX)?;
            if looked == from {
                delivery.show_waiting(self.known.values().filter(|a| a.told_at.is_none()).count());
                return Ok(());
            }
            for waiting in &events {
                self.learn(&waiting.event, (delivery.now)());
            }
            self.store(delivery, looked)?;
            let label = ReceiverLabel { receiver: receiver.name.clone() };
            let firing = self.known.values().filter(|a| a.ends_at.is_none()).count();
            delivery.metrics.delivery_alerts_firing.get_or_create(&label).set(firing as i64);
        }
    }

    /// Takes one event into the state of its alert.
    fn learn(&mut self, event: &Value, now: Time) {
        let data = &event["data"];
        let Some(fingerprint) = data["state"]["fingerprint"].as_str() else { return };
        let time = |value: &Value| value.as_str().and_then(Time::parse).map(|t| t.min(now));
        match (event["type"].as_str(), self.known.get_mut(fingerprint)) {
            (Some(FIRING), known) => {
                let starts_at = time(&data["state"]["since"]).unwrap_or(now);
                let labels = match known.filter(|a| a.ends_at.is_none()) {
                    // one that fires keeps its identity, whatever its service is called by now
                    Some(alert) => alert.labels.clone(),
                    None => identity(event, &self.labels),
                };
                let annotations = annotations(event);
                let alert = Alert { labels, annotations, starts_at, ends_at: None, told_at: None };
                self.known.insert(fingerprint.to_owned(), alert);
            }
            (Some(RESOLVED), Some(alert)) if alert.ends_at.is_none() => {
                alert.annotations = annotations(event);
                alert.ends_at = Some(time(&event["time"]).unwrap_or(now).max(alert.starts_at));
                alert.told_at = None;
            }
            _ => return,
        }
        self.changed.push(fingerprint.to_owned());
    }

    /// Whether the Alertmanager lacks something.
    fn has_news(&self) -> bool {
        self.known.values().any(|a| a.told_at.is_none())
    }

    /// Tells what is new, or everything; what ended long enough ago is forgotten.
    fn tell(
        &mut self,
        delivery: &Delivery,
        http: &mut Http,
        resend_every: Duration,
        all: bool,
    ) -> Result<(), String> {
        let now = (delivery.now)();
        let over =
            |a: &Alert| a.ends_at.is_some() && a.told_at.is_some_and(|at| passed(at, now) > RESOLVED_FOR);
        let forgotten: Vec<String> =
            self.known.iter().filter(|(_, a)| over(a)).map(|(f, _)| f.clone()).collect();
        for fingerprint in forgotten {
            self.known.remove(&fingerprint);
            self.changed.push(fingerprint);
        }
        let told: Vec<String> =
            self.known.iter().filter(|(_, a)| all || a.told_at.is_none()).map(|(f, _)| f.clone()).collect();
        let holds = i64::try_from(resend_every.as_micros()).unwrap_or(i64::MAX).saturating_mul(INTERVALS_MAX);
        let until = Time(now.0.saturating_add(holds.max(60 * SECOND_US)));
        for part in told.chunks(ALERTS_MAX) {
            let alerts: Vec<Value> = part.iter().map(|f| posted(&self.known[f], until)).collect();
            let body = Value::from(alerts).to_string().into_bytes();
            let json = [("content-type".to_owned(), "application/json".to_owned())];
            match delivery.post(http, &json, &body) {
                Answer::Taken => {}
                // it takes the others of the request; repeating it would change nothing
                Answer::Refused(why) => {
                    delivery.log(&format!("refuses an alert: {why}"));
                    let label = ReceiverLabel { receiver: delivery.receiver.name.clone() };
                    delivery.metrics.delivery_dropped.get_or_create(&label).inc();
                }
                Answer::Failed(why) => return Err(why),
            }
            for fingerprint in part {
                let alert = self.known.get_mut(fingerprint).filter(|a| a.told_at.is_none());
                if let Some(alert) = alert {
                    alert.told_at = Some(now);
                    self.changed.push(fingerprint.clone());
                }
            }
        }
        Ok(())
    }

    /// Keeps what changed since it was kept last.
    fn keep(&mut self, delivery: &Delivery) -> Result<(), OutboxError> {
        if self.changed.is_empty() {
            return Ok(());
        }
        let at = delivery.outbox.taken(&delivery.receiver)?;
        self.store(delivery, at)
    }

    fn store(
        &mut self,
        delivery: &Delivery,
        at: crate::core::rollup::OutputPosition,
    ) -> Result<(), OutboxError> {
        let kept = |fingerprint: &String| {
            // texts and numbers: they have a JSON form
            let json = self.known.get(fingerprint).map(|alert| serde_json::to_vec(alert).unwrap_or_default());
            (fingerprint.clone(), json)
        };
        let kept: Vec<(String, Option<Vec<u8>>)> = self.changed.iter().map(kept).collect();
        delivery.outbox.take(&delivery.receiver, at, &kept)?;
        self.changed.clear();
        Ok(())
    }
}

fn passed(from: Time, to: Time) -> Duration {
    Duration::from_micros(to.0.saturating_sub(from.0).max(0) as u64)
}

/// What tells an alert from another. Empty labels are none.
fn identity(event: &Value, more: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let data = &event["data"];
    let text = |value: &Value| match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let pipeline = event["source"].as_str().and_then(|s| s.rsplit('/').next()).unwrap_or_default();
    let own = [
        ("alertname", "ErrorBudgetBurn".to_owned()),
        ("pipeline", pipeline.to_owned()),
        ("service", text(&data["slo"]["service"])),
        ("slo", text(&data["slo"]["name"])),
        ("group", text(&data["slo"]["group"])),
        ("tier", text(&data["slo"]["tier"])),
        ("owner", text(&data["slo"]["owner"])),
        ("severity", text(&data["severity"])),
        ("rule", text(&data["burn"]["rule"])),
        ("long", text(&data["burn"]["long"]["window"])),
        ("short", text(&data["burn"]["short"]["window"])),
    ];
    let mut labels = more.clone();
    let of_service = data["slo"]["labels"].as_object().into_iter().flatten();
    labels.extend(of_service.map(|(name, value)| (name.clone(), text(value))));
    labels.extend(own.into_iter().map(|(name, value)| (name.to_owned(), value)));
    labels.retain(|_, value| !value.is_empty());
    labels
}

/// What people read of an alert.
fn annotations(event: &Value) -> BTreeMap<String, String> {
    let data = &event["data"];
    let text = |pointer: &str| data.pointer(pointer).and_then(Value::as_str);
    let number = |pointer: &str| data.pointer(pointer).map(Value::to_string).unwrap_or_default();
    let said = |pointer: &str| text(pointer).unwrap_or("no").to_owned();
    let (service, slo) = (said("/slo/service"), said("/slo/name"));
    let slo =
        text("/slo/group").map_or(slo.clone(), |group| format!("{slo} for {} {group}", said("/slo/per")));
    let summary = format!(
        "{service} burns the error budget of {slo} ({} % over {}) at {} times the rate that would last",
        said("/slo/objective"),
        said("/slo/window/length"),
        said("/burn/governing_rate"),
    );
    let window = |which: &str| {
        let of = |field: &str| format!("/burn/{which}/{field}");
        format!(
            "{} of {} requests of the last {} were bad (rate {})",
            number(&of("bad")),
            number(&of("total")),
            said(&of("window")),
            said(&of("rate")),
        )
    };
    let description = format!(
        "{}, {}. It fires while both rates are above {}. Of the budget, {} is left (1 is all of it).",
        window("long"),
        window("short"),
        said("/burn/factor"),
        said("/budget/remaining_ratio"),
    );
    let mut annotations = BTreeMap::from([
        ("summary".to_owned(), summary),
        ("description".to_owned(), description),
        ("event_id".to_owned(), event["id"].as_str().unwrap_or_default().to_owned()),
    ]);
    for (name, pointer) in [
        ("runbook_url", "/links/runbook_url"),
        ("dashboard_url", "/links/dashboard_url"),
        ("burn_rate_long", "/burn/long/rate"),
        ("burn_rate_short", "/burn/short/rate"),
        ("burn_rate_factor", "/burn/factor"),
        ("budget_consumed_ratio", "/budget/consumed_ratio"),
        ("budget_remaining_ratio", "/budget/remaining_ratio"),
        ("exhausts_at", "/projection/exhausts_at"),
    ] {
        if let Some(value) = text(pointer) {
            annotations.insert(name.to_owned(), value.to_owned());
        }
    }
    let contributors = contributors(&data["top_contributors"]);
    if !contributors.is_empty() {
        annotations.insert("top_contributors".to_owned(), contributors);
    }
    annotations
}

/// What brought most of the bad requests: `route=/cart method=GET: 12 of 15 bad; …`.
fn contributors(all: &Value) -> String {
    let one = |contributor: &Value| {
        let values = contributor["dimensions"].as_object().into_iter().flatten();
        let values = values.map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or("none")));
        let (bad, total) = (&contributor["bad"], &contributor["total"]);
        format!("{}: {bad} of {total} bad", values.collect::<Vec<_>>().join(" "))
    };
    all.as_array().into_iter().flatten().map(one).collect::<Vec<_>>().join("; ")
}

/// An alert as the API takes it. One that fires holds until then unless it is told again.
fn posted(alert: &Alert, until: Time) -> Value {
    json!({
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": alert.starts_at.to_string(),
        "endsAt": alert.ends_at.unwrap_or(until).to_string(),
    })
}
