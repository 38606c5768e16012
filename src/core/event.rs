//! Events as they leave: CloudEvents 1.0, their ids and sequences.
//!
//! Invariant: an event's id is a function of what it says, never of when it was said.

use crate::core::rollup::OutputPosition;
use crate::core::time::Time;
use serde_json::Value;
use std::sync::Arc;

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
