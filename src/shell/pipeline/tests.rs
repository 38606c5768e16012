//! What a pipeline file means, and what is said about a wrong one.

mod wrong;

use super::{DeadLetters, Events, LoadError, Pipeline, Start};
use crate::core::settings::Duplicates;
use crate::edges::sink::delivery::{Auth, Speaks};
use crate::edges::sink::events::Mode;
use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::time::Duration;

/// The whole grammar, as the manual shows it.
const EXAMPLE: &str = r#"
version: 1
name: edge                                  # names state, transactional ids, files; [a-z0-9-]
sources:
  - name: alb
    kafka:
      brokers: ${KAFKA_BROKERS:-localhost:9092}
      topics: [alb-logs]
      group: ninetail-edge
      start: earliest                       # earliest | latest | a timestamp; applies once
    format: aws_alb
    lateness: 30s
    idle_timeout: 30s
slice: 1m
services:                                   # first match wins
  - name: checkout
    when: host == "shop.example.com" && path.startsWith("/checkout")
    tier: 1
    owner: payments
    runbook_url: https://runbooks.example.com/checkout
    dashboard_url: https://dashboards.example.com/checkout
    labels: { channel: payments, pager: "" }
  - name: "team-{team}"
    match: { path: '^/(?<team>[a-z]+)/' }
  - name: "{target_group}"
service_tiers:                              # what a tier stands for here
  - { tier: 1, labels: { pager: primary, channel: sre, region: eu } }
  - { tier: 5, objective: 98, alerts: tickets }
slos:
  - name: availability
    service: "*"
    objective: 99.95
    window: 30d
    indicator:
      good: status < 500
      exclude: client_gone
  - name: latency
    service: "*"
    objective: 99
    window: 30d
    indicator:
      latency: { below: 200ms, of: upstream }
alerts: workbook
sinks:
  rollups: { path: ./data/rollups, cut: 5m }
  events: { topic: slo-events, state_topic: slo-state, mode: binary }
  alertmanager:
    url: https://alertmanager.example.com/
    resend_every: 30s
    labels: { cluster: eu-1 }
    tls: { ca_file: ./ca.pem }
    auth: { username: ninetail, password_file: ./password }
  webhook:
    - { url: "https://hooks.example.com/slo", types: [slo.burn_rate.firing], headers: { X-Team: sre } }
    - { url: "http://127.0.0.1:8080/", name: local, mode: binary, replay: true, timeout: 2s }
  dead_letters: { topic: alb-logs-dead }
state: ./data/state
http: 127.0.0.1:9464
"#;

fn parse(text: &str) -> Result<Pipeline, String> {
    let variables = HashMap::from([("SET".to_string(), "value".to_string())]);
    Pipeline::parse(Path::new("/etc/ninetail/edge.yaml"), text, variables).map_err(|error| match error {
        LoadError::Invalid(invalid) => invalid.to_string(),
        LoadError::Read { .. } => unreachable!("nothing is read"),
    })
}

#[test]
fn the_example_is_read_whole() {
    let pipeline = parse(EXAMPLE).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pipeline.warnings, []);
    let settings = &pipeline.settings;
    assert_eq!((settings.name.as_str(), settings.slice.0, settings.cut_s), ("edge", 60, 300));
    assert_eq!((settings.sources[0].lateness_s, settings.sources[0].idle_timeout_s), (30, 30));
    assert_eq!(settings.services.len(), 3);
    assert_eq!(settings.services[1].matches, [("path".to_string(), "^/(?<team>[a-z]+)/".to_string())]);
    assert_eq!(settings.slos[0].objective.to_string(), "99.95");
    assert_eq!(settings.slos[0].window_s, 2_592_000);
    let factors: Vec<String> = settings.slos[1].tiers.iter().map(|t| t.factor.to_string()).collect();
    assert_eq!(factors, ["14.4", "6", "3", "1"]);
    let source = pipeline.sources[0].as_ref().expect("it has kafka");
    assert_eq!((source.cluster.brokers.as_str(), source.start), ("localhost:9092", Start::Earliest));
    assert_eq!(pipeline.state, Path::new("/etc/ninetail/./data/state"));
    assert_eq!(pipeline.http.map(|a| a.port()), Some(9464));
    let Events::Kafka { topic, state_topic, mode, .. } = &pipeline.sinks.events else {
        panic!("events go to Kafka")
    };
    assert_eq!((topic.as_str(), state_topic.as_str(), *mode), ("slo-events", "slo-state", Mode::Binary));
    assert_eq!(
        settings.services[0].dashboard_url.as_deref(),
        Some("https://dashboards.example.com/checkout")
    );
    let labels = [("channel", "payments"), ("region", "eu")].map(|(k, v)| (k.to_string(), v.to_string()));
    assert_eq!(settings.services[0].labels, BTreeMap::from(labels));
    assert!(settings.services[1].labels.is_empty());
    let [alertmanager, hooks, local] = &pipeline.sinks.receivers[..] else { panic!("three receivers") };
    assert_eq!(alertmanager.http.url, "https://alertmanager.example.com/api/v2/alerts");
    assert_eq!(alertmanager.http.ca_file.as_deref(), Some(Path::new("/etc/ninetail/ca.pem")));
    assert_eq!(alertmanager.http.auth, Auth::Basic("ninetail".into(), "/etc/ninetail/password".into()));
    let labels = BTreeMap::from([("cluster".to_string(), "eu-1".to_string())]);
    assert_eq!(alertmanager.speaks, Speaks::Alertmanager { resend_every: Duration::from_secs(30), labels });
    assert_eq!([&alertmanager.name, &hooks.name, &local.name], ["alertmanager", "webhook", "local"]);
    assert_eq!((hooks.http.timeout.as_secs(), local.http.timeout.as_secs()), (10, 2));
    assert!(
        matches!(&hooks.speaks, Speaks::Webhook { mode: Mode::Structured, replay: false, types, headers }
        if *types == ["slo.burn_rate.firing"] && headers["X-Team"] == "sre")
    );
    assert!(
        matches!(&local.speaks, Speaks::Webhook { mode: Mode::Binary, replay: true, types, .. } if types.is_empty())
    );
    assert!(
        matches!(&pipeline.sinks.dead_letters, DeadLetters::Kafka { topic, .. } if topic == "alb-logs-dead")
    );
    let json = serde_json::to_string(settings).expect("settings are JSON");
    assert_eq!(serde_json::from_str::<crate::core::settings::Settings>(&json).expect("and back"), *settings);
}

#[test]
fn a_latency_is_the_clients_unless_it_says_whose() {
    let of = |written: &str| parse(&EXAMPLE.replace(", of: upstream", written)).expect("valid").settings.slos;
    assert_eq!(of(""), of(", of: client"));
    assert_ne!(of(""), of(", of: upstream"));
}

#[test]
fn every_problem_is_shown_at_once() {
    let text = EXAMPLE.replace("objective: 99.95", "objective: 100").replace("slice: 1m", "slice: 7m");
    let said = parse(&text).expect_err("two problems");
    assert_eq!(said.matches("error:").count(), 2, "{said}");
}

#[test]
fn variables_stay_in_their_scalar() {
    let text = EXAMPLE
        .replace("topics: [alb-logs]", "topics: ${SET}")
        .replace("owner: payments", "owner: \"${SET}\"");
    let pipeline = parse(&text).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pipeline.sources[0].as_ref().map(|s| s.topics.clone()), Some(vec!["value".to_string()]));
    assert_eq!(pipeline.settings.services[0].owner.as_deref(), Some("${SET}"));
    assert_eq!(pipeline.warnings.len(), 1, "{}", pipeline.warnings_text(false));
}

#[test]
fn syntax_errors_have_a_place() {
    let text = EXAMPLE.replace("[alb-logs]", "[${SET}]");
    let said = parse(&text).expect_err("no YAML");
    assert!(said.contains("edge.yaml:8:") && said.contains("hint"), "{said}");
}

#[test]
fn secrets_stay_in_their_files() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret"), "hunter2\n").expect("written");
    let text = EXAMPLE.replace(
        "      topics: [alb-logs]",
        "      topics: [alb-logs]\n      tls: {}\n      sasl: { mechanism: SCRAM-SHA-512, username: u, password_file: secret }\n      librdkafka: { group.id: x, fetch.min.bytes: 1, ssl.key.pem: hunter2 }",
    );
    let path = folder.path().join("p.yaml");
    let pipeline = Pipeline::parse(&path, &text, HashMap::new()).unwrap_or_else(|e| panic!("{e}"));
    let cluster = &pipeline.sources[0].as_ref().expect("kafka").cluster;
    let settings = cluster.settings().expect("the secret is read");
    assert_eq!(settings["sasl.password"], "hunter2");
    assert_eq!(settings["security.protocol"], "sasl_ssl");
    assert_eq!(settings["fetch.min.bytes"], "1");
    assert!(!settings.contains_key("group.id"));
    assert_eq!(pipeline.warnings.len(), 1, "{}", pipeline.warnings_text(false));
    let shown = format!("{:?}", pipeline.sources) + &format!("{:?}", pipeline.settings);
    assert!(!shown.contains("hunter2"), "{shown}");
}

/// The example with routes, dimensions, a table and duplicates.
fn broken_down() -> String {
    EXAMPLE
        .replace(
            "services: ",
            "routes:\n  - { match: '^/u/[^/]+$', route: '/u/{name}' }\nlimits: { dimension_values_max: 7 }\nservices: ",
        )
        .replace("  - name: checkout\n", "  - map: { field: host, values: { a.example.com: a, b.example.com: b } }\n  - name: checkout\n")
        .replace("cut: 5m }", "cut: 5m, dimensions: [route, method, kubernetes.pod] }")
        .replace("    idle_timeout", "    duplicates: drop\n    idle_timeout")
}

#[test]
fn routes_tables_dimensions_and_duplicates_are_read_and_printed_back() {
    let pipeline = parse(&broken_down()).expect("valid");
    let settings = &pipeline.settings;
    let routes = settings.routes.as_ref().expect("on");
    assert_eq!((routes.len(), routes[0].route.as_str()), (1, "/u/{name}"));
    assert_eq!(settings.dimensions, ["route", "method", "kubernetes.pod"]);
    assert_eq!(
        settings.dimension_columns().iter().map(|c| &**c).collect::<Vec<_>>(),
        ["route", "method", "kubernetes_pod"]
    );
    assert_eq!(settings.sources[0].input.duplicates, Duplicates::Drop);
    assert_eq!((settings.services[0].name.as_str(), settings.services.len()), ("{map}", 4));
    assert_eq!(
        (settings.limits.dimension_values_max, settings.limits.ingest_dimension_values_max),
        (7, 1_000)
    );
    let printed = parse(&crate::shell::check::expanded(&pipeline)).expect("valid");
    assert_eq!(printed.settings, *settings);
    let ids = parse(&EXAMPLE.replace("services: ", "routes: ids\nservices: ")).expect("valid");
    assert_eq!(ids.settings.routes, Some(vec![]));
    assert_eq!(parse(EXAMPLE).expect("valid").settings.routes, None);
}

#[test]
fn wrong_routes_tables_and_dimensions_are_shown_where_they_stand() {
    let cases = [
        ("route: '/u/{name}'", "route: ''", "a route is not empty"),
        ("match: '^/u/[^/]+$'", "match: '('", "'('"),
        ("[route, method,", "[method, bytes_sent,", "`bytes_sent` cannot be a dimension"),
        ("[route, method,", "[method, method,", "name each dimension once"),
        ("[route, method,", "[method, rout,", "did you mean route?"),
        ("values: { a.example.com: a, b.example.com: b }", "values: {}", "the table is empty"),
        (
            "values: { a.example.com: a, b.example.com: b }",
            "file: /nowhere/hosts.csv",
            "cannot read `/nowhere/hosts.csv`",
        ),
        ("a.example.com: a,", "a.example.com: __x__,", "__x__ is reserved"),
        ("map: { field: host,", "map: { field: hots,", "did you mean host?"),
        ("duplicates: drop", "duplicates: count", "unknown value `count`"),
        (
            "dimension_values_max: 7",
            "dimension_values_max: 7, ingest_dimension_values_max: 6",
            "it must be wider",
        ),
    ];
    for (from, to, want) in cases {
        let text = broken_down();
        assert!(text.contains(from), "{from}");
        let error = parse(&text.replace(from, to)).expect_err(to);
        assert!(error.contains(want), "{to}: {error}");
    }
    let off = EXAMPLE.replace("cut: 5m }", "cut: 5m, dimensions: [route] }");
    let error = parse(&off).expect_err("no routes");
    assert!(error.contains("no record has a route here") && error.contains("routes: ids"), "{error}");
    let many = parse(&EXAMPLE.replace("cut: 5m }", "cut: 5m, dimensions: [path] }")).expect("valid");
    assert!(many.warnings_text(false).contains("takes so many values"), "{}", many.warnings_text(false));
    let nameless = EXAMPLE.replace("  - name: checkout\n    when", "  - when");
    assert!(parse(&nameless).expect_err("no name").contains("a service rule without a name"));
}

#[test]
fn a_table_may_stand_in_a_file_beside_the_pipeline() {
    let folder = tempfile::tempdir().expect("a folder");
    let hosts = folder.path().join("hosts.csv");
    std::fs::write(&hosts, "# host,service\n\nshop.example.com, shop\npay.example.com,pay\n")
        .expect("written");
    let text = broken_down().replace(
        "values: { a.example.com: a, b.example.com: b }",
        "file: ./hosts.csv, values: { pay.example.com: billing }",
    );
    let load = || {
        let pipeline = Pipeline::parse(&folder.path().join("p.yaml"), &text, HashMap::new());
        pipeline.map_err(|error| error.to_string())
    };
    let map = load().expect("valid").settings.services[0].map.clone().expect("a table");
    let want = [("pay.example.com", "billing"), ("shop.example.com", "shop")];
    assert_eq!(map.values, want.map(|(value, service)| (value.to_string(), service.to_string())));
    std::fs::write(&hosts, "a,x\na,y\nnothing\n").expect("written");
    let error = load().expect_err("a wrong table");
    assert!(error.contains("line 2 of the table gives `a` a second service"), "{error}");
    assert!(error.contains("line 3 of the table is no `value,service`"), "{error}");
}

#[test]
fn sources_and_external_slos_belong_together() {
    let counters = "    format: external\n  - name: more\n    format: aws_alb\nslice: 1m";
    let fed =
        EXAMPLE.replace("    format: aws_alb\n    lateness: 30s\n    idle_timeout: 30s\nslice: 1m", counters);
    assert_ne!(fed, EXAMPLE);
    let pipeline = parse(&fed).unwrap_or_else(|e| panic!("{e}"));
    let said = pipeline.warnings_text(false);
    assert!(said.contains("every message is rejected") && said.contains(":11:13"), "{said}");
    let both = fed.replace("latency: { below: 200ms, of: upstream }", "external: true");
    let pipeline = parse(&both).unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(pipeline.warnings_text(false), "");
    // freshness is of Kafka, or of lines that tell themselves
    let kafka = EXAMPLE.find("    kafka:").expect("Kafka")..EXAMPLE.find("    format").expect("a format");
    let archive = EXAMPLE
        .replace(&EXAMPLE[kafka], "")
        .replace("latency: { below: 200ms, of: upstream }", "freshness: { below: 5m }")
        .replace("  events: { topic: slo-events, state_topic: slo-state, mode: binary }\n", "")
        .replace("  dead_letters: { topic: alb-logs-dead }\n", "");
    let pipeline = parse(&archive).unwrap_or_else(|e| panic!("{e}"));
    assert!(pipeline.warnings_text(false).contains("nothing tells when lines arrive"));
    let told = archive.replace("format: aws_alb", "format: { json: { fields: { arrival: ingested_at } } }");
    let pipeline = parse(&told).unwrap_or_else(|e| panic!("{e}"));
    assert!(!pipeline.warnings_text(false).contains("nothing tells when lines arrive"));
}

/// Two exclusions, and alerts that do not wait for files.
fn maintained() -> String {
    let exclusions = "exclusions:
  - name: weekly
    reason: database maintenance
    services: [checkout, 'team-*']
    rrule: FREQ=WEEKLY;BYDAY=SU
    start: 2026-01-04T02:00
    duration: 2h
    time_zone: Europe/Berlin
  - name: move
    reason: data centre move
    slos: availability
    from: 2026-03-01T02:00
    to: 2026-03-01T05:00:00Z
    timezone: Europe/Berlin
alerts: { preset: workbook, lateness: 10s }
";
    EXAMPLE.replace("alerts: workbook\n", exclusions)
}

#[test]
fn exclusions_and_alerts_lateness_are_read_and_printed_back() {
    use crate::core::settings::Occurs;
    let pipeline = parse(&maintained()).expect("valid");
    let [weekly, once] = &pipeline.settings.exclusions[..] else { panic!("two") };
    assert_eq!((weekly.services.len(), weekly.slos.join(",")), (2, "*".into()));
    assert!(weekly.applies("team-a", "latency") && !weekly.applies("search", "latency"));
    let Occurs::Once { from, to } = &once.occurs else { panic!("once") };
    assert_eq!(
        (from.to_string().as_str(), to.to_string().as_str()),
        ("2026-03-01T01:00:00Z", "2026-03-01T05:00:00Z")
    );
    assert_eq!(pipeline.settings.alerts_lateness_s, Some(10));
    assert!(!pipeline.settings.slos[0].tiers.is_empty());
    let printed = parse(&crate::shell::check::expanded(&pipeline)).expect("valid");
    assert_eq!(printed.settings, pipeline.settings);
}

#[test]
fn wrong_exclusions_are_shown_where_they_stand() {
    let cases = [
        ("FREQ=WEEKLY;BYDAY=SU", "FREQ=SECONDLY", "FREQ=SECONDLY", "by the minute or second"),
        ("FREQ=WEEKLY;BYDAY=SU", "FREQ=WEEKLY;BYDAY=XX", "FREQ=WEEKLY;BYDAY=XX", "not a recurrence rule"),
        ("FREQ=WEEKLY;BYDAY=SU", "FREQ=HOURLY", "FREQ=HOURLY", "nothing would be left to measure"),
        ("duration: 2h", "duration: 0s", "0s", "longer than 0"),
        ("duration: 2h", "duration: 40d", "40d", "no longer than 31d"),
        ("    duration: 2h\n", "", "FREQ=WEEKLY;BYDAY=SU", "needs `start` and `duration`"),
        ("start: 2026-01-04T02:00", "start: 2026-01-04T02:00Z", "2026-01-04T02:00Z", "not a local time"),
        (
            "to: 2026-03-01T05:00:00Z",
            "to: 2026-02-01T05:00:00Z",
            "2026-02-01T05:00:00Z",
            "not after its beginning",
        ),
        ("to: 2026-03-01T05:00:00Z", "to: tomorrow", "tomorrow", "`tomorrow` is not a time"),
        ("    to: 2026-03-01T05:00:00Z\n", "", "move", "does not say when"),
        ("time_zone: Europe/Berlin", "time_zone: Europe/Bärlin", "Europe/Bärlin", "unknown time zone"),
        ("name: move", "name: weekly", "weekly", "two exclusions are named"),
        ("reason: data centre move", "reason: ''", "''", "needs a reason"),
        ("lateness: 10s }", "lateness: soon }", "soon", "`soon` is not a duration"),
        ("preset: workbook, lateness", "preset: workbok, lateness", "workbok", "unknown alerts `workbok`"),
    ];
    for (from, to, caret, want) in cases {
        let text = maintained();
        assert!(text.contains(from), "{from}");
        let error = parse(&text.replace(from, to)).expect_err(to);
        assert!(error.contains(want), "{to}: {error}");
        let carets = "^".repeat(caret.chars().count());
        assert!(error.lines().any(|line| line.trim_end().ends_with(&format!(" {carets}"))), "{to}: {error}");
    }
    let unused = parse(&maintained().replace("slos: availability", "slos: availabilty")).expect("valid");
    assert!(
        unused.warnings_text(false).contains("no SLO is named `availabilty`"),
        "{}",
        unused.warnings_text(false)
    );
    let own = maintained().replace(
        "    objective: 99\n",
        "    objective: 99\n    alerts: { preset: workbook, lateness: 1m }\n",
    );
    assert!(parse(&own).expect_err("of the pipeline alone").contains("alerts have one watermark"));
}
