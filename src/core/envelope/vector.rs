//! Vector's event: `{"file":..,"host":..,"message":"<line>","source_type":"file","timestamp":..}`. A remap may have made
//! an object of `message`: it is a line of JSON then.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    document.text(Key::SourceType).is_some() && line(document).is_some()
}

pub(super) fn line<'p>(document: &Document<'p>) -> Option<Raw<'p>> {
    document.line(Key::Message)
}
