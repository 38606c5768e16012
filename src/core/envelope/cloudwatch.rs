//! A CloudWatch Logs subscription: `{"messageType":"DATA_MESSAGE","owner":..,"logGroup":..,"logStream":..,
//! "subscriptionFilters":[..],"logEvents":[{"id":..,"timestamp":..,"message":"<line>"}]}`, packed with gzip, and in base64
//! where it went through something that carries text only. A `CONTROL_MESSAGE` checks that the destination can be reached.

use super::document::{Document, Key};
use crate::core::json::Raw;

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    document.array(Key::LogEvents).is_some()
        && (document.has(Key::MessageType) || document.text(Key::LogGroup).is_some())
}

/// Whether it is meant for the destination itself.
pub(super) fn is_control(document: &Document<'_>) -> bool {
    matches!(document.get(Key::MessageType), Some(Raw::Text(b"CONTROL_MESSAGE")))
}
