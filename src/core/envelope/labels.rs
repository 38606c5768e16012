//! Labels that messages and envelopes give: `topic`, `key`, `headers.x`, and paths into what shippers send.
//!
//! Invariant: only what is asked for is looked up, and the outermost that has a value gives it.

use super::Message;
use super::cri::Cri;
use super::document::Document;
use super::syslog::Syslog;
use crate::core::json::{Raw, decode};
use crate::core::record::{Field, Labels, Record, Value};
use crate::core::settings::Step;
use std::ops::Range;

/// One label that is asked for.
#[derive(Debug)]
struct Item {
    field: Field,
    source: Source,
}

#[derive(Debug)]
enum Source {
    Topic(Box<str>),
    Key,
    Header(Box<str>),
    /// A path into an envelope; and, if its first part names an envelope, that one and the rest of the path.
    Path {
        path: Box<str>,
        within: Option<(Step, Box<str>)>,
    },
}

/// The labels that are asked for.
#[derive(Debug)]
pub(super) struct Asked {
    items: Vec<Item>,
    paths: usize,
}

impl Asked {
    pub(super) fn new(labels: &Labels, topic: &str) -> Asked {
        let item = |(name, field): (&str, Field)| {
            let source = match name {
                "topic" => Source::Topic(topic.into()),
                "key" => Source::Key,
                _ => match name.split_once('.')? {
                    ("headers", header) => Source::Header(header.into()),
                    (first, rest) => {
                        let step = Step::ALL.iter().find(|step| step.name() == first);
                        Source::Path { path: name.into(), within: step.map(|step| (*step, rest.into())) }
                    }
                },
            };
            Some(Item { field, source })
        };
        let items: Vec<Item> = labels.iter().filter_map(item).collect();
        let paths = items.iter().filter(|i| matches!(i.source, Source::Path { .. })).count();
        Asked { items, paths }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether anything of an envelope is asked for.
    pub(super) fn any_path(&self) -> bool {
        self.paths > 0
    }

    /// Every path to be found in documents, two for each label: as it is written, and inside the envelope that it names.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.items.iter().flat_map(|item| match &item.source {
            Source::Path { path, within } => [&**path, within.as_ref().map_or(&**path, |(_, rest)| &**rest)],
            _ => ["", ""],
        })
    }

    /// Of the message itself.
    pub(super) fn message(&self, message: &Message<'_>, values: &mut Values) {
        for (i, item) in self.items.iter().enumerate() {
            let value = match &item.source {
                Source::Topic(topic) => Some(topic.as_bytes()).filter(|topic| !topic.is_empty()),
                Source::Key => message.key,
                Source::Header(name) => message.headers.get(name),
                Source::Path { .. } => None,
            };
            if let Some(value) = value {
                values.put(i, item.field, |bytes| bytes.extend_from_slice(value));
            }
        }
    }

    /// Of a document that this step found; `first` is the number of the walker's first path of [`paths`](Self::paths).
    pub(super) fn document(&self, document: Document<'_>, step: Step, first: usize, values: &mut Values) {
        for (i, item) in self.items.iter().enumerate() {
            let Source::Path { within, .. } = &item.source else { continue };
            let within = within.as_ref().is_some_and(|(s, _)| *s == step);
            let plain = || document.raw(first + 2 * i);
            let raw = if within { document.raw(first + 2 * i + 1).or_else(plain) } else { plain() };
            values.put_raw(i, item.field, raw);
        }
    }

    /// Values that no document has under these names.
    pub(super) fn named<'v>(
        &self,
        step: Step,
        mut value: impl FnMut(&str) -> Option<Raw<'v>>,
        values: &mut Values,
    ) {
        for (i, item) in self.items.iter().enumerate() {
            let Source::Path { path, within } = &item.source else { continue };
            let within = within.as_ref().filter(|(s, _)| *s == step).and_then(|(_, rest)| value(rest));
            values.put_raw(i, item.field, within.or_else(|| value(path)));
        }
    }

    pub(super) fn cri(&self, cri: &Cri<'_>, values: &mut Values) {
        let value = |name: &str| match name {
            "cri.stream" => Some(Raw::Text(cri.stream)),
            "cri.time" => Some(Raw::Text(cri.time)),
            _ => None,
        };
        self.named(Step::Cri, value, values);
    }

    pub(super) fn syslog(&self, syslog: &Syslog<'_>, values: &mut Values) {
        let priority = |n: u16| [b'0' + (n / 10 % 10) as u8, b'0' + (n % 10) as u8];
        let facility = syslog.priority.map(|p| priority(p / 8));
        let severity = syslog.priority.map(|p| priority(p % 8));
        let value = |name: &str| {
            let text = match name {
                "syslog.hostname" => syslog.hostname,
                "syslog.app_name" => syslog.app_name,
                "syslog.procid" => syslog.procid,
                "syslog.msgid" => syslog.msgid,
                "syslog.time" => syslog.time,
                "syslog.facility" => digits(&facility),
                "syslog.severity" => digits(&severity),
                _ => return None,
            };
            (!text.is_empty()).then_some(Raw::Text(text))
        };
        self.named(Step::Syslog, value, values);
    }
}

/// One digit or two; nothing where there is no number.
fn digits(number: &Option<[u8; 2]>) -> &[u8] {
    match number {
        Some([b'0', digits @ ..]) => digits,
        Some(digits) => digits,
        None => &[],
    }
}

/// The labels of one message, as texts.
#[derive(Clone, Default, Debug)]
pub struct Values {
    bytes: Vec<u8>,
    set: u16,
    ranges: [Range<u32>; Field::LABELS.len()],
    fields: [Option<Field>; Field::LABELS.len()],
}

/// How much of the values was there at some time.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    bytes: usize,
    set: u16,
}

impl Values {
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.set = 0;
    }

    pub(super) fn mark(&self) -> Mark {
        Mark { bytes: self.bytes.len(), set: self.set }
    }

    /// Forgets what came after the mark.
    pub(super) fn back_to(&mut self, mark: Mark) {
        self.bytes.truncate(mark.bytes);
        self.set = mark.set;
    }

    fn put(&mut self, i: usize, field: Field, write: impl FnOnce(&mut Vec<u8>)) {
        if self.set >> i & 1 == 1 {
            return;
        }
        let start = self.bytes.len() as u32;
        write(&mut self.bytes);
        self.ranges[i] = start..self.bytes.len() as u32;
        self.fields[i] = Some(field);
        self.set |= 1 << i;
    }

    /// A text, number or boolean; nothing else is a label.
    fn put_raw(&mut self, i: usize, field: Field, raw: Option<Raw<'_>>) {
        match raw {
            Some(Raw::Text(text) | Raw::Number(text)) => self.put(i, field, |b| b.extend_from_slice(text)),
            Some(Raw::Escaped(text)) => self.put(i, field, |b| decode(text, b)),
            Some(Raw::Boolean(true)) => self.put(i, field, |b| b.extend_from_slice(b"true")),
            Some(Raw::Boolean(false)) => self.put(i, field, |b| b.extend_from_slice(b"false")),
            Some(Raw::Null | Raw::Bare(_) | Raw::Object(_) | Raw::Array(_)) | None => {}
        }
    }

    /// Gives the record the labels that its format did not give it.
    #[inline(always)]
    pub fn fill<'a>(&'a self, record: &mut Record<'a>) {
        if self.set != 0 {
            self.fill_all(record);
        }
    }

    #[inline(never)]
    fn fill_all<'a>(&'a self, record: &mut Record<'a>) {
        for (i, field) in self.fields.iter().enumerate() {
            if let Some(field) = field
                && self.set >> i & 1 == 1
                && record.get(*field) == Value::Absent
            {
                let range = self.ranges[i].start as usize..self.ranges[i].end as usize;
                record.set(*field, Value::Text(&self.bytes[range]));
            }
        }
    }
}
