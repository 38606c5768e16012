//! Tables of rules and records: names, precedence, limits, errors, SLO selection.

use super::*;
use crate::core::decimal::Decimal;
use crate::core::record::{Field, Value};
use crate::core::settings::{Indicator, OTHER, Slo, UNMATCHED};
use crate::core::time::{SliceLength, Time};

/// Name, `when`, `match`.
type Rules<'a> = &'a [(&'a str, Option<&'a str>, &'a [(&'a str, &'a str)])];
/// Text fields of a record.
type Texts<'a> = &'a [(Field, &'a [u8])];

fn settings(services: Rules<'_>, slos: &[(&str, &[&str], &str)]) -> Settings {
    Settings {
        name: "t".into(),
        slice: SliceLength(60),
        cut_s: 300,
        watermark_quorum: 16,
        history_after_s: 900,
        silent_after_s: 600,
        sources: vec![],
        services: services
            .iter()
            .map(|(name, when, matches)| ServiceRule {
                name: name.to_string(),
                when: when.map(str::to_string),
                matches: matches.iter().map(|(f, r)| (f.to_string(), r.to_string())).collect(),
                tier: None,
                owner: None,
                runbook_url: None,
                dashboard_url: None,
            })
            .collect(),
        slos: slos
            .iter()
            .map(|(name, services, good)| Slo {
                name: (*name).into(),
                services: services.iter().map(|s| s.to_string()).collect(),
                objective: Decimal(99_000_000),
                window_s: 2_592_000,
                indicator: Indicator {
                    exclude: None,
                    rule: crate::core::settings::Rule::Good(good.to_string()),
                },
                tiers: vec![],
                consumed_step: Decimal(0),
            })
            .collect(),
        limits: Limits { service_name_bytes_max: 12, ..Limits::default() },
    }
}

fn compile(services: Rules<'_>) -> Result<Classifier, CompileError> {
    Classifier::compile(&settings(services, &[]), &mut Labels::default())
}

fn record<'a>(fields: &[(Field, &'a [u8])]) -> Record<'a> {
    let mut record = Record::at(Time::default());
    for (field, bytes) in fields {
        record.set(*field, Value::Text(bytes));
    }
    record
}

const SHOP: Rules<'_> = &[
    ("checkout", Some("host == \"shop\" && path.startsWith(\"/checkout\")"), &[]),
    ("team-{team}", None, &[("path", "^/(?<team>[a-z]+)/(?<rest>x)?")]),
    ("{target_group}", Some("method != 'TRACE'"), &[]),
    ("{host}:{port}", Some("port != null"), &[]),
];

#[test]
fn the_first_rule_that_matches_names_the_service() {
    let classifier = compile(SHOP).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    use Field::{Host, Method, Path, TargetGroup};
    let cases: &[(Texts<'_>, Option<u64>, &str, Option<u16>)] = &[
        (&[(Host, b"shop"), (Path, b"/checkout/1")], None, "checkout", Some(0)),
        (&[(Host, b"shop"), (Path, b"/Cart")], None, UNMATCHED, None),
        (&[(Host, b"web"), (Path, b"/checkout/1")], None, "team-checkou", Some(1)),
        (&[(Path, b"/a/")], None, "team-a", Some(1)),
        (&[(Path, b"/a/"), (TargetGroup, b"tg")], None, "team-a", Some(1)),
        (&[(TargetGroup, b"tg"), (Method, b"GET")], None, "tg", Some(2)),
        (&[(TargetGroup, b"tg")], None, UNMATCHED, None),
        (&[(TargetGroup, b"checkout"), (Method, b"GET")], None, "checkout", Some(0)),
        (&[(TargetGroup, b""), (Method, b"GET")], None, UNMATCHED, None),
        (&[(TargetGroup, b"__other__"), (Method, b"GET")], None, UNMATCHED, None),
        (&[(TargetGroup, b"__x__"), (Method, b"GET"), (Host, b"h")], Some(80), "h:80", Some(3)),
        (&[(TargetGroup, b"a\xff\x07"), (Method, b"GET")], None, "a\u{fffd}\u{fffd}", Some(2)),
        (&[(TargetGroup, b"0123456789abcdef"), (Method, b"GET")], None, "0123456789ab", Some(2)),
        (&[(TargetGroup, b"0123456789abXYZ"), (Method, b"GET")], None, "0123456789ab", Some(2)),
        (&[(Host, b"h")], Some(8080), "h:8080", Some(3)),
        (&[], Some(8080), UNMATCHED, None),
        (&[], None, UNMATCHED, None),
    ];
    // twice: the second time everything is remembered
    for _ in 0..2 {
        for (fields, port, name, rule) in cases {
            let mut record = record(fields);
            if let Some(port) = port {
                record.set(Field::Port, Value::Integer(*port));
            }
            let id = resolver.resolve(&record);
            let service = resolver.service(id);
            assert_eq!((&*service.name.name, service.name.rule), (*name, *rule), "{fields:?}");
            assert_eq!(service.name.named, *name == "checkout" || *name == UNMATCHED, "{name}");
        }
    }
}

#[test]
fn one_number_for_one_name_and_rule() {
    let classifier =
        compile(&[("{host}", Some("host != 'x'"), &[]), ("{domain_name}", None, &[])]).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    let a = resolver.resolve(&record(&[(Field::Host, b"\xff")]));
    let b = resolver.resolve(&record(&[(Field::Host, b"\xfe")]));
    let c = resolver.resolve(&record(&[(Field::DomainName, b"\xfe")]));
    assert_eq!(a, b);
    assert_ne!(a, c);
    assert_eq!(resolver.service(a).name.name, resolver.service(c).name.name);
    let mut names: Vec<_> =
        (0..resolver.len()).map(|i| resolver.service(ServiceId(i as u32)).name.clone()).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn optional_groups_that_took_no_part_are_absent() {
    let rules: Rules<'_> =
        &[("x-{v}", None, &[("path", "^/a(?<v>[0-9])?"), ("host", "^h")]), ("rest", None, &[])];
    let classifier = compile(rules).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    for (path, host, name) in
        [("/a1", "h", "x-1"), ("/a", "h", "rest"), ("/a1", "g", "rest"), ("/b", "h", "rest")]
    {
        let id = resolver.resolve(&record(&[(Field::Path, path.as_bytes()), (Field::Host, host.as_bytes())]));
        assert_eq!(&*resolver.service(id).name.name, name, "{path} {host}");
    }
}

#[test]
fn names_are_bounded_and_forgotten() {
    let mut settings = settings(&[("named", Some("host == 'n'"), &[]), ("{host}", None, &[])], &[]);
    settings.limits.ingest_services_max = 4;
    let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    let name = |i: usize| format!("h{i}").into_bytes();
    for i in 0..100 {
        let host = name(i);
        let id = resolver.resolve(&record(&[(Field::Host, &host)]));
        assert_eq!(id == ServiceId::OTHER, i >= 8, "{i}");
        let id = resolver.resolve(&record(&[(Field::Host, b"n")]));
        assert_eq!(&*resolver.service(id).name.name, "named");
    }
    assert_eq!(resolver.len(), 3 + 8);
    assert!(resolver.trim());
    assert_eq!(resolver.len(), 3);
    assert!(!resolver.trim());
    let host = name(99);
    let id = resolver.resolve(&record(&[(Field::Host, &host)]));
    assert_eq!(&*resolver.service(id).name.name, "h99");
    let id = resolver.resolve(&record(&[(Field::Host, b"n")]));
    assert_eq!(id, ServiceId(2));
}

#[test]
fn rules_that_cannot_be_compiled_say_where() {
    let cases: &[(Rules<'_>, Place, &str)] = &[
        (&[("a", None, &[]), ("{hots}", None, &[])], Place::ServiceName(1), "unknown field or capture"),
        (&[("", None, &[])], Place::ServiceName(0), "needs a name"),
        (&[("__other__", None, &[])], Place::ServiceName(0), "reserved"),
        (&[("a\nb", None, &[])], Place::ServiceName(0), "control"),
        (&[("0123456789abc", None, &[])], Place::ServiceName(0), "at most 12 bytes"),
        (&[("a", Some("statsu == 1"), &[])], Place::ServiceWhen(0), "unknown field"),
        (&[("a", None, &[("hots", "x")])], Place::ServiceMatchField(0, 0), "unknown field"),
        (&[("a", None, &[("status", "x")])], Place::ServiceMatchField(0, 0), "no text"),
        (&[("a", None, &[("host", "x"), ("path", "(")])], Place::ServiceMatchRegex(0, 1), "bad regular"),
        (
            &[("a", None, &[("host", "(?<x>.)"), ("path", "(?<x>.)")])],
            Place::ServiceMatchRegex(0, 1),
            "twice",
        ),
    ];
    for (rules, place, message) in cases {
        let error = compile(rules).map(|_| ()).expect_err("an error");
        assert_eq!(error.place, *place, "{error}");
        assert!(error.error.message.contains(message), "{error}");
    }
    let slos = |good| {
        Classifier::compile(&settings(&[], &[("a", &["*"], good)]), &mut Labels::default()).map(|_| ())
    };
    assert_eq!(slos("status < x").expect_err("an error").place, Place::SloGood(0));
    assert!(slos("status < 500").is_ok());
}

#[test]
fn slos_are_chosen_per_name() {
    let slos: &[(&str, &[&str], &str)] = &[
        ("availability", &["checkout"], "status < 500"),
        ("availability", &["*"], "status < 400"),
        ("latency", &["team-*", "cart"], "true"),
        ("latency", &["*"], "true"),
        ("unmatched", &["__unmatched__"], "true"),
    ];
    let classifier = Classifier::compile(&settings(SHOP, slos), &mut Labels::default()).expect("compiles");
    let cases: [(&str, &[u16]); 6] = [
        ("checkout", &[0, 3]),
        ("cart", &[1, 2]),
        ("team-a", &[1, 2]),
        ("x", &[1, 3]),
        (UNMATCHED, &[4]),
        (OTHER, &[]),
    ];
    for (service, want) in cases {
        assert_eq!(classifier.slos_of(service), want, "{service}");
    }
    let mut resolver = ServiceResolver::new(&classifier);
    let mut record = record(&[(Field::Path, b"/a/")]);
    let id = resolver.resolve(&record);
    assert_eq!(&*resolver.service(id).slos, [1, 2]);
    record.status = Some(404);
    assert_eq!((classifier.verdict(0, &record), resolver.verdict(1, &record)), (Verdict::Good, Verdict::Bad));
    let wanted = classifier.fields();
    for field in [Field::Host, Field::Path, Field::TargetGroup, Field::Method, Field::Status, Field::Port] {
        assert!(wanted.has(field), "{field:?}");
    }
    assert!(!wanted.has(Field::UserAgent));
}

proptest::proptest! {
    /// What is remembered never changes what a service is: a resolver with a past agrees with a new one.
    #[test]
    fn memory_does_not_show(records in proptest::collection::vec((0usize..4, 0usize..5, 0usize..4, 0usize..3), 1..60)) {
        let classifier = compile(SHOP).expect("compiles");
        let mut old = ServiceResolver::new(&classifier);
        for (host, path, group, method) in records {
            let mut r = Record::at(Time::default());
            let mut set = |field, values: &[&'static [u8]], i: usize| {
                if let Some(bytes) = values.get(i) {
                    r.set(field, Value::Text(bytes));
                }
            };
            set(Field::Host, &[b"shop", b"web", b""], host);
            set(Field::Path, &[b"/checkout", b"/a/", b"/b/", b"/"], path);
            set(Field::TargetGroup, &[b"tg", b"checkout", b"__x__"], group);
            set(Field::Method, &[b"GET", b"TRACE"], method);
            let mut new = ServiceResolver::new(&classifier);
            let (a, b) = (old.resolve(&r), new.resolve(&r));
            assert_eq!(old.service(a).name, new.service(b).name);
        }
    }
}
