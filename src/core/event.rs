//! Events as they leave: CloudEvents 1.0, their ids and sequences.
//!
//! Invariant: an event's id is a function of what it says, never of when it was said.

use crate::core::position::Partition;
use crate::core::rollup::OutputPosition;
use crate::core::time::Time;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::Arc;

/// Both windows of a tier burn faster than its factor.
pub const FIRING: &str = "slo.burn_rate.firing";
/// A window of a firing tier no longer does, or the tier or its SLO is gone.
pub const RESOLVED: &str = "slo.burn_rate.resolved";
/// Budget was consumed.
pub const CONSUMED: &str = "slo.budget.consumed";
/// The whole budget of the window is consumed.
pub const EXHAUSTED: &str = "slo.budget.exhausted";
/// It no longer is.
pub const RECOVERED: &str = "slo.budget.recovered";
/// Input was lost, or nothing comes.
pub const DATA_GAP: &str = "slo.data.gap";

/// All event types.
pub const TYPES: &[&str] = &[FIRING, RESOLVED, CONSUMED, EXHAUSTED, RECOVERED, DATA_GAP];

/// One CloudEvent, ready to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Position in the journal that decided it.
    pub position: OutputPosition,
    /// Key of the Kafka record: the service, or a gap's source.
    pub key: Arc<str>,
    /// `<service>/<slo>`, parts percent-encoded; a gap's `source/<source>[/<topic>/<partition>]`.
    pub subject: Arc<str>,
    /// `slo.burn_rate.firing`, …
    pub kind: &'static str,
    /// Deterministic id.
    pub id: String,
    /// End of the slice that decided it.
    pub time: Time,
    /// Number of the event within its subject, from 1, without holes.
    pub sequence: u64,
    /// The data, one JSON object.
    pub data: Value,
}

impl Event {
    /// The CloudEvent in structured JSON; `source` is [`source`] of the pipeline.
    ///
    /// `sequence` is a string of 20 digits, so that it sorts as the number does (the `sequence` extension
    /// is a string). `ninetailposition` is `<journal position>/<index>`.
    pub fn to_json(&self, source: &str) -> Value {
        json!({
            "specversion": "1.0",
            "id": self.id,
            "source": source,
            "type": self.kind,
            "subject": &*self.subject,
            "time": self.time.to_string(),
            "datacontenttype": "application/json",
            "sequence": format!("{:020}", self.sequence),
            "partitionkey": &*self.key,
            "ninetailposition": format!("{}/{}", self.position.position, self.position.index),
            "data": self.data,
        })
    }
}

/// The CloudEvents `source` of a pipeline: `/ninetail/<pipeline>`.
pub fn source(pipeline: &str) -> String {
    format!("/ninetail/{}", encoded(pipeline))
}

/// The subject of a budget: `<service>/<slo>`, both percent-encoded.
pub fn subject(service: &str, slo: &str) -> String {
    format!("{}/{}", encoded(service), encoded(slo))
}

/// The id of an event about a budget. `rule` is the tier's name or `budget`, `transition` the last part
/// of the type, `end` the end of the slice that decided.
pub fn id(subject: &str, generation: u32, rule: &str, transition: &str, end: Time, revision: u64) -> String {
    format!("{subject}/{generation}/{}/{transition}/{end}/{revision}", encoded(rule))
}

/// The text with everything but RFC 3986's unreserved characters percent-encoded.
pub fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => out.push(byte as char),
            _ => write!(out, "%{byte:02X}").expect("a string takes all that is written"),
        }
    }
    out
}

/// What happened to the input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Loss {
    /// Offsets `[first, next)` were lost before they could be read.
    Offsets {
        /// The first lost offset.
        first: i64,
        /// The first offset that could be read again.
        next: i64,
    },
    /// From the event's time on nothing comes; what follows is incomplete.
    Began,
    /// It comes again; it had not since then.
    Ended {
        /// Start of the first incomplete slice.
        since: Time,
    },
}

/// Whose input.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin<'a> {
    /// A whole source.
    Source(&'a str),
    /// One partition.
    Partition(&'a Partition),
}

impl Origin<'_> {
    /// The source's name: the event's key.
    pub fn source(&self) -> &str {
        match self {
            Origin::Source(source) => source,
            Origin::Partition(partition) => &partition.source,
        }
    }

    /// The event's subject.
    pub fn subject(&self) -> String {
        match self {
            Origin::Source(source) => format!("source/{}", encoded(source)),
            Origin::Partition(p) => {
                format!("source/{}/{}/{}", encoded(&p.source), encoded(&p.topic), p.number)
            }
        }
    }
}

/// All that a `slo.data.gap` says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataGap<'a> {
    /// Whose input.
    pub origin: Origin<'a>,
    /// Why: `retention`, `recreated`, `beyond_end`, `silent`, `unreachable`, `stopped`.
    pub reason: &'a str,
    /// What happened.
    pub loss: Loss,
    /// End of the slice that decided it; for a loss of offsets, of the slice that counts them.
    pub end: Time,
    /// The watermark.
    pub watermark: Time,
    /// Whether it is history.
    pub replay: bool,
}

impl DataGap<'_> {
    /// The event.
    pub fn event(&self, position: OutputPosition, sequence: u64) -> Event {
        let subject = self.origin.subject();
        let (transition, which, first, next, since) = match self.loss {
            // a topic made anew comes to the same offset again
            Loss::Offsets { first, next } if next <= first => {
                ("lost", format!("{first}-{}", self.end), Some(first), Some(next), None)
            }
            Loss::Offsets { first, next } => ("lost", first.to_string(), Some(first), Some(next), None),
            Loss::Began => ("began", self.end.to_string(), None, None, None),
            Loss::Ended { since } => ("ended", self.end.to_string(), None, None, Some(since.to_string())),
        };
        let partition = match self.origin {
            Origin::Source(_) => None,
            Origin::Partition(partition) => Some(partition),
        };
        let data = json!({
            "gap": {
                "source": self.origin.source(),
                "topic": partition.map(|p| &*p.topic),
                "partition": partition.map(|p| p.number),
                "reason": self.reason,
                "transition": transition,
                "first_offset": first,
                "next_offset": next,
                "offsets": first.zip(next).filter(|(first, next)| first < next).map(|(first, next)| next - first),
                "since": since,
            },
            "provenance": {
                "window_end": self.end.to_string(),
                "watermark": self.watermark.to_string(),
                "replay": self.replay,
                "revision": 0,
                "position": position.position,
            },
            "replay": self.replay,
        });
        Event {
            position,
            key: self.origin.source().into(),
            id: format!("{subject}/{}/{transition}/{which}/0", encoded(self.reason)),
            subject: subject.into(),
            kind: DATA_GAP,
            time: self.end,
            sequence,
            data,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_percent_encoded() {
        let cases = [
            (("checkout", "availability"), "checkout/availability"),
            (("a/b c", "p95%"), "a%2Fb%20c/p95%25"),
            (("__unmatched__", "ü"), "__unmatched__/%C3%BC"),
        ];
        for ((service, slo), want) in cases {
            assert_eq!(subject(service, slo), want);
        }
    }

    #[test]
    fn ids_say_what_the_event_says() {
        let end = Time::from_seconds(1_530_570_180);
        assert_eq!(
            id(&subject("a", "b"), 2, "page-1h", "firing", end, 0),
            "a/b/2/page-1h/firing/2018-07-02T22:23:00Z/0"
        );
    }

    #[test]
    fn gaps_tell_offsets_from_silence() {
        let partition = Partition { source: "alb".into(), topic: "alb.logs".into(), number: 3 };
        let end = Time::from_seconds(1_530_570_180);
        let gap = |origin, reason, loss| DataGap { origin, reason, loss, end, watermark: end, replay: false };
        let lost = gap(Origin::Partition(&partition), "retention", Loss::Offsets { first: 100, next: 250 });
        let event = lost.event(OutputPosition { position: 12, index: 1 }, 7);
        assert_eq!(&*event.subject, "source/alb/alb.logs/3");
        assert_eq!(&*event.key, "alb");
        assert_eq!(event.id, "source/alb/alb.logs/3/retention/lost/100/0");
        assert_eq!(event.data["gap"]["offsets"], 150);
        let silent = gap(Origin::Source("alb"), "silent", Loss::Began).event(OutputPosition::default(), 1);
        assert_eq!(silent.id, "source/alb/silent/began/2018-07-02T22:23:00Z/0");
        assert_eq!(silent.data["gap"]["topic"], Value::Null);
        let json = event.to_json(&source("edge"));
        assert_eq!(json["sequence"], "00000000000000000007");
        assert_eq!(json["source"], "/ninetail/edge");
        assert_eq!(json["ninetailposition"], "12/1");
    }
}
