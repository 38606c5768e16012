//! The verdict of one SLO for one record: good, bad or excluded.
//!
//! Invariant: a verdict depends on the record and the indicator alone; no float is compared. `exclude`
//! goes first. Then `good` decides, or for a latency: client gone or WebSocket = excluded; failed (status
//! 500 or more, or none) by `failed`; no such latency = excluded; below the bound = good, else bad. Or for freshness:
//! the time from the request's end to the line's arrival in Kafka, in the same way; an archive's line has none.

use crate::core::predicate::{Predicate, PredicateError, closest};
use crate::core::record::{Field, Fields, Kind, Labels, Record, Value};
use crate::core::settings::{Failed, Indicator, LatencyOf, Rule, Slo};
use crate::core::time::Time;

/// What a record counts as for an SLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Verdict {
    /// It met the objective.
    Good = 0,
    /// It did not.
    Bad = 1,
    /// It counts for neither.
    Excluded = 2,
}

impl Verdict {
    /// Its name outside: `good`, `bad`, `excluded`.
    pub const fn name(self) -> &'static str {
        match self {
            Verdict::Good => "good",
            Verdict::Bad => "bad",
            Verdict::Excluded => "excluded",
        }
    }
}

/// Which text of an indicator.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// `good`.
    Good,
    /// `exclude`.
    Exclude,
    /// `latency.of`.
    Latency,
}

/// A compiled indicator.
#[derive(Clone, Debug)]
pub struct Sli {
    exclude: Option<Check>,
    rule: Decision,
}

#[derive(Clone, Debug)]
enum Decision {
    Good(Check),
    Latency { below_us: u64, of: Field, failed: Verdict },
    Freshness { below_us: u64 },
    External,
}

impl Sli {
    /// Compiles an indicator; the labels that it asks for are added to `labels`.
    ///
    /// # Errors
    /// The first predicate that cannot be compiled, and which it is.
    pub fn compile(indicator: &Indicator, labels: &mut Labels) -> Result<Sli, (Part, PredicateError)> {
        let mut check =
            |text: &str, part| Predicate::compile(text, labels).map(Check::new).map_err(|e| (part, e));
        let exclude = indicator.exclude.as_deref().map(|text| check(text, Part::Exclude)).transpose()?;
        let rule = match &indicator.rule {
            Rule::Good(text) => Decision::Good(check(text, Part::Good)?),
            Rule::Latency { below_us, of, failed } => {
                let of = match of {
                    LatencyOf::Client => Field::ClientLatency,
                    LatencyOf::Upstream => Field::UpstreamLatency,
                    LatencyOf::Field(name) => duration_field(name).map_err(|e| (Part::Latency, e))?,
                };
                Decision::Latency { below_us: *below_us, of, failed: verdict_of(*failed) }
            }
            Rule::Freshness { below_us } => Decision::Freshness { below_us: *below_us },
            Rule::External => Decision::External,
        };
        Ok(Sli { exclude, rule })
    }

    /// The fields it looks at.
    pub fn fields(&self) -> Fields {
        let exclude = self.exclude.as_ref().map_or(Fields::NONE, |c| c.predicate.fields());
        exclude.union(match &self.rule {
            Decision::Good(check) => check.predicate.fields(),
            Decision::Latency { of, .. } => QUICK.with(*of),
            Decision::Freshness { .. } => Fields::of(&[Field::Time, Field::Arrival]),
            Decision::External => Fields::NONE,
        })
    }

    /// Whether it is counted elsewhere, and no request decides it.
    pub fn is_external(&self) -> bool {
        matches!(self.rule, Decision::External)
    }

    /// The verdict for a record.
    #[inline]
    pub fn verdict(&self, record: &Record<'_>) -> Verdict {
        if self.exclude.as_ref().is_some_and(|exclude| exclude.holds(record)) {
            return Verdict::Excluded;
        }
        match &self.rule {
            Decision::Good(check) => {
                if check.holds(record) {
                    Verdict::Good
                } else {
                    Verdict::Bad
                }
            }
            Decision::Latency { below_us, of, failed } => {
                if record.client_gone || record.websocket {
                    return Verdict::Excluded;
                }
                if record.status.is_none_or(|s| s >= 500) {
                    return *failed;
                }
                let latency_us = match of {
                    Field::ClientLatency => record.client_latency_us,
                    Field::UpstreamLatency => record.upstream_latency_us,
                    other => record.integer(*other),
                };
                match latency_us {
                    None => Verdict::Excluded,
                    Some(us) if us < *below_us => Verdict::Good,
                    Some(_) => Verdict::Bad,
                }
            }
            Decision::Freshness { below_us } => match record.get(Field::Arrival) {
                Value::Timestamp(arrival) if is_fresh(record.time, arrival, *below_us) => Verdict::Good,
                Value::Timestamp(_) => Verdict::Bad,
                _ => Verdict::Excluded,
            },
            Decision::External => Verdict::Excluded,
        }
    }
}

/// Whether less than that lies between the two. A clock that is behind the other's makes nothing old.
fn is_fresh(time: Time, arrival: Time, below_us: u64) -> bool {
    u64::try_from(arrival.0.saturating_sub(time.0)).unwrap_or(0) < below_us
}

/// The field of that name, if it holds a duration.
fn duration_field(name: &str) -> Result<Field, PredicateError> {
    let error = |message| PredicateError::new(0..name.len(), message);
    match Field::by_name(name) {
        Some(field) if field.kind() == Kind::Duration => Ok(field),
        Some(_) => Err(error(format!("{name} is no duration"))),
        None => {
            let durations = Field::ALL.iter().filter(|f| f.kind() == Kind::Duration).map(|f| f.name());
            let hint = match closest(name, durations.clone()) {
                Some(near) => format!("did you mean {near}?"),
                None => format!("client, upstream, or one of: {}", durations.collect::<Vec<_>>().join(", ")),
            };
            Err(error(format!("there is no latency {name}")).hint(hint))
        }
    }
}

const fn verdict_of(failed: Failed) -> Verdict {
    match failed {
        Failed::Bad => Verdict::Bad,
        Failed::Good => Verdict::Good,
        Failed::Excluded => Verdict::Excluded,
    }
}

/// Fields with so few values that a predicate over them alone is a table.
const QUICK: Fields = Fields::NONE.with(Field::Status).with(Field::ClientGone).with(Field::Websocket);

/// Statuses from here on are not in the table.
const STATUS_END: usize = 1024;
/// Bits for one combination of flags: no status, then the statuses, in whole words.
const ROW_BITS: usize = (STATUS_END + 1).next_multiple_of(64);
const WORDS: usize = 4 * ROW_BITS / 64;

/// A predicate, with a table of its truth where it looks at nothing but status and flags.
#[derive(Clone, Debug)]
struct Check {
    predicate: Predicate,
    table: Option<Box<[u64; WORDS]>>,
}

impl Check {
    fn new(predicate: Predicate) -> Check {
        let table = predicate.only_uses(QUICK).then(|| {
            let mut table = Box::new([0u64; WORDS]);
            let mut record = Record::at(Time::default());
            for flags in 0..4 {
                record.client_gone = flags & 1 == 1;
                record.websocket = flags & 2 == 2;
                for status in std::iter::once(None).chain((0..STATUS_END as u16).map(Some)) {
                    record.status = status;
                    let bit = bit(&record).filter(|_| predicate.holds(&record));
                    if let Some(bit) = bit {
                        table[bit / 64] |= 1 << (bit % 64);
                    }
                }
            }
            table
        });
        Check { predicate, table }
    }

    #[inline]
    fn holds(&self, record: &Record<'_>) -> bool {
        match (&self.table, bit(record)) {
            (Some(table), Some(bit)) => table[bit / 64] >> (bit % 64) & 1 == 1,
            _ => self.predicate.holds(record),
        }
    }
}

/// The record's place in a table.
#[inline]
fn bit(record: &Record<'_>) -> Option<usize> {
    let row = usize::from(record.client_gone) + 2 * usize::from(record.websocket);
    let column = record.status.map_or(0, |s| usize::from(s) + 1);
    (column <= STATUS_END).then_some(row * ROW_BITS + column)
}

/// What an SLO's indicator expands to: one line a step, the first step that holds decides.
pub fn expand(slo: &Slo) -> String {
    let mut lines = Vec::new();
    if let Some(exclude) = &slo.indicator.exclude {
        lines.push(("excluded", one_line(exclude)));
    }
    match &slo.indicator.rule {
        Rule::Good(good) => lines.push(("good", one_line(good))),
        Rule::Latency { below_us, of, failed } => {
            let field = match of {
                LatencyOf::Client => Field::ClientLatency.name(),
                LatencyOf::Upstream => Field::UpstreamLatency.name(),
                LatencyOf::Field(name) => name,
            };
            lines.push(("excluded", "client_gone || websocket".into()));
            lines.push((verdict_of(*failed).name(), "status == null || status >= 500".into()));
            lines.push(("excluded", format!("{field} == null")));
            lines.push(("good", format!("{field} < duration(\"{}\")", duration(*below_us))));
        }
        Rule::Freshness { below_us } => {
            lines.push(("excluded", "arrival == null".into()));
            lines.push(("good", format!("arrival - time < duration(\"{}\")", duration(*below_us))));
        }
        Rule::External => return "counted elsewhere: good and total of messages that name it\n".into(),
    }
    lines.push(("bad", "otherwise".into()));
    lines.iter().map(|(verdict, when)| format!("{verdict:<9}{when}\n")).collect()
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// In the largest unit that is exact.
fn duration(us: u64) -> String {
    if us.is_multiple_of(1_000_000) {
        format!("{}s", us / 1_000_000)
    } else if us.is_multiple_of(1_000) {
        format!("{}ms", us / 1_000)
    } else {
        format!("{us}us")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::decimal::Decimal;

    fn good(exclude: Option<&str>, good: &str) -> Indicator {
        Indicator { exclude: exclude.map(str::to_string), rule: Rule::Good(good.into()) }
    }

    fn latency(exclude: Option<&str>, of: LatencyOf, failed: Failed) -> Indicator {
        let rule = Rule::Latency { below_us: 200_000, of, failed };
        Indicator { exclude: exclude.map(str::to_string), rule }
    }

    fn record(status: Option<u16>, latency_us: Option<u64>, flags: (bool, bool)) -> Record<'static> {
        let mut record = Record::at(Time::default());
        record.status = status;
        record.upstream_latency_us = latency_us;
        (record.client_gone, record.websocket) = flags;
        record
    }

    #[test]
    fn verdicts_follow_the_order_of_the_rules() {
        use Verdict::{Bad, Excluded, Good};
        const NO: (bool, bool) = (false, false);
        let up = || LatencyOf::Upstream;
        let plain = || latency(None, up(), Failed::Bad);
        let cases = [
            (good(Some("client_gone"), "status < 500"), record(Some(200), None, NO), Good),
            (good(Some("client_gone"), "status < 500"), record(Some(500), None, NO), Bad),
            (good(Some("client_gone"), "status < 500"), record(None, None, NO), Bad),
            (good(Some("client_gone"), "status < 500"), record(Some(500), None, (true, false)), Excluded),
            (good(None, "status < 500"), record(Some(1024), None, NO), Bad),
            (good(None, "status >= 500"), record(Some(65_535), None, NO), Good),
            (good(Some("status > 1000"), "true"), record(Some(2000), None, NO), Excluded),
            (good(None, "status == null"), record(None, None, NO), Good),
            (good(None, "!websocket && status != 404"), record(Some(404), None, NO), Bad),
            (good(None, "upstream_latency < duration('1s')"), record(Some(200), None, NO), Bad),
            (plain(), record(Some(200), Some(199_999), NO), Good),
            (plain(), record(Some(200), Some(200_000), NO), Bad),
            (plain(), record(Some(200), None, NO), Excluded),
            (plain(), record(Some(500), Some(1), NO), Bad),
            (plain(), record(None, Some(1), NO), Bad),
            (plain(), record(Some(499), Some(1), NO), Good),
            (plain(), record(Some(500), Some(1), (true, false)), Excluded),
            (plain(), record(Some(101), Some(1), (false, true)), Excluded),
            (latency(None, up(), Failed::Good), record(Some(503), None, NO), Good),
            (latency(None, up(), Failed::Excluded), record(Some(503), Some(1), NO), Excluded),
            (latency(Some("status == 404"), up(), Failed::Bad), record(Some(404), Some(1), NO), Excluded),
            (latency(Some("method == 'PUT'"), up(), Failed::Bad), record(Some(200), Some(1), NO), Good),
            (latency(None, LatencyOf::Client, Failed::Bad), record(Some(200), Some(1), NO), Excluded),
        ];
        for (indicator, record, want) in cases {
            let sli = Sli::compile(&indicator, &mut Labels::default()).expect("compiles");
            assert_eq!(sli.verdict(&record), want, "{indicator:?} {:?}", record.status);
        }
    }

    #[test]
    fn freshness_is_the_way_from_the_request_to_kafka() {
        use Verdict::{Bad, Excluded, Good};
        let indicator =
            Indicator { exclude: Some("client_gone".into()), rule: Rule::Freshness { below_us: 5_000_000 } };
        let sli = Sli::compile(&indicator, &mut Labels::default()).expect("compiles");
        assert!(sli.fields().has(Field::Arrival));
        let end = Time::from_seconds(1_530_570_180);
        let cases = [
            (Some(0), Good),
            (Some(4_999_999), Good),
            (Some(5_000_000), Bad),
            (Some(i64::MAX - end.0), Bad),
            (Some(-60_000_000), Good),
            (None, Excluded),
        ];
        for (after_us, want) in cases {
            let mut record = Record::at(end);
            if let Some(us) = after_us {
                record.set(Field::Arrival, Value::Timestamp(Time(end.0 + us)));
            }
            assert_eq!(sli.verdict(&record), want, "{after_us:?}");
            record.client_gone = true;
            assert_eq!(sli.verdict(&record), Excluded);
        }
    }

    #[test]
    fn a_table_says_what_its_predicate_says() {
        let texts = [
            "status < 500",
            "status != 200 || client_gone",
            "status == null ? websocket : status % 2 == 0",
            "!(status in [200, 404] && !client_gone)",
        ];
        for text in texts {
            let check = Check::new(Predicate::compile(text, &mut Labels::default()).expect("compiles"));
            assert!(check.table.is_some());
            for status in (0..=1100).map(Some).chain([None, Some(65_535)]) {
                for flags in [(false, false), (true, false), (false, true), (true, true)] {
                    let record = record(status, None, flags);
                    assert_eq!(check.holds(&record), check.predicate.holds(&record), "{text} {status:?}");
                }
            }
        }
        assert!(
            Check::new(Predicate::compile("path == '/'", &mut Labels::default()).expect("compiles"))
                .table
                .is_none()
        );
    }

    #[test]
    fn text_fields_are_asked_for() {
        let sli = Sli::compile(&good(Some("path == '/health'"), "status < 500"), &mut Labels::default())
            .expect("compiles");
        assert!(sli.fields().has(Field::Path) && sli.fields().has(Field::Status));
        let mut record = record(Some(500), None, (false, false));
        record.set(Field::Path, Value::Text(b"/health"));
        assert_eq!(sli.verdict(&record), Verdict::Excluded);
    }

    #[test]
    fn errors_say_which_predicate() {
        let part = |i: Indicator| Sli::compile(&i, &mut Labels::default()).map(|_| ()).map_err(|e| e.0);
        assert_eq!(part(good(None, "stats < 500")), Err(Part::Good));
        assert_eq!(part(good(Some("status"), "status < 500")), Err(Part::Exclude));
    }

    #[test]
    fn indicators_expand_to_steps() {
        let slo = |indicator| Slo {
            name: "x".into(),
            services: vec![],
            objective: Decimal(99_000_000),
            window_s: 60,
            indicator,
            tiers: vec![],
            consumed_step: Decimal(0),
            ..Slo::default()
        };
        let text = expand(&slo(good(Some("client_gone\n  || websocket"), "status < 500")));
        assert_eq!(text, "excluded client_gone || websocket\ngood     status < 500\nbad      otherwise\n");
        let text = expand(&slo(latency(None, LatencyOf::Upstream, Failed::Bad)));
        let want = "excluded client_gone || websocket\n\
                    bad      status == null || status >= 500\n\
                    excluded upstream_latency == null\n\
                    good     upstream_latency < duration(\"200ms\")\n\
                    bad      otherwise\n";
        assert_eq!(text, want);
    }
}
