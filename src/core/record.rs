//! One access-log line, borrowed from the message's bytes.
//!
//! Every format fills the same record. Absent is `None`, never 0, -1 or "-". Text fields are bytes as
//! they stood in the line (escapes included) and are filled only where [`Fields`] asks for them.

use crate::core::time::Time;
use std::fmt;

/// What kind of value a field holds; decides the operators a predicate may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes that are mostly UTF-8.
    Text,
    /// An unsigned integer.
    Integer,
    /// Microseconds; a duration in predicates.
    Duration,
    /// True or false, never absent.
    Boolean,
    /// An instant.
    Timestamp,
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $kind:ident;)+) => {
        /// Every field a record may have, over all formats, in the order `explain` prints them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Field { $($(#[doc = $doc])+ $variant),+ }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];

            /// The name in predicates and templates, and in `explain` (where durations end in `_us`).
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),+ }
            }

            /// What kind of value it holds.
            pub const fn kind(self) -> Kind {
                match self { $(Field::$variant => Kind::$kind),+ }
            }

            /// What it means, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Field::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

fields! {
    /// End of the request: when the response was generated.
    Time "time" Timestamp;
    /// Status code sent to the client.
    Status "status" Integer;
    /// Status code of the target.
    UpstreamStatus "upstream_status" Integer;
    /// Request method.
    Method "method" Text;
    /// Host of the requested URL.
    Host "host" Text;
    /// Port of the requested URL.
    Port "port" Integer;
    /// Path of the requested URL, without the query.
    Path "path" Text;
    /// Query of the requested URL, without the question mark.
    Query "query" Text;
    /// Protocol of the request line.
    Protocol "protocol" Text;
    /// How long the client waited.
    ClientLatency "client_latency" Duration;
    /// How long the target took.
    UpstreamLatency "upstream_latency" Duration;
    /// Bytes received from the client.
    BytesReceived "bytes_received" Integer;
    /// Bytes sent to the client.
    BytesSent "bytes_sent" Integer;
    /// The client went away before the answer.
    ClientGone "client_gone" Boolean;
    /// The request became a WebSocket: its duration is a session's.
    Websocket "websocket" Boolean;
    /// Name of the target group.
    TargetGroup "target_group" Text;
    /// Request or trace id.
    RequestId "request_id" Text;
    /// Type of request or connection (`http`, `https`, `h2`, `grpcs`, `ws`, `wss`).
    Type "type" Text;
    /// Name of the load balancer.
    LoadBalancer "load_balancer" Text;
    /// Address of the client.
    Client "client" Text;
    /// Port of the client.
    ClientPort "client_port" Integer;
    /// Address and port of the target.
    Target "target" Text;
    /// Time from receiving the request to sending it to a target.
    RequestProcessing "request_processing" Duration;
    /// Time from sending the request to the target until it began to answer.
    TargetProcessing "target_processing" Duration;
    /// Time from the target's first byte to sending it on.
    ResponseProcessing "response_processing" Duration;
    /// User agent.
    UserAgent "user_agent" Text;
    /// TLS cipher.
    TlsCipher "tls_cipher" Text;
    /// TLS protocol.
    TlsProtocol "tls_protocol" Text;
    /// Full ARN of the target group.
    TargetGroupArn "target_group_arn" Text;
    /// Server name of the TLS handshake.
    DomainName "domain_name" Text;
    /// ARN of the certificate presented.
    CertificateArn "certificate_arn" Text;
    /// Priority of the rule that matched, 0 for the default.
    RulePriority "rule_priority" Integer;
    /// When the load balancer received the request.
    RequestCreation "request_creation" Timestamp;
    /// Actions taken, comma-separated.
    Actions "actions" Text;
    /// Target of the redirect.
    RedirectUrl "redirect_url" Text;
    /// Reason of an error.
    ErrorReason "error_reason" Text;
    /// All targets tried, space-separated.
    TargetList "target_list" Text;
    /// Status codes of all targets tried, space-separated.
    TargetStatusList "target_status_list" Text;
    /// Classification for desync mitigation.
    Classification "classification" Text;
    /// Reason of the classification.
    ClassificationReason "classification_reason" Text;
    /// Connection trace id.
    ConnectionId "connection_id" Text;
    /// Host after a rewrite.
    TransformedHost "transformed_host" Text;
    /// URI after a rewrite.
    TransformedUri "transformed_uri" Text;
    /// Outcome of the rewrite.
    TransformStatus "transform_status" Text;
}

impl Field {
    /// The field of that name.
    pub fn by_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|f| f.name() == name)
    }
}

/// A set of fields: what a pipeline needs a format to fill.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u64);

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields(0);
    /// Every field.
    pub const ALL: Fields = Fields(u64::MAX);

    /// This set with one more.
    pub const fn with(self, field: Field) -> Fields {
        Fields(self.0 | 1 << field as u8)
    }

    /// This set without one.
    pub const fn without(self, field: Field) -> Fields {
        Fields(self.0 & !(1 << field as u8))
    }

    /// A set of the fields listed.
    pub const fn of(fields: &[Field]) -> Fields {
        let (mut set, mut i) = (Fields::NONE, 0);
        while i < fields.len() {
            set = set.with(fields[i]);
            i += 1;
        }
        set
    }

    /// What both sets have.
    pub const fn intersection(self, other: Fields) -> Fields {
        Fields(self.0 & other.0)
    }

    /// The fields in the set, in the order of [`Field::ALL`].
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = Field> {
        let mut left = self.0 & (u64::MAX >> (64 - Field::ALL.len()));
        std::iter::from_fn(move || {
            let field = *Field::ALL.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(field)
        })
    }

    /// Both sets.
    pub const fn union(self, other: Fields) -> Fields {
        Fields(self.0 | other.0)
    }

    /// Whether the field is in the set.
    #[inline(always)]
    pub const fn has(self, field: Field) -> bool {
        self.0 >> (field as u8) & 1 == 1
    }

    /// Whether any of these is in the set.
    #[inline(always)]
    pub const fn any(self, other: Fields) -> bool {
        self.0 & other.0 != 0
    }
}

const _: () = assert!(Field::ALL.len() <= 64, "Fields is one word");

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Fields {
        fields.into_iter().fold(Fields::NONE, Fields::with)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Field::name)).finish()
    }
}

/// A value of a record's field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// Not there: unknown in predicates, null in `explain`.
    Absent,
    /// Text, as bytes.
    Text(&'a [u8]),
    /// An integer; a duration's microseconds.
    Integer(u64),
    /// A boolean.
    Boolean(bool),
    /// An instant.
    Timestamp(Time),
}

/// Where a field's value lies within the array of its class: texts in one, all else in the other.
const SLOTS: [u8; Field::ALL.len()] = {
    let mut slots = [0; Field::ALL.len()];
    let (mut i, mut texts, mut numbers) = (0, 0, 0);
    while i < slots.len() {
        let next = if matches!(Field::ALL[i].kind(), Kind::Text) { &mut texts } else { &mut numbers };
        slots[i] = *next;
        *next += 1;
        i += 1;
    }
    slots
};

/// How many fields hold text.
const TEXTS: usize = {
    let (mut i, mut texts) = (0, 0);
    while i < Field::ALL.len() {
        texts += matches!(Field::ALL[i].kind(), Kind::Text) as usize;
        i += 1;
    }
    texts
};

/// How many fields hold something else.
const NUMBERS: usize = Field::ALL.len() - TEXTS;

/// One request as the log tells it.
///
/// The always-wanted fields are members; all other fields lie in two arrays by [`Field`]. What is in
/// the arrays counts only where `present` has the field: clearing a record is one store, so that a
/// record is cheap to reuse, and cheap enough to make anew for every line.
#[derive(Clone)]
pub struct Record<'a> {
    /// End of the request. [`Record::NO_TIME`] until it has been read.
    pub time: Time,
    /// Status sent to the client.
    pub status: Option<u16>,
    /// Latency as the client saw it, microseconds.
    pub client_latency_us: Option<u64>,
    /// Latency of the target, microseconds.
    pub upstream_latency_us: Option<u64>,
    /// Bytes received from the client.
    pub bytes_received: Option<u64>,
    /// Bytes sent to the client.
    pub bytes_sent: Option<u64>,
    /// The client went away before the answer.
    pub client_gone: bool,
    /// A WebSocket: its duration is a session's.
    pub websocket: bool,
    present: Fields,
    texts: [&'a [u8]; TEXTS],
    numbers: [u64; NUMBERS],
}

impl<'a> Record<'a> {
    /// The time of a line whose time could not be read: before every time that is accepted.
    pub const NO_TIME: Time = Time(i64::MIN);

    /// A record with nothing in it but its time.
    #[inline(always)]
    pub const fn at(time: Time) -> Record<'a> {
        Record {
            time,
            status: None,
            client_latency_us: None,
            upstream_latency_us: None,
            bytes_received: None,
            bytes_sent: None,
            client_gone: false,
            websocket: false,
            present: Fields::NONE,
            texts: [&[]; TEXTS],
            numbers: [0; NUMBERS],
        }
    }

    /// Forgets everything, the time too.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.time = Record::NO_TIME;
        self.status = None;
        self.client_latency_us = None;
        self.upstream_latency_us = None;
        self.bytes_received = None;
        self.bytes_sent = None;
        self.client_gone = false;
        self.websocket = false;
        self.present = Fields::NONE;
    }

    /// Sets any field. A value that is not of the field's kind leaves it absent.
    #[inline(always)]
    pub fn set(&mut self, field: Field, value: Value<'a>) {
        let integer = match value {
            Value::Integer(n) => Some(n),
            _ => None,
        };
        match field {
            Field::Time => self.time = if let Value::Timestamp(t) = value { t } else { Record::NO_TIME },
            Field::Status => self.status = integer.and_then(|n| u16::try_from(n).ok()),
            Field::ClientLatency => self.client_latency_us = integer,
            Field::UpstreamLatency => self.upstream_latency_us = integer,
            Field::BytesReceived => self.bytes_received = integer,
            Field::BytesSent => self.bytes_sent = integer,
            Field::ClientGone => self.client_gone = value == Value::Boolean(true),
            Field::Websocket => self.websocket = value == Value::Boolean(true),
            other => self.set_slot(other, value),
        }
    }

    #[inline(always)]
    fn set_slot(&mut self, field: Field, value: Value<'a>) {
        let slot = SLOTS[field as usize] as usize;
        self.present = match (field.kind(), value) {
            (Kind::Text, Value::Text(text)) => {
                self.texts[slot] = text;
                self.present.with(field)
            }
            (Kind::Integer | Kind::Duration, Value::Integer(n)) => {
                self.numbers[slot] = n;
                self.present.with(field)
            }
            (Kind::Timestamp, Value::Timestamp(t)) => {
                self.numbers[slot] = t.0.cast_unsigned();
                self.present.with(field)
            }
            _ => self.present.without(field),
        };
    }

    /// The value of any field.
    #[inline]
    pub fn get(&self, field: Field) -> Value<'a> {
        let integer = |v: Option<u64>| v.map_or(Value::Absent, Value::Integer);
        match field {
            Field::Time if self.time == Record::NO_TIME => Value::Absent,
            Field::Time => Value::Timestamp(self.time),
            Field::Status => integer(self.status.map(u64::from)),
            Field::ClientLatency => integer(self.client_latency_us),
            Field::UpstreamLatency => integer(self.upstream_latency_us),
            Field::BytesReceived => integer(self.bytes_received),
            Field::BytesSent => integer(self.bytes_sent),
            Field::ClientGone => Value::Boolean(self.client_gone),
            Field::Websocket => Value::Boolean(self.websocket),
            other if !self.present.has(other) => Value::Absent,
            other => {
                let slot = SLOTS[other as usize] as usize;
                match other.kind() {
                    Kind::Text => Value::Text(self.texts[slot]),
                    Kind::Integer | Kind::Duration => Value::Integer(self.numbers[slot]),
                    Kind::Timestamp => Value::Timestamp(Time(self.numbers[slot].cast_signed())),
                    Kind::Boolean => Value::Absent,
                }
            }
        }
    }
}

/// Only what is there.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", to_json(self))
    }
}

/// The record as `explain` prints it: every field in order, absent ones null, durations as integers
/// with `_us` in the name, bytes that are not UTF-8 replaced.
pub fn to_json(record: &Record<'_>) -> serde_json::Value {
    let mut object = serde_json::Map::with_capacity(Field::ALL.len());
    for &field in Field::ALL {
        let name = match field.kind() {
            Kind::Duration => format!("{}_us", field.name()),
            _ => field.name().to_owned(),
        };
        let value = match record.get(field) {
            Value::Absent => serde_json::Value::Null,
            Value::Text(text) => String::from_utf8_lossy(text).into(),
            Value::Integer(n) => n.into(),
            Value::Boolean(b) => b.into(),
            Value::Timestamp(t) => t.to_string().into(),
        };
        object.insert(name, value);
    }
    serde_json::Value::Object(object)
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)+) => {
        /// Why a line was rejected: a closed set, the `reason` of metrics, tables and dead letters.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum Reason { $($(#[doc = $doc])+ $variant),+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),+];

            /// Its name outside.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name),+ }
            }

            /// What it means, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

reasons! {
    /// Nothing in the message or line.
    Empty "empty";
    /// Longer than `line_bytes_max`.
    TooLong "too_long";
    /// The line begins like none of its format.
    NotThisFormat "not_this_format";
    /// The line ends before the fields that a record needs.
    Truncated "truncated";
    /// The time cannot be read.
    BadTime "bad_time";
    /// The status cannot be read.
    BadStatus "bad_status";
    /// A number that a record needs cannot be read.
    BadNumber "bad_number";
    /// The time is after the clock or before 2000.
    TimeOutOfRange "time_out_of_range";
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is a record and was counted.
    Record,
    /// It is no request (a comment, a header, another record type).
    Skipped,
    /// It should have been a request and could not be read.
    Rejected(Reason),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_keeps_what_is_set_and_loses_it_when_cleared() {
        let mut record = Record::at(Time(1));
        for &field in Field::ALL {
            let value = match field.kind() {
                Kind::Text => Value::Text(field.name().as_bytes()),
                Kind::Integer | Kind::Duration => Value::Integer(field as u64),
                Kind::Boolean => Value::Boolean(true),
                Kind::Timestamp => Value::Timestamp(Time(-(field as i64))),
            };
            record.set(field, value);
        }
        for &field in Field::ALL {
            let kept = match record.get(field) {
                Value::Absent => false,
                Value::Text(text) => text == field.name().as_bytes(),
                Value::Integer(n) => n == field as u64,
                Value::Boolean(b) => b,
                Value::Timestamp(t) => t == Time(-(field as i64)),
            };
            assert!(kept, "{}", field.name());
        }
        record.clear();
        for &field in Field::ALL {
            let absent = matches!(record.get(field), Value::Absent | Value::Boolean(false));
            assert!(absent, "{}", field.name());
        }
    }

    #[test]
    fn a_value_of_another_kind_is_absent() {
        let mut record = Record::at(Time(1));
        record.set(Field::Path, Value::Text(b"/"));
        record.set(Field::Path, Value::Integer(1));
        record.set(Field::Port, Value::Text(b"80"));
        record.set(Field::Status, Value::Integer(1 << 16));
        for field in [Field::Path, Field::Port, Field::Status] {
            assert_eq!(record.get(field), Value::Absent, "{}", field.name());
        }
    }

    #[test]
    fn sets_list_their_fields_in_order() {
        assert!(Fields::ALL.iter().eq(Field::ALL.iter().copied()));
        assert_eq!(Fields::NONE.iter().count(), 0);
        let set = Fields::of(&[Field::TransformStatus, Field::Time, Field::Path]).without(Field::Path);
        assert!(set.iter().eq([Field::Time, Field::TransformStatus]));
    }

    #[test]
    fn json_names_units_and_shows_absence() {
        let mut record = Record::at(Time::from_seconds(1_530_570_180));
        record.upstream_latency_us = Some(2000);
        record.set(Field::Path, Value::Text(b"/\xff"));
        let json = to_json(&record);
        assert_eq!(json["time"], "2018-07-02T22:23:00Z");
        assert_eq!(json["upstream_latency_us"], 2000);
        assert_eq!(json["client_latency_us"], serde_json::Value::Null);
        assert_eq!(json["path"], "/\u{fffd}");
        assert_eq!(json.as_object().map(|o| o.len()), Some(Field::ALL.len()));
    }
}
