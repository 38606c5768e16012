//! One access-log line, borrowed from the message's bytes.
//!
//! Every format fills the same record. Absent is `None`, never 0, -1 or "-". Text fields are bytes, as they
//! stood in the line, or as what a server's escapes in them stand for, and are filled only where [`Fields`] asks for them.

mod field;
mod labels;
mod reason;
mod slots;

pub use field::{Field, Fields, Kind};
pub use labels::{Labels, MESSAGE_LABELS};
pub use reason::{Outcome, Reason};

use crate::core::time::Time;
use slots::Slots;
use std::fmt;

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

/// One request as the log tells it.
///
/// The always-wanted fields are members; all others lie in slots by [`Field`]. Making a record and
/// clearing one cost next to nothing.
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
    slots: Slots<'a>,
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
            slots: Slots::new(),
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
        self.slots.clear();
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

    /// The value of a field that holds an integer or a duration.
    #[inline]
    pub fn integer(&self, field: Field) -> Option<u64> {
        match self.get(field) {
            Value::Integer(n) => Some(n),
            _ => None,
        }
    }

    /// The value of a field of text.
    #[inline(always)]
    pub fn text(&self, field: Field) -> Option<&'a [u8]> {
        self.slots.text(field)
    }

    #[inline(always)]
    fn set_slot(&mut self, field: Field, value: Value<'a>) {
        match (field.kind(), value) {
            (Kind::Text, Value::Text(text)) => self.slots.put_text(field, text),
            (Kind::Integer | Kind::Duration, Value::Integer(n)) => self.slots.put_number(field, n),
            (Kind::Timestamp, Value::Timestamp(t)) => self.slots.put_number(field, t.0.cast_unsigned()),
            _ => self.slots.remove(field),
        }
    }

    /// Whether the field has a value; a boolean always has.
    #[inline]
    pub fn has(&self, field: Field) -> bool {
        match field {
            Field::Time => self.time != Record::NO_TIME,
            Field::Status => self.status.is_some(),
            Field::ClientLatency => self.client_latency_us.is_some(),
            Field::UpstreamLatency => self.upstream_latency_us.is_some(),
            Field::BytesReceived => self.bytes_received.is_some(),
            Field::BytesSent => self.bytes_sent.is_some(),
            Field::ClientGone | Field::Websocket => true,
            other => self.slots.has(other),
        }
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
            other => match other.kind() {
                Kind::Text => self.slots.text(other).map_or(Value::Absent, Value::Text),
                Kind::Integer | Kind::Duration => integer(self.slots.number(other)),
                Kind::Timestamp => self
                    .slots
                    .number(other)
                    .map_or(Value::Absent, |n| Value::Timestamp(Time(n.cast_signed()))),
                Kind::Boolean => Value::Absent,
            },
        }
    }
}

/// Only what is there.
impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", to_json(self, Fields::ALL))
    }
}

/// Fields that every record is shown with, whether its format has them or not.
pub const SHOWN: Fields = Fields::of(&[
    Field::Time,
    Field::Status,
    Field::UpstreamStatus,
    Field::Method,
    Field::Host,
    Field::Port,
    Field::Path,
    Field::Query,
    Field::Protocol,
    Field::ClientLatency,
    Field::UpstreamLatency,
    Field::BytesReceived,
    Field::BytesSent,
    Field::ClientGone,
    Field::Websocket,
    Field::TargetGroup,
    Field::RequestId,
]);

/// The record as `explain` prints it: these fields and [`SHOWN`] in order, absent ones null, durations as
/// integers with `_us` in the name, bytes that are not UTF-8 replaced.
pub fn to_json(record: &Record<'_>, fields: Fields) -> serde_json::Value {
    let mut object = serde_json::Map::with_capacity(Field::ALL.len());
    for field in fields.union(SHOWN).iter().filter(|f| (*f as usize) < Field::ALL.len()) {
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
            assert!(kept && record.has(field), "{}", field.name());
        }
        record.clear();
        for &field in Field::ALL {
            assert_eq!(record.has(field), field.kind() == Kind::Boolean, "{}", field.name());
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
        assert!(Fields::ALL.iter().eq(Field::ALL.iter().copied().chain(Field::LABELS)));
        assert_eq!(Fields::NONE.iter().count(), 0);
        let set = Fields::of(&[Field::TransformStatus, Field::Time, Field::Path]).without(Field::Path);
        assert!(set.iter().eq([Field::Time, Field::TransformStatus]));
    }

    #[test]
    fn json_names_units_and_shows_absence() {
        let mut record = Record::at(Time::from_seconds(1_530_570_180));
        record.upstream_latency_us = Some(2000);
        record.set(Field::Path, Value::Text(b"/\xff"));
        let json = to_json(&record, Fields::ALL);
        assert_eq!(json["time"], "2018-07-02T22:23:00Z");
        assert_eq!(json["upstream_latency_us"], 2000);
        assert_eq!(json["client_latency_us"], serde_json::Value::Null);
        assert_eq!(json["path"], "/\u{fffd}");
        assert_eq!(json.as_object().map(|o| o.len()), Some(Field::ALL.len()));
    }
}
