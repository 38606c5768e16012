//! Bad input never stops the process and never disappears: it is rejected, counted, and kept.

use crate::fixture::scenario::{lines, recent_lines};
use crate::fixture::tables::{Row, integer};
use crate::fixture::{Lines, Options, Outcome, Scenario};
use ninetail::shell::traffic::{Traffic, TrafficConfig};
use std::collections::BTreeMap;

/// Room for a line of 10 MiB.
const WIDE: &[(&str, &str)] = &[("max.message.bytes", "20971520")];

fn quality(scenario: &Scenario) -> Outcome<Row> {
    let sql = "SELECT sum(lines)::BIGINT AS lines, sum(records)::BIGINT AS records, sum(skipped)::BIGINT AS skipped,
               sum(rejected)::BIGINT AS rejected FROM {table}";
    scenario.rows("quality", sql)?.into_iter().next().ok_or_else(|| "no row of quality".into())
}

/// Every kind of bad line among good ones: the good count as ever, the bad have a reason and a dead letter.
pub(crate) fn every_kind() -> Outcome {
    let scenario = Scenario::new("bad", Options { topic_settings: WIDE, ..Options::default() })?;
    let good = recent_lines(17, 3_000, 300, 4);
    let mut truth = scenario.truth();
    good.iter().for_each(|(_, line)| truth.add(line));
    let sample = &good[100].1;
    let text = String::from_utf8(sample.clone())?;
    let end = text.split(' ').nth(1).ok_or("no time")?;
    let at = |time: &str| text.replacen(end, time, 1).into_bytes();
    let bad: Vec<(&str, Vec<u8>)> = vec![
        ("empty", Vec::new()),
        ("only a newline", b"\n".to_vec()),
        ("garbage", b"the quick brown fox jumps over the lazy dog".to_vec()),
        // without newlines, which would make several lines of it
        ("binary", (0..=255).cycle().filter(|byte| *byte != b'\n').take(4_096).collect()),
        ("zeros", vec![0; 1_000]),
        ("invalid UTF-8", [&b"\xff\xfe\xc3\x28"[..], &sample[..40]].concat()),
        ("10 MiB", vec![b'a'; 10 << 20]),
        ("10 MiB that begins well", [&sample[..], &vec![b'a'; 10 << 20][..]].concat()),
        ("cut in the type", sample[..2].to_vec()),
        ("cut in the time", sample[..20].to_vec()),
        ("cut before the status", text.split(" 200 ").next().ok_or("no status")?.as_bytes()[..90].to_vec()),
        ("the year 1970", at("1970-01-01T00:00:00.000000Z")),
        ("the year 1999", at("1999-12-31T23:59:59.999999Z")),
        ("the year 2999", at("2999-01-01T00:00:00.000000Z")),
        ("the year 9999", at("9999-12-31T23:59:59.999999Z")),
        ("the 31st of February", at("2025-02-31T00:00:00.000000Z")),
        ("no time", at("-")),
        ("JSON", br#"{"time":"2025-03-04T10:00:00Z","status":200}"#.to_vec()),
    ];
    // Times that cannot be: the line is a record all the same, without that latency.
    let mut fields: Vec<&str> = text.splitn(9, ' ').collect();
    fields[5] = "-0.5";
    fields[6] = "-99.000";
    let negative = fields.join(" ").into_bytes();
    let unread = {
        let mut fields: Vec<&str> = text.splitn(9, ' ').collect();
        fields[6] = "-1";
        fields.join(" ").into_bytes()
    };
    truth.add(&unread);
    let mut all: Lines = good.clone();
    for (index, (_, line)) in bad.iter().enumerate() {
        all.insert(50 + 100 * index, (index as i32 % 4, line.clone()));
    }
    all.insert(40, (1, negative));
    scenario.client.produce(&scenario.topic, &all)?;
    scenario.drain()?;
    scenario.check(&truth)?;
    let quality = quality(&scenario)?;
    let count = |column| integer(&quality, column);
    assert_eq!(count("lines")?, all.len() as i64, "every line counts as a line");
    assert_eq!(count("lines")?, count("records")? + count("skipped")? + count("rejected")?);
    assert_eq!(count("rejected")?, bad.len() as i64, "rejected");
    let reasons = scenario.rows("rejects", "SELECT sum(lines)::BIGINT AS lines FROM {table}")?;
    assert_eq!(
        integer(reasons.first().ok_or("no row of rejects")?, "lines")?,
        bad.len() as i64,
        "rejects by reason"
    );
    dead_letters(&scenario, bad.len())
}

/// Each rejected line has one dead letter that names where it was and holds its bytes.
fn dead_letters(scenario: &Scenario, count: usize) -> Outcome {
    let letters = scenario.dead_letters()?;
    let mut input: BTreeMap<(i64, i64), usize> = BTreeMap::new();
    for read in scenario.client.read(&scenario.topic)? {
        // a newline at its end does not belong to a line
        let line = read.value.as_deref().map(|value| value.strip_suffix(b"\n").unwrap_or(value));
        input.insert((read.partition.into(), read.offset), line.map_or(0, <[u8]>::len));
    }
    let mut places = BTreeMap::new();
    for letter in &letters {
        let number = |name: &str| {
            letter[name].as_i64().ok_or_else(|| format!("dead letter without `{name}`: {letter}"))
        };
        assert_eq!(letter["topic"], scenario.topic.as_str());
        assert!(letter["reason"].is_string() && letter["source"] == "alb", "{letter}");
        let place = (number("partition")?, number("offset")?);
        let length = input.get(&place).ok_or_else(|| format!("a dead letter from nowhere: {letter}"))?;
        assert_eq!(number("length")?, *length as i64, "the true length");
        assert!(
            letter["line"].is_string() || letter["line_base64"].is_string(),
            "a dead letter without bytes"
        );
        places.insert(place, ());
    }
    // At least once: a restart may say some twice.
    assert_eq!(places.len(), count, "dead letters by place");
    Ok(())
}

/// Seeded damage to one line in fifty: the sums of quality add up.
pub(crate) fn hostile_traffic() -> Outcome {
    let scenario = Scenario::new("hostile", Options::default())?;
    let mut traffic =
        Traffic::new(TrafficConfig { hostile_ppm: 20_000, seed: 18, ..TrafficConfig::default() });
    let all = lines(&mut traffic, 10_000, 4);
    scenario.client.produce(&scenario.topic, &all)?;
    scenario.drain()?;
    let quality = quality(&scenario)?;
    let count = |column| integer(&quality, column);
    assert_eq!(count("lines")?, 10_000);
    assert_eq!(count("lines")?, count("records")? + count("skipped")? + count("rejected")?);
    assert!(count("rejected")? > 20 && count("records")? > 9_700, "{quality:?}");
    let requests = scenario.rows("requests", "SELECT sum(requests)::BIGINT AS requests FROM {table}")?;
    assert_eq!(integer(requests.first().ok_or("no row of requests")?, "requests")?, count("records")?);
    dead_letters(&scenario, count("rejected")? as usize)
}

/// A million names: those beyond the limit are counted together, none is lost, named or not.
pub(crate) fn a_million_services() -> Outcome {
    let scenario = Scenario::new("million", Options::default())?;
    let count: usize = match std::env::var("NINETAIL_TEST_SERVICES") {
        Ok(count) => count.parse()?,
        Err(_) => 1_000_000,
    };
    let feed = scenario.client.feed(&scenario.topic)?;
    let mut next = 0;
    while next < count {
        let piece: Lines = (next..count.min(next + 50_000))
            .map(|n| {
                let second = n * 120 / count;
                let line = format!(
                    "http 2025-03-04T10:{:02}:{:02}.000000Z app/a/1 10.0.0.1:1 10.0.0.2:80 0.000 0.001 0.000 200 200 1 2 \
                     \"GET http://a:80/ HTTP/1.1\" \"-\" - - arn:aws:elasticloadbalancing:r:1:targetgroup/s{n}/1 \"-\" \"-\" \
                     \"-\" 0 2025-03-04T10:00:00.000000Z",
                    second / 60,
                    second % 60
                );
                ((n % 4) as i32, line.into_bytes())
            })
            .collect();
        feed.send(&piece)?;
        next += piece.len();
    }
    scenario.drain()?;
    let sql = "SELECT sum(requests)::BIGINT AS requests, count(DISTINCT service)::BIGINT AS services,
               sum(requests) FILTER (service = '__other__')::BIGINT AS other FROM {table}";
    let rows = scenario.rows("requests", sql)?;
    let row = rows.first().ok_or("no row of requests")?;
    assert_eq!(integer(row, "requests")?, count as i64, "no request is lost");
    let services = integer(row, "services")?;
    assert!(services <= 10_001, "{services} services");
    assert_eq!(integer(row, "other")?, count as i64 - (services - 1), "the rest is __other__");
    Ok(())
}
