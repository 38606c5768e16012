//! Docker's json-file: `{"log":"<line>\n","stream":"stdout","time":"2020-..Z"}`.
//!
//! Docker splits a line longer than 16 KiB; only its last part ends with a newline. A shipper may have taken the newline off
//! whole lines too, so a part is known by both: no newline, and at least the length that Docker splits at.

use super::document::{Document, Key};
use crate::core::json::Raw;

/// Where Docker splits a line, bytes.
pub(super) const SPLIT_BYTES: usize = 16 << 10;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    let outer = [Key::AtTimestamp, Key::Kubernetes, Key::Tag, Key::Date, Key::AtVersion];
    document.text(Key::Log).is_some()
        && document.text(Key::Stream).is_some()
        && document.text(Key::Time).is_some()
        && !outer.iter().any(|key| document.has(*key))
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document.text(Key::Log)
}

/// Whether more of the line follows in another message.
pub(super) fn is_partial(log: &[u8]) -> bool {
    log.len() >= SPLIT_BYTES && log.last() != Some(&b'\n')
}
