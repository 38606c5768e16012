//! Every event type, provoked by one story of traffic on real Kafka and validated against its schema: a type that nothing
//! here can bring about would be one that nobody has ever seen.

use crate::fixture::oracle::compare_events;
use crate::fixture::scenario::PATIENCE;
use crate::fixture::{Lines, Options, Outcome, Scenario};
use ninetail::core::event::KINDS;
use ninetail::core::time::Time;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

/// Two requests a second of event time, from so many seconds of the story to so many.
fn lines(begin_s: i64, seconds: Range<i64>, status: u16) -> Lines {
    let line = |half: i64| {
        let time = Time(1_000_000 * (begin_s + seconds.start) + 500_000 * half);
        let line = format!(
            "http {time} app/edge/50dc6c495c0c9188 192.0.2.1:2817 10.0.0.1:80 0.000 0.001 0.000 {status} {status} 34 366 \
             \"GET http://shop.example.com:80/users/17 HTTP/1.1\" \"curl/7.46.0\" - - \
             arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/shop/73e2d6bc24d8a067 \"Root=1-2-3\" \"-\" \"-\" 0 \
             {time} \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"{status}\" \"-\" \"-\""
        );
        (0, line.into_bytes())
    };
    (0..2 * (seconds.end - seconds.start)).map(line).collect()
}

/// A budget of half an hour, which is soon gone and soon back, and one of a day that ends within the story.
fn extend(scenario: &Scenario, midnight_s: i64) -> Outcome {
    // zones are named by what is to be added to get to UTC
    let zone = match midnight_s.rem_euclid(86_400) / 3_600 {
        0 => "UTC".to_owned(),
        hour @ 1..=12 => format!("Etc/GMT+{hour}"),
        hour => format!("Etc/GMT-{}", 24 - hour),
    };
    let slos = format!(
        "  - name: short
    service: \"*\"
    objective: 99
    window: 30m
    indicator: {{ good: status < 500 }}
    alerts: none
  - name: day
    service: \"*\"
    objective: 99
    window: {{ calendar: day, time_zone: {zone} }}
    indicator: {{ good: status < 500 }}
    alerts: none
alerts:"
    );
    let text = std::fs::read_to_string(scenario.pipeline())?;
    let text = text.replacen("alerts:", &slos, 1).replacen(
        "name: \"{target_group}\"",
        "name: \"{target_group}\"\n    tier: 2\n    labels: { channel: shop }",
        1,
    );
    Ok(std::fs::write(scenario.pipeline(), text)?)
}

/// Where numbers come from stands in the events: the route that failed, what came late, what was lost, up to which offset.
fn contributors_and_provenance(events: &[Value]) -> Outcome {
    let (mut named, mut offset, mut late) = (0, 0, BTreeSet::new());
    for event in events.iter().filter(|e| e["type"] != "slo.data.gap") {
        let (data, provenance) = (&event["data"], &event["data"]["provenance"]);
        let topics = provenance["source_offsets"].as_array().ok_or("no offsets")?;
        let next = topics[0]["next"][0].as_i64().ok_or("no offset")?;
        assert!(topics.len() == 1 && next >= offset, "{event}");
        offset = next;
        // what was not read and what came late lies in the first half hour: in every window of thirty days
        if data["slo"]["window"]["length"] == "30d" {
            assert_eq!(provenance["dropped_events"], 3, "{event}");
            late.insert(provenance["late_events"].as_u64().ok_or("no late events")?);
        }
        assert_eq!(data["slo"]["labels"], json!({ "channel": "shop", "region": "eu" }), "{event}");
        for contributor in data["top_contributors"].as_array().ok_or("no contributors")? {
            assert_eq!(contributor["dimensions"], json!({ "route": "/users/{id}" }), "{event}");
            assert_eq!(contributor["share"], "1", "one route, one contributor: {event}");
            named += 1;
        }
    }
    assert!(named > 20, "{named} contributors");
    assert_eq!(late, [0, 120].into(), "the minute that came late is told from then on");
    Ok(())
}

pub(crate) fn seen_and_valid() -> Outcome {
    const MINUTE: i64 = 60;
    let options = Options {
        slice_s: 10,
        cut_s: 60,
        lateness: "5s",
        partitions: 1,
        dimensions: "route",
        more: "routes: ids\nservice_tiers: [{ tier: 2, labels: { region: eu } }]\n".into(),
        ..Options::default()
    };
    let scenario = Scenario::new("every-event", options)?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() as i64;
    let begin_s = now_s - 120 * MINUTE;
    // a full hour within the hour and a half that the story lasts
    extend(&scenario, (begin_s + 85 * MINUTE).div_euclid(3_600) * 3_600)?;
    let client = &scenario.client;
    let story = |minutes: Range<f64>, status: u16| {
        lines(begin_s, (minutes.start * 60.0) as i64..(minutes.end * 60.0) as i64, status)
    };
    let run = || scenario.run(&["--until-end"], &[])?.succeed(PATIENCE);

    // what cannot be read belongs to nobody
    let junk = vec![(0, b"no line of a load balancer".to_vec()); 3];
    client.produce(&scenario.topic, &junk)?;
    // an outage: consumed, exhausted, policy_changed, firing
    client.produce(&scenario.topic, &story(0.0..20.0, 200))?;
    client.produce(&scenario.topic, &story(20.0..24.5, 502))?;
    run()?;
    // two minutes are lost before they are read: gap, frozen, and later thawed, resolved, recovered; the day ends: closed
    let lost = story(24.5..26.5, 200);
    let (_, end) = client.watermarks(&scenario.topic, 0)?;
    client.produce(&scenario.topic, &lost)?;
    client.produce(&scenario.topic, &story(26.5..90.0, 200))?;
    client.delete_records(&scenario.topic, 0, end + lost.len() as i64)?;
    run()?;
    // what was told turns out to be another: revised
    client.produce(&scenario.topic, &story(22.0..23.0, 502))?;
    client.produce(&scenario.topic, &story(90.0..91.0, 200))?;
    run()?;

    let events = scenario.events()?;
    compare_events(&events)?;
    for event in &events {
        let kind = event["type"].as_str().ok_or("no type")?;
        let path = format!("{}/schemas/events/{kind}.schema.json", env!("CARGO_MANIFEST_DIR"));
        let schema = jsonschema::validator_for(&serde_json::from_slice(&std::fs::read(path)?)?)?;
        schema.validate(&event["data"]).map_err(|e| format!("{e} in {event}"))?;
    }
    let seen: BTreeSet<&str> = events.iter().filter_map(|e: &Value| e["type"].as_str()).collect();
    contributors_and_provenance(&events)?;
    assert_eq!(seen, KINDS.iter().map(|kind| kind.name).collect(), "types seen, and types there are");
    Ok(())
}
