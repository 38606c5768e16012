//! What events say of where their numbers come from: what brought the bad requests, what came late, what was not read.

use crate::support::*;
use ninetail::core::calendar::{Calendar, Unit};
use ninetail::core::event::data::TopicOffsets;
use ninetail::core::event::{CONSUMED, FIRING};
use ninetail::core::ledger::{CloseContext, Contributors};
use ninetail::core::partial::Verdicts;
use ninetail::core::service::Combination;
use ninetail::core::settings::{Exclusion, Occurs};
use ninetail::core::time::{Slice, Time};
use serde_json::{Value, json};

/// What combinations of (route, status) brought to the first SLO of a service in the next slice.
fn contributors(bench: &Bench, of: &[(&str, Option<&str>, u64, u64)]) -> Contributors {
    let slice = bench.context.slice.next();
    let mut all = Contributors::new(slice, vec!["route".into(), "status".into()]);
    for (route, status, good, bad) in of {
        let combination = Combination::new(vec![Some((*route).into()), status.map(|s| s.into())]);
        all.add(&"shop".into(), 0, &combination, Verdicts { good: *good, bad: *bad, excluded: 0 });
    }
    all
}

#[test]
fn most_of_the_bad_requests_are_named_by_their_dimensions() {
    let one = |route: &str, status: Option<&str>, bad: u64, total: u64, share: &str| json!({ "dimensions": { "route": route, "status": status }, "bad": bad, "total": total, "share": share });
    // what was counted by (route, status, good, bad), and what is told
    let cases = [
        (vec![], vec![]),
        (vec![("/a", Some("200"), 90, 0)], vec![]),
        (vec![("/a", Some("502"), 0, 10)], vec![one("/a", Some("502"), 10, 10, "1")]),
        (
            vec![
                ("/b", None, 0, 1),
                ("/a", Some("502"), 5, 1),
                ("/c", Some("502"), 0, 7),
                ("/d", None, 9, 0),
            ],
            vec![
                one("/c", Some("502"), 7, 7, "0.777777"),
                one("/a", Some("502"), 1, 6, "0.111111"),
                one("/b", None, 1, 1, "0.111111"),
            ],
        ),
        (
            (b'a'..=b'g')
                .map(|c| (["/a", "/b", "/c", "/d", "/e", "/f", "/g"][usize::from(c - b'a')], None, 0, 1))
                .collect(),
            ["/a", "/b", "/c", "/d", "/e"].map(|route| one(route, None, 1, 1, "0.142857")).to_vec(),
        ),
    ];
    for (of, want) in cases {
        let tiers = vec![tier("page-1h", (1, 10), 3600, 300)];
        let mut bench = Bench::new(vec![slo("availability", "50", MONTH_S, tiers)]);
        bench.context.contributors = contributors(&bench, &of);
        let told = bench.close(&[("shop", 0, 90, 10)]);
        assert_eq!(kinds(&told), [CONSUMED, FIRING]);
        for event in &told {
            assert_eq!(field(event, "/top_contributors"), Value::from(want.clone()), "{of:?}");
        }
        // they are those of their own slice
        let told = bench.close(&[("shop", 0, 90, 10)]);
        assert_eq!(field(&told[0], "/top_contributors"), json!([]));
    }
}

#[test]
fn what_does_not_count_contributes_nothing() {
    let mut settings = settings(vec![slo("availability", "99", MONTH_S, vec![])]);
    settings.exclusions = vec![Exclusion {
        name: "work".into(),
        services: vec!["*".into()],
        slos: vec!["*".into()],
        reason: "maintenance".into(),
        occurs: Occurs::Once {
            from: Time::from_seconds((BEGIN + 1) * 60),
            to: Time::from_seconds((BEGIN + 2) * 60),
        },
    }];
    let mut bench = Bench::of(settings);
    let mut told = Vec::new();
    for _ in 0..3 {
        bench.context.contributors = contributors(&bench, &[("/a", None, 0, 10)]);
        told.extend(bench.close(&[("shop", 0, 90, 10)]));
    }
    told.retain(|e| e.kind == CONSUMED);
    assert_eq!(told.iter().map(|e| minute(e.time)).collect::<Vec<_>>(), [1, 3], "the second is excluded");
    assert!(told.iter().all(|e| field(e, "/top_contributors/0/bad") == 10));
    assert!(field(&told[0], "/slo/labels") == json!({ "channel": "payments" }));
}

#[test]
fn late_and_rejected_are_those_of_the_window() {
    // (length of the window in minutes, or a calendar's day; what is told at the minutes 10, 20 and 100)
    let day = Calendar { unit: Unit::Day, time_zone: "UTC".into(), week_starts: Default::default() };
    for (minutes, calendar, want) in [
        (15, None, [(7, 2), (3, 3), (0, 0)]),
        (120, None, [(7, 2), (10, 5), (10, 5)]),
        // 22:23 is BEGIN: midnight comes at minute 97
        (1_440, Some(day), [(7, 2), (10, 5), (0, 0)]),
    ] {
        let mut slo = slo("availability", "99", minutes * 60, vec![]);
        slo.calendar = calendar;
        let mut bench = Bench::new(vec![slo]);
        let mut told = Vec::new();
        for minute in 1..=100i64 {
            // told in the minute before, as the engine does
            match minute {
                5 => bench.ledger.note(Slice(BEGIN + 1), 7, 2),
                15 => {
                    bench.ledger.note(Slice(BEGIN + 12), 2, 1);
                    bench.ledger.note(Slice(BEGIN + 12), 1, 1);
                    bench.ledger.note(Slice(BEGIN + 14), 0, 1);
                }
                _ => {}
            }
            let bad = u64::from([10, 20, 100].contains(&minute));
            told.extend(bench.close(&[("shop", 0, 100, bad)]).into_iter().filter(|e| e.kind == CONSUMED));
        }
        let said: Vec<_> = told
            .iter()
            .map(|e| {
                let number = |path| field(e, path).as_u64().unwrap();
                (number("/provenance/late_events"), number("/provenance/dropped_events"))
            })
            .collect();
        assert_eq!(said, want, "{minutes} minutes");
    }
}

#[test]
fn offsets_are_told_as_they_were_given() {
    let mut bench = Bench::new(vec![slo("availability", "99", MONTH_S, vec![])]);
    let topic = |name: &str, next: &[Option<i64>]| TopicOffsets {
        source: "alb".into(),
        topic: name.into(),
        next: next.to_vec(),
    };
    let told = bench.close(&[("shop", 0, 0, 1)]);
    assert_eq!(field(&told[0], "/provenance/source_offsets"), Value::Null);
    let offsets = [topic("a", &[Some(7), None, Some(0)]), topic("b", &[Some(5)])];
    bench.context = CloseContext { source_offsets: Some(offsets.into()), ..bench.context.clone() };
    let told = bench.close(&[("shop", 0, 0, 1)]);
    let want = json!([
        { "source": "alb", "topic": "a", "next": [7, null, 0] },
        { "source": "alb", "topic": "b", "next": [5] },
    ]);
    assert_eq!(field(&told[0], "/provenance/source_offsets"), want);
}
