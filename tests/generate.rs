//! `generate grafana|rules|systemd`: what is written for others names nothing that is not there.

use ninetail::edges::metrics::Metrics;
use serde_json::Value;
use std::collections::BTreeSet;
use std::process::{Command, Output};

fn generate(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ninetail")).arg("generate").args(arguments).output().expect("it runs")
}

fn text(arguments: &[&str]) -> String {
    let output = generate(arguments);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("UTF-8")
}

/// Every word of a text that begins as metrics do, without what Prometheus puts behind.
fn metrics(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let names = words.filter_map(|word| word.strip_prefix("ninetail_"));
    names.map(|name| name.strip_suffix("_total").or(name.strip_suffix("_bucket")).unwrap_or(name)).collect()
}

#[test]
fn rules_and_dashboard_look_at_metrics_that_are_exported() {
    let exported: BTreeSet<&str> = Metrics::NAMES.iter().copied().chain(["build_info"]).collect();
    for of in [&["grafana"][..], &["rules"], &["rules", "pipelines/quickstart.yaml"]] {
        let text = text(of);
        let named = metrics(&text);
        assert!(named.len() > 5, "{of:?}: {named:?}");
        assert!(named.is_subset(&exported), "{of:?}: {:?}", named.difference(&exported));
    }
    let shown = Metrics::new().text();
    assert!(shown.contains("# TYPE ninetail_slices_open gauge"), "the names have that prefix");
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: Value = serde_json::from_str(&text(&["grafana"])).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let mut taken = BTreeSet::new();
    for (i, panel) in panels.iter().enumerate() {
        assert_eq!(panel["id"], i + 1);
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a number");
        for x in at("x")..at("x") + at("w") {
            assert!(x < 24, "{panel}");
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{panel} lies on another");
            }
        }
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("a query");
            assert!(!expression.contains("$SLO"), "{expression}");
            let legend = target["legendFormat"].as_str().expect("a legend");
            assert_eq!(legend.contains("{{slo}}"), legend.contains("{{group}}"), "{legend}");
        }
    }
    assert!(panels.len() > 10);
}

#[test]
fn rules_hold_the_tiers_of_a_pipeline() {
    let rules: Value = serde_saphyr::from_str(&text(&["rules", "pipelines/quickstart.yaml"])).expect("YAML");
    let groups = rules["groups"].as_array().expect("groups");
    let names: Vec<&Value> = groups.iter().map(|group| &group["name"]).collect();
    assert_eq!(names, ["ninetail-health", "ninetail-quickstart-burn-rates"]);
    let burns = groups[1]["rules"].as_array().expect("rules");
    let page = burns.iter().find(|rule| rule["labels"]["long"] == "1h").expect("a page");
    let expression = page["expr"].as_str().expect("an expression");
    for part in ["window=\"1h\"} > 14.4", "window=\"5m\"} > 14.4", "and ignoring (window)", "service=~\".*\""]
    {
        assert!(expression.contains(part), "{expression}");
    }
    assert_eq!(page["labels"]["severity"], "page");
    // budgets of groups are told apart
    let summary = page["annotations"]["summary"].as_str().expect("a text");
    let names = "{{ $labels.service }}/{{ $labels.slo }}{{ with $labels.group }}/{{ . }}{{ end }} burns";
    assert!(summary.starts_with(names), "{summary}");
    for rule in groups.iter().flat_map(|group| group["rules"].as_array().expect("rules")) {
        assert!(rule["annotations"]["summary"].as_str().is_some_and(|s| !s.is_empty()), "{rule}");
        assert!(rule.get("for").is_none_or(|pending| pending != "0s"), "{rule}");
    }
    let health: Value = serde_saphyr::from_str(&text(&["rules"])).expect("YAML");
    assert_eq!(health["groups"].as_array().map(Vec::len), Some(1));
}

#[test]
fn a_unit_runs_the_pipeline_and_may_write_where_it_writes() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("edge.yaml");
    let pipeline = "version: 1
name: edge
sources: [{ name: alb, kafka: { brokers: b:9092, topics: [alb] }, format: aws_alb }]
services: [{ name: '{target_group}' }]
slos: [{ name: availability, service: '*', objective: 99.9, window: 30d, indicator: { good: status < 500 } }]
sinks: { rollups: { path: out/rollups }, events: { file: out/events.jsonl } }
state: state
shutdown_timeout: 20s
";
    std::fs::write(&path, pipeline).expect("written");
    let unit =
        text(&["systemd", path.to_str().expect("UTF-8"), "--program", "/usr/bin/ninetail", "--user", "sre"]);
    let root = folder.path().display();
    for line in [
        format!("ExecStart=/usr/bin/ninetail run {root}/edge.yaml"),
        format!("ReadWritePaths={root}/out {root}/state"),
        format!("WorkingDirectory={root}"),
        "User=sre".into(),
        "RestartPreventExitStatus=2 78".into(),
        "TimeoutStopSec=30".into(),
    ] {
        assert!(unit.lines().any(|l| l == line), "{line} is missing in\n{unit}");
    }
    assert_eq!(generate(&["systemd", "nowhere.yaml"]).status.code(), Some(1));
    assert_eq!(generate(&["rules", "nowhere.yaml"]).status.code(), Some(1));
}
