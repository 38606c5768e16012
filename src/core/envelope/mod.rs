//! Envelopes: from a message to the lines in it.
//!
//! Lines hardly ever travel bare: shippers wrap them in JSON, runtimes put headers in front, several come in one
//! message, one comes in several. A source lists its envelopes from the outside in ([`settings::Envelope`]), or leaves
//! them to be recognised by their shape, message by message: Filebeat around a container runtime's line around JSON.
//!
//! Invariant: what a message holds is a function of its bytes, of the settings, and of the parts of lines that wait from
//! messages before it ([`Fragments`]); nothing that is remembered for speed changes it. Any bytes give lines, skips or
//! reasons; nothing panics and nothing is lost.

mod azure_records;
mod cloudwatch;
mod confluent;
mod cri;
mod docker;
mod document;
mod filebeat;
mod fluent_bit;
mod fluentd;
mod fragments;
mod gzip;
mod kafka_connect;
mod labels;
mod lines;
mod logstash;
mod otlp_json;
mod syslog;
mod unwrap;
mod vector;

pub use fragments::{FRAGMENT_BYTES_MAX, FRAGMENTS_MAX, Fragments};
pub use labels::Values;

use crate::core::record::{Labels, Reason};
use crate::core::settings::{self, Step};
use crate::core::time::Time;
use document::Level;
use labels::Asked;
use unwrap::Unwrap;

/// Envelopes around envelopes, at most; what lies deeper is taken for a line.
const DEPTH_MAX: usize = 6;
/// A message's unpacked bytes, at most.
const UNPACKED_BYTES_MAX: usize = 32 << 20;
/// A buffer larger than this is given back after the message.
const BUFFER_BYTES_KEPT: usize = 1 << 20;

/// One Kafka message, or a line of a file.
#[derive(Clone, Copy)]
pub struct Message<'m> {
    /// Its value.
    pub payload: &'m [u8],
    /// Its key, if it has one.
    pub key: Option<&'m [u8]>,
    /// Its headers: asked only for names that a label asks for.
    pub headers: &'m dyn Headers,
    /// No line ends before the value does, whoever made it has seen to that.
    pub one_line: bool,
}

/// The headers of a message, and when it came.
pub trait Headers {
    /// The last value under that name.
    fn get(&self, name: &str) -> Option<&[u8]>;

    /// Its own timestamp: of the broker's log or of its producer, as the topic is set up. None where it has none.
    fn timestamp(&self) -> Option<Time> {
        None
    }
}

/// No headers.
pub struct NoHeaders;

impl Headers for NoHeaders {
    fn get(&self, _: &str) -> Option<&[u8]> {
        None
    }
}

impl<'m> Message<'m> {
    /// A message of nothing but a value.
    pub fn of(payload: &'m [u8]) -> Message<'m> {
        Message { payload, key: None, headers: &NoHeaders, one_line: false }
    }

    /// A line of a file.
    pub fn line(line: &'m [u8]) -> Message<'m> {
        Message { one_line: true, ..Message::of(line) }
    }
}

/// What a piece of a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Content<'p> {
    /// A line, for the format to read: neither empty nor too long.
    Line(&'p [u8]),
    /// Meant for nobody: a control message, a batch of nothing.
    Skipped,
    /// What should have been a line, or an envelope that cannot be read.
    Rejected {
        /// Its bytes, or as many as were kept.
        bytes: &'p [u8],
        /// How long it truly is.
        length: u64,
        /// Why.
        reason: Reason,
    },
}

/// A piece of a message, lent for one call.
#[derive(Clone, Copy, Debug)]
pub struct Piece<'p> {
    /// What it is.
    pub content: Content<'p>,
    /// The envelopes that it was taken out of, from the outside in.
    pub steps: &'p [Step],
    /// The labels that they gave.
    pub values: &'p Values,
}

/// Takes lines out of the messages of one partition.
#[derive(Debug)]
pub struct Envelope {
    plan: settings::Envelope,
    /// Whether lines are JSON themselves: then an object is an envelope only if it plainly says so.
    json_lines: bool,
    line_bytes_max: usize,
    asked: Asked,
    values: Values,
    levels: Vec<Level>,
    otlp: Option<Box<otlp_json::Walkers>>,
    fragments: Fragments,
}

impl Envelope {
    /// Of messages of that topic, whose lines are JSON or not; `labels` are those asked for.
    pub fn new(
        plan: &settings::Envelope,
        json_lines: bool,
        (topic, labels): (&str, &Labels),
        line_bytes_max: usize,
    ) -> Envelope {
        let asked = Asked::new(labels, topic);
        let depth = match plan {
            settings::Envelope::None => 0,
            settings::Envelope::Auto => DEPTH_MAX,
            // one that is packed, and then holds many, takes three
            settings::Envelope::Steps(steps) => steps.len() + 2,
        };
        let levels = (0..depth).map(|_| Level::new(&asked)).collect();
        Envelope {
            plan: plan.clone(),
            json_lines,
            line_bytes_max,
            asked,
            values: Values::default(),
            levels,
            otlp: None,
            fragments: Fragments::default(),
        }
    }

    /// Whether the message is one line as it stands, and there is nothing to remember of it. Most are, where lines are sent
    /// bare: so this is one look at the first bytes and one search for a line end.
    #[inline(always)]
    pub fn is_bare(&self, message: &Message<'_>) -> bool {
        match &self.plan {
            settings::Envelope::None => true,
            settings::Envelope::Auto => {
                !unwrap::may_be_wrapped(message.payload)
                    && (message.one_line || !lines::are_several(message.payload))
            }
            settings::Envelope::Steps(steps) => steps.is_empty(),
        }
    }

    /// The labels of the message itself: topic, key, headers.
    #[inline(always)]
    pub fn start(&mut self, message: &Message<'_>) -> &Values {
        if !self.asked.is_empty() {
            self.values.clear();
            self.asked.message(message, &mut self.values);
        }
        &self.values
    }

    /// Hands over every piece of the message, in order. Returns whether the message holds part of a line that goes on in
    /// another.
    pub fn unwrap(&mut self, message: &Message<'_>, on: &mut dyn FnMut(Piece<'_>)) -> bool {
        self.start(message);
        let mut unwrap = Unwrap {
            message,
            json_lines: self.json_lines,
            line_bytes_max: self.line_bytes_max,
            asked: &self.asked,
            values: &mut self.values,
            otlp: &mut self.otlp,
            fragments: &mut self.fragments,
            trail: unwrap::Trail::default(),
            given: 0,
            held: false,
            on,
        };
        let held = unwrap.message(&self.plan, &mut self.levels);
        for level in &mut self.levels {
            level.text.shrink_to(BUFFER_BYTES_KEPT);
        }
        held
    }

    /// Gives up every open line: what should follow is not there any more.
    pub fn give_up(&mut self, on: &mut dyn FnMut(Piece<'_>)) {
        self.values.clear();
        while let Some(joined) = self.fragments.give_up() {
            let content =
                Content::Rejected { bytes: &joined.bytes, length: joined.length, reason: Reason::TornLine };
            on(Piece { content, steps: &[], values: &self.values });
        }
    }

    /// The open lines, if they are others than when this was last asked.
    pub fn changed_fragments(&mut self) -> Option<&Fragments> {
        self.fragments.take_changed().then_some(&self.fragments)
    }

    /// The open lines.
    pub fn fragments(&self) -> &Fragments {
        &self.fragments
    }

    /// Goes on with these open lines.
    pub fn resume(&mut self, fragments: Fragments) {
        self.fragments = fragments;
    }
}
