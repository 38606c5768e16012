//! Fluent Bit's record: `{"@timestamp":1599862267.483684,"log":"<line>","stream":..,"time":..,"kubernetes":{..}}`. The time
//! under `timestamp_key` is seconds as a number, or ISO text; other outputs call it `date`. `merge_log` leaves the parsed
//! line under `log_processed`, or at the root, where it is no envelope any more.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, json_lines: bool) -> bool {
    let timed = document.is_number(Key::AtTimestamp) || document.is_number(Key::Date);
    let told = timed || document.is_object(Key::Kubernetes) && !document.has(Key::Docker);
    if document.text(Key::Log).is_some() || document.is_object(Key::LogProcessed) {
        return told || document.has(Key::AtTimestamp);
    }
    timed && !json_lines && document.text(Key::Message).is_some()
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document
        .text(Key::Log)
        .or_else(|| document.text(Key::Message))
        .or_else(|| document.line(Key::LogProcessed))
        .or_else(|| document.line(Key::Message))
}
