//! Events as they leave: CloudEvents 1.0, their ids and sequences.
//!
//! Invariant: an event's id is a function of what it says, never of when it was said.

pub mod data;
pub mod kinds;

pub use kinds::{
    CONSUMED, DATA_GAP, EXHAUSTED, FIRING, FROZEN, KINDS, Kind, POLICY_CHANGED, RECOVERED, RESOLVED, REVISED,
    THAWED, WINDOW_CLOSED, data_schema, kind,
};

use crate::core::position::Partition;
use crate::core::rollup::OutputPosition;
use crate::core::time::Time;
use data::{GapData, GapFacts, GapProvenance, GapTransition, Stamp};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::Value;
use std::fmt::Write;
use std::sync::Arc;
use xxhash_rust::xxh3::xxh3_64;

/// One CloudEvent, ready to be written.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Position in the journal that decided it.
    pub position: OutputPosition,
    /// Key of the Kafka record: the service, or a gap's source.
    pub key: Arc<str>,
    /// `<service>/<slo>[/<group>]`, parts percent-encoded; a gap's `source/<source>[/<topic>/<partition>]`.
    pub subject: Arc<str>,
    /// `slo.burn_rate.firing`, …
    pub kind: &'static str,
    /// Deterministic id.
    pub id: String,
    /// End of the slice that decided it.
    pub time: Time,
    /// The clock in the journal's entry that decided it.
    pub recorded: Time,
    /// How bad it is.
    pub severity: Severity,
    /// Number of the event within its subject, from 1, without holes.
    pub sequence: u64,
    /// History: it pages nobody.
    pub replay: bool,
    /// The data, one JSON object, as it is written.
    pub data: String,
}

/// How bad an event is, in OpenTelemetry's words and numbers.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Severity {
    /// To be known.
    #[default]
    Info,
    /// Somebody should look, not now.
    Warn,
    /// Somebody must look now, or something promised is broken.
    Error,
}

impl Severity {
    /// `INFO`, …
    pub const fn text(self) -> &'static str {
        match self {
            Severity::Info => "INFO",
            Severity::Warn => "WARN",
            Severity::Error => "ERROR",
        }
    }

    /// OpenTelemetry's number, 1 to 24.
    pub const fn number(self) -> u8 {
        match self {
            Severity::Info => 9,
            Severity::Warn => 13,
            Severity::Error => 17,
        }
    }
}

/// A CloudEvents 1.0 event in structured JSON. Key of the Kafka record: the service, or a gap's source.
#[derive(JsonSchema)]
pub struct CloudEvent {
    /// Everything but the data.
    #[serde(flatten)]
    pub attributes: Attributes,
    /// What it says, by its type.
    #[schemars(extend("type" = "object"))]
    pub data: Value,
}

/// The attributes of a CloudEvent.
#[derive(Serialize, JsonSchema)]
pub struct Attributes {
    /// Version of CloudEvents.
    #[schemars(extend("const" = "1.0"))]
    pub specversion: &'static str,
    /// Deterministic: the same decision has the same id, however often it is made or delivered.
    /// `<subject>/<generation>/<rule, policy tier, budget, data or window>/<transition>/<slice end>/<revision>`; a gap's is
    /// `<subject>/<reason>/<transition>/<first lost offset, or slice end>/<revision>`.
    #[schemars(length(min = 1))]
    pub id: String,
    /// `/ninetail/<pipeline>`; with the id it identifies the event.
    #[schemars(regex(pattern = "^/ninetail/[^/]+$"))]
    pub source: String,
    /// The event type.
    pub r#type: &'static str,
    /// `<service>/<slo>[/<group>]`, or `source/<source>[/<topic>/<partition>]` of a gap; parts percent-encoded.
    pub subject: Arc<str>,
    /// End of the slice that decided it.
    pub time: Stamp,
    /// When it was decided, by the journal's clock: a replay has the same.
    pub recordedtime: Stamp,
    /// How bad it is, as OpenTelemetry names it.
    #[schemars(extend("enum" = ["INFO", "WARN", "ERROR"]))]
    pub severitytext: &'static str,
    /// The same as OpenTelemetry's number.
    #[schemars(extend("enum" = [9, 13, 17]))]
    pub severitynumber: u8,
    /// Media type of the data.
    #[schemars(extend("const" = "application/json"))]
    pub datacontenttype: &'static str,
    /// Identifies the schema of the data.
    pub dataschema: String,
    /// Number within the subject, from 1, without holes; 20 digits, so that it sorts as text.
    #[schemars(regex(pattern = "^[0-9]{20}$"))]
    pub sequence: String,
    /// Key of the Kafka record.
    pub partitionkey: Arc<str>,
    /// `<journal position>/<index within it>`.
    #[schemars(regex(pattern = "^[0-9]+/[0-9]+$"))]
    pub ninetailposition: String,
    /// Id of the journal that decided it.
    #[schemars(regex(pattern = "^[0-9a-f]{16}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ninetailjournal: Option<Arc<str>>,
    /// In a file: id of the incarnation of the state folder that wrote the line.
    #[schemars(regex(pattern = "^[0-9a-f]{16}$"))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ninetailincarnation: Option<Arc<str>>,
}

impl Event {
    /// The CloudEvent's attributes; `source` is [`source`] of the pipeline, `journal` the id of the journal where it
    /// is known.
    pub fn attributes(&self, source: &str, journal: Option<&Arc<str>>) -> Attributes {
        Attributes {
            specversion: "1.0",
            id: self.id.clone(),
            source: source.to_owned(),
            r#type: self.kind,
            subject: self.subject.clone(),
            time: Stamp(self.time),
            recordedtime: Stamp(self.recorded),
            severitytext: self.severity.text(),
            severitynumber: self.severity.number(),
            datacontenttype: "application/json",
            dataschema: data_schema(self.kind),
            sequence: format!("{:020}", self.sequence),
            partitionkey: self.key.clone(),
            ninetailposition: format!("{}/{}", self.position.position, self.position.index),
            ninetailjournal: journal.cloned(),
            ninetailincarnation: None,
        }
    }

    /// The whole CloudEvent in structured JSON, on one line.
    pub fn to_json(&self, attributes: &Attributes) -> String {
        let mut json = text(attributes);
        json.truncate(json.len().saturating_sub(1));
        json.push_str(",\"data\":");
        json.push_str(&self.data);
        json.push('}');
        json
    }
}

/// An event's data or attributes as JSON text.
pub fn text(part: &impl Serialize) -> String {
    // texts, numbers, lists and options: nothing that JSON cannot hold
    serde_json::to_string(part).unwrap_or_default()
}

/// What groups all events of one alert (`rule` is the tier's name) or of one budget (`budget`): 16 hex digits.
pub fn fingerprint(subject: &str, rule: &str) -> String {
    format!("{:016x}", xxh3_64(format!("{subject}/{}", encoded(rule)).as_bytes()))
}

/// The CloudEvents `source` of a pipeline: `/ninetail/<pipeline>`.
pub fn source(pipeline: &str) -> String {
    format!("/ninetail/{}", encoded(pipeline))
}

/// The subject of a budget: `<service>/<slo>`, or `<service>/<slo>/<group>` where the SLO has groups; all parts
/// percent-encoded.
pub fn subject(service: &str, slo: &str, group: Option<&str>) -> String {
    let mut subject = format!("{}/{}", encoded(service), encoded(slo));
    if let Some(group) = group {
        subject.push('/');
        subject.push_str(&encoded(group));
    }
    subject
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
    /// The clock in the journal's entry that decided it.
    pub clock: Time,
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
                (GapTransition::Lost, format!("{first}-{}", self.end), Some(first), Some(next), None)
            }
            Loss::Offsets { first, next } => {
                (GapTransition::Lost, first.to_string(), Some(first), Some(next), None)
            }
            Loss::Began => (GapTransition::Began, self.end.to_string(), None, None, None),
            Loss::Ended { since } => {
                (GapTransition::Ended, self.end.to_string(), None, None, Some(Stamp(since)))
            }
        };
        let partition = match self.origin {
            Origin::Source(_) => None,
            Origin::Partition(partition) => Some(partition),
        };
        let data = GapData {
            gap: GapFacts {
                source: self.origin.source().to_owned(),
                topic: partition.map(|p| p.topic.clone()),
                partition: partition.map(|p| p.number),
                reason: self.reason.to_owned(),
                transition,
                first_offset: first,
                next_offset: next,
                offsets: first
                    .zip(next)
                    .filter(|(first, next)| first < next)
                    .map(|(first, next)| next - first),
                since,
            },
            provenance: GapProvenance {
                window_end: Stamp(self.end),
                watermark: Stamp(self.watermark),
                recorded_at: Stamp(self.clock),
                replay: self.replay,
                revision: 0,
                position: position.position,
            },
            replay: self.replay,
        };
        let severity = match transition {
            GapTransition::Ended => Severity::Info,
            GapTransition::Lost | GapTransition::Began => Severity::Warn,
        };
        let transition = transition.name();
        Event {
            position,
            key: self.origin.source().into(),
            id: format!("{subject}/{}/{transition}/{which}/0", encoded(self.reason)),
            subject: subject.into(),
            kind: DATA_GAP,
            time: self.end,
            recorded: self.clock,
            severity,
            sequence,
            replay: self.replay,
            data: text(&data),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subjects_are_percent_encoded() {
        let cases = [
            (("checkout", "availability", None), "checkout/availability"),
            (("a/b c", "p95%", None), "a%2Fb%20c/p95%25"),
            (("__unmatched__", "ü", None), "__unmatched__/%C3%BC"),
            (("shop", "fast", Some("/users/{id}")), "shop/fast/%2Fusers%2F%7Bid%7D"),
        ];
        for ((service, slo, group), want) in cases {
            assert_eq!(subject(service, slo, group), want);
        }
    }

    #[test]
    fn ids_say_what_the_event_says() {
        let end = Time::from_seconds(1_530_570_180);
        assert_eq!(
            id(&subject("a", "b", None), 2, "page-1h", "firing", end, 0),
            "a/b/2/page-1h/firing/2018-07-02T22:23:00Z/0"
        );
    }

    #[test]
    fn fingerprints_group_an_alert_and_part_rules_and_subjects() {
        let one = fingerprint("a/b", "page-1h");
        assert_eq!(one.len(), 16);
        assert_eq!(one, fingerprint("a/b", "page-1h"));
        for (subject, rule) in [("a/b", "page-6h"), ("a/c", "page-1h"), ("a", "b/page-1h")] {
            assert_ne!(one, fingerprint(subject, rule));
        }
    }

    #[test]
    fn every_type_is_listed_once() {
        let names: std::collections::BTreeSet<_> = KINDS.iter().map(|k| k.name).collect();
        assert_eq!(names.len(), KINDS.len());
        assert!(KINDS.iter().all(|k| k.about.ends_with('.') && kind(k.name).is_some()));
    }

    #[test]
    fn gaps_tell_offsets_from_silence() {
        let partition = Partition { source: "alb".into(), topic: "alb.logs".into(), number: 3 };
        let end = Time::from_seconds(1_530_570_180);
        let gap = |origin, reason, loss| DataGap {
            origin,
            reason,
            loss,
            end,
            watermark: end,
            clock: end,
            replay: false,
        };
        let lost = gap(Origin::Partition(&partition), "retention", Loss::Offsets { first: 100, next: 250 });
        let event = lost.event(OutputPosition { position: 12, index: 1 }, 7);
        assert_eq!(&*event.subject, "source/alb/alb.logs/3");
        assert_eq!(&*event.key, "alb");
        assert_eq!(event.id, "source/alb/alb.logs/3/retention/lost/100/0");
        let json: Value =
            serde_json::from_str(&event.to_json(&event.attributes(&source("edge"), None))).unwrap();
        assert_eq!(json["data"]["gap"]["offsets"], 150);
        let silent = gap(Origin::Source("alb"), "silent", Loss::Began).event(OutputPosition::default(), 1);
        assert_eq!(silent.id, "source/alb/silent/began/2018-07-02T22:23:00Z/0");
        assert!(silent.data.contains("\"topic\":null"));
        assert_eq!(json["sequence"], "00000000000000000007");
        assert_eq!(json["source"], "/ninetail/edge");
        assert_eq!(json["ninetailposition"], "12/1");
        assert_eq!(json["recordedtime"], "2018-07-02T22:23:00Z");
        assert_eq!((&json["severitytext"], &json["severitynumber"]), (&"WARN".into(), &13.into()));
        assert_eq!(json["dataschema"], "https://ninetail.dev/schemas/events/slo.data.gap.schema.json");
        assert_eq!(json.get("ninetailjournal"), None);
    }
}
