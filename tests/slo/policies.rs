//! Policy tiers and what a closed period came to.

use crate::support::*;
use ninetail::core::calendar::{Calendar, Unit, Weekday};
use ninetail::core::event::{Event, POLICY_CHANGED, WINDOW_CLOSED};
use ninetail::core::settings::{PolicyTier, Sla, Slo};
use ninetail::core::time::{Slice, Time};

fn of<'a>(bench: &'a Bench, kind: &str) -> Vec<&'a Event> {
    bench.events.iter().filter(|e| e.kind == kind).collect()
}

#[test]
fn a_budget_passes_through_the_policys_tiers_and_back() {
    let slo = Slo { policy: PolicyTier::handbook(), ..slo("a", "99", 3600, vec![]) };
    let mut bench = Bench::new(vec![slo]);
    // of 10,000 requests 100 may be bad
    bench.close(&[("shop", 0, 9_876, 49)]);
    for bad in [1, 24, 1, 14, 1, 9, 1] {
        bench.close(&[("shop", 0, 0, bad)]);
    }
    bench.close(&[("shop", 0, 24, 0)]);
    bench.close_empty(80);
    let tiers: Vec<String> = of(&bench, POLICY_CHANGED)
        .iter()
        .map(|e| format!("{}: {}", minute(e.time), field(e, "/policy/tier").as_str().unwrap()))
        .collect();
    // the first slice leaves with the hour, and mostly failures are left; with the last of them, at 0:08 + 1 h, the budget is
    // whole
    let want = ["2: caution", "4: slow down", "6: freeze", "8: exhausted", "68: full speed"];
    assert_eq!(tiers, want);
    assert_eq!(field(of(&bench, POLICY_CHANGED)[1], "/policy/previous"), "caution");
}

#[test]
fn fifteen_minutes_of_twenty_one_call_for_caution() {
    let slo = Slo { policy: PolicyTier::handbook(), ..slo("a", "99.95", MONTH_S, vec![]) };
    let mut bench = Bench::new(vec![slo]);
    bench.close(&[("shop", 0, 43_185, 15)]);
    let event = of(&bench, POLICY_CHANGED)[0];
    assert_eq!(field(event, "/policy/tier"), "caution");
    assert_eq!(field(event, "/budget/remaining_ratio"), "0.305555");
    assert_eq!(field(event, "/budget/allowed_seconds"), "1296");
    // exactly a quarter left is on the tier's bound
    let slo = Slo { policy: PolicyTier::handbook(), ..self::slo("a", "99", 7 * 86_400, vec![]) };
    let mut bench = Bench::new(vec![slo]);
    bench.close(&[("shop", 0, 9_925_000, 75_000)]);
    assert_eq!(field(of(&bench, POLICY_CHANGED)[0], "/policy/tier"), "caution");
}

fn slo(name: &str, objective: &str, window_s: u64, tiers: Vec<ninetail::core::settings::Tier>) -> Slo {
    crate::support::slo(name, objective, window_s, tiers)
}

#[test]
fn a_month_ends_with_a_verdict() {
    for (bad, slo_met, met, credit, unread) in [
        (50, true, true, "0", 0),
        (80, false, true, "0", 0),
        (100, false, true, "0", 9),
        (110, false, false, "10", 0),
    ] {
        let calendar = Calendar { unit: Unit::Month, time_zone: "UTC".into(), week_starts: Weekday::Monday };
        let sla = Sla { objective: percent("99.9"), credits: vec![(percent("99.9"), percent("10"))] };
        let slo = Slo { calendar: Some(calendar), sla: Some(sla), ..slo("a", "99.95", MONTH_S, vec![]) };
        let mut bench = Bench::new(vec![slo]);
        bench.context.slice = Slice(Time::parse("2026-02-01T00:00:00Z").unwrap().seconds() / 60 - 1);
        bench.close(&[("shop", 0, 100_000 - bad, bad)]);
        bench.context.unread = 10_000;
        (0..unread).for_each(|_| drop(bench.close(&[])));
        bench.context.unread = 0;
        let end = Time::parse("2026-03-01T00:00:00Z").unwrap().seconds() / 60;
        bench.close_empty(end - BEGIN + 10);
        let closed = of(&bench, WINDOW_CLOSED);
        assert_eq!(closed.len(), 1, "one period had requests");
        assert_eq!(closed[0].time.to_string(), "2026-03-01T00:00:00Z");
        assert_eq!(field(closed[0], "/verdict/slo_met"), slo_met, "{bad}");
        assert_eq!(field(closed[0], "/verdict/sla/met"), met, "{bad}");
        assert_eq!(field(closed[0], "/verdict/sla/credit"), credit, "{bad}");
        assert_eq!(field(closed[0], "/provenance/coverage/slices"), 40_320);
        assert_eq!(field(closed[0], "/provenance/coverage/observed"), 40_320 - unread);
        assert_eq!(bench.ledger.series(), 0);
    }
}
