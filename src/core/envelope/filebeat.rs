//! Filebeat's event: `{"@timestamp":..,"@metadata":{"beat":"filebeat",..},"message":"<line>","log":{..},"agent":{..}}`.
//!
//! `@timestamp` is when the line was read, not when the request was.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    document.line(Key::Message).is_some()
        && (document.is_object(Key::AtMetadata)
            || document.has(Key::AgentType)
            || document.is_object(Key::Beat))
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document.line(Key::Message)
}
