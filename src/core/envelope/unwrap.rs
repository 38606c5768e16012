//! The way through one message, from its bytes to the lines in it.
//!
//! Invariant: every message gives at least one piece, or holds part of a line. What is inside an envelope goes through
//! the same function as the message itself, one level further down.

use super::document::{Document, FIRST_LABEL, Key, Level, ORIGIN};
use super::labels::{Asked, Values};
use super::{Content, Fragments, Message, Piece};
use super::{
    azure_records, cloudwatch, confluent, cri, docker, filebeat, fluent_bit, fluentd, gzip, kafka_connect,
    lines, logstash, otlp_json, syslog, vector,
};
use crate::core::json::{Raw, Walker, decode, elements};
use crate::core::record::Reason;
use crate::core::settings::{Envelope, Step};
use xxhash_rust::xxh3::Xxh3;

/// Whether the bytes begin like something that may be wrapped. False means that they are no envelope.
#[inline(always)]
pub(super) fn may_be_wrapped(payload: &[u8]) -> bool {
    match payload.first() {
        Some(b'{' | b'"' | b'<' | 0 | 0x1f | 0xef) => true,
        Some(b'0'..=b'9') => cri::begins_with_time(payload),
        Some(b'A' | b'D' | b'F' | b'J' | b'M' | b'N' | b'O' | b'S') => syslog::begins_with_month(payload),
        Some(b'H') => payload.starts_with(gzip::MAGIC_BASE64),
        _ => false,
    }
}

type Recognises = fn(&Document<'_>, bool) -> bool;

/// By what a JSON envelope is recognised: the first that does counts.
const SHAPES: [(Step, Recognises); 10] = [
    (Step::OtlpJson, otlp_json::recognises),
    (Step::Cloudwatch, cloudwatch::recognises),
    (Step::KafkaConnect, kafka_connect::recognises),
    (Step::Logstash, logstash::recognises),
    (Step::Filebeat, filebeat::recognises),
    (Step::Vector, vector::recognises),
    (Step::Docker, docker::recognises),
    (Step::FluentBit, fluent_bit::recognises),
    (Step::Fluentd, fluentd::recognises),
    (Step::AzureRecords, azure_records::recognises),
];

/// The envelopes found so far, from the outside in.
#[derive(Clone, Copy, Default)]
pub(super) struct Trail {
    steps: [Option<Step>; Trail::MAX],
    length: usize,
}

impl Trail {
    const MAX: usize = 16;

    fn push(&mut self, step: Step) {
        // what CloudWatch packs is CloudWatch's
        if step == Step::Cloudwatch && self.length > 0 && self.steps[self.length - 1] == Some(Step::Gzip) {
            self.length -= 1;
        }
        if self.length < Trail::MAX {
            self.steps[self.length] = Some(step);
            self.length += 1;
        }
    }
}

/// How what is inside is to be taken.
#[derive(Clone, Copy)]
enum Next<'n> {
    /// As it looks.
    Auto,
    /// By these steps.
    Listed(&'n [Step]),
}

/// The way through one message.
pub(super) struct Unwrap<'u> {
    pub(super) message: &'u Message<'u>,
    pub(super) json_lines: bool,
    pub(super) line_bytes_max: usize,
    pub(super) asked: &'u Asked,
    pub(super) values: &'u mut Values,
    pub(super) otlp: &'u mut Option<Box<otlp_json::Walkers>>,
    pub(super) fragments: &'u mut Fragments,
    pub(super) trail: Trail,
    /// Pieces handed over.
    pub(super) given: u64,
    /// Part of a line was kept.
    pub(super) held: bool,
    pub(super) on: &'u mut dyn FnMut(Piece<'_>),
}

impl Unwrap<'_> {
    /// Hands over what the message holds; whether part of a line was kept.
    pub(super) fn message(&mut self, plan: &Envelope, levels: &mut [Level]) -> bool {
        let payload = self.message.payload;
        match plan {
            Envelope::None => self.line(payload),
            Envelope::Auto => self.inside(payload, Next::Auto, None, levels),
            Envelope::Steps(steps) => self.inside(payload, Next::Listed(steps), None, levels),
        }
        if self.given == 0 && !self.held {
            self.give(Content::Skipped);
        }
        self.held
    }

    fn give(&mut self, content: Content<'_>) {
        self.given += 1;
        let steps: [Step; Trail::MAX] = self.trail.steps.map(|step| step.unwrap_or(Step::Lines));
        (self.on)(Piece { content, steps: &steps[..self.trail.length], values: self.values });
    }

    fn reject(&mut self, bytes: &[u8], reason: Reason) {
        self.give(Content::Rejected { bytes, length: bytes.len() as u64, reason });
    }

    /// A line as it stands.
    fn line(&mut self, line: &[u8]) {
        let line = lines::trim(line);
        match line.len() {
            0 => self.reject(line, Reason::Empty),
            length if length > self.line_bytes_max => self.reject(line, Reason::TooLong),
            _ => self.give(Content::Line(line)),
        }
    }

    /// What a message is, or what an envelope holds. `scope` is the outermost document around it.
    fn inside(&mut self, bytes: &[u8], next: Next<'_>, scope: Option<Document<'_>>, levels: &mut [Level]) {
        let trail = self.trail;
        match next {
            Next::Listed([]) => self.line(bytes),
            Next::Listed([step, rest @ ..]) => {
                self.apply(*step, lines::without_mark(bytes), Next::Listed(rest), scope, levels);
            }
            Next::Auto => self.as_it_looks(lines::without_mark(bytes), scope, levels),
        }
        self.trail = trail;
    }

    fn as_it_looks(&mut self, bytes: &[u8], scope: Option<Document<'_>>, levels: &mut [Level]) {
        let step = match bytes {
            _ if levels.is_empty() => return self.line(bytes),
            // ids of schemas are counted from 1 and far below 2^24, and text never begins with a zero byte
            [0, 0, rest @ ..] if rest.get(3) != Some(&0) => Step::Confluent,
            _ if bytes.starts_with(gzip::MAGIC) || bytes.starts_with(gzip::MAGIC_BASE64) => Step::Gzip,
            _ if lines::are_several(bytes) && !is_one_object(bytes, levels) => Step::Lines,
            [b'{', ..] => return self.object(lines::trim(bytes), scope, levels),
            [b'"', ..] if kafka_connect::string(lines::trim(bytes)).is_some() => Step::KafkaConnect,
            _ if cri::begins_with_time(bytes) && cri::read(bytes).is_some() => Step::Cri,
            [b'<', ..] if syslog::read(bytes).is_some() => Step::Syslog,
            _ if may_be_wrapped(bytes) && syslog::read(bytes).is_some() => Step::Syslog,
            _ => return self.line(bytes),
        };
        self.apply(step, bytes, Next::Auto, scope, levels);
    }

    /// An object: an envelope if a shipper is recognised in it, else a line.
    fn object(&mut self, bytes: &[u8], scope: Option<Document<'_>>, levels: &mut [Level]) {
        let [level, deeper @ ..] = levels else { return self.line(bytes) };
        let (document, walked) = Document::walk(&mut level.walker, bytes);
        match SHAPES.iter().find(|(_, recognises)| recognises(&document, self.json_lines)) {
            None => self.line(bytes),
            Some((step, _)) if walked.is_err() => {
                self.trail.push(*step);
                self.reject(bytes, Reason::BadEnvelope);
            }
            Some((step, _)) => {
                self.document(*step, bytes, document, Next::Auto, scope, &mut level.text, deeper);
            }
        }
    }

    /// Takes off one envelope, which must be of that kind.
    fn apply(
        &mut self,
        step: Step,
        bytes: &[u8],
        next: Next<'_>,
        scope: Option<Document<'_>>,
        levels: &mut [Level],
    ) {
        let [level, deeper @ ..] = levels else { return self.reject(bytes, Reason::BadEnvelope) };
        match step {
            Step::Lines => {
                self.trail.push(step);
                for line in lines::lines(bytes) {
                    self.inside(lines::trim(line), next, scope, deeper);
                }
            }
            Step::Cri => match cri::read(lines::trim(bytes)) {
                None => self.bad(step, bytes),
                Some(read) => {
                    self.trail.push(step);
                    self.asked.cri(&read, self.values);
                    self.part(read.stream, read.partial, read.content, next, scope, deeper);
                }
            },
            Step::Syslog => match syslog::read(lines::trim(bytes)) {
                None => self.bad(step, bytes),
                Some(read) => {
                    self.trail.push(step);
                    self.asked.syslog(&read, self.values);
                    self.inside(read.content, next, scope, deeper);
                }
            },
            Step::Confluent => match confluent::read(bytes) {
                None => self.bad(step, bytes),
                Some(value) => {
                    self.trail.push(step);
                    self.inside(value, next, scope, deeper);
                }
            },
            Step::Gzip => match unpacked(bytes, &mut level.text) {
                None => self.bad(step, bytes),
                Some(content) => {
                    self.trail.push(step);
                    self.inside(content, next, scope, deeper);
                }
            },
            Step::Cloudwatch if bytes.first() != Some(&b'{') => match unpacked(bytes, &mut level.text) {
                None => self.bad(step, bytes),
                Some(content) => self.apply_document(step, bytes, content, next, scope, deeper),
            },
            Step::KafkaConnect if bytes.first() == Some(&b'"') => {
                match kafka_connect::string(lines::trim(bytes)) {
                    None => self.bad(step, bytes),
                    Some(string) => {
                        self.trail.push(step);
                        self.value(string, next, scope, &mut level.text, deeper);
                    }
                }
            }
            _ => self.apply_document(step, bytes, bytes, next, scope, levels),
        }
    }

    /// The same for a JSON envelope; `whole` is what is kept of it if it cannot be read.
    fn apply_document(
        &mut self,
        step: Step,
        whole: &[u8],
        bytes: &[u8],
        next: Next<'_>,
        scope: Option<Document<'_>>,
        levels: &mut [Level],
    ) {
        let [level, deeper @ ..] = levels else { return self.bad(step, whole) };
        let (document, walked) = Document::walk(&mut level.walker, bytes);
        if walked.is_err() {
            return self.bad(step, whole);
        }
        self.document(step, whole, document, next, scope, &mut level.text, deeper);
    }

    fn bad(&mut self, step: Step, bytes: &[u8]) {
        self.trail.push(step);
        self.reject(bytes, Reason::BadEnvelope);
    }

    /// What a shipper's document holds.
    #[allow(clippy::too_many_arguments, reason = "one place of the way, with all that is around it")]
    fn document(
        &mut self,
        step: Step,
        whole: &[u8],
        document: Document<'_>,
        next: Next<'_>,
        scope: Option<Document<'_>>,
        text: &mut Vec<u8>,
        deeper: &mut [Level],
    ) {
        self.trail.push(step);
        if self.asked.any_path() {
            self.asked.document(document, step, FIRST_LABEL, self.values);
        }
        let scope = scope.or(Some(document));
        let line = match step {
            Step::Filebeat => filebeat::line(&document),
            Step::FluentBit => fluent_bit::line(&document),
            Step::Fluentd => fluentd::line(&document),
            Step::Vector => vector::line(&document),
            Step::Logstash => logstash::line(&document),
            Step::KafkaConnect => kafka_connect::line(&document),
            Step::Docker => {
                let Some(log) = docker::line(&document) else {
                    return self.reject(whole, Reason::BadEnvelope);
                };
                let stream = match document.get(Key::Stream) {
                    Some(Raw::Text(stream)) => stream,
                    _ => &[],
                };
                let log = decoded(log, text);
                return self.part(stream, docker::is_partial(log), log, next, scope, deeper);
            }
            Step::AzureRecords => match document.array(Key::Records) {
                Some(records) => return self.records(step, records, next, scope, deeper),
                None => None,
            },
            Step::Cloudwatch if cloudwatch::is_control(&document) => return self.give(Content::Skipped),
            Step::Cloudwatch => match document.array(Key::LogEvents) {
                Some(events) => return self.records(step, events, next, scope, deeper),
                None => None,
            },
            Step::OtlpJson => match document.array(Key::ResourceLogs) {
                Some(logs) => return self.otlp(logs, whole, next, scope, text, deeper),
                None => None,
            },
            Step::Cri | Step::Syslog | Step::Confluent | Step::Gzip | Step::Lines => None,
        };
        match line {
            Some(line) => self.value(line, next, scope, text, deeper),
            None => self.reject(whole, Reason::BadEnvelope),
        }
    }

    /// A text or an object out of an envelope.
    fn value(
        &mut self,
        value: Raw<'_>,
        next: Next<'_>,
        scope: Option<Document<'_>>,
        text: &mut Vec<u8>,
        deeper: &mut [Level],
    ) {
        let inside = decoded(value, text);
        self.inside(inside, next, scope, deeper);
    }

    /// Every element of an array that holds lines: objects that are lines, or that have one in `message`.
    fn records(
        &mut self,
        step: Step,
        array: &[u8],
        next: Next<'_>,
        scope: Option<Document<'_>>,
        levels: &mut [Level],
    ) {
        let mark = self.values.mark();
        for element in elements(array) {
            let [level, deeper @ ..] = &mut *levels else { return self.reject(array, Reason::BadEnvelope) };
            let Raw::Object(object) = element else {
                self.reject(whole(element), Reason::BadEnvelope);
                continue;
            };
            if step == Step::Cloudwatch {
                let (event, _) = Document::walk(&mut level.walker, object);
                self.asked.document(event, step, FIRST_LABEL, self.values);
                match event.line(Key::Message) {
                    Some(line) => self.value(line, next, scope, &mut level.text, deeper),
                    None => self.reject(object, Reason::BadEnvelope),
                }
            } else {
                if self.asked.any_path() {
                    let (record, _) = Document::walk(&mut level.walker, object);
                    self.asked.document(record, step, FIRST_LABEL, self.values);
                }
                self.inside(object, next, scope, deeper);
            }
            self.values.back_to(mark);
        }
    }

    fn otlp(
        &mut self,
        resource_logs: &[u8],
        whole: &[u8],
        next: Next<'_>,
        scope: Option<Document<'_>>,
        text: &mut Vec<u8>,
        deeper: &mut [Level],
    ) {
        let mark = self.values.mark();
        let mut walkers = self.otlp.take().unwrap_or_default();
        let sound = walkers.each(resource_logs, &mut |walker: &mut Walker, record| {
            if self.asked.any_path() {
                let value = |name: &str| {
                    let (place, name) = name.split_once('.')?;
                    match place {
                        "resource" => otlp_json::attribute(walker, record.resource, name),
                        "attributes" => otlp_json::attribute(walker, record.attributes, name),
                        _ => None,
                    }
                };
                self.asked.named(Step::OtlpJson, value, self.values);
            }
            match record.body {
                Some(body) => self.value(body, next, scope, text, deeper),
                None => self.reject(record.whole, Reason::BadEnvelope),
            }
            self.values.back_to(mark);
        });
        *self.otlp = Some(walkers);
        if !sound {
            self.reject(whole, Reason::BadEnvelope);
        }
    }

    /// A line of a container, or part of one.
    fn part(
        &mut self,
        stream: &[u8],
        partial: bool,
        content: &[u8],
        next: Next<'_>,
        scope: Option<Document<'_>>,
        deeper: &mut [Level],
    ) {
        if !partial && self.fragments.is_empty() {
            return self.inside(content, next, scope, deeper);
        }
        let origin = self.origin(stream, scope);
        if partial {
            self.held = true;
            self.fragments.push(origin, content, self.line_bytes_max);
            while let Some(torn) = self.fragments.give_way(origin) {
                let (bytes, length) = (&torn.bytes[..], torn.length);
                self.give(Content::Rejected { bytes, length, reason: Reason::TornLine });
            }
            return;
        }
        match self.fragments.end(origin, content, self.line_bytes_max) {
            None => self.inside(content, next, scope, deeper),
            Some(joined) if joined.length > joined.bytes.len() as u64 => {
                let (bytes, length) = (&joined.bytes[..], joined.length);
                self.give(Content::Rejected { bytes, length, reason: Reason::TooLong });
            }
            Some(joined) => self.inside(&joined.bytes, next, scope, deeper),
        }
    }

    /// The container and stream that a part is of: by what the outermost envelope says of it, the message's key, and
    /// the stream.
    fn origin(&self, stream: &[u8], scope: Option<Document<'_>>) -> u128 {
        let mut hash = Xxh3::new();
        let mut add = |number: usize, part: &[u8]| {
            hash.update(&(number as u64).to_le_bytes());
            hash.update(&(part.len() as u64).to_le_bytes());
            hash.update(part);
        };
        add(0, stream);
        if let Some(key) = self.message.key {
            add(1, key);
        }
        for (number, key) in ORIGIN.iter().enumerate() {
            if let Some(Raw::Text(text) | Raw::Escaped(text)) = scope.and_then(|s| s.get(*key)) {
                add(number + 2, text);
            }
        }
        hash.digest128()
    }
}

/// Whether it is one object, printed over several lines.
fn is_one_object(bytes: &[u8], levels: &mut [Level]) -> bool {
    bytes.first() == Some(&b'{') && levels.first_mut().is_some_and(|level| level.walker.walk(bytes).is_ok())
}

/// What gzip or base64 of it hold.
fn unpacked<'t>(bytes: &[u8], text: &'t mut Vec<u8>) -> Option<&'t [u8]> {
    if bytes.starts_with(gzip::MAGIC) {
        return gzip::unpack(bytes, text).then_some(text);
    }
    let mut packed = Vec::new();
    let sound = gzip::from_base64(bytes, &mut packed) && gzip::unpack(&packed, text);
    sound.then_some(text)
}

/// The bytes of a text, decoded where needed; an object as it stands.
fn decoded<'t>(value: Raw<'t>, text: &'t mut Vec<u8>) -> &'t [u8] {
    match value {
        Raw::Escaped(escaped) => {
            text.clear();
            decode(escaped, text);
            text
        }
        plain => whole(plain),
    }
}

fn whole(value: Raw<'_>) -> &[u8] {
    match value {
        Raw::Text(b) | Raw::Escaped(b) | Raw::Number(b) | Raw::Bare(b) | Raw::Object(b) | Raw::Array(b) => b,
        Raw::Null => b"null",
        Raw::Boolean(true) => b"true",
        Raw::Boolean(false) => b"false",
    }
}
