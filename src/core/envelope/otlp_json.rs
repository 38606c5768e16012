//! OpenTelemetry logs as JSON: `resourceLogs[].scopeLogs[].logRecords[].body.stringValue`.
//!
//! Labels: `resource.<attribute>` and `attributes.<attribute>`, texts.

use super::document::{Document, Key};
use crate::core::json::{Raw, Walker, elements};

pub(super) fn recognises(document: &Document<'_>, _: bool) -> bool {
    document.array(Key::ResourceLogs).is_some()
}

/// What walks over the parts of an export.
#[derive(Debug)]
pub(super) struct Walkers {
    resource: Walker,
    scope: Walker,
    record: Walker,
    attribute: Walker,
}

impl Default for Walkers {
    fn default() -> Walkers {
        Walkers {
            resource: Walker::new(["scopeLogs", "resource.attributes"]),
            scope: Walker::new(["logRecords"]),
            record: Walker::new(["body.stringValue", "attributes"]),
            attribute: Walker::new(["key", "value.stringValue", "value.intValue", "value.boolValue"]),
        }
    }
}

/// One log record: its body if that is a text, and the attributes that can become labels.
pub(super) struct LogRecord<'p> {
    pub(super) whole: &'p [u8],
    pub(super) body: Option<Raw<'p>>,
    pub(super) resource: &'p [u8],
    pub(super) attributes: &'p [u8],
}

impl Walkers {
    /// Hands over every log record. False if a part cannot be read.
    pub(super) fn each(
        &mut self,
        resource_logs: &[u8],
        on: &mut dyn FnMut(&mut Walker, LogRecord<'_>),
    ) -> bool {
        let mut sound = true;
        for resource in elements(resource_logs) {
            let Raw::Object(resource) = resource else { return false };
            sound &= self.resource.walk(resource).is_ok();
            let attributes = array(self.resource.get(resource, 1));
            for scope in elements(array(self.resource.get(resource, 0))) {
                let Raw::Object(scope) = scope else { return false };
                sound &= self.scope.walk(scope).is_ok();
                for record in elements(array(self.scope.get(scope, 0))) {
                    let Raw::Object(record) = record else { return false };
                    sound &= self.record.walk(record).is_ok();
                    let body = self.record.get(record, 0);
                    let body = body.filter(|raw| matches!(raw, Raw::Text(_) | Raw::Escaped(_)));
                    let of = LogRecord {
                        whole: record,
                        body,
                        resource: attributes,
                        attributes: array(self.record.get(record, 1)),
                    };
                    on(&mut self.attribute, of);
                }
            }
        }
        sound
    }
}

fn array(raw: Option<Raw<'_>>) -> &[u8] {
    match raw {
        Some(Raw::Array(array)) => array,
        _ => &[],
    }
}

/// The value of an attribute, found in a list of `{"key":..,"value":{"stringValue":..}}`.
pub(super) fn attribute<'p>(walker: &mut Walker, attributes: &'p [u8], name: &str) -> Option<Raw<'p>> {
    elements(attributes).find_map(|item| {
        let Raw::Object(item) = item else { return None };
        walker.walk(item).ok()?;
        if walker.text(item, 0) != Some(name.as_bytes()) {
            return None;
        }
        let number = |raw| match raw {
            // 64-bit integers are texts
            Some(Raw::Text(text)) => Some(Raw::Number(text)),
            other => other,
        };
        // what is found lies in the item, not in the walker
        let range = |raw: Raw<'_>| -> Option<Raw<'p>> {
            Some(match raw {
                Raw::Text(text) => Raw::Text(within(item, text)?),
                Raw::Escaped(text) => Raw::Escaped(within(item, text)?),
                Raw::Number(text) => Raw::Number(within(item, text)?),
                Raw::Boolean(value) => Raw::Boolean(value),
                _ => return None,
            })
        };
        let value =
            walker.get(item, 1).or_else(|| number(walker.get(item, 2))).or_else(|| walker.get(item, 3));
        range(value?)
    })
}

/// The same bytes, as part of the item.
fn within<'p>(item: &'p [u8], part: &[u8]) -> Option<&'p [u8]> {
    let at = (part.as_ptr() as usize).checked_sub(item.as_ptr() as usize)?;
    item.get(at..at + part.len())
}
