//! From a message to records: its envelope, then its format.
//!
//! Invariant: every line of a message is handed over once, read or not. Everything that looks at lines (counting,
//! `explain`, `check --sample`, `test`, a backfill) does so through this.

use crate::core::envelope::{Content, Envelope, Fragments, Message, Piece, Values};
use crate::core::format::{LayoutError, Parsed, Parser, header_of, reads_json};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Input, Step};
use crate::core::time::Time;
use serde::{Deserialize, Serialize};

/// Reads the messages of one partition.
#[derive(Debug)]
pub struct Reader {
    envelope: Envelope,
    format: Format,
    line_bytes_max: usize,
}

/// A format's parser, and the header line that it last read, where its lines depend on one.
#[derive(Debug)]
struct Format {
    parser: Parser,
    input: Input,
    labels: Labels,
    /// How a header begins, for formats that have any.
    begins: Option<&'static [u8]>,
    header: Option<Box<[u8]>>,
    changed: bool,
}

/// One line of a message, lent for one call.
pub struct Line<'l> {
    /// Its bytes, or as many as were kept.
    pub bytes: &'l [u8],
    /// How long it truly is.
    pub length: u64,
    /// Its number within the message, from 0.
    pub index: u32,
    /// The envelopes that it came in, from the outside in.
    pub envelope: &'l [Step],
    /// What it is, or why it cannot be read.
    pub read: Result<Parsed, Reason>,
    /// The format could not read it; else it came to no format.
    pub by_format: bool,
    /// The record, filled if it is one.
    pub record: &'l Record<'l>,
}

/// What reading goes on with after a restart: a function of what was read before.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Carry {
    /// The header in force.
    header: Option<Box<[u8]>>,
    fragments: Fragments,
}

impl Carry {
    /// The bytes that the journal keeps; none where nothing is carried.
    pub fn to_bytes(&self) -> Vec<u8> {
        if *self == Carry::default() {
            return Vec::new();
        }
        // of plain bytes and numbers: cannot fail
        postcard::to_stdvec(self).unwrap_or_default()
    }

    /// What the bytes hold.
    ///
    /// # Errors
    /// If another release wrote them.
    pub fn from_bytes(bytes: &[u8]) -> Result<Carry, String> {
        if bytes.is_empty() {
            return Ok(Carry::default());
        }
        postcard::from_bytes(bytes).map_err(|e| e.to_string())
    }
}

impl Reader {
    /// A reader of messages of that topic, that fills the labels asked for.
    ///
    /// # Errors
    /// If what the site declares of its lines cannot be read.
    pub fn new(
        input: &Input,
        topic: &str,
        labels: &Labels,
        line_bytes_max: u32,
    ) -> Result<Reader, LayoutError> {
        let (line_bytes_max, json) = (line_bytes_max as usize, reads_json(input.format));
        Ok(Reader {
            envelope: Envelope::new(&input.envelope, json, (topic, labels), line_bytes_max),
            format: Format {
                parser: Parser::new(input, labels)?,
                input: input.clone(),
                labels: labels.clone(),
                begins: header_of(input.format),
                header: None,
                changed: false,
            },
            line_bytes_max,
        })
    }

    /// How many lines were read so far that are no valid JSON, see the field `repair`.
    pub fn repaired(&self) -> u64 {
        self.format.parser.repaired()
    }

    /// Reads a message and hands over every line of it, in order. Returns whether it holds part of a line that goes on in
    /// another message.
    #[inline]
    pub fn read(&mut self, message: &Message<'_>, wanted: Fields, on: &mut impl FnMut(Line<'_>)) -> bool {
        if !self.envelope.is_bare(message) {
            return self.read_wrapped(message, wanted, on);
        }
        let bytes = trim(message.payload);
        let arrival = arrival(message, wanted);
        let mut record = Record::at(Record::NO_TIME);
        let (read, by_format) = match bytes.len() {
            0 => (Err(Reason::Empty), false),
            length if length > self.line_bytes_max => (Err(Reason::TooLong), false),
            _ => (self.format.parse(bytes, wanted, self.envelope.start(message), &mut record), true),
        };
        set_arrival(&mut record, arrival);
        let length = bytes.len() as u64;
        on(Line { bytes, length, index: 0, envelope: &[], read, by_format, record: &record });
        false
    }

    #[inline(never)]
    fn read_wrapped(&mut self, message: &Message<'_>, wanted: Fields, on: &mut impl FnMut(Line<'_>)) -> bool {
        let Reader { envelope, format, .. } = self;
        let arrival = arrival(message, wanted);
        let mut index = 0;
        envelope.unwrap(message, &mut |piece| {
            format.piece(piece, index, (wanted, arrival), on);
            index += 1;
        })
    }

    /// Gives up every line whose rest is still awaited: it will not come.
    pub fn give_up(&mut self, on: &mut impl FnMut(Line<'_>)) {
        let Reader { envelope, format, .. } = self;
        let mut index = 0;
        envelope.give_up(&mut |piece| {
            format.piece(piece, index, (Fields::NONE, None), on);
            index += 1;
        });
    }

    /// What is to be carried over to a restart, if it is something else than when this was last asked.
    pub fn changed_carry(&mut self) -> Option<Carry> {
        let fragments = self.envelope.changed_fragments().is_some();
        let header = std::mem::take(&mut self.format.changed);
        (fragments || header).then(|| self.carry())
    }

    /// What is carried over to a restart.
    pub fn carry(&self) -> Carry {
        Carry { header: self.format.header.clone(), fragments: self.envelope.fragments().clone() }
    }

    /// Goes on with what was carried.
    pub fn resume(&mut self, carry: Carry) {
        self.begin(carry.header.as_deref());
        self.envelope.resume(carry.fragments);
        self.format.changed = false;
    }

    /// Begins with lines of another file, whose header in force is this.
    pub fn begin(&mut self, header: Option<&[u8]>) {
        self.format.begin(header);
    }
}

impl Format {
    #[inline(always)]
    fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        values: &'a Values,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        if let Some(begins) = self.begins
            && line.starts_with(begins)
        {
            keep_header(&mut self.header, &mut self.changed, line);
        }
        let read = self.parser.parse(line, wanted, record);
        values.fill(record);
        read
    }

    fn piece(
        &mut self,
        piece: Piece<'_>,
        index: u32,
        (wanted, arrival): (Fields, Option<Time>),
        on: &mut impl FnMut(Line<'_>),
    ) {
        let envelope = piece.steps;
        let mut record = Record::at(Record::NO_TIME);
        let (bytes, length, read, by_format) = match piece.content {
            Content::Line(line) => {
                let read = self.parse(line, wanted, piece.values, &mut record);
                set_arrival(&mut record, arrival);
                (line, line.len() as u64, read, true)
            }
            Content::Skipped => (&[][..], 0, Ok(Parsed::Skipped), false),
            Content::Rejected { bytes, length, reason } => (bytes, length, Err(reason), false),
        };
        on(Line { bytes, length, index, envelope, read, by_format, record: &record });
    }

    fn begin(&mut self, header: Option<&[u8]>) {
        if self.begins.is_none() || self.header.as_deref() == header {
            return;
        }
        // a layout that was read cannot fail when read again
        if let Ok(parser) = Parser::new(&self.input, &self.labels) {
            self.parser = parser;
        }
        self.header = None;
        self.changed = true;
        if let Some(line) = header {
            self.header = Some(line.into());
            let mut record = Record::at(Record::NO_TIME);
            // what it says of itself is nothing to count: it was, where it stood
            let _ = self.parser.parse(line, Fields::NONE, &mut record);
        }
    }
}

/// When the message came, if anybody wants to know.
#[inline(always)]
fn arrival(message: &Message<'_>, wanted: Fields) -> Option<Time> {
    if wanted.has(Field::Arrival) { message.headers.timestamp() } else { None }
}

/// A line that tells of its arrival itself keeps that.
#[inline(always)]
fn set_arrival(record: &mut Record<'_>, arrival: Option<Time>) {
    if let Some(arrival) = arrival
        && record.get(Field::Arrival) == Value::Absent
    {
        record.set(Field::Arrival, Value::Timestamp(arrival));
    }
}

#[cold]
fn keep_header(header: &mut Option<Box<[u8]>>, changed: &mut bool, line: &[u8]) {
    if header.as_deref() != Some(line) && line.len() <= HEADER_BYTES_MAX {
        *header = Some(line.into());
        *changed = true;
    }
}

/// A header longer than this is not carried over.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// The line without the one line end that may close it.
#[inline(always)]
fn trim(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n' | b'\r'] => line,
        _ => line,
    }
}
