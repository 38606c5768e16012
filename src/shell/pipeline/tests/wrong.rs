//! What is said of a wrong file: each case is one change of the example, and the error's place and words.

use super::{EXAMPLE, parse};
use crate::shell::config::diagnostic::line_column;

/// (what is replaced, by what, the text at the place shown, words of the message and hint)
const WRONG: &[(&str, &str, &str, &[&str])] = &[
    (
        "    window: 30d\n    indicator:\n      good",
        "    windw: 30d\n    indicator:\n      good",
        "windw",
        &["unknown key `windw`", "did you mean `window`?"],
    ),
    ("- name: availability", "- nmae: availability", "nmae", &["unknown key `nmae`", "did you mean `name`?"]),
    (
        "- name: availability\n    service: \"*\"\n    objective: 99.95\n    window: 30d\n    indicator:\n      good: status < 500\n      exclude: client_gone",
        "- preset: wbe",
        "wbe",
        &["unknown preset `wbe`", "did you mean `web`?"],
    ),
    ("- name: availability", "- openslo: x.yaml", "service: \"*\"", &["unknown key `service`"]),
    ("version: 1", "version: 2", "2\nname", &["version 2"]),
    (
        "channel: payments",
        "9channel: payments",
        "payments, pager",
        &["`9channel` cannot name a label", "no digit first"],
    ),
    ("channel: payments", "my-channel: payments", "payments, pager", &["`my-channel` cannot name a label"]),
    ("channel: payments", "__channel: payments", "payments, pager", &["two underscores are reserved"]),
    (
        "channel: payments",
        "tier: payments",
        "payments, pager",
        &["a label that every alert has of its own", "alertname"],
    ),
    ("region: eu", "severity: eu", "eu } }", &["`severity` is a label that every alert has"]),
    ("region: eu", "region: \"a\\nb\"", "\"a\\nb", &["more than one line"]),
    ("tier: 5, objective: 98", "tier: 10, objective: 98", "10,", &["`10` is no tier: 1 to 9"]),
    ("tier: 5, objective: 98", "tier: 1, objective: 98", "1, objective", &["tier 1 is written twice"]),
    ("objective: 98", "objective: 100", "100, alerts", &["leaves no error budget"]),
    ("alerts: tickets", "alerts: ticket", "ticket }", &["unknown alerts `ticket`", "tickets"]),
    ("alerts: tickets", "alert: tickets", "alert: tickets", &["unknown key `alert`"]),
    ("version: 1", "version: one", "one\n", &["not a valid"]),
    ("name: edge ", "name: Edge ", "Edge ", &["`Edge` cannot name a pipeline", "lower-case"]),
    ("objective: 99.95", "objective: 100", "100\n", &["leaves no error budget"]),
    ("objective: 99.95", "objective: 0", "0\n    window", &["can never be missed"]),
    ("objective: 99.95", "objective: 101", "101", &["impossible"]),
    ("objective: 99.95", "objective: 99.9999999", "99.9999999", &["more than six places"]),
    ("objective: 99.95", "objective: high", "high", &["not a decimal"]),
    ("slice: 1m", "slice: 2m", "2m\n", &["10s, 30s, 1m or 5m"]),
    ("slice: 1m", "slice: [1m]", "[1m]", &["expected"]),
    ("cut: 5m", "cut: 90s", "90s", &["whole number of slices"]),
    ("lateness: 30s", "lateness: soon", "soon", &["not a duration", "30s"]),
    (
        "format: aws_alb",
        "format: aws_abl",
        "aws_abl",
        &["unknown format `aws_abl`", "did you mean `aws_alb`?"],
    ),
    ("alerts: workbook", "alerts: worbook", "worbook", &["unknown alerts `worbook`"]),
    (
        "name: latency",
        "name: availability",
        "\"*\"\n    objective: 99\n",
        &["can never apply", "first match wins"],
    ),
    ("topic: slo-events", "topic: alb-logs", "alb-logs, state", &["is read by a source"]),
    ("mode: binary }\n  alert", "mode: both }\n  alert", "both", &["binary"]),
    (
        "url: https://alertmanager.example.com/",
        "url: alertmanager:9093",
        "alertmanager:9093",
        &["is no address"],
    ),
    (
        "url: https://alertmanager.example.com/",
        "url: https://u:p@alertmanager.example.com/",
        "https://u:p@",
        &["a secret stands in the address", "password_file"],
    ),
    ("url: https://alertmanager", "url: http://alertmanager", "./ca.pem", &["`tls` goes with", "https://"]),
    ("resend_every: 30s", "resend_every: 2h", "2h", &["1s to 1h"]),
    ("{ cluster: eu-1 }", "{ severity: high }", "high", &["`severity`", "of its own"]),
    ("{ cluster: eu-1 }", "{ in-cluster: eu-1 }", "eu-1", &["cannot name a label"]),
    (
        "{ username: ninetail, password_file",
        "{ password_file",
        "{ password_file",
        &["who we are", "bearer_token_file"],
    ),
    ("name: local", "name: webhook", "webhook, mode", &["two receivers are named `webhook`"]),
    (
        "types: [slo.burn_rate.firing]",
        "types: [slo.burn_rate.fired]",
        "slo.burn_rate.fired",
        &["did you mean"],
    ),
    ("{ X-Team: sre }", "{ Authorization: sre }", "sre }", &["a secret stands", "bearer_token_file"]),
    ("{ X-Team: sre }", "{ ce-id: sre }", "sre }", &["the event's own"]),
    ("http: 127.0.0.1:9464", "http: nowhere", "nowhere", &["not an address"]),
    (
        "indicator:\n      latency: { below: 200ms, of: upstream }",
        "indicator: {}",
        "{}",
        &["needs `good`, `latency` or `throughput`"],
    ),
    (
        "latency: { below: 200ms, of: upstream }",
        "freshness: { below: 0s }",
        "0s }",
        &["nothing is fresher than 0"],
    ),
    (
        "latency: { below: 200ms, of: upstream }",
        "freshness: { below: 5m }\n      good: status < 400",
        "freshness: {",
        &["one of `good`", "`freshness` and `external`"],
    ),
    (
        "latency: { below: 200ms, of: upstream }",
        "external: true\n      good: status < 400",
        "external: true",
        &["one of `good`"],
    ),
    (
        "latency: { below: 200ms, of: upstream }",
        "external: true",
        "true\nalerts",
        &["no source feeds this SLO"],
    ),
    (
        "good: status < 500\n      exclude: client_gone",
        "external: true\n      exclude: client_gone",
        "client_gone",
        &["an external SLO counts none"],
    ),
    (
        "${KAFKA_BROKERS:-localhost:9092}",
        "${KAFKA_BROKERS}",
        "${KAFKA_BROKERS}",
        &["`KAFKA_BROKERS` is not set", ":-default}"],
    ),
    ("exclude: client_gone", "exclude: !client_gone", "!client_gone", &["YAML tag", "quote"]),
    ("good: status < 500", "good: stauts < 500", "stauts", &["stauts", "did you mean status?"]),
    ("good: status < 500", "good: 'status < \"500\"'", "status < \"", &["error"]),
    ("host == \"shop", "host = \"shop", "= \"shop", &["error"]),
    ("(?<team>[a-z]+)", "(?<team>[a-z+)", "", &["error"]),
    ("\"{target_group}\"", "\"{target_grop}\"", "target_grop", &["did you mean target_group?"]),
    ("{ path: '", "{ paht: '", "", &["did you mean path?"]),
    (
        "window: 30d",
        "window: { calendar: month, time_zone: Europe/Berlln }",
        "Europe/Berlln",
        &["unknown time zone", "IANA"],
    ),
    ("window: 30d", "window: 30d\n    policy: book", "book\n", &["unknown policy `book`", "handbook"]),
    (
        "window: 30d",
        "window: 30d\n    policy: [{ name: a, from: 50, action: x }, { name: b, above: 50, action: y }, { name: c, action: z }]",
        "{ name: b",
        &["`b` can never hold"],
    ),
    (
        "window: 30d",
        "window: 30d\n    policy: [{ name: a, from: 50, action: x }]",
        "{ name: a",
        &["the last one neither"],
    ),
    ("window: 30d", "window: 30d\n    sla: { objective: 99.9 }", "{ objective", &["needs a calendar window"]),
    ("window: 30d", "window: { calendar: decade }", "decade", &["decade"]),
    ("window: 30d", "window: 30d\n    budgeting: timeslices", "timeslices", &["slice_target: 95"]),
    (
        "window: 30d",
        "window: 30d\n    slice_target: 95",
        "95\n    indicator",
        &["for `budgeting: timeslices`"],
    ),
    (
        "window: 30d",
        "window: 30d\n    budgeting: ratio_timeslices\n    slice_window: 7m",
        "7m",
        &["multiple of the base slice (1m) that divides 15m"],
    ),
    ("window: 30d", "window: 30d\n    on_empty: bad", "bad\n", &["weighs nothing"]),
    ("good: status < 500", "throughput: {}", "{}", &["`at_least` or `at_most`"]),
    (
        "alerts: workbook",
        "alerts: [{ severity: page, factor: 2000, long: 1h, short: 5m }]",
        "2000",
        &["can never fire", "2000"],
    ),
    (
        "alerts: workbook",
        "alerts: [{ severity: page, factor: 100, long: 1h, short: 5m }]",
        "100, long",
        &["can never fire", "at most 100"],
    ),
    (
        "alerts: workbook",
        "alerts: [{ severity: page, factor: 14.4, long: 1h, short: 2h }]",
        "2h }",
        &["not shorter"],
    ),
    (
        "alerts: workbook",
        "alerts: [{ severity: page, long: 1h, short: 5m }]",
        "{ severity: page, long",
        &["either `factor` or `budget`"],
    ),
];

#[test]
fn wrong_files_are_shown_where() {
    for (old, new, at, words) in WRONG {
        assert!(EXAMPLE.contains(old), "{old}");
        let text = EXAMPLE.replacen(old, new, 1);
        let found = text.find(at).unwrap_or_else(|| panic!("{at}"));
        let (line, column) = line_column(&text, found);
        let said = match parse(&text) {
            Err(said) => said,
            Ok(_) => panic!("{new} is accepted"),
        };
        let place = if at.is_empty() {
            String::new()
        } else {
            format!("--> /etc/ninetail/edge.yaml:{line}:{column}\n")
        };
        assert!(said.contains(&place), "{new}: {place}\n{said}");
        for word in *words {
            assert!(said.contains(word), "{new}: {word}\n{said}");
        }
        assert!(said.contains('^'), "{said}");
    }
}
