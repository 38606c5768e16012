//! OpenSLO files read, refused and written.

use super::{is_label, label, shifted};
use crate::core::calendar::{Calendar, Unit, Weekday};
use crate::core::decimal::Decimal;
use crate::core::settings::{Budgeting, Failed, LatencyOf, Op, Rule, SliceTest, Slo};
use crate::shell::config::diagnostic::line_column;
use crate::shell::pipeline::{LoadError, Pipeline};
use serde_json::Value;
use std::collections::{BTreeSet, HashMap};
use std::path::Path;

const PIPELINE: &str = "version: 1
name: shop
sources: [{ name: alb, format: aws_alb }]
services:
  - { name: checkout, when: 'path.startsWith(\"/checkout\")', tier: 1, owner: payments }
  - { name: search, when: 'path == \"/search\"' }
slos:
  - openslo: slos.yaml
";

/// One of every kind, divided and joined in every way: a list, documents, inline, by reference.
const EVERY_KIND: &str = r#"
- apiVersion: openslo/v1
  kind: Service
  metadata: { name: checkout, displayName: Checkout, labels: { team: [a, b] } }
  spec: { description: Buying. }
- apiVersion: openslo/v1
  kind: DataSource
  metadata: { name: logs }
  spec: { type: accesslog, connectionDetails: { anything: [goes] } }
---
apiVersion: openslo/v1
kind: SLI
metadata: { name: answered }
spec:
  ratioMetric:
    counter: true
    bad: { metricSource: { metricSourceRef: logs, spec: { bad: status >= 500 } } }
    total: { metricSource: { type: accesslog, spec: { filter: method != "OPTIONS" } } }
---
apiVersion: openslo/v1
kind: AlertNotificationTarget
metadata: { name: pager }
spec: { target: page, description: Whoever is on call. }
---
apiVersion: openslo/v1
kind: AlertCondition
metadata: { name: fast, annotations: { ninetail.dev/short: 10m } }
spec:
  severity: page
  condition: { kind: burnrate, op: gt, threshold: 14.4, lookbackWindow: 1h, alertAfter: 0m }
---
apiVersion: openslo/v1
kind: AlertPolicy
metadata: { name: fast }
spec:
  alertWhenBreaching: true
  conditions: [{ conditionRef: fast }]
  notificationTargets: [{ targetRef: pager }]
---
apiVersion: openslo/v1
kind: SLO
metadata: { name: availability }
spec:
  service: checkout
  indicatorRef: answered
  timeWindow: [{ duration: 4w, isRolling: true }]
  budgetingMethod: Occurrences
  objectives: [{ target: 0.9995 }]
  alertPolicies:
    - alertPolicyRef: fast
    - kind: AlertPolicy
      metadata: { name: slow }
      spec:
        conditions:
          - kind: AlertCondition
            metadata: { name: slow }
            spec:
              severity: ticket
              condition: { kind: burnrate, op: gt, threshold: 1, lookbackWindow: 3d }
        notificationTargets: [{ targetRef: pager }]
---
{"apiVersion": "openslo/v1", "kind": "SLO", "metadata": {"name": "latency"},
 "spec": {"service": "checkout", "budgetingMethod": "Occurrences",
  "indicator": {"metadata": {"name": "fast-enough"}, "spec": {"thresholdMetric": {"metricSource":
   {"type": "accesslog", "spec": {"of": "upstream", "unit": "s", "failed": "excluded"}}}}},
  "timeWindow": [{"duration": "30d", "isRolling": true}],
  "objectives": [{"op": "lte", "value": 0.25, "targetPercent": 99.5}]}}
"#;

fn load(openslo: &[(&str, &str)], pipeline: &str) -> Result<Pipeline, String> {
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in openslo {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let path = folder.path().join("p.yaml");
    Pipeline::parse(&path, pipeline, HashMap::new()).map_err(|error| match error {
        LoadError::Invalid(invalid) => invalid.to_string(),
        LoadError::Read { error, .. } => panic!("{error}"),
    })
}

#[track_caller]
fn valid(text: &str) -> Pipeline {
    load(&[("slos.yaml", text)], PIPELINE).unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_kind_is_read() {
    let pipeline = valid(EVERY_KIND);
    assert_eq!(pipeline.warnings_text(false), "");
    let [availability, latency] = pipeline.settings.slos.as_slice() else { panic!("two SLOs") };
    assert_eq!(
        (&*availability.name, availability.services.as_slice()),
        ("availability", &["checkout".to_string()][..])
    );
    assert_eq!((availability.objective.to_string(), availability.window_s), ("99.95".into(), 28 * 86_400));
    assert_eq!(availability.indicator.rule, Rule::Good("!(status >= 500)".into()));
    assert_eq!(availability.indicator.exclude.as_deref(), Some("!(method != \"OPTIONS\")"));
    let tiers: Vec<String> = availability
        .tiers
        .iter()
        .map(|t| format!("{} {} {} {} {}", t.name, t.severity, t.factor, t.long_s, t.short_s))
        .collect();
    assert_eq!(tiers, ["fast page 14.4 3600 600", "slow ticket 1 259200 21600"]);
    assert_eq!(latency.objective.to_string(), "99.5");
    let bound = Rule::Latency { below_us: 250_001, of: LatencyOf::Upstream, failed: Failed::Excluded };
    assert_eq!(latency.indicator.rule, bound);
    // it says nothing of alerts: the pipeline's are taken
    assert_eq!(latency.tiers.len(), 4);
}

/// Objects may stand in any of the files that a pipeline names.
#[test]
fn files_refer_to_one_another() {
    let (library, slo) = EVERY_KIND.split_once("---\napiVersion: openslo/v1\nkind: SLO\n").expect("an SLO");
    let slo = format!("apiVersion: openslo/v1\nkind: SLO\n{slo}");
    let pipeline = PIPELINE.replace("openslo: slos.yaml", "openslo: [slos.yaml, library.yaml]");
    let files = [("slos.yaml", slo.as_str()), ("library.yaml", library)];
    let divided = load(&files, &pipeline).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(divided.settings.slos, valid(EVERY_KIND).settings.slos);
    assert_eq!(divided.warnings_text(false), "");
    // what is wrong in an indicator from another file is shown where it is referred to
    let wrong = library.replace("status >= 500", "stauts >= 500");
    let said = load(&[files[0], ("library.yaml", &wrong)], &pipeline).expect_err("no such field");
    assert!(said.contains("slos.yaml:6:17") && said.contains("stauts"), "{said}");
}

#[test]
fn several_objectives_are_several_slos() {
    let text = EVERY_KIND.replace(
        "[{ target: 0.9995 }]",
        "[{ target: 0.99 }, { displayName: Very good, targetPercent: 99.9 }]",
    );
    let names: Vec<String> =
        valid(&text).settings.slos.iter().map(|s| format!("{} {}", s.name, s.objective)).collect();
    assert_eq!(names, ["availability-99 99", "availability-very-good 99.9", "latency 99.5"]);
}

/// (what is replaced, by what, words of the warning): the file is read all the same.
const ODD: &[(&str, &str, &str)] = &[
    ("{ target: 0.9995 }", "{ target: 0.9995, op: gt, value: 1 }", "`op` is of no use here"),
    ("{ target: 0.9995 }", "{ target: 0.9995, timeSliceTarget: 0.9 }", "no use with Occurrences"),
    ("\"duration\": \"30d\"", "\"duration\": \"1m\"", "unusually short"),
    ("duration: 4w", "duration: 1M", "`1M` is read as 30d"),
    ("4w, isRolling: true", "4w", "isRolling is missing"),
    ("[{ duration: 4w, isRolling: true }]", "{ duration: 4w, isRolling: true }", "is no list"),
    ("  budgetingMethod: Occurrences\n", "  budgetingMethod: occurrences\n", "it is written Occurrences"),
    ("  budgetingMethod: Occurrences\n", "", "budgetingMethod is missing"),
    ("  indicatorRef: answered\n", "  indicatorRef: answered\n  priority: 1\n", "unknown key `priority`"),
    ("kind: SLI", "kind: Sli", "is written SLI"),
    ("metadata: { name: availability }", "metadata: { name: Availability }", "is no name of OpenSLO"),
    (
        "metadata: { name: availability }",
        "metadata: { name: availability, annotations: { ninetail.dev/servces: '*' } }",
        "did you mean `ninetail.dev/services`?",
    ),
    ("op: gt, threshold: 14.4", "op: lte, threshold: 14.4", "`lte` is read as gt"),
    (
        "{ duration: 4w, isRolling: true }",
        "{ duration: 1M, isRolling: false, calendar: { startTime: 2022-01-01 12:00:00, timeZone: America/New_York } }",
        "periods begin at midnight",
    ),
    ("{ duration: 4w, isRolling: true }", "{ duration: 1w, isRolling: false }", "has no calendar"),
    ("{ duration: 4w, isRolling: true }", "{ duration: 1w, calendar: {} }", "timeZone is missing"),
    ("- alertPolicyRef: fast", "- fast", "a bare name is read as a reference"),
    ("alertWhenBreaching: true", "alertWhenBreaching: false", "this alert never fires"),
    ("alertWhenBreaching: true", "alertWhenNoData: true", "no alert fires for missing data"),
    (
        "metricSourceRef: logs, spec",
        "metricSourceRef: lags, type: accesslog, spec",
        "no DataSource named `lags`",
    ),
    ("service: checkout\n  indicatorRef", "service: chekout\n  indicatorRef", "did you mean `checkout`?"),
];

#[test]
fn what_is_odd_is_read_with_a_warning() {
    for (old, new, words) in ODD {
        assert!(EVERY_KIND.contains(old), "{old}");
        let pipeline = valid(&EVERY_KIND.replacen(old, new, 1));
        let said = pipeline.warnings_text(false);
        assert!(said.contains(words) && said.contains("slos.yaml:") && said.contains('^'), "{new}: {said}");
    }
    let text = EVERY_KIND.replace("  alertPolicies:\n    - alert", "  alertPolicies:\n  was:\n    - alert");
    let pipeline = valid(&text);
    assert!(pipeline.warnings_text(false).contains("`alertPolicies` holds nothing"));
    assert_eq!(pipeline.settings.slos[0].tiers.len(), 3, "the pipeline's, without what 28 days leave out");
}

#[test]
fn calendars_and_slices_are_read() {
    let text = EVERY_KIND
        .replace(
            "{ duration: 4w, isRolling: true }",
            "{ duration: 1w, isRolling: false, calendar: { startTime: 2026-11-22 00:00:00, timeZone: America/New_York } }",
        )
        .replace("  budgetingMethod: Occurrences\n", "  budgetingMethod: Timeslices\n")
        .replace("{ target: 0.9995 }", "{ target: 0.99, timeSliceTarget: 0.95, timeSliceWindow: 5m }")
        .replace("op: gt, threshold: 14.4", "op: gte, threshold: 14.4")
        .replace("alertAfter: 0m", "alertAfter: 5m")
        .replace("\"budgetingMethod\": \"Occurrences\"", "\"budgetingMethod\": \"RatioTimeslices\"")
        .replace("\"targetPercent\": 99.5}", "\"targetPercent\": 99.5, \"timeSliceWindow\": 1}");
    let pipeline = valid(&text);
    let [availability, latency] = pipeline.settings.slos.as_slice() else { panic!("two SLOs") };
    let week =
        Calendar { unit: Unit::Week, time_zone: "America/New_York".into(), week_starts: Weekday::Sunday };
    assert_eq!(availability.calendar, Some(week));
    let test = SliceTest::Good { target: Decimal(95_000_000) };
    assert_eq!(availability.budgeting, Budgeting::Timeslices { slice_s: 300, test });
    assert_eq!((availability.tiers[0].op, availability.tiers[0].alert_after_s), (Op::Gte, 300));
    assert_eq!(latency.budgeting, Budgeting::RatioTimeslices { slice_s: 60 });
    let said = pipeline.warnings_text(false);
    assert!(!said.contains("isRolling") && !said.contains("timeSlice"), "{said}");
}

/// (what is replaced, by what, the text at the place shown, words of the message and hint)
const WRONG: &[(&str, &str, &str, &[&str])] = &[
    (
        "apiVersion: openslo/v1\nkind: SLI",
        "apiVersion: openslo/v1alpha\nkind: SLI",
        "openslo/v1alpha",
        &["is not read", "openslo/v1 is the version"],
    ),
    ("kind: SLI", "kind: SLX", "SLX", &["unknown kind `SLX`", "did you mean"]),
    ("target: 0.9995", "target: 99.95", "99.95", &["is not below 1", "targetPercent"]),
    ("target: 0.9995", "target: high", "high", &["is no decimal"]),
    ("target: 0.9995", "target: 0.99999999999", "0.99999999999", &["more than six places"]),
    (
        "target: 0.9995",
        "target: 0.9, targetPercent: 90",
        "{ target: 0.9,",
        &["either target or targetPercent"],
    ),
    ("target: 0.9995", "target: 0.9, compositeWeight: 2", "2 }", &["composite objectives are not read"]),
    (
        "  budgetingMethod: Occurrences\n",
        "  budgetingMethod: TimeSlices\n",
        "TimeSlices",
        &["timeslices need a target"],
    ),
    (
        "  budgetingMethod: Occurrences\n",
        "  budgetingMethod: Requests\n",
        "Requests",
        &["unknown budgetingMethod `Requests`", "RatioTimeslices"],
    ),
    ("4w, isRolling: true", "4w, isRolling: false", "4w", &["`4w` is no period of a calendar", "1M"]),
    (
        "{ duration: 4w, isRolling: true }",
        "{ duration: 1M, isRolling: false, calendar: { startTime: 2022-01-15 00:00:00, timeZone: UTC } }",
        "2022-01-15",
        &["a month that begins on 2022-01-15 is not kept"],
    ),
    (
        "{ duration: 4w, isRolling: true }",
        "{ duration: 1Q, isRolling: false, calendar: { startTime: 2022-02-01, timeZone: UTC } }",
        "2022-02-01",
        &["quarters begin in January, April, July and October"],
    ),
    (
        "{ duration: 4w, isRolling: true }",
        "{ duration: 1d, isRolling: false, calendar: { startTime: 2022-02-01, timeZone: Europe/Berlln } }",
        "Europe/Berlln",
        &["unknown time zone"],
    ),
    ("duration: 4w", "duration: 4y", "4y", &["no duration of OpenSLO"]),
    ("indicatorRef: answered", "indicatorRef: answerd", "answerd", &["no SLI named `answerd`"]),
    ("alertPolicyRef: fast", "alertPolicyRef: fats", "fats", &["no AlertPolicy named"]),
    ("conditionRef: fast", "conditionRef: fats", "fats", &["no AlertCondition named"]),
    (
        "conditions: [{ conditionRef: fast }]",
        "conditions: []",
        "alertWhenBreaching",
        &["one condition, not 0"],
    ),
    ("threshold: 14.4", "threshold: 20000", "20000", &["can never fire"]),
    (
        "kind: burnrate, op: gt, threshold: 14.4",
        "kind: budget, threshold: 14.4",
        "budget,",
        &["`budget` are not read"],
    ),
    ("type: accesslog, conn", "type: prometheus, conn", "logs, spec", &["type `prometheus` cannot be read"]),
    ("metricSourceRef: logs, spec", "metricSourceRef: lags, spec", "lags", &["no DataSource named `lags`"]),
    ("bad: status >= 500", "bad: stauts >= 500", "stauts", &["unknown field stauts", "did you mean status?"]),
    ("{ bad: status >= 500 }", "{ query: x }", "{ query", &["`bad` has no predicate"]),
    ("\"unit\": \"s\"", "\"aggregation\": \"p95\"", "\"p95\"", &["aggregated latency", "target of 0.95"]),
    ("\"unit\": \"s\", ", "", "{\"of\"", &["no unit"]),
    ("\"op\": \"lte\"", "\"op\": \"gt\"", "\"gt\"", &["makes the slow requests good"]),
    ("0.25", "0.0000001", "0.0000001", &["whole microseconds"]),
    ("name: slow }\n      spec", "name: [slow] }\n      spec", "[slow]", &["expected one value"]),
    (
        "kind: AlertCondition\nmetadata: { name: fast,",
        "kind: AlertPolicy\nmetadata: { name: fast,",
        "fast }\nspec:\n  alertWhen",
        &["another AlertPolicy named `fast`"],
    ),
];

#[test]
fn what_cannot_mean_anything_is_shown_where() {
    for (old, new, at, words) in WRONG {
        assert!(EVERY_KIND.contains(old), "{old}");
        let text = EVERY_KIND.replacen(old, new, 1);
        let said = match load(&[("slos.yaml", &text)], PIPELINE) {
            Err(said) => said,
            Ok(_) => panic!("{new} is accepted"),
        };
        let found = text.find(at).unwrap_or_else(|| panic!("{at}"));
        let (line, column) = line_column(&text, found);
        let place = format!("slos.yaml:{line}:{column}\n");
        assert!(said.contains(&place), "{new}: {place}\n{said}");
        for word in *words {
            assert!(said.contains(word), "{new}: {word}\n{said}");
        }
    }
    let said = load(&[("slos.yaml", "a: [")], PIPELINE).expect_err("no YAML");
    assert!(said.contains("slos.yaml:1:"), "{said}");
    let said = load(&[], PIPELINE).expect_err("no file");
    assert!(said.contains("cannot read") && said.contains("p.yaml:8:14"), "{said}");
}

/// What a pipeline can say, in every form that needs an annotation, comes back as it was.
const EVERYTHING: &str = r#"version: 1
name: shop
slice: 10s
sources: [{ name: alb, format: aws_alb }, { name: counters, format: external }]
services:
  - { name: checkout, when: 'path == "/checkout"', tier: 1, owner: payments, runbook_url: https://r.example, dashboard_url: https://d.example }
  - { name: "team-{team}", match: { path: '^/(?<team>[a-z]+)/' } }
  - { name: "{target_group}" }
slos:
  - { name: availability, service: checkout, objective: 99.999999, window: 28d, indicator: { specification: "Buyers get\nan answer: always.", good: 'status < 500 && path != "a: b # c"', exclude: client_gone } }
  - { name: availability, service: "*", objective: 99.9, window: 90m, alerts: none, indicator: { good: status < 500 } }
  - { name: Two Words!, service: [team-*, "__unmatched__"], objective: 99, window: 30d, consumed_step: 0.1%, indicator: { good: status < 500 } }
  - name: latency
    objective: 0.000001
    indicator: { latency: { below: 1500us, of: target_processing, failed: excluded }, exclude: websocket }
    alerts: none
  - name: odd
    objective: 99.95
    window: 7d
    indicator: { latency: { below: 2s, of: client, failed: good } }
    alerts:
      - { severity: Page Me, name: A B, budget: 7%, long: 11h, short: 90s }
      - { severity: Page Me, factor: 3.123456, long: 6h, short: 30m }
      - { severity: ticket, factor: 1, long: 3610s, short: 10s, op: gte, alert_after: 90s, cool_down: 5m }
  - name: month
    objective: 99.9
    window: { calendar: month, time_zone: Europe/Berlin }
    indicator: { good: status < 500 }
    coverage_min: 75%
    min_events: 100
    min_failures: 3
    suppress_slower: true
    policy: none
    sla: { objective: 99.5, credits: [{ below: 99.5, credit: 10 }, { below: 99, credit: 25.5 }] }
  - name: steady
    objective: 99
    window: { calendar: week, week_starts: sunday }
    budgeting: timeslices
    slice_target: 95.5
    slice_window: 5m
    on_empty: bad
    indicator: { good: status < 500 }
    policy:
      - { name: go, above: 50, action: "Ship, as usual." }
      - { name: care, from: 0.5, action: Care., releases: false }
      - { name: stop, action: Stop., releases: true }
  - { name: share, objective: 99, budgeting: ratio_timeslices, slice_window: 10s, indicator: { good: status < 500 } }
  - { name: busy, objective: 99, alerts: none, slice_window: 1m, indicator: { throughput: { at_least: 10, at_most: 500 }, exclude: websocket } }
  - { name: calm, objective: 99, alerts: none, indicator: { throughput: { at_most: 500 } } }
  - { name: freshness, objective: 99, indicator: { freshness: { below: 5m }, exclude: websocket }, alerts: none }
  - { name: correctness, objective: 99.99, indicator: { external: true }, alerts: none }
"#;

fn parse(text: &str) -> Pipeline {
    Pipeline::parse(Path::new("p.yaml"), text, HashMap::new()).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn what_is_written_reads_back_the_same() {
    let first = parse(EVERYTHING);
    let (settings, written) = (&first.settings, super::text(&first));
    let (head, _) = EVERYTHING.split_once("slos:").expect("SLOs");
    let pipeline = format!("{head}slos: [{{ openslo: slos.yaml }}]\n");
    let again = load(&[("slos.yaml", &written)], &pipeline).unwrap_or_else(|e| panic!("{e}\n{written}"));
    for (before, after) in settings.slos.iter().zip(&again.settings.slos) {
        assert_eq!(before, after);
    }
    assert_eq!(*settings, again.settings);
    assert_eq!(first.specifications, again.specifications);
    assert_eq!(first.specifications[0].as_deref(), Some("Buyers get\nan answer: always."));
    // nothing in it is odd, but for the short window and the low objective that were there before
    let said = again.warnings_text(false);
    assert!(!said.contains("unknown") && !said.contains("missing"), "{said}");
    assert_eq!(super::text(&again), written);
}

#[test]
fn presets_and_quick_starts_read_back_the_same() {
    for path in ["pipelines/quickstart.yaml", "pipelines/aws-alb-kafka.yaml", "pipelines/demo.yaml"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
        let text = std::fs::read_to_string(&path).expect("read");
        let pipeline = Pipeline::parse(&path, &text, HashMap::new()).unwrap_or_else(|e| panic!("{e}"));
        let written = super::text(&pipeline);
        let from = text.find("\nslos:\n").expect("SLOs");
        let to = text[from + 7..].find("\n\n").map_or(text.len(), |end| from + 7 + end);
        let other = format!("{}\nslos: [{{ openslo: slos.yaml }}]\n{}", &text[..from], &text[to..]);
        let again = load(&[("slos.yaml", &written)], &other).unwrap_or_else(|e| panic!("{e}\n{written}"));
        let slos: (&[Slo], &[Slo]) = (&pipeline.settings.slos, &again.settings.slos);
        assert_eq!(slos.0, slos.1, "{}", path.display());
    }
}

/// The rules of the official validator, as far as they concern what is written.
#[test]
fn what_is_written_is_strict() {
    let written = super::text(&parse(EVERYTHING));
    let objects: Vec<Value> = serde_saphyr::from_multiple(&written).expect("YAML");
    let keys = |value: &Value| -> BTreeSet<String> {
        value.as_object().expect("a mapping").keys().cloned().collect()
    };
    let among = |value: &Value, known: &[&str]| {
        let unknown: Vec<String> = keys(value).into_iter().filter(|k| !known.contains(&k.as_str())).collect();
        assert!(unknown.is_empty(), "{unknown:?} in {value:#}");
    };
    let metadata = |value: &Value| {
        among(value, &["name", "displayName", "labels", "annotations"]);
        assert!(is_label(value["name"].as_str().expect("a name")), "{value}");
        for (key, note) in value["annotations"].as_object().into_iter().flatten() {
            assert!(key.starts_with("ninetail.dev/") && note.is_string(), "{key}");
        }
    };
    let metric = |value: &Value| {
        among(value, &["metricSource"]);
        let source = &value["metricSource"];
        among(source, &["metricSourceRef", "type", "spec"]);
        assert!(!keys(&source["spec"]).is_empty() && source["type"] == "accesslog");
    };
    let mut seen = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for object in &objects {
        assert_eq!(keys(object), ["apiVersion", "kind", "metadata", "spec"].map(String::from).into());
        assert_eq!(object["apiVersion"], "openslo/v1");
        metadata(&object["metadata"]);
        let kind = object["kind"].as_str().expect("a kind");
        assert!(seen.insert((kind, object["metadata"]["name"].as_str())), "{object}");
        kinds.insert(kind);
        let spec = &object["spec"];
        if kind != "SLO" {
            continue;
        }
        among(
            spec,
            &[
                "description",
                "service",
                "indicator",
                "timeWindow",
                "budgetingMethod",
                "objectives",
                "alertPolicies",
            ],
        );
        assert!(spec["description"].as_str().is_none_or(|text| text.len() <= 1_050));
        assert!(is_label(spec["service"].as_str().expect("a service")));
        among(&spec["indicator"], &["metadata", "spec"]);
        metadata(&spec["indicator"]["metadata"]);
        let sli = &spec["indicator"]["spec"];
        let is_threshold = sli.get("thresholdMetric").is_some();
        assert_eq!(keys(sli).len(), 1);
        match is_threshold {
            true => metric(&sli["thresholdMetric"]),
            false => {
                among(&sli["ratioMetric"], &["counter", "good", "total"]);
                metric(&sli["ratioMetric"]["good"]);
                metric(&sli["ratioMetric"]["total"]);
            }
        }
        assert_eq!(spec["timeWindow"].as_array().map(Vec::len), Some(1));
        let objectives = spec["objectives"].as_array().expect("a list");
        assert_eq!(objectives.len(), 1);
        let target = objectives[0]["target"].as_f64().expect("a number");
        assert!((0.0..1.0).contains(&target));
        assert_eq!(objectives[0].get("op").is_some(), is_threshold);
        assert_eq!(objectives[0].get("value").is_some(), is_threshold);
        for policy in spec["alertPolicies"].as_array().into_iter().flatten() {
            assert_eq!(keys(policy), ["kind", "metadata", "spec"].map(String::from).into());
            metadata(&policy["metadata"]);
            let [condition] = policy["spec"]["conditions"].as_array().expect("a list").as_slice() else {
                panic!("one condition: {policy}")
            };
            metadata(&condition["metadata"]);
            among(
                &condition["spec"]["condition"],
                &["kind", "op", "threshold", "lookbackWindow", "alertAfter"],
            );
            let target = &policy["spec"]["notificationTargets"][0]["targetRef"];
            let known = objects
                .iter()
                .any(|o| o["kind"] == "AlertNotificationTarget" && o["metadata"]["name"] == *target);
            assert!(known, "{target}");
        }
    }
    assert_eq!(kinds, ["AlertNotificationTarget", "DataSource", "SLO", "Service"].into());
}

/// Of the official examples: two weeks at 95 %, a week at 99.95 % (only their windows and targets).
#[test]
fn budgets_of_the_official_examples() {
    let text = EVERY_KIND
        .replace("duration: 4w", "duration: 2w")
        .replace("target: 0.9995", "target: 0.95")
        .replace("\"30d\"", "\"1w\"")
        .replace("99.5}", "99.95}");
    // 14.4 is within reach at 95 %: at most 20
    let slos = valid(&text).settings.slos;
    let time = |slo: &Slo| crate::core::burn::allowed_seconds(slo.window_s, slo.objective).to_string();
    // 1008 of 20160 minutes, 5 min 2.4 s of 10080
    assert_eq!(slos.iter().map(time).collect::<Vec<_>>(), ["60480", "302.4"]);
}

#[test]
fn points_move_exactly() {
    let cases = [
        ("0.9995", 2, Some("99.95")),
        ("0.9990000000000001", 2, Some("99.90000000000001")),
        (".5", 2, Some("50")),
        ("1e-8", 2, Some("0.000001")),
        ("99.95", -2, Some("0.9995")),
        ("0.000001", -2, Some("0.00000001")),
        ("1500", -3, Some("1.5")),
        ("200", 3, Some("200000")),
        ("0", 3, Some("0")),
        ("1.5E2", 0, Some("150")),
        ("-1", 0, None),
        ("x", 0, None),
        ("", 0, None),
        ("1e99", 0, None),
    ];
    for (text, places, want) in cases {
        assert_eq!(shifted(text, places).as_deref(), want, "{text} {places}");
    }
}

#[test]
fn names_become_labels() {
    for (name, want) in [("Two Words!", "two-words"), ("a--b", "a-b"), ("é", "x"), ("page-1h", "page-1h")] {
        assert_eq!(label(name, "x"), want);
        assert!(is_label(want));
    }
    assert!(!is_label(&"a".repeat(64)) && is_label(&label(&"a".repeat(64), "x")));
}
