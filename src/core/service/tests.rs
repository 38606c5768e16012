//! Tables of rules and records: names, precedence, limits, errors, SLO selection.

use super::*;
use crate::core::decimal::Decimal;
use crate::core::record::{Field, Value};
use crate::core::settings::{Indicator, OTHER, RouteRule, ServiceMap, Slo, UNMATCHED};
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
        alerts_lateness_s: None,
        sources: vec![],
        routes: None,
        exclusions: vec![],
        dimensions: vec![],
        tiers: vec![],
        services: services
            .iter()
            .map(|(name, when, matches)| ServiceRule {
                name: name.to_string(),
                when: when.map(str::to_string),
                matches: matches.iter().map(|(f, r)| (f.to_string(), r.to_string())).collect(),
                map: None,
                tier: None,
                owner: None,
                runbook_url: None,
                dashboard_url: None,
                labels: Default::default(),
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
                ..Slo::default()
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

/// A label may decide alone: what is remembered must tell records apart by it.
#[test]
fn labels_are_remembered_like_fields() {
    let rules: Rules<'_> =
        &[("{k8s.app}", None, &[]), ("b", Some("k8s.zone == \"z\""), &[]), ("{host}", None, &[])];
    let mut labels = Labels::default();
    let classifier = Classifier::compile(&settings(rules, &[]), &mut labels).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    let field = |name| labels.field(name).expect("asked for");
    let (app, zone) = (field("k8s.app"), field("k8s.zone"));
    let cases: [(Texts<'_>, &str); 4] = [
        (&[(app, b"web"), (Field::Host, b"h")], "web"),
        (&[(Field::Host, b"h")], "h"),
        (&[(zone, b"z"), (Field::Host, b"h")], "b"),
        (&[(app, b"api"), (zone, b"z"), (Field::Host, b"h")], "api"),
    ];
    for (texts, name) in cases.iter().chain(cases.iter().rev()) {
        let id = resolver.resolve(&record(texts));
        assert_eq!(&*resolver.service(id).name.name, *name, "{texts:?}");
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

/// The first rule looks the field up in the table; the second names by target group.
fn with_map(name: &str, field: &str, values: &[(&str, &str)]) -> Settings {
    let mut settings = settings(&[(name, None, &[]), ("{target_group}", None, &[])], &[]);
    let values = values.iter().map(|(value, service)| (value.to_string(), service.to_string())).collect();
    settings.services[0].map = Some(ServiceMap { field: field.into(), values });
    settings
}

#[test]
fn a_table_names_services_and_what_is_not_in_it_goes_on() {
    let values = [("shop.example.com", "shop"), ("pay", "pay"), ("www", "shop")];
    let settings = with_map("{map}", "host", &values);
    assert_eq!(settings.services[0].names().into_iter().collect::<Vec<_>>(), ["pay", "shop"]);
    let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("compiles");
    assert_eq!(classifier.named().map(|n| &*n.name).collect::<Vec<_>>(), ["shop", "pay"]);
    let mut resolver = ServiceResolver::new(&classifier);
    use Field::{Host, TargetGroup};
    let cases: &[(Texts<'_>, &str, bool)] = &[
        (&[(Host, b"shop.example.com"), (TargetGroup, b"tg")], "shop", true),
        (&[(Host, b"www")], "shop", true),
        (&[(Host, b"pay")], "pay", true),
        (&[(Host, b"PAY"), (TargetGroup, b"tg")], "tg", false),
        (&[(TargetGroup, b"pay")], "pay", true),
        (&[(Host, b"")], UNMATCHED, true),
        (&[], UNMATCHED, true),
    ];
    for _ in 0..2 {
        for (fields, name, named) in cases {
            let id = resolver.resolve(&record(fields));
            let service = resolver.service(id);
            assert_eq!((&*service.name.name, service.name.named), (*name, *named), "{fields:?}");
        }
    }
}

#[test]
fn a_table_looks_numbers_up_and_its_name_may_have_text_around() {
    let settings = with_map("eu-{map}", "port", &[("443", "web"), ("8443", "admin")]);
    let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("compiles");
    let mut resolver = ServiceResolver::new(&classifier);
    for (port, want) in [(443, "eu-web"), (8443, "eu-admin"), (80, UNMATCHED)] {
        let mut record = record(&[]);
        record.set(Field::Port, Value::Integer(port));
        let id = resolver.resolve(&record);
        assert_eq!(&*resolver.service(id).name.name, want);
    }
}

#[test]
fn wrong_tables_routes_and_dimensions_are_refused_where_they_stand() {
    let values = [("a", "shop"), ("b", "__other__")];
    let routed = |field: &str| Settings { dimensions: vec![field.into()], ..settings(SHOP, &[]) };
    let map = |name, field| with_map(name, field, &values);
    let rule = |m: &str, r: &str| Settings {
        routes: Some(vec![RouteRule { matches: m.into(), route: r.into() }]),
        ..settings(SHOP, &[])
    };
    let cases = [
        (map("{map}", "host"), Place::ServiceMapValue(0, 1)),
        (map("x", "host"), Place::ServiceName(0)),
        (map("{map}-{host}", "host"), Place::ServiceName(0)),
        (map("{map}", "hots"), Place::ServiceMapField(0)),
        (map("{map}", "client_latency"), Place::ServiceMapField(0)),
        (map("{map}", "route"), Place::ServiceMapValue(0, 1)),
        (with_map("{map}", "route", &[("/", "home")]), Place::ServiceMapField(0)),
        (routed("route"), Place::Dimension(0)),
        (routed("roote"), Place::Dimension(0)),
        (routed("time"), Place::Dimension(0)),
        (rule("(", "/x"), Place::RouteMatch(0)),
        (rule("x", ""), Place::RouteName(0)),
        (settings(&[("a", Some("route == '/'"), &[])], &[]), Place::ServiceWhen(0)),
        (settings(&[("{route}", None, &[])], &[]), Place::ServiceName(0)),
        (settings(&[("a", None, &[("route", "x")])], &[]), Place::ServiceMatchField(0, 0)),
        (settings(&[], &[("s", &["*"], "route != '/health'")]), Place::SloGood(0)),
    ];
    for (settings, place) in cases {
        let error = Classifier::compile(&settings, &mut Labels::default()).expect_err("refused");
        assert_eq!(error.place, place, "{error}");
        let on = Settings { routes: Some(settings.routes.clone().unwrap_or_default()), ..settings };
        let off = error.error.message.contains("no record has a route");
        assert_eq!(Classifier::compile(&on, &mut Labels::default()).is_ok(), off, "{error}");
    }
}

#[test]
fn formats_fill_the_path_and_only_where_somebody_looks_at_the_route() {
    let compiled = |good: &str, dimensions: &[&str]| {
        let settings = Settings {
            routes: Some(vec![]),
            dimensions: dimensions.iter().map(|d| d.to_string()).collect(),
            ..settings(&[], &[("s", &["*"], good)])
        };
        let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("compiles");
        let fields = classifier.fields();
        (fields.has(Field::Path), fields.has(Field::Route), classifier.router().is_some())
    };
    assert_eq!(compiled("status < 500", &[]), (false, false, false));
    assert_eq!(compiled("status < 500", &["method"]), (false, false, false));
    assert_eq!(compiled("status < 500", &["route"]), (true, false, true));
    assert_eq!(compiled("route != '/health'", &[]), (true, false, true));
}

#[test]
fn groups_are_bounded_and_one_for_each_service_and_combination() {
    let settings = Settings {
        dimensions: vec!["method".into(), "port".into()],
        limits: Limits { ingest_dimension_values_max: 2, ingest_services_max: 4, ..Limits::default() },
        ..settings(&[("{target_group}", None, &[])], &[])
    };
    let classifier = Classifier::compile(&settings, &mut Labels::default()).expect("compiles");
    let mut groups = Groups::new(&classifier).expect("there are dimensions");
    let (a, b) = (ServiceId(2), ServiceId(3));
    let of = |text: &'static [u8]| record(&[(Field::Method, text)]);
    let other = Combination::other(2);
    let get = groups.group(a, &of(b"GET"));
    assert_eq!(groups.combination(get).expect("a group").values(), [Some("GET".into()), None]);
    assert_eq!(groups.group(a, &of(b"GET")), get);
    assert_ne!(groups.group(b, &of(b"GET")), get);
    let bad = groups.group(a, &of(b"\xff"));
    assert_eq!(groups.group(a, &of("\u{fffd}".as_bytes())), bad, "what is shown alike is counted together");
    let reserved = groups.group(a, &of(b"__x__"));
    assert_eq!(groups.combination(reserved).expect("a group").values()[0].as_deref(), Some(OTHER));
    // two combinations of a service in a span, however often; another service has its own two
    assert_eq!((groups.admit(get, a, 1), groups.admit(bad, a, 1), groups.admit(get, a, 1)), (get, bad, get));
    let put = groups.group(a, &of(b"PUT"));
    let folded = groups.admit(put, a, 1);
    assert_eq!(groups.combination(folded), Some(&other));
    assert_eq!(groups.admit(put, a, 2), put, "the next span counts afresh");
    // a service that was folded takes its combination along
    let moved = groups.admit(put, ServiceId::OTHER, 1);
    assert_eq!(groups.combination(moved), groups.combination(put));
    // eight are held at most, beside those of `__other__`
    for name in [&b"1"[..], b"2", b"3", b"4", b"5", b"6"] {
        groups.group(b, &of(name));
    }
    let last = groups.group(b, &of(b"7"));
    assert_eq!(groups.combination(last), Some(&other));
    groups.trim(false);
    let last = groups.group(b, &of(b"7"));
    assert_eq!(groups.combination(last).expect("a group").values()[0].as_deref(), Some("7"));
}
