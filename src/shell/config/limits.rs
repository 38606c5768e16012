//! The `limits:` block: bounds on what input can make grow.
//!
//! Invariant: this is only the shape; the defaults that the comments name are given by `pipeline`.

use super::scalar::{At, DurationText, SizeText};
use schemars::JsonSchema;
use serde::Deserialize;

/// Bounds on what input can make grow. What happens at a bound is counted.
#[derive(Clone, Deserialize, JsonSchema, Debug, Default)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Limits")]
pub struct LimitsFile {
    /// Services made by templates that are kept apart at a time; more are counted as `__other__`. Default: 10000.
    pub services_max: Option<At<u32>>,
    /// The same for one ingest thread between two flushes. Default: 50000.
    pub ingest_services_max: Option<At<u32>>,
    /// Longest line. Default: 1MiB.
    pub line_bytes_max: Option<At<SizeText>>,
    /// Longest service name, bytes; longer ones are cut. Default: 128.
    pub service_name_bytes_max: Option<At<u32>>,
    /// Longest route, bytes; of a longer path the rest is cut at a slash and shown as `{rest}`. Default: 256.
    pub route_bytes_max: Option<At<u32>>,
    /// Combinations of dimension values that are kept apart for one service at a time, whoever comes first; more are
    /// counted as `__other__`. One without a record for a day gives its place back. Default: 100.
    pub dimension_values_max: Option<At<u32>>,
    /// The same for one ingest thread between two flushes. Default: 1000.
    pub ingest_dimension_values_max: Option<At<u32>>,
    /// Longest value of a dimension, bytes; longer ones are cut. Default: 256.
    pub dimension_value_bytes_max: Option<At<u32>>,
    /// Latest request ids of a partition that a record may repeat to be dropped (`duplicates: drop`); some 25 bytes
    /// of memory each. Default: 100000.
    pub duplicate_ids_max: Option<At<u32>>,
    /// Bytes of a line kept in its dead letter. Default: 512KiB.
    pub dead_letter_bytes_max: Option<At<SizeText>>,
    /// Bytes that consumers may fetch ahead, over all threads. Default: 8MiB.
    pub fetch_bytes_max: Option<At<SizeText>>,
    /// What is counted is written to the journal at least so often. Default: 1s.
    pub flush_every: Option<At<DurationText>>,
    /// … and as soon as a thread's partial has grown to this. Default: 1MiB.
    pub flush_bytes_max: Option<At<SizeText>>,
    /// Partials that may wait for the journal. Default: 4.
    pub queue_chunks_max: Option<At<u32>>,
}
