//! What the cells of a line are to the record, for formats whose columns are declared by a header or by
//! the site: names become roles once, and every line is read by its roles.
//!
//! Invariant: of several cells with the same role the first that has a value counts. A cell that is not
//! there, empty or `-` is no value.

use crate::core::format::cells::Cells;
use crate::core::format::instant::{Form, Recent, clock_us, day};
use crate::core::format::list::items;
use crate::core::format::number::{count, status};
use crate::core::format::request::{Request, port, request, value, without_brackets};
use crate::core::format::units::{Unit, duration_us};
use crate::core::record::{Field, Fields, Reason, Record, Value};
use crate::core::time::Time;
use memchr::memchr;

/// What a cell is to the record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// The date of the end, `2019-12-13`.
    Day,
    /// The clock of the end, `22:36:26`.
    Clock,
    /// The end of the request.
    End(Form),
    /// Its start: the end is that much and the client's latency later.
    Start(Form),
    /// The status sent to the client.
    Status,
    /// A duration.
    Duration(Field, Unit),
    /// A count or another code.
    Integer(Field),
    /// `true`, `1`, `yes`.
    Boolean(Field),
    /// Text as it stands.
    Text(Field),
    /// Text in which `+` stands for a space.
    PlusText(Field),
    /// Text with `%20`, or `%2520`, for a space.
    PercentText(Field),
    /// `host:port`.
    Address(Field, Field),
    /// `/path?query`.
    Url,
    /// A request line, `GET /path HTTP/1.1`.
    Request,
    /// A status of gRPC, by number or name.
    Grpc,
}

/// Fields that decide what a record is: unreadable numbers there reject the line.
const NEEDED: Fields =
    Fields::of(&[Field::ClientLatency, Field::UpstreamLatency, Field::BytesReceived, Field::BytesSent]);

const URL: Fields = Fields::of(&[Field::Path, Field::Query]);
const HOST: Fields = Fields::of(&[Field::Host, Field::Port]);

/// Fields that are filled whether they are wanted or not.
const ALWAYS: Fields =
    NEEDED.union(Fields::of(&[Field::Time, Field::Status, Field::ClientGone, Field::Websocket]));

impl Role {
    /// What it may fill.
    pub(super) fn fills(self) -> Fields {
        match self {
            Role::Day | Role::Clock | Role::End(_) => Fields::of(&[Field::Time]),
            Role::Start(_) => Fields::of(&[Field::Time, Field::RequestCreation]),
            Role::Status => Fields::of(&[Field::Status]),
            Role::Duration(Field::UpstreamLatency, _) => {
                const {
                    Fields::of(&[
                        Field::UpstreamLatency,
                        Field::UpstreamLatencyList,
                        Field::UpstreamLatencyLast,
                    ])
                }
            }
            Role::Duration(field, _)
            | Role::Integer(field)
            | Role::Boolean(field)
            | Role::Text(field)
            | Role::PlusText(field)
            | Role::PercentText(field) => Fields::NONE.with(field),
            Role::Address(host, port) => Fields::NONE.with(host).with(port),
            Role::Url => Fields::of(&[Field::Path, Field::Query]),
            Role::Grpc => Fields::of(&[Field::GrpcStatus]),
            Role::Request => {
                const {
                    Fields::of(&[
                        Field::Method,
                        Field::Host,
                        Field::Port,
                        Field::Path,
                        Field::Query,
                        Field::Protocol,
                    ])
                }
            }
        }
    }

    /// Its place in the order of reading: times before all, so that a rejected line keeps its time.
    fn rank(self) -> u8 {
        match self {
            Role::Day | Role::Clock | Role::End(_) | Role::Start(_) => 0,
            Role::Duration(Field::ClientLatency, _) => 1,
            Role::Status => 2,
            _ => 3,
        }
    }
}

/// A cell and what it is.
#[derive(Clone, Copy, Debug)]
struct Entry {
    cell: usize,
    role: Role,
    fills: Fields,
    /// Whether it is read though nobody wants it.
    always: bool,
    /// The field, if an earlier entry may have filled it.
    again: Option<Field>,
}

/// The roles of a line's cells.
#[derive(Debug, Default)]
pub(super) struct Plan {
    entries: Vec<Entry>,
    fills: Fields,
    /// Those that are read where these fields are wanted.
    read: Vec<Entry>,
    wanted: Option<Fields>,
    /// How many of them tell the time; they go first.
    times: usize,
    /// Whether a cell may stand in quotes, which are written twice within.
    doubles: bool,
    recent: Recent,
    /// Texts of the current line without their escapes.
    decoded: Vec<u8>,
    /// Whose they are.
    places: Vec<(Field, usize, usize)>,
}

/// What is read before it is known what it makes together.
#[derive(Default)]
struct Draft {
    day: Option<Time>,
    clock_us: Option<i64>,
    end: Option<Time>,
    start: Option<Time>,
}

impl Draft {
    /// The end of the request.
    #[inline(always)]
    fn time(&self, latency_us: Option<u64>) -> Option<Time> {
        let from_parts = || Some(Time(self.day?.0 + self.clock_us?));
        let from_start = || {
            let latency = i64::try_from(latency_us.unwrap_or_default()).unwrap_or_default();
            self.start.map(|start| Time(start.0.saturating_add(latency)))
        };
        self.end.or_else(from_parts).or_else(from_start)
    }
}

impl Plan {
    /// No role.
    pub(super) fn new() -> Plan {
        Plan::default()
    }

    /// Forgets all roles.
    pub(super) fn clear(&mut self) {
        self.entries.clear();
        self.wanted = None;
        self.fills = Fields::NONE;
    }

    /// Gives a cell one more role.
    pub(super) fn add(&mut self, cell: usize, role: Role) {
        let fills = role.fills();
        let first = fills.iter().next();
        let again = first.filter(|field| self.fills.has(*field) && role.rank() > 0);
        self.wanted = None;
        self.entries.push(Entry { cell, role, fills, always: fills.any(ALWAYS), again });
        self.fills = self.fills.union(fills);
    }

    /// Orders the roles; after the last one was added.
    pub(super) fn finish(&mut self) {
        // Not by a stable sort, which allocates; the order of the roles of one field must stay.
        for i in 1..self.entries.len() {
            let mut at = i;
            while at > 0 && self.entries[at - 1].role.rank() > self.entries[at].role.rank() {
                self.entries.swap(at - 1, at);
                at -= 1;
            }
        }
    }

    /// Whether anything becomes of the cell where these fields are wanted.
    pub(super) fn is_read(&self, cell: usize, wanted: Fields) -> bool {
        self.entries.iter().any(|entry| entry.cell == cell && (entry.always || wanted.any(entry.fills)))
    }

    /// From now on these fields are wanted.
    #[cold]
    fn want(&mut self, wanted: Fields) {
        self.read.clear();
        self.read.extend(self.entries.iter().filter(|entry| entry.always || wanted.any(entry.fills)));
        self.times = self.read.iter().filter(|entry| entry.role.rank() == 0).count();
        self.wanted = Some(wanted);
    }

    /// This plan, for lines whose cells may stand in quotes, which are written twice within.
    pub(super) fn with_doubles(self) -> Plan {
        Plan { doubles: true, ..self }
    }

    /// What a line can fill.
    pub(super) fn fills(&self) -> Fields {
        self.fills
    }

    /// The first cell with that role.
    pub(super) fn cell_of(&self, role: Role) -> Option<usize> {
        self.entries.iter().find(|entry| entry.role == role).map(|entry| entry.cell)
    }

    /// Reads the cells into the record. If the line is rejected the record holds its time at most.
    #[inline]
    pub(super) fn read<'a>(
        &'a mut self,
        line: &'a [u8],
        cells: &Cells,
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<(), Reason> {
        if self.wanted != Some(wanted) {
            self.want(wanted);
        }
        let mut draft = Draft::default();
        self.decoded.clear();
        self.places.clear();
        for (i, entry) in self.read.iter().enumerate() {
            if i == self.times && draft.time(None).is_none() {
                return Err(Reason::BadTime);
            }
            let place = cells.range(entry.cell);
            let text = line.get(place.0..place.1).unwrap_or_default();
            if matches!(text, b"" | b"-") || entry.again.is_some_and(|field| has(record, field)) {
                continue;
            }
            let read = match entry.role {
                Role::Text(field) | Role::PlusText(field) if self.doubles && has_doubles(line, place) => {
                    let without = match entry.role {
                        Role::PlusText(_) => without_plus_and_doubles,
                        _ => without_doubles,
                    };
                    self.places.push(decode(field, text, &mut self.decoded, without));
                    Ok(())
                }
                Role::PlusText(field) => {
                    self.places.push(decode(field, text, &mut self.decoded, without_plus));
                    Ok(())
                }
                Role::PercentText(field) => {
                    self.places.push(decode(field, text, &mut self.decoded, without_percent));
                    Ok(())
                }
                role => put(role, line, place, wanted, record, (&mut draft, &mut self.recent)),
            };
            if let Err(reason) = read {
                return Err(reject(reason, &draft, record));
            }
        }
        let Some(time) = draft.time(record.client_latency_us) else {
            return Err(reject(Reason::BadTime, &draft, record));
        };
        record.time = time;
        for &(field, start, end) in &self.places {
            record.set(field, Value::Text(&self.decoded[start..end]));
        }
        Ok(())
    }
}

/// The record of a rejected line: its time, if that can be told.
#[cold]
fn reject(reason: Reason, draft: &Draft, record: &mut Record<'_>) -> Reason {
    let time = draft.time(record.client_latency_us);
    record.clear();
    record.time = time.unwrap_or(Record::NO_TIME);
    reason
}

fn has(record: &Record<'_>, field: Field) -> bool {
    match field {
        Field::ClientGone => record.client_gone,
        Field::Websocket => record.websocket,
        field => record.has(field),
    }
}

#[inline(always)]
fn put<'a>(
    role: Role,
    line: &'a [u8],
    place: (usize, usize),
    wanted: Fields,
    record: &mut Record<'a>,
    (draft, recent): (&mut Draft, &mut Recent),
) -> Result<(), Reason> {
    let text = &line[place.0..place.1];
    match role {
        // Of several the first with a value counts, as everywhere.
        Role::Day if draft.day.is_some() => {}
        Role::Clock if draft.clock_us.is_some() => {}
        Role::End(_) if draft.end.is_some() => {}
        Role::Start(_) if draft.start.is_some() => {}
        Role::Day => draft.day = Some(day(text).ok_or(Reason::BadTime)?),
        Role::Clock => draft.clock_us = Some(clock_us(text).ok_or(Reason::BadTime)?),
        Role::End(Form::Any) if text.get(2) == Some(&b':') => {
            draft.clock_us = Some(clock_us(text).ok_or(Reason::BadTime)?);
        }
        Role::End(form) => draft.end = Some(recent.instant(text, form).ok_or(Reason::BadTime)?),
        Role::Start(form) => {
            let start = match recent.instant(text, form) {
                Some(start) => start,
                None if draft.end.is_some() => return Ok(()),
                None => return Err(Reason::BadTime),
            };
            draft.start = Some(start);
            if wanted.has(Field::RequestCreation) {
                record.set(Field::RequestCreation, Value::Timestamp(start));
            }
        }
        Role::Status => record.status = status(text).map_err(|_| Reason::BadStatus)?,
        Role::Duration(Field::UpstreamLatency, unit) => return upstream(line, place, unit, wanted, record),
        Role::Duration(field, unit) => match duration_us(line, place, unit) {
            Ok(Some(us)) => record.set(field, Value::Integer(us)),
            Err(_) if NEEDED.has(field) => return Err(Reason::BadNumber),
            _ => {}
        },
        Role::Integer(field) => match count(line, place) {
            Ok(Some(n)) if n > 0 || field != Field::UpstreamStatus => record.set(field, Value::Integer(n)),
            Err(_) if NEEDED.has(field) => return Err(Reason::BadNumber),
            Err(_) if field == Field::UpstreamStatus => {
                let last = list(text).filter_map(|one| status(one).ok().flatten()).last();
                record.set(field, last.map_or(Value::Absent, |n| Value::Integer(n.into())));
            }
            _ => {}
        },
        Role::Boolean(field) => {
            let yes = [&b"true"[..], b"1", b"yes"].iter().any(|yes| text.eq_ignore_ascii_case(yes));
            record.set(field, Value::Boolean(yes));
        }
        Role::Grpc => {
            record.set(Field::GrpcStatus, grpc_status(text).map_or(Value::Absent, Value::Integer));
        }
        Role::Text(field) => record.set(field, Value::Text(text)),
        Role::PlusText(_) | Role::PercentText(_) => {}
        Role::Address(host_field, port_field) => {
            let (host, number) = port(text);
            record.set(host_field, value(without_brackets(host)).map_or(Value::Absent, Value::Text));
            if let Some(number) = number {
                record.set(port_field, Value::Integer(number.into()));
            }
        }
        Role::Url => {
            let (path, query) = match memchr(b'?', text) {
                Some(mark) => (&text[..mark], &text[mark + 1..]),
                None => (text, &[][..]),
            };
            set_some(record, Field::Path, Some(path));
            set_some(record, Field::Query, Some(query));
        }
        Role::Request => {
            let Request { method, host, port, path, query, protocol } = request(text);
            if wanted.has(Field::Method) {
                set_some(record, Field::Method, method);
            }
            if wanted.has(Field::Protocol) {
                set_some(record, Field::Protocol, protocol);
            }
            // Of what another cell may tell too, both or none.
            if wanted.any(URL) {
                set_some(record, Field::Path, path);
                set_some(record, Field::Query, query);
            }
            if wanted.any(HOST) {
                set_some(record, Field::Host, host);
                if let Some(port) = port {
                    record.set(Field::Port, Value::Integer(port.into()));
                }
            }
        }
    }
    Ok(())
}

#[inline(always)]
fn set_some<'a>(record: &mut Record<'a>, field: Field, text: Option<&'a [u8]>) {
    if let Some(text) = text.filter(|text| !text.is_empty()) {
        record.set(field, Value::Text(text));
    }
}

/// The target's latency; a list of them where several were tried.
#[inline(always)]
fn upstream<'a>(
    line: &'a [u8],
    place: (usize, usize),
    unit: Unit,
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<(), Reason> {
    let text = &line[place.0..place.1];
    let (sum, last) = match duration_us(line, place, unit) {
        Ok(one) => (one, one),
        Err(_) => several(text, unit).ok_or(Reason::BadNumber)?,
    };
    record.upstream_latency_us = sum;
    if wanted.has(Field::UpstreamLatencyLast) {
        record.set(Field::UpstreamLatencyLast, last.map_or(Value::Absent, Value::Integer));
    }
    if wanted.has(Field::UpstreamLatencyList) {
        record.set(Field::UpstreamLatencyList, Value::Text(text));
    }
    Ok(())
}

/// Sum and last of the values in `0.100, - : 0.002`.
#[cold]
fn several(text: &[u8], unit: Unit) -> Option<(Option<u64>, Option<u64>)> {
    let (mut sum, mut last) = (None, None);
    for one in list(text) {
        if let Some(us) = duration_us(one, (0, one.len()), unit).ok()? {
            sum = Some(sum.unwrap_or(0u64).checked_add(us)?);
            last = Some(us);
        }
    }
    Some((sum, last))
}

/// The names of gRPC's statuses by their numbers.
const GRPC: [&str; 17] = [
    "ok",
    "canceled",
    "unknown",
    "invalidargument",
    "deadlineexceeded",
    "notfound",
    "alreadyexists",
    "permissiondenied",
    "resourceexhausted",
    "failedprecondition",
    "aborted",
    "outofrange",
    "unimplemented",
    "internal",
    "unavailable",
    "dataloss",
    "unauthenticated",
];

/// `14`, `Unavailable` or `UNAVAILABLE`; some write `Cancelled`.
fn grpc_status(text: &[u8]) -> Option<u64> {
    if let Ok(number) = count(text, (0, text.len())) {
        return number;
    }
    let is = |name: &str| {
        let letters = text.iter().filter(|b| **b != b'_').map(u8::to_ascii_lowercase);
        letters.eq(name.bytes())
    };
    let number = GRPC.iter().position(|name| is(name)).or_else(|| is("cancelled").then_some(1))?;
    Some(number as u64)
}

/// The items of a list with `, ` and ` : ` between.
fn list(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    items(text).map(|(start, end)| &text[start..end])
}

fn decode(
    field: Field,
    text: &[u8],
    decoded: &mut Vec<u8>,
    without: fn(&[u8], &mut Vec<u8>),
) -> (Field, usize, usize) {
    let start = decoded.len();
    without(text, decoded);
    (field, start, decoded.len())
}

/// Whether the cell stands in quotes and has any within.
fn has_doubles(line: &[u8], (start, end): (usize, usize)) -> bool {
    let quote = Some(&b'"');
    start > 0
        && line.get(start - 1) == quote
        && line.get(end) == quote
        && memchr(b'"', &line[start..end]).is_some()
}

fn without_doubles(mut text: &[u8], decoded: &mut Vec<u8>) {
    while let Some(at) = memchr(b'"', text) {
        decoded.extend_from_slice(&text[..=at]);
        text = &text[at + 1..];
        text = text.strip_prefix(b"\"").unwrap_or(text);
    }
    decoded.extend_from_slice(text);
}

fn without_plus_and_doubles(text: &[u8], decoded: &mut Vec<u8>) {
    let start = decoded.len();
    without_doubles(text, decoded);
    decoded[start..].iter_mut().filter(|b| **b == b'+').for_each(|b| *b = b' ');
}

fn without_plus(text: &[u8], decoded: &mut Vec<u8>) {
    decoded.extend(text.iter().map(|b| if *b == b'+' { b' ' } else { *b }));
}

/// Percent signs that were encoded a second time are decoded twice: `%2520` is a space.
fn without_percent(mut text: &[u8], decoded: &mut Vec<u8>) {
    let digit = |b: u8| char::from(b).to_digit(16).map(|d| d as u8);
    let byte = |text: &[u8]| match text {
        [b'%', a, b, ..] => Some(digit(*a)? * 16 + digit(*b)?),
        _ => None,
    };
    while let Some(at) = memchr(b'%', text) {
        decoded.extend_from_slice(&text[..at]);
        text = &text[at..];
        let (one, len) = match byte(text) {
            Some(b'%') => match text {
                [_, _, _, a, b, ..] => match byte(&[b'%', *a, *b]) {
                    Some(twice) => (twice, 5),
                    None => (b'%', 3),
                },
                _ => (b'%', 3),
            },
            Some(once) => (once, 3),
            None => (b'%', 1),
        };
        decoded.push(one);
        text = &text[len..];
    }
    decoded.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percent_signs_are_decoded_once_or_twice() {
        let cases = [
            ("Mozilla/5.0%20(X)", "Mozilla/5.0 (X)"),
            ("Mozilla/5.0%2520(X)", "Mozilla/5.0 (X)"),
            ("100%25", "100%"),
            ("100%25x", "100%x"),
            ("100%", "100%"),
            ("%2", "%2"),
            ("%zz%41", "%zzA"),
        ];
        for (text, expected) in cases {
            let mut decoded = Vec::new();
            without_percent(text.as_bytes(), &mut decoded);
            assert_eq!(String::from_utf8_lossy(&decoded), expected);
        }
    }

    #[test]
    fn lists_of_latencies() {
        let of = |text: &str| several(text.as_bytes(), Unit::S);
        assert_eq!(of("0.100, -"), Some((Some(100_000), Some(100_000))));
        assert_eq!(of("0.001, 0.002 : 0.003"), Some((Some(6_000), Some(3_000))));
        assert_eq!(of("-, -"), Some((None, None)));
        assert_eq!(of("0.1, x"), None);
    }
}
