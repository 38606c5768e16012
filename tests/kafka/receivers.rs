//! Alerts all the way: lines in Kafka, events in Kafka in binary mode, a real Alertmanager that notifies, a webhook.

use crate::fixture::alertmanager::Alertmanager;
use crate::fixture::client::{Read, shop};
use crate::fixture::oracle::compare_events;
use crate::fixture::scenario::PATIENCE;
use crate::fixture::{Options, Outcome, Scenario, eventually};
use crate::posted::{Answer, Receiver};
use serde_json::{Map, Value};
use std::collections::BTreeSet;
use std::time::{SystemTime, UNIX_EPOCH};

/// The event that a record in binary mode is, by its headers.
fn event(read: &Read) -> Outcome<Value> {
    let mut event = Map::new();
    for (name, value) in &read.headers {
        let value = String::from_utf8(value.clone())?;
        match name.strip_prefix("ce_") {
            // a header is text, whatever the attribute's type
            Some(attribute @ "severitynumber") => {
                event.insert(attribute.to_owned(), value.parse::<u64>()?.into())
            }
            Some(attribute) => event.insert(attribute.to_owned(), value.into()),
            None => {
                assert_eq!((name.as_str(), value.as_str()), ("content-type", "application/json"));
                event.insert("datacontenttype".to_owned(), value.into())
            }
        };
    }
    event.insert("data".to_owned(), serde_json::from_slice(read.value.as_deref().ok_or("no value")?)?);
    let event = Value::from(event);
    assert_eq!(read.key.as_deref(), event["partitionkey"].as_str().map(str::as_bytes));
    Ok(event)
}

/// An alert fires and resolves, over a kill between: Alertmanager shows and notifies both, the webhook gets every event.
pub(crate) fn firing_then_resolved() -> Outcome {
    let (notified, hook) = (Receiver::start(), Receiver::start());
    let alertmanager = Alertmanager::start(&notified.url())?;
    let more_sinks = format!(
        "  alertmanager: {{ url: \"{}\", resend_every: 1s, labels: {{ cluster: eu-1 }} }}
  webhook:
    - {{ url: \"{}/events\", mode: binary }}
    - {{ name: nowhere, url: \"http://127.0.0.1:9/\" }}
",
        alertmanager.url(),
        hook.url(),
    );
    let options = Options {
        slice_s: 10,
        cut_s: 10,
        lateness: "5s",
        idle_timeout: "10m",
        partitions: 1,
        events_mode: "binary",
        more_sinks,
        ..Options::default()
    };
    let scenario = Scenario::new("receivers", options)?;
    hook.answer(&[Answer::Status(503)]);
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    // the minute after the incident moves the watermark past it; nothing is idle before the test goes on
    scenario.client.produce(&scenario.topic, &shop(now_s, 660..720, 502))?;
    scenario.client.produce(&scenario.topic, &shop(now_s, 600..660, 200))?;
    let mut process = scenario.run(&[], &[])?;
    let fires = |alerts: Vec<Value>| {
        let page = |a: &Value| a["labels"]["rule"] == "page-1h" && a["labels"]["slo"] == "availability";
        alerts.into_iter().find(page)
    };
    let alert = eventually("the alert fires", PATIENCE, || {
        if let Some(status) = process.ended()? {
            return Err(format!("ended: {status}\n{}", process.said()).into());
        }
        Ok(fires(alertmanager.firing()?))
    })
    .map_err(|e| {
        let ids: Vec<String> = hook.posted().iter().map(|p| p.headers["ce-id"].clone()).collect();
        format!("{}\n{ids:#?}\n{}", e.message().unwrap_or_default(), process.said())
    })?;
    let labels = &alert["labels"];
    for (name, value) in [
        ("alertname", "ErrorBudgetBurn"),
        ("service", "shop"),
        ("severity", "page"),
        ("long", "1h"),
        ("short", "5m"),
        ("cluster", "eu-1"),
        ("pipeline", &scenario.name),
    ] {
        assert_eq!(labels[name], value, "{alert}");
    }
    assert!(alert["annotations"]["description"].as_str().is_some_and(|d| d.contains("requests")), "{alert}");
    process.kill()?;

    scenario.client.produce(&scenario.topic, &shop(now_s, 120..600, 200))?;
    let mut process = scenario.run(&[], &[])?;
    eventually("the alert ends", PATIENCE, || {
        if let Some(status) = process.ended()? {
            return Err(format!("ended: {status}\n{}", process.said()).into());
        }
        Ok(fires(alertmanager.firing()?).is_none().then_some(()))
    })
    .map_err(|e| format!("{}\n{}", e.message().unwrap_or_default(), process.said()))?;
    // it told people that it fired, and that it no longer does
    let told = |status: &str| {
        let told = notified.posted().into_iter().map(|p| p.json()).filter(|n| n["status"] == status);
        let alerts = told.flat_map(|n| n["alerts"].as_array().cloned().unwrap_or_default());
        fires(alerts.collect())
    };
    for status in ["firing", "resolved"] {
        eventually(status, PATIENCE, || Ok(told(status)))?;
    }
    process.signal("TERM")?;
    process.succeed(PATIENCE)?;

    let read = scenario.client.read(&format!("{}-events", scenario.name))?;
    let events: Vec<Value> = read.iter().map(event).collect::<Outcome<_>>()?;
    compare_events(&events)?;
    for event in &events {
        let kind = event["type"].as_str().ok_or("no type")?;
        let path = format!("{}/schemas/events/{kind}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema = jsonschema::validator_for(&serde_json::from_slice(&std::fs::read(path)?)?)?;
        schema.validate(&event["data"]).map_err(|e| format!("{e} in {event}"))?;
        assert_eq!(event["data"]["replay"], false, "{event}");
    }
    let kinds: BTreeSet<&str> = events.iter().filter_map(|e| e["type"].as_str()).collect();
    for kind in ["slo.burn_rate.firing", "slo.burn_rate.resolved", "slo.budget.consumed"] {
        assert!(kinds.contains(kind), "{kind} is not among {kinds:?}");
    }
    // the webhook has them all, in their order; what came twice came under the same id
    let (mut seen, mut delivered) = (BTreeSet::new(), Vec::new());
    for posted in hook.posted() {
        assert_eq!(posted.path, "/events");
        let id = posted.headers["ce-id"].clone();
        if seen.insert(id.clone()) {
            delivered.push(id);
        }
    }
    // in a header, the percent signs of an attribute are encoded once more
    let published: Vec<String> =
        events.iter().map(|e| e["id"].as_str().unwrap_or_default().replace('%', "%25")).collect();
    assert_eq!(delivered, published);
    Ok(())
}
