//! Indicators that look past the request: counters of other systems beside lines, and when lines reached Kafka. Both
//! against a recount of the input, however it is split and ordered.

use crate::support::{accumulator, configured, opening, partition, play, said};
use crate::traffic::{CLOCK, START, line, settings};
use ninetail::core::accumulator::{Accumulator, Slot};
use ninetail::core::engine::Outputs;
use ninetail::core::entry::{Configure, Entry, ForcedCut};
use ninetail::core::envelope::{Headers, Message};
use ninetail::core::partial::Standing;
use ninetail::core::position::Partition;
use ninetail::core::record::Reason;
use ninetail::core::settings::{Format, Indicator, Rule, ServiceRule, Settings, Slo, Source};
use ninetail::core::time::Time;
use proptest::prelude::*;
use std::collections::BTreeMap;

/// Freshness below five seconds for all; correctness for teams by pattern, and for a ledger that no line names.
fn with_indicators(dimensions: &[&str]) -> Settings {
    let mut settings = settings(200_000);
    let slo = |name: &str, services: &[&str], rule| Slo {
        name: name.into(),
        services: services.iter().map(|s| s.to_string()).collect(),
        indicator: Indicator { exclude: None, rule },
        ..settings.slos[0].clone()
    };
    let more = [
        slo("freshness", &["*"], Rule::Freshness { below_us: 5_000_000 }),
        slo("correctness", &["team-*", "ledger"], Rule::External),
    ];
    settings.slos.extend(more);
    settings.services.push(ServiceRule { name: "ledger".into(), ..settings.services[0].clone() });
    settings.services.rotate_right(1);
    settings.services[0].when = Some("host == 'nowhere'".into());
    let lines = settings.sources[0].clone();
    let source = Source {
        name: "counters".into(),
        topics: vec!["counts".into()],
        input: Format::External.into(),
        ..lines
    };
    settings.sources.push(source);
    settings.dimensions = dimensions.iter().map(|d| d.to_string()).collect();
    settings
}

/// What comes from one of the two sources.
#[derive(Clone, Debug)]
enum Sent {
    /// A line of that team, so many milliseconds after the start, and so much later in Kafka.
    Line { millis: i64, team: u32, status: u16, late_ms: i64 },
    /// So many good of so many.
    Counters { millis: i64, service: String, slo: &'static str, good: u64, total: u64 },
}

fn sent() -> impl Strategy<Value = Sent> {
    let status = prop::sample::select(vec![200u16, 200, 404, 503]);
    let late_ms = prop::sample::select(vec![-3_000i64, 0, 3_999, 4_000, 5_000, 5_001, 60_000]);
    let service = prop::sample::select(vec!["team-1", "team-2", "team-9", "ledger", "web", "__other__"]);
    let slo = prop::sample::select(vec!["correctness", "correctness", "availability", "durability"]);
    prop_oneof![
        3 => (0i64..600_000, 0u32..4, status, late_ms)
            .prop_map(|(millis, team, status, late_ms)| Sent::Line { millis, team, status, late_ms }),
        2 => (0i64..600_000, service, slo, 0u64..20, 0u64..20).prop_map(|(millis, service, slo, good, total)| {
            Sent::Counters { millis, service: service.to_string(), slo, good, total }
        }),
    ]
}

struct Arrived(Time);

impl Headers for Arrived {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }

    fn timestamp(&self) -> Option<Time> {
        Some(self.0)
    }
}

fn counters() -> Partition {
    Partition { source: "counters".into(), topic: "counts".into(), number: 0 }
}

fn send(accumulator: &mut Accumulator, [lines, counts]: [Slot; 2], sent: &Sent) -> Option<Reason> {
    let (slot, arrival, payload) = match sent {
        Sent::Line { millis, team, status, late_ms } => {
            let arrival = Time(START.0 + (millis + late_ms) * 1000);
            (lines, arrival, line(*millis, *team, *status, 10))
        }
        Sent::Counters { millis, service, slo, good, total } => {
            let time = Time(START.0 + millis * 1000);
            let text = format!(
                r#"{{"time":"{time}","service":"{service}","slo":"{slo}","good":{good},"total":{total}}}"#
            );
            (counts, time, text.into_bytes())
        }
    };
    let mut rejected = None;
    let message = Message { headers: &Arrived(arrival), ..Message::of(&payload) };
    accumulator.message(slot, &message, CLOCK, &mut |r| rejected = Some(r.reason));
    accumulator.advance(slot, accumulator.next(slot) + 1);
    rejected
}

fn reading(configured: &[Configure]) -> (Accumulator, [Slot; 2]) {
    let mut accumulator = accumulator(configured);
    let lines = accumulator.register(partition(0), &Format::AwsAlb.into(), 0).expect("a slot");
    let counts = accumulator.register(counters(), &Format::External.into(), 0).expect("a slot");
    (accumulator, [lines, counts])
}

/// The journal of all that was sent, a chunk after each of the sizes.
fn journal(settings: &Settings, all: &[Sent], sizes: &[usize]) -> Vec<Entry> {
    let configured = configured(&[(0, settings.clone())]);
    let (mut accumulator, slots) = reading(&configured);
    let mut entries = opening(&configured, vec![partition(0), counters()]);
    let mut sizes = sizes.iter().copied().cycle();
    let mut rest = all;
    while !rest.is_empty() {
        let (now, later) = rest.split_at(sizes.next().unwrap_or(9).min(rest.len()));
        now.iter().for_each(|sent| {
            send(&mut accumulator, slots, sent);
        });
        entries.push(Entry::Chunk(accumulator.flush(CLOCK)));
        rest = later;
    }
    slots.iter().for_each(|slot| accumulator.standing(*slot, Standing::Finished));
    entries.push(Entry::Chunk(accumulator.flush(CLOCK)));
    entries.push(Entry::Cut(ForcedCut::All));
    entries
}

/// By service, SLO and minute: good, bad, excluded.
type Slis = BTreeMap<(String, String, i64), [u64; 3]>;
/// By service and minute: requests.
type Requests = BTreeMap<(String, i64), u64>;

/// What the rows say, over revisions; and what quality says: lines, records, rejected.
fn rows(out: &Outputs) -> (Slis, Requests, [u64; 3]) {
    let (mut slis, mut requests, mut quality) = (Slis::new(), Requests::new(), [0; 3]);
    let minute = |time: Time| (time.seconds() - START.seconds()) / 60;
    for cut in &out.cuts {
        for row in &cut.slis {
            let key = (row.service.to_string(), row.slo.to_string(), minute(row.slice_start));
            let sums = slis.entry(key).or_default();
            sums.iter_mut().zip([row.good, row.bad, row.excluded]).for_each(|(sum, n)| *sum += n);
        }
        for row in &cut.requests {
            assert!(row.requests > 0, "a row without a request: {row:?}");
            *requests.entry((row.service.to_string(), minute(row.slice_start))).or_default() += row.requests;
        }
        for row in &cut.quality {
            let counts = [row.lines, row.records, row.rejected];
            quality.iter_mut().zip(counts).for_each(|(sum, n)| *sum += n);
        }
    }
    (slis, requests, quality)
}

fn recount(all: &[Sent]) -> (Slis, Requests, [u64; 3]) {
    let (mut slis, mut requests, mut quality) = (Slis::new(), Requests::new(), [0; 3]);
    for sent in all {
        quality[0] += 1;
        match sent {
            Sent::Line { millis, team, late_ms, .. } => {
                quality[1] += 1;
                let service = if *team == 0 { "__unmatched__".into() } else { format!("team-{team}") };
                *requests.entry((service.clone(), millis / 60_000)).or_default() += 1;
                if *team > 0 {
                    // the line's time is a microsecond after its millisecond
                    let fresh = *late_ms <= 5_000;
                    let key = (service, "freshness".into(), millis / 60_000);
                    slis.entry(key).or_default()[usize::from(!fresh)] += 1;
                }
            }
            Sent::Counters { millis, service, slo, good, total } => {
                let known = *slo == "correctness" && (service.starts_with("team-") || service == "ledger");
                if !known || good > total {
                    quality[2] += 1;
                    continue;
                }
                quality[1] += 1;
                if *total > 0 {
                    let key = (service.clone(), slo.to_string(), millis / 60_000);
                    let sums = slis.entry(key).or_default();
                    (sums[0], sums[1]) = (sums[0] + good, sums[1] + total - good);
                }
            }
        }
    }
    (slis, requests, quality)
}

proptest! {
    #[test]
    fn counters_and_freshness_are_what_was_sent(
        all in prop::collection::vec(sent(), 1..300),
        sizes in prop::collection::vec(1usize..60, 1..5),
        broken_down in any::<bool>(),
    ) {
        let settings = with_indicators(if broken_down { &["method"] } else { &[] });
        let (mut slis, requests, quality) = rows(&play(&journal(&settings, &all, &sizes)).1);
        slis.retain(|(_, slo, _), _| matches!(slo.as_str(), "freshness" | "correctness"));
        let (wanted_slis, wanted_requests, wanted_quality) = recount(&all);
        prop_assert_eq!(slis, wanted_slis);
        prop_assert_eq!(requests, wanted_requests);
        prop_assert_eq!(quality, wanted_quality);
    }
}

/// Counters alone fill a budget, and one that is consumed says so under the service's own rule.
#[test]
fn counters_fill_a_budget() {
    let mut settings = with_indicators(&[]);
    settings.services[0].owner = Some("books".into());
    let sent: Vec<Sent> = (0..10)
        .map(|minute| Sent::Counters {
            millis: minute * 60_000,
            service: "ledger".into(),
            slo: "correctness",
            good: 99,
            total: 100,
        })
        .collect();
    let (_, out) = play(&journal(&settings, &sent, &[3]));
    let consumed: Vec<_> = out.events.iter().filter(|e| e.kind == "slo.budget.consumed").collect();
    assert!(!consumed.is_empty() && consumed.iter().all(|e| &*e.subject == "ledger/correctness"));
    let data = said(consumed[0]);
    assert_eq!(data["slo"]["owner"], "books");
    assert_eq!((&data["sli"]["good"], &data["sli"]["total"]), (&99.into(), &100.into()));
    assert!(out.cuts.iter().all(|cut| cut.requests.is_empty()));
}

#[test]
fn counters_that_belong_nowhere_are_rejected() {
    let mut settings = with_indicators(&["method"]);
    settings.limits.ingest_services_max = 2;
    let (mut accumulator, slots) = reading(&configured(&[(0, settings)]));
    let mut of = |service: &str, slo| {
        let sent = Sent::Counters { millis: 0, service: service.into(), slo, good: 1, total: 2 };
        send(&mut accumulator, slots, &sent)
    };
    assert_eq!(of("team-1", "correctness"), None);
    assert_eq!(of("team-2", "availability"), Some(Reason::UnknownSlo), "requests decide it");
    assert_eq!(of("web", "correctness"), Some(Reason::UnknownSlo), "it applies to others");
    assert_eq!(of("__unmatched__", "correctness"), Some(Reason::UnknownSlo));
    assert_eq!(of("team-2", "correctness"), None);
    assert_eq!(of("team-3", "correctness"), Some(Reason::UnknownSlo), "one service too many");
    assert_eq!(of("ledger", "correctness"), None, "what the file names has its place");
    let chunk = accumulator.flush(CLOCK);
    let quality = &chunk.coverage[1].quality;
    assert_eq!(
        quality.iter().map(|(_, q)| (q.lines, q.records, q.rejected())).collect::<Vec<_>>(),
        [(4, 0, 4), (3, 3, 0)]
    );
}
