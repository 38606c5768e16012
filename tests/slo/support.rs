//! A ledger on a bench: slices are closed by hand, every event is checked as it comes out.

use ninetail::core::decimal::{Decimal, Ratio};
use ninetail::core::entry::Configure;
use ninetail::core::event::{self, Event};
use ninetail::core::ledger::{CloseContext, Contributors, Counted, Ledger};
use ninetail::core::partial::Verdicts;
use ninetail::core::settings::{Indicator, Limits, Rule, ServiceRule, Settings, Slo, Tier};
use ninetail::core::time::{Grain, Slice, SliceLength, Time};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

/// A minute in 2018: where benches begin.
pub(crate) const BEGIN: i64 = 25_509_503;

pub(crate) const MONTH_S: u64 = 30 * 86_400;

static SCHEMA: LazyLock<jsonschema::Validator> = LazyLock::new(|| {
    let text = include_str!("../../schemas/event.schema.json");
    jsonschema::validator_for(&serde_json::from_str(text).unwrap()).unwrap()
});

pub(crate) fn percent(text: &str) -> Decimal {
    Decimal::parse(text).unwrap()
}

pub(crate) fn tier(name: &str, factor: (u64, u64), long_s: u64, short_s: u64) -> Tier {
    let severity = if name.starts_with("page") { "page" } else { "ticket" };
    Tier {
        name: name.into(),
        severity: severity.into(),
        factor: Ratio::new(factor.0, factor.1),
        long_s,
        short_s,
        ..Tier::default()
    }
}

/// The workbook's four tiers for 30 days.
pub(crate) fn workbook() -> Vec<Tier> {
    vec![
        tier("page-1h", (144, 10), 3600, 300),
        tier("page-6h", (6, 1), 21_600, 1800),
        tier("ticket-1d", (3, 1), 86_400, 7200),
        tier("ticket-3d", (1, 1), 259_200, 21_600),
    ]
}

pub(crate) fn slo(name: &str, objective: &str, window_s: u64, tiers: Vec<Tier>) -> Slo {
    Slo {
        name: name.into(),
        services: vec!["*".into()],
        objective: percent(objective),
        window_s,
        indicator: Indicator { exclude: None, rule: Rule::Good("status < 500".into()) },
        tiers,
        consumed_step: Decimal(0),
        ..Slo::default()
    }
}

pub(crate) fn settings(slos: Vec<Slo>) -> Settings {
    Settings {
        name: "edge".into(),
        slice: SliceLength(60),
        cut_s: 300,
        watermark_quorum: 16,
        history_after_s: 900,
        silent_after_s: 600,
        alerts_lateness_s: None,
        sources: Vec::new(),
        routes: None,
        exclusions: Vec::new(),
        dimensions: Vec::new(),
        tiers: vec![Grain::Hour],
        services: vec![ServiceRule {
            name: "shop".into(),
            when: None,
            matches: Vec::new(),
            map: None,
            tier: Some(1),
            owner: Some("payments".into()),
            runbook_url: Some("https://runbooks.example.com/shop".into()),
            dashboard_url: Some("https://dashboards.example.com/shop".into()),
            labels: [("channel".into(), "payments".into())].into(),
        }],
        slos,
        limits: Limits::default(),
    }
}

/// What a slice brings: (service, SLO, good, bad).
pub(crate) type Brought<'a> = (&'a str, u16, u64, u64);

pub(crate) struct Bench {
    pub(crate) ledger: Ledger,
    pub(crate) events: Vec<Event>,
    pub(crate) context: CloseContext,
    epoch: u32,
    seen: (BTreeMap<String, u64>, BTreeSet<String>),
}

impl Bench {
    /// Everything was observed since long ago; nothing is history.
    pub(crate) fn new(slos: Vec<Slo>) -> Bench {
        Bench::of(settings(slos))
    }

    pub(crate) fn of(settings: Settings) -> Bench {
        let context = CloseContext {
            slice: Slice(BEGIN - 1),
            history_before: Time(i64::MIN),
            observed_from: Some(Slice(BEGIN - 1_000_000)),
            complete: true,
            unread: 0,
            watermark: Time::from_seconds(BEGIN * 60),
            clock: Time(0),
            first: Default::default(),
            source_offsets: None,
            contributors: Contributors::default(),
        };
        let ledger = Ledger::new(BTreeMap::new());
        let mut bench = Bench { ledger, events: Vec::new(), context, epoch: 0, seen: Default::default() };
        bench.configure(None, settings);
        bench
    }

    pub(crate) fn configure(&mut self, from: Option<i64>, settings: Settings) {
        self.epoch += 1;
        let configure = Configure { epoch: self.epoch, from: from.map(Slice), settings };
        self.ledger.configure(&configure).unwrap();
    }

    /// Closes the next slice.
    pub(crate) fn close(&mut self, brought: &[Brought<'_>]) -> Vec<Event> {
        self.context.slice = self.context.slice.next();
        self.context.first.position += 1;
        let names: Vec<Arc<str>> = brought.iter().map(|b| b.0.into()).collect();
        self.close_with(brought.iter().zip(&names).map(|(b, service)| counted(service, b)))
    }

    /// Closes the slice that the context names, with what was counted in it.
    pub(crate) fn close_with<'a>(&mut self, counted: impl Iterator<Item = Counted<'a>>) -> Vec<Event> {
        let mut out = Vec::new();
        self.ledger.close(&self.context, counted, &mut out).unwrap();
        self.check(&out);
        self.events.extend(out.clone());
        out
    }

    /// Decides the alerts of the next slice early.
    pub(crate) fn alert(&mut self, brought: &[Brought<'_>]) -> Vec<Event> {
        let slice = self.ledger.next_alert().unwrap();
        self.context.first.position += 1;
        let context = CloseContext { slice, ..self.context.clone() };
        let names: Vec<Arc<str>> = brought.iter().map(|b| b.0.into()).collect();
        let counted = brought.iter().zip(&names).map(|(b, service)| counted(service, b));
        let mut out = Vec::new();
        self.ledger.alert(&context, counted, &mut out).unwrap();
        self.check(&out);
        self.events.extend(out.clone());
        out
    }

    /// Closes empty slices up to the minute after `BEGIN`, that one too.
    pub(crate) fn close_empty(&mut self, until: i64) -> Vec<Event> {
        self.context.slice = Slice(BEGIN + until);
        self.context.first.position += 1;
        let mut out = Vec::new();
        self.ledger.close_empty(&self.context, &mut out).unwrap();
        self.check(&out);
        self.events.extend(out.clone());
        out
    }

    /// Late counts for a minute after `BEGIN`.
    pub(crate) fn correct(&mut self, minute: i64, brought: Brought<'_>) -> bool {
        let service: Arc<str> = brought.0.into();
        self.ledger.correct(Slice(BEGIN + minute), counted(&service, &brought)).unwrap()
    }

    /// Sequences have no holes, ids come once, and the schema holds.
    pub(crate) fn check(&mut self, events: &[Event]) {
        for (index, event) in events.iter().enumerate() {
            let json = serde_json::from_str(&event.to_json(&event.attributes(&event::source("edge"), None)))
                .unwrap();
            if let Err(error) = SCHEMA.validate(&json) {
                panic!("{error} at {}: {json:#}", error.instance_path());
            }
            let last = self.seen.0.entry(event.subject.to_string()).or_default();
            *last += 1;
            assert_eq!(event.sequence, *last, "sequence of {}", event.id);
            assert!(self.seen.1.insert(event.id.clone()), "{} comes twice", event.id);
            assert_eq!(event.position.index as usize, index);
            let data = said(event);
            assert_eq!(
                (&data["replay"], &data["provenance"]["replay"]),
                (&event.replay.into(), &event.replay.into())
            );
        }
    }

    /// Minutes after `BEGIN` at which the events of this kind and rule were decided.
    pub(crate) fn minutes(&self, kind: &str, rule: Option<&str>) -> Vec<i64> {
        let wanted = |e: &&Event| e.kind == kind && rule.is_none_or(|r| said(e)["burn"]["rule"] == r);
        self.events.iter().filter(wanted).map(|e| minute(e.time)).collect()
    }
}

/// Minutes after `BEGIN` of a slice's end: its first minute ends at 1.
pub(crate) fn minute(time: Time) -> i64 {
    time.seconds() / 60 - BEGIN
}

pub(crate) fn kinds(events: &[Event]) -> Vec<&'static str> {
    events.iter().map(|e| e.kind).collect()
}

/// The event's data.
pub(crate) fn said(event: &Event) -> Value {
    serde_json::from_str(&event.data).unwrap()
}

pub(crate) fn field(event: &Event, path: &str) -> Value {
    said(event).pointer(path).unwrap_or_else(|| panic!("{path} in {}", event.data)).clone()
}

fn counted<'a>(service: &'a Arc<str>, (name, slo, good, bad): &Brought<'_>) -> Counted<'a> {
    let verdicts = Verdicts { good: *good, bad: *bad, excluded: 0 };
    Counted { service, rule: (*name == "shop").then_some(0), slo: *slo, group: None, verdicts }
}
