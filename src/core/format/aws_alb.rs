//! Access logs of the AWS Application Load Balancer.
//!
//! Source of the grammar: "Access logs for your Application Load Balancer", AWS Elastic Load Balancing
//! documentation. Columns are only ever appended: lines of 18 (2016) to 33 (2025) columns are real, side
//! by side in one file, and more are accepted.
//!
//! Invariant: a line whose first twelve columns can be read is a record. The request and everything after
//! it may be cut or broken; what cannot be read there is absent.

use crate::core::format::number::{count, seconds_us, status};
use crate::core::format::request::{Request, port, request, value, without_brackets};
use crate::core::format::instant::{Recent, timestamp, timestamp_near};
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::scan::{COLUMNS_MAX, ColumnRanges, Columns, Shape, first_of, last_of};
use crate::core::settings::{Format, Layout};
use crate::core::time::Time;
use memchr::memchr;

// Columns, counted from 0.
const TYPE: usize = 0;
const TIME: usize = 1;
const LOAD_BALANCER: usize = 2;
const CLIENT: usize = 3;
const TARGET: usize = 4;
const REQUEST_PROCESSING: usize = 5;
const TARGET_PROCESSING: usize = 6;
const RESPONSE_PROCESSING: usize = 7;
const STATUS: usize = 8;
const TARGET_STATUS: usize = 9;
const RECEIVED: usize = 10;
const SENT: usize = 11;
const REQUEST: usize = 12;
const TARGET_GROUP_ARN: usize = 16;
const RULE_PRIORITY: usize = 20;
const REQUEST_CREATION: usize = 21;
const TARGET_LIST: usize = 25;

/// A record needs the columns up to the byte counters.
const COLUMNS_NEEDED: usize = SENT + 1;

/// Numbers bare, request and user agent quoted; cipher to target group bare, trace id to certificate quoted;
/// rule priority and creation bare.
const SHAPE: Shape = &[(12, 2), (3, 3), (2, 0)];

/// What the always-filled fields need.
const COLUMNS_USUAL: usize = REQUEST_CREATION + 1;

/// No line was ever written with fewer: it has been cut.
const COLUMNS_MIN: usize = 18;

/// Types of request or connection.
const TYPES: [&[u8]; 6] = [b"http", b"https", b"h2", b"grpcs", b"ws", b"wss"];

/// Texts that are one column as it stands, without its quotes.
const TEXTS: &[(Field, usize)] = &[
    (Field::Type, TYPE),
    (Field::LoadBalancer, LOAD_BALANCER),
    (Field::Target, TARGET),
    (Field::UserAgent, 13),
    (Field::TlsCipher, 14),
    (Field::TlsProtocol, 15),
    (Field::TargetGroupArn, TARGET_GROUP_ARN),
    (Field::RequestId, 17),
    (Field::DomainName, 18),
    (Field::CertificateArn, 19),
    (Field::Actions, 22),
    (Field::RedirectUrl, 23),
    (Field::ErrorReason, 24),
];

/// The same behind the two lists of targets, which may be several columns each.
const TAIL: &[(Field, usize)] = &[
    (Field::Classification, 27),
    (Field::ClassificationReason, 28),
    (Field::ConnectionId, 29),
    (Field::TransformedHost, 30),
    (Field::TransformedUri, 31),
    (Field::TransformStatus, 32),
];

const LISTS: Fields = Fields::of(&[Field::TargetList, Field::TargetStatusList]);
const PARTS: Fields =
    Fields::of(&[Field::Method, Field::Host, Field::Port, Field::Path, Field::Query, Field::Protocol]);
const ADDRESS: Fields = Fields::of(&[Field::Client, Field::ClientPort]);
const NUMBERS: Fields = Fields::of(&[
    Field::UpstreamStatus,
    Field::RequestProcessing,
    Field::TargetProcessing,
    Field::ResponseProcessing,
    Field::RulePriority,
    Field::RequestCreation,
]);

const fn fields_of(table: &[(Field, usize)]) -> Fields {
    let (mut set, mut i) = (Fields::NONE, 0);
    while i < table.len() {
        set = set.with(table[i].0);
        i += 1;
    }
    set
}

/// How many fields there may be.
const FIELDS: usize = Field::ALL.len();

/// By field: its column, for the texts of both tables.
const COLUMN_OF: [u8; FIELDS] = {
    let mut columns = [0; FIELDS];
    let mut i = 0;
    while i < TEXTS.len() {
        columns[TEXTS[i].0 as usize] = TEXTS[i].1 as u8;
        i += 1;
    }
    i = 0;
    while i < TAIL.len() {
        columns[TAIL[i].0 as usize] = TAIL[i].1 as u8;
        i += 1;
    }
    columns
};

const LATE: Fields =
    fields_of(TAIL).union(LISTS).union(Fields::of(&[Field::Actions, Field::RedirectUrl, Field::ErrorReason]));

/// Keeps the room for a line's columns, and the last timestamp: most lines are of the same minute.
#[derive(Debug)]
pub(super) struct Parser {
    columns: Columns,
    recent: Recent,
}

impl Parser {
    /// A parser; the site declares nothing.
    pub(super) fn new(layout: &Layout, _: &Labels) -> Result<Parser, LayoutError> {
        match layout {
            Layout::Usual => Ok(Parser { columns: Columns::new(), recent: Recent::default() }),
            _ => Err(LayoutError::not_taken(Format::AwsAlb)),
        }
    }

    /// Reads one line; see [`super::Parser::parse`].
    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        parse(line, wanted, self, record)
    }
}

#[inline]
fn parse<'a>(
    line: &'a [u8],
    wanted: Fields,
    Parser { columns, recent }: &mut Parser,
    record: &mut Record<'a>,
) -> Result<Parsed, Reason> {
    record.clear();
    if wanted.any(LATE) {
        columns.index(line, COLUMNS_MAX, SHAPE);
    } else {
        columns.index(line, COLUMNS_USUAL, SHAPE);
        if let Some(first) = columns.first::<{ COLUMNS_USUAL + 1 }>()
            && first.range(line, COLUMNS_USUAL - 1).1 < line.len()
        {
            return read(line, wanted, (&first, COLUMNS_USUAL), recent, record);
        }
    }
    if columns.len() <= COLUMNS_NEEDED && !columns.is_followed(line, SENT) {
        return Err(short(line, columns, record));
    }
    let whole = if columns.is_followed(line, columns.len() - 1) && columns.len() >= COLUMNS_MIN {
        columns.len()
    } else {
        without_cut(line, columns)
    };
    read(line, wanted, (&*columns, whole), recent, record)
}

/// Reads a line that has the columns needed, `whole` of them not cut.
#[inline(always)]
fn read<'a, C: ColumnRanges>(
    line: &'a [u8],
    wanted: Fields,
    (columns, whole): (&C, usize),
    recent: &mut Recent,
    record: &mut Record<'a>,
) -> Result<Parsed, Reason> {
    let (kind, kind_end) = columns.range(line, TYPE);
    if !is_type(&line[kind..], kind_end - kind) {
        return Err(Reason::NotThisFormat);
    }
    let time = recent.timestamp(columns.get(line, TIME)).ok_or(Reason::BadTime)?;
    record.time = time;
    let seconds = |column| seconds_us(line, columns.range(line, column)).map_err(|_| Reason::BadNumber);
    let phases = [seconds(REQUEST_PROCESSING)?, seconds(TARGET_PROCESSING)?, seconds(RESPONSE_PROCESSING)?];
    let status = status(columns.get(line, STATUS)).map_err(|_| Reason::BadStatus)?;
    let bytes = |column| count(line, columns.range(line, column)).map_err(|_| Reason::BadNumber);
    let (received, sent) = (bytes(RECEIVED)?, bytes(SENT)?);

    // If the request is not one quoted column, it was cut or its quotes are broken, and what follows has
    // moved to other places.
    let quoted = matches!(columns.get(line, REQUEST), [b'"', .., b'"'] | b"-");
    let tail = Tail { line, columns, len: if quoted { whole } else { whole.min(REQUEST) } };
    // Without its `Z` it was cut: its digits would make another time.
    let created = tail.get(REQUEST_CREATION);
    let creation =
        if created.ends_with(b"Z") { timestamp_near(created, (columns.get(line, TIME), time)) } else { None };
    record.status = status;
    record.client_latency_us = client_latency_us(time, creation, phases);
    record.upstream_latency_us = phases[1];
    record.bytes_received = received;
    record.bytes_sent = sent;
    record.client_gone = status == Some(460);
    record.websocket = line[kind] == b'w';

    fill(&tail, wanted, record);
    if wanted.any(NUMBERS) {
        fill_numbers(&tail, wanted, phases, creation, record);
    }
    if wanted.any(LATE) {
        fill_late(&tail, wanted, record);
    }
    Ok(Parsed::Record)
}

/// The wall time from the request's creation to the response, else the sum of the three phases.
#[inline(always)]
fn client_latency_us(time: Time, creation: Option<Time>, phases: [Option<u64>; 3]) -> Option<u64> {
    let wall = creation.and_then(|creation| u64::try_from(time.0 - creation.0).ok());
    wall.or_else(|| phases.into_iter().try_fold(0u64, |sum, phase| sum.checked_add(phase?)))
}

/// Whether the text begins with one of [`TYPES`], of that many bytes: one comparison for all lengths, as the
/// type changes from line to line and branches would be missed.
#[inline(always)]
fn is_type(text: &[u8], len: usize) -> bool {
    const WORDS: [u64; 6] = {
        let (mut words, mut i) = ([0; 6], 0);
        while i < 6 {
            let (mut word, mut at) = ([0; 8], 0);
            while at < TYPES[i].len() {
                word[at] = TYPES[i][at];
                at += 1;
            }
            // The length too, so that a zero byte is none of the padding.
            word[7] = TYPES[i].len() as u8;
            words[i] = u64::from_le_bytes(word);
            i += 1;
        }
        words
    };
    let Some(word) = text.first_chunk::<8>() else { return TYPES.iter().any(|known| *known == &text[..len]) };
    let len = len.min(7);
    let word = u64::from_le_bytes(*word) & !(u64::MAX << (8 * len)) | (len as u64) << 56;
    WORDS.iter().fold(false, |is, known| is | (word == *known))
}

/// Why a line without its first twelve columns is rejected.
#[cold]
#[inline(never)]
fn short(line: &[u8], columns: &Columns, record: &mut Record<'_>) -> Reason {
    let kind = columns.get(line, TYPE);
    let cut = !columns.is_followed(line, TYPE);
    if columns.is_empty() {
        return Reason::Empty;
    }
    if !TYPES.iter().any(|known| *known == kind || cut && known.starts_with(kind)) {
        return Reason::NotThisFormat;
    }
    if columns.is_followed(line, TIME) {
        match timestamp(columns.get(line, TIME)) {
            Some(time) => record.time = time,
            None => return Reason::BadTime,
        }
    }
    Reason::Truncated
}

/// The columns without the last one, where the line ends inside that: a quote is open, or there are fewer
/// columns than ever were.
#[cold]
#[inline(never)]
fn without_cut(line: &[u8], columns: &Columns) -> usize {
    let len = columns.len();
    let last = columns.get(line, len - 1);
    let quoted = last[0] == b'"';
    let whole = match last {
        [b'"', inner @ .., b'"'] => inner.iter().rev().take_while(|b| **b == b'\\').count() % 2 == 0,
        _ => false,
    };
    let cut = if quoted { !whole } else { len < COLUMNS_MIN && !columns.is_followed(line, len - 1) };
    if cut { len - 1 } else { len }
}

/// The columns that can be trusted.
struct Tail<'a, 'c, C> {
    line: &'a [u8],
    columns: &'c C,
    len: usize,
}

impl<'a, C: ColumnRanges> Tail<'a, '_, C> {
    /// The bytes of a column, empty if it is not there.
    #[inline(always)]
    fn get(&self, column: usize) -> &'a [u8] {
        if column < self.len { self.columns.get(self.line, column) } else { &[] }
    }

    /// The text of a column without its quotes.
    #[inline(always)]
    fn text(&self, column: usize) -> Value<'a> {
        match unquoted(self.get(column)) {
            // A quote that nothing closes: what follows is anything.
            [b'"', ..] => Value::Absent,
            whole => text(whole),
        }
    }
}

#[inline(always)]
fn unquoted(column: &[u8]) -> &[u8] {
    match column {
        [b'"', inner @ .., b'"'] => inner,
        _ => column,
    }
}

#[inline(always)]
fn text(text: &[u8]) -> Value<'_> {
    value(text).map_or(Value::Absent, Value::Text)
}

#[inline(always)]
fn integer(n: Option<u64>) -> Value<'static> {
    n.map_or(Value::Absent, Value::Integer)
}

/// Texts, the parts of the request, the target group.
#[inline(always)]
fn fill<'a, C: ColumnRanges>(tail: &Tail<'a, '_, C>, wanted: Fields, record: &mut Record<'a>) {
    if wanted.has(Field::TargetGroup) {
        let name = target_group(unquoted(tail.get(TARGET_GROUP_ARN)));
        record.set(Field::TargetGroup, name.map_or(Value::Absent, Value::Text));
    }
    if wanted.any(PARTS) {
        let part = |part: Option<&'a [u8]>| part.map_or(Value::Absent, Value::Text);
        let Request { method, host, port, path, query, protocol } = request(unquoted(tail.get(REQUEST)));
        record.set(Field::Method, part(method));
        record.set(Field::Host, part(host));
        record.set(Field::Port, integer(port.map(u64::from)));
        record.set(Field::Path, part(path));
        record.set(Field::Query, part(query));
        record.set(Field::Protocol, part(protocol));
    }
    for field in wanted.intersection(const { fields_of(TEXTS) }).iter() {
        record.set(field, tail.text(COLUMN_OF[field as usize] as usize));
    }
    if wanted.any(ADDRESS) {
        let (address, port) = port(tail.get(CLIENT));
        record.set(Field::Client, text(without_brackets(address)));
        record.set(Field::ClientPort, integer(port.map(u64::from)));
    }
}

/// The name in `arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067`.
/// Anything else in that column is no target group.
#[inline(always)]
fn target_group(arn: &[u8]) -> Option<&[u8]> {
    let (head, name) = arn.split_at_checked(first_of(arn, 0, *b"/")? + 1)?;
    head.strip_suffix(b":targetgroup/").filter(|head| head.starts_with(b"arn:"))?;
    let end = last_of(name, b'/')?;
    value(&name[..end])
}

fn fill_numbers<C: ColumnRanges>(
    tail: &Tail<'_, '_, C>,
    wanted: Fields,
    phases: [Option<u64>; 3],
    creation: Option<Time>,
    record: &mut Record<'_>,
) {
    let upstream_status = status(tail.get(TARGET_STATUS)).ok().flatten();
    record.set(Field::UpstreamStatus, integer(upstream_status.map(u64::from)));
    record.set(Field::RequestProcessing, integer(phases[0]));
    record.set(Field::TargetProcessing, integer(phases[1]));
    record.set(Field::ResponseProcessing, integer(phases[2]));
    record.set(Field::RequestCreation, creation.map_or(Value::Absent, Value::Timestamp));
    if wanted.has(Field::RulePriority) {
        let priority = unquoted(tail.get(RULE_PRIORITY));
        record.set(Field::RulePriority, integer(count(priority, (0, priority.len())).ok().flatten()));
    }
}

/// The lists of targets and what stands behind them.
fn fill_late<'a, C: ColumnRanges>(tail: &Tail<'a, '_, C>, wanted: Fields, record: &mut Record<'a>) {
    let (targets, statuses) = lists(tail);
    record.set(Field::TargetList, text(tail.span(TARGET_LIST, targets)));
    record.set(Field::TargetStatusList, text(tail.span(TARGET_LIST + targets, statuses)));
    let moved = targets + statuses - 2;
    for field in wanted.intersection(const { fields_of(TAIL) }).iter() {
        record.set(field, tail.text(COLUMN_OF[field as usize] as usize + moved));
    }
}

/// How many columns each of the two lists takes: one, as they are quoted; some logs have them bare.
fn lists<C: ColumnRanges>(tail: &Tail<'_, '_, C>) -> (usize, usize) {
    let run = |from: usize, is: fn(&[u8]) -> bool| {
        (from..tail.len).take_while(|column| is(tail.get(*column))).count().max(1)
    };
    // A quoted list begins with its quote, which no target does.
    let targets = run(TARGET_LIST, |c| !c.starts_with(b"\"") && memchr(b':', c).is_some());
    let statuses = run(TARGET_LIST + targets, |c| c == b"-" || status(c).is_ok());
    // As many statuses as targets, so that a `-` behind them is not taken for one.
    (targets, statuses.min(targets))
}

impl<'a, C: ColumnRanges> Tail<'a, '_, C> {
    /// Columns side by side as one text.
    fn span(&self, first: usize, columns: usize) -> &'a [u8] {
        let last = first + columns - 1;
        if last >= self.len {
            return &[];
        }
        let (start, end) = (self.columns.range(self.line, first).0, self.columns.range(self.line, last).1);
        match unquoted(self.line.get(start..end).unwrap_or_default()) {
            [b'"', ..] => &[],
            whole => whole,
        }
    }
}

/// Facts for `explain --format aws_alb`.
pub(super) static PRESET: Preset = Preset {
    format: Format::AwsAlb,
    name: "aws_alb",
    doc: "AWS Application Load Balancer access log, 18 columns (2016) to 33 (2025) and more",
    time_is: "end of the request: column 2, when the load balancer generated the response (a WebSocket: when it closed)",
    lateness_s_default: 600,
    lateness_why: "each node of a load balancer writes a file every 5 minutes, and delivery is eventually consistent",
    client_latency_is: "time - request_creation_time; else the sum of the three processing times, if none is -1",
    upstream_latency_is: "target_processing_time",
    client_gone_if: "status 460: the client closed the connection before the answer",
    websocket_if: "type is ws or wss",
    service_template: "{target_group}",
    absent_if: "-, -1 (and any negative number) or empty; a status of 0 or 000",
    skips: "none: load balancers log health checks elsewhere",
    rejects: "lines that do not begin with http, https, h2, grpcs, ws or wss (connection logs, NLB and Classic ELB logs too), \
              that end before the byte counters, or whose time, status, processing times or byte counters cannot be read; \
              a request that is cut or broken does not reject the line",
    fields: &[
        (Field::Time, "time"),
        (Field::Status, "elb_status_code"),
        (Field::UpstreamStatus, "target_status_code"),
        (Field::Method, "request, up to the first space"),
        (Field::Host, "request, the URL's host, IPv6 addresses without brackets"),
        (Field::Port, "request, the URL's port"),
        (Field::Path, "request, the URL's path, escapes as they stand"),
        (Field::Query, "request, the URL's query, escapes as they stand"),
        (Field::Protocol, "request, after the last space"),
        (Field::ClientLatency, "time - request_creation_time"),
        (Field::UpstreamLatency, "target_processing_time"),
        (Field::BytesReceived, "received_bytes"),
        (Field::BytesSent, "sent_bytes"),
        (Field::ClientGone, "elb_status_code"),
        (Field::Websocket, "type"),
        (Field::TargetGroup, "target_group_arn, the name"),
        (Field::RequestId, "trace_id"),
        (Field::Type, "type"),
        (Field::LoadBalancer, "elb"),
        (Field::Client, "client:port, up to the last colon"),
        (Field::ClientPort, "client:port, after the last colon"),
        (Field::Target, "target:port"),
        (Field::RequestProcessing, "request_processing_time"),
        (Field::TargetProcessing, "target_processing_time"),
        (Field::ResponseProcessing, "response_processing_time"),
        (Field::UserAgent, "user_agent"),
        (Field::TlsCipher, "ssl_cipher"),
        (Field::TlsProtocol, "ssl_protocol"),
        (Field::TargetGroupArn, "target_group_arn"),
        (Field::DomainName, "domain_name"),
        (Field::CertificateArn, "chosen_cert_arn"),
        (Field::RulePriority, "matched_rule_priority"),
        (Field::RequestCreation, "request_creation_time"),
        (Field::Actions, "actions_executed"),
        (Field::RedirectUrl, "redirect_url"),
        (Field::ErrorReason, "error_reason"),
        (Field::TargetList, "target:port_list"),
        (Field::TargetStatusList, "target_status_code_list"),
        (Field::Classification, "classification"),
        (Field::ClassificationReason, "classification_reason"),
        (Field::ConnectionId, "conn_trace_id"),
        (Field::TransformedHost, "transformed_host"),
        (Field::TransformedUri, "transformed_uri"),
        (Field::TransformStatus, "request_transform_status"),
    ],
};
