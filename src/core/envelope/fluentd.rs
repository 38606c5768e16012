//! Fluentd's record: `{"log":"<line>"}` or `{"message":"<line>"}`, with `time` or `@timestamp` and `tag` where the output adds
//! them. Where lines are JSON themselves only the tag, or Kubernetes' metadata, tells the one from the other.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, json_lines: bool) -> bool {
    let told = document.text(Key::Tag).is_some() || document.is_object(Key::Kubernetes);
    let text = document.text(Key::Log).is_some() || document.text(Key::Message).is_some();
    text && (told || !json_lines)
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document
        .text(Key::Log)
        .or_else(|| document.text(Key::Message))
        .or_else(|| document.line(Key::Log))
        .or_else(|| document.line(Key::Message))
}
