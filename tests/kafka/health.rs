//! What those see who run it: health, metrics that tell the truth, and how soon a killed process is back.

use crate::fixture::http::{self, Samples};
use crate::fixture::scenario::{PATIENCE, recent_lines};
use crate::fixture::tables::integer;
use crate::fixture::{Options, Outcome, Scenario, eventually};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

fn brisk(port: u16) -> Options {
    Options {
        slice_s: 10,
        cut_s: 10,
        lateness: "5s",
        idle_timeout: "2s",
        more: format!("http: 127.0.0.1:{port}\n"),
        ..Options::default()
    }
}

/// The status of a path once somebody listens.
fn status(port: u16, path: &str) -> Outcome<u16> {
    eventually("somebody listens", PATIENCE, || Ok(http::get(port, path)?.map(|answer| answer.status)))
}

/// A scrape; None while nobody listens.
fn scrape(port: u16) -> Outcome<Option<Samples>> {
    let Some(answer) = http::get(port, "/metrics")? else { return Ok(None) };
    assert_eq!(answer.status, 200);
    assert!(answer.content_type.starts_with("text/plain; version=0.0.4"), "{}", answer.content_type);
    http::samples(&answer.body).map(Some)
}

fn value(samples: &Samples, key: &str) -> f64 {
    samples.get(key).copied().unwrap_or(0.0)
}

fn lag(scenario: &Scenario, samples: &Samples) -> Vec<Option<f64>> {
    let key = |partition| {
        let topic = &scenario.topic;
        format!("ninetail_kafka_lag_records{{source=\"alb\",topic=\"{topic}\",partition=\"{partition}\"}}")
    };
    (0..scenario.options.partitions).map(|partition| samples.get(&key(partition)).copied()).collect()
}

/// Alive from the start, ready once something went through; every count is the truth.
pub(crate) fn and_metrics_tell_the_truth() -> Outcome {
    let port = http::free_port()?;
    let mut scenario = Scenario::new("metrics", brisk(port))?;
    scenario.topic = format!("{}-to-come", scenario.name);
    scenario.write_pipeline()?;
    let mut process = scenario.run(&[], &[])?;
    assert_eq!(status(port, "/livez")?, 200);
    assert_eq!(status(port, "/readyz")?, 503, "nothing has gone through yet");
    assert_eq!(status(port, "/nowhere")?, 404);
    let first = scrape(port)?.ok_or("nobody listens")?;
    assert!(first.keys().any(|key| key.starts_with("ninetail_build_info{version=")), "{first:?}");
    assert_eq!(value(&first, "ninetail_records_total{outcome=\"record\"}"), 0.0);

    let good = recent_lines(41, 4_000, 120, 4);
    let mut lines = good.clone();
    (0..30).for_each(|n| lines.insert(100 * n, ((n % 4) as i32, b"no line of a load balancer".to_vec())));
    let mut truth = scenario.truth();
    good.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.create_topic(&scenario.topic, 4, &[])?;
    scenario.client.produce(&scenario.topic, &lines)?;
    eventually("it is ready", PATIENCE, || Ok((status(port, "/readyz")? == 200).then_some(())))?;
    eventually("every request in a row", PATIENCE, || {
        let rows = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS requests FROM {table}")?;
        let sum = rows.first().map(|row| integer(row, "requests")).transpose()?;
        Ok(sum.filter(|sum| *sum == truth.requests()))
    })?;
    let before = events(&scenario)?;
    let samples = eventually("no lag", PATIENCE, || {
        let samples = scrape(port)?;
        Ok(samples.filter(|samples| lag(&scenario, samples) == vec![Some(0.0); 4]))
    })?;
    let after = events(&scenario)?;
    let services: BTreeSet<String> = truth.errors().into_keys().map(|(service, _)| service).collect();
    for (key, want) in [
        ("ninetail_records_total{outcome=\"record\"}", truth.requests()),
        ("ninetail_records_total{outcome=\"rejected\"}", 30),
        ("ninetail_dead_letters_total", 30),
        ("ninetail_replayed_total", 0),
        ("ninetail_services", services.len() as i64),
        ("ninetail_services_folded", 0),
    ] {
        assert_eq!(value(&samples, key), want as f64, "{key}");
    }
    let sum = |prefix: &str| -> f64 {
        samples.iter().filter(|(key, _)| key.starts_with(prefix)).map(|(_, value)| value).sum()
    };
    assert_eq!(sum("ninetail_records_total{"), lines.len() as f64, "all lines, by outcome");
    assert_eq!(sum("ninetail_rejected_total{"), 30.0, "by reason");
    assert_eq!(sum("ninetail_sink_errors_total{"), 0.0);
    assert!(!before.is_empty(), "the traffic has bad requests, hence events");
    for (key, published) in &before {
        let counted = value(&samples, key);
        let bounds = *published..=value(&after, key);
        assert!(bounds.contains(&counted), "{key} is {counted}, not within {bounds:?}");
    }
    assert!(value(&samples, "ninetail_cuts_total") >= 1.0);
    assert_eq!(status(port, "/livez")?, 200);
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "SIGTERM is a graceful end:\n{}", process.said());
    scenario.check(&truth)
}

/// JSON that a server has pasted together: what is repaired and read all the same is counted beside the records.
pub(crate) fn and_repaired_lines_are_counted() -> Outcome {
    let port = http::free_port()?;
    let scenario = Scenario::new("repaired", brisk(port))?;
    let pipeline = std::fs::read_to_string(scenario.pipeline())?.replace("aws_alb", "nginx_json");
    std::fs::write(scenario.pipeline(), pipeline.replace("{target_group}", "{host}"))?;
    let now = jiff::Timestamp::now();
    let line = |rest: &str| {
        format!("{{\"time_iso8601\":\"{now:.0}\",\"status\":200,\"host\":\"shop\",{rest}}}").into_bytes()
    };
    let lines = vec![
        (0, line("\"upstream_response_time\":0.010,\"request_time\":0.012")),
        (0, line("\"upstream_response_time\":-,\"request_time\":0.012")),
        (1, line("\"upstream_response_time\":,\"request_time\":0.012")),
        (1, line("\"http_user_agent\":\"a \\x22quoted\\x22 one\",\"request_time\":0.012")),
        (1, line("\"request_time\" 0.012")),
    ];
    scenario.client.produce(&scenario.topic, &lines)?;
    let mut process = scenario.run(&[], &[])?;
    let samples = eventually("all lines are read", PATIENCE, || {
        let all = |samples: &Samples| {
            value(samples, "ninetail_records_total{outcome=\"record\"}")
                + value(samples, "ninetail_records_total{outcome=\"rejected\"}")
        };
        Ok(scrape(port)?.filter(|samples| all(samples) == 5.0))
    })?;
    assert_eq!(value(&samples, "ninetail_repaired_total"), 3.0, "{samples:?}");
    assert_eq!(value(&samples, "ninetail_rejected_total{reason=\"broken_json\"}"), 1.0, "{samples:?}");
    process.signal("TERM")?;
    assert!(process.wait(PATIENCE)?.success(), "{}", process.said());
    Ok(())
}

/// How many events there are, by the metric that counts their type.
fn events(scenario: &Scenario) -> Outcome<Samples> {
    let mut counts = Samples::new();
    for event in scenario.events()? {
        let kind = event["type"].as_str().ok_or("an event without a type")?;
        *counts.entry(format!("ninetail_events_total{{type=\"{kind}\"}}")).or_default() += 1.0;
    }
    Ok(counts)
}

/// Killed and started again: how long until the first line is counted, and until there is no lag. The times are
/// printed; a slow machine fails nobody.
pub(crate) fn back_after_a_kill() -> Outcome {
    let port = http::free_port()?;
    let scenario = Scenario::new("back", brisk(port))?;
    let lines = recent_lines(42, 24_000, 300, 4);
    let mut truth = scenario.truth();
    lines.iter().for_each(|(_, line)| truth.add(line));
    scenario.client.produce(&scenario.topic, &lines[..12_000])?;
    let mut process = scenario.run(&[], &[])?;
    scenario.goes_on(&mut process)?;
    for piece in lines[12_000..].chunks(4_000) {
        process.kill()?;
        scenario.client.produce(&scenario.topic, piece)?;
        let began = Instant::now();
        process = scenario.run(&[], &[])?;
        let (mut first, mut ready) = (None, None);
        let caught_up = eventually("no lag", PATIENCE, || {
            let Some(samples) = scrape(port)? else { return Ok(None) };
            if ready.is_none() && http::get(port, "/readyz")?.is_some_and(|answer| answer.status == 200) {
                ready = Some(began.elapsed());
            }
            let counted = value(&samples, "ninetail_records_total{outcome=\"record\"}");
            if first.is_none() && counted > 0.0 {
                first = Some(began.elapsed());
            }
            let read = lag(&scenario, &samples) == vec![Some(0.0); 4];
            Ok((read && counted >= piece.len() as f64).then(|| began.elapsed()))
        })?;
        let (first, ready) = (first.unwrap_or(caught_up), ready.unwrap_or(caught_up));
        let late = first > Duration::from_secs(2) || caught_up > Duration::from_secs(5);
        eprintln!(
            "after a kill: ready in {ready:.2?}, first line counted in {first:.2?}, caught up in {caught_up:.2?}{}",
            if late { " (slow: 2 s and 5 s are wanted)" } else { "" }
        );
    }
    process.signal("TERM")?;
    process.wait(PATIENCE)?;
    scenario.drain()?;
    scenario.check(&truth)
}
