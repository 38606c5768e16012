//! Access logs of nginx: combined, main, with times and a virtual host, or the site's own `log_format`.
//!
//! Source of the grammar: nginx's documentation of `ngx_http_log_module` and `ngx_http_upstream_module`.
//! nginx writes quotes within values as `\x22`, so a quote always closes.
//!
//! Invariant: what stands behind the user agent is told by its shape alone, line by line: a value with three
//! decimals is a time, `name=value` says itself what it is. Anything else there is passed over.

use crate::core::format::instant::Clf;
use crate::core::format::combined::{self, Middle, quoted};
use crate::core::format::nginx_layout;
use crate::core::format::list::list_end;
use crate::core::format::pattern::Pattern;
use crate::core::format::reading::{Place, Reading, Seen};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};

/// The client closed the connection before the answer.
const CLIENT_CLOSED: u16 = 499;

/// Reads lines as nginx writes them, or as the site says.
#[derive(Debug)]
pub(super) struct Parser {
    clf: Clf,
    declared: Option<Pattern>,
}

impl Parser {
    /// A parser of the usual lines, or of those of the site's `log_format`.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let declared = match layout {
            Layout::Usual => None,
            Layout::Text(text) => Some(nginx_layout::compile(text, labels)?),
            _ => return Err(LayoutError::not_taken(Format::Nginx)),
        };
        Ok(Parser { clf: Clf::new(), declared })
    }

    /// Reads one line; see [`super::Parser::parse`].
    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        let read = match &mut self.declared {
            Some(pattern) => pattern.read(line, wanted, record).map(|_| ()),
            None => usual(line, wanted, &mut self.clf, record),
        };
        finish(read, line, record)
    }
}

/// What all lines of nginx have in common.
#[inline(always)]
pub(super) fn finish(
    read: Result<(), Reason>,
    line: &[u8],
    record: &mut Record<'_>,
) -> Result<Parsed, Reason> {
    match read {
        Ok(()) => {
            record.client_gone = record.status == Some(CLIENT_CLOSED);
            record.websocket = record.status == Some(101);
            Ok(Parsed::Record)
        }
        Err(reason) => {
            let time = record.time;
            record.clear();
            record.time = time;
            let may_be_other = matches!(reason, Reason::NotThisFormat | Reason::Truncated | Reason::BadTime);
            if may_be_other && is_other_record(line) { Ok(Parsed::Skipped) } else { Err(reason) }
        }
    }
}

/// Whether the line is of nginx's error log (`2024/03/04 10:00:12 [error] 29#29: …`) or of the ingress
/// controller's own (`I0304 10:00:12.123456 7 controller.go:168] …`): both come on one stream with requests.
#[cold]
fn is_other_record(line: &[u8]) -> bool {
    let shaped = |shape: &[u8]| {
        line.len() >= shape.len()
            && line.iter().zip(shape).all(|(byte, like)| match like {
                b'0' => byte.is_ascii_digit(),
                b'I' => matches!(byte, b'I' | b'W' | b'E' | b'F'),
                _ => byte == like,
            })
    };
    shaped(b"0000/00/00 00:00:00 [") || shaped(b"I0000 00:00:00.000000 ")
}

#[inline(always)]
fn usual<'a>(line: &'a [u8], wanted: Fields, clf: &mut Clf, record: &mut Record<'a>) -> Result<(), Reason> {
    let middle = combined::read(line, wanted, false, clf, record)?;
    if !(middle.tail.is_empty() && middle.between.is_empty()) {
        read_tail(line, middle, wanted, record);
    }
    Ok(())
}

/// What a name before `=` says that its value is.
const NAMES: &[(&[u8], Reading)] = &[
    (b"rt", Reading::Latency(Unit::S, 1)),
    (b"request_time", Reading::Latency(Unit::S, 1)),
    (b"uct", Reading::Duration(Field::UpstreamConnect, Unit::S)),
    (b"upstream_connect_time", Reading::Duration(Field::UpstreamConnect, Unit::S)),
    (b"uht", Reading::Duration(Field::UpstreamHeader, Unit::S)),
    (b"upstream_header_time", Reading::Duration(Field::UpstreamHeader, Unit::S)),
    (b"urt", Reading::Upstreams(Unit::S)),
    (b"ut", Reading::Upstreams(Unit::S)),
    (b"upstream_response_time", Reading::Upstreams(Unit::S)),
    (b"ua", Reading::Peers),
    (b"upstream_addr", Reading::Peers),
    (b"us", Reading::UpstreamStatus),
    (b"upstream_status", Reading::UpstreamStatus),
    (b"cs", Reading::Text(Field::CacheStatus)),
    (b"upstream_cache_status", Reading::Text(Field::CacheStatus)),
    (b"rl", Reading::Count(Field::BytesReceived)),
    (b"request_length", Reading::Count(Field::BytesReceived)),
    (b"request_id", Reading::Text(Field::RequestId)),
    (b"rid", Reading::Text(Field::RequestId)),
];

/// What has been told of a line's tail.
#[derive(Default)]
struct Told {
    client_latency: bool,
    upstream_latency: bool,
    quoted: bool,
}

#[inline(always)]
fn read_tail<'a>(line: &'a [u8], middle: Middle<'a>, wanted: Fields, record: &mut Record<'a>) {
    let mut told = Told::default();
    let start_of = |text: &[u8]| text.as_ptr() as usize - line.as_ptr() as usize;
    if is_time(middle.between) {
        let start = start_of(middle.between);
        told.take(Place { line, start, end: start + middle.between.len() }, false, wanted, record);
    }
    let mut at = if middle.tail.is_empty() { line.len() } else { start_of(middle.tail) };
    while at < line.len() {
        let (value_at, name) = match line[at] {
            b' ' => {
                at += 1;
                continue;
            }
            b'"' => (at, None),
            _ => named(line, at).map_or((at, None), |(name, value_at)| (value_at, Some(name))),
        };
        let (place, next, is_quoted) = match quoted(line, value_at) {
            Some((text, next)) => {
                (Place { line, start: value_at + 1, end: value_at + 1 + text.len() }, next, true)
            }
            None if line.get(value_at) == Some(&b'"') => return,
            None => {
                let end = value_at + list_end(&line[value_at..]);
                (Place { line, start: value_at, end }, end + 1, false)
            }
        };
        match name {
            Some(name) => told.take_named(name, place, wanted, record),
            None => told.take(place, is_quoted, wanted, record),
        }
        at = next;
    }
}

/// A name, and where the value behind its `=` begins.
#[inline(always)]
fn named(line: &[u8], at: usize) -> Option<(&[u8], usize)> {
    let rest = &line[at..];
    let len = rest.iter().take_while(|b| b.is_ascii_lowercase() || **b == b'_').count();
    (len > 0 && rest.get(len) == Some(&b'=')).then(|| (&rest[..len], at + len + 1))
}

/// Whether the text is a time or a list of them: digits, a point and three decimals.
#[inline(always)]
fn is_time(text: &[u8]) -> bool {
    let end = text.iter().position(|b| matches!(b, b',' | b' ')).unwrap_or(text.len());
    match text[..end] {
        [ref whole @ .., b'.', a, b, c] => {
            !whole.is_empty() && whole.iter().chain(&[a, b, c]).all(u8::is_ascii_digit)
        }
        _ => false,
    }
}

impl Told {
    /// Takes a value without a name: the first time is the client's latency, the second the upstream's; the
    /// first quoted text, if it is no time, is what the request was forwarded for.
    #[inline(always)]
    fn take<'a>(&mut self, place: Place<'a>, is_quoted: bool, wanted: Fields, record: &mut Record<'a>) {
        let text = &place.line[place.start..place.end];
        let list = text.contains(&b' ');
        // Before the first time, `-` is no sign of anything.
        let no_upstream = text == b"-" && self.client_latency && !is_quoted;
        if is_time(text) || no_upstream || list && text.starts_with(b"-") && self.client_latency {
            if self.client_latency || list {
                if !self.upstream_latency {
                    self.upstream_latency = read(&Reading::Upstreams(Unit::S), place, wanted, record);
                }
            } else {
                self.client_latency = read(&Reading::Latency(Unit::S, 1), place, wanted, record);
            }
        } else if is_quoted && !self.quoted {
            self.quoted = true;
            // The ratio of a compression is no address.
            if wanted.has(Field::ForwardedFor)
                && !matches!(text, b"" | b"-")
                && text.iter().any(|b| !b.is_ascii_digit() && *b != b'.') | (text.iter().filter(|b| **b == b'.').count() == 3)
            {
                record.set(Field::ForwardedFor, Value::Text(text));
            }
        }
    }

    fn take_named<'a>(&mut self, name: &[u8], place: Place<'a>, wanted: Fields, record: &mut Record<'a>) {
        let Some((_, reading)) = NAMES.iter().find(|(known, _)| *known == name) else { return };
        let is_read = read(reading, place, wanted, record);
        match reading {
            Reading::Latency(..) => self.client_latency |= is_read,
            Reading::Upstreams(_) => self.upstream_latency |= is_read,
            _ => {}
        }
    }
}

/// Reads a value that is what it is by its shape: what cannot be read is absent.
#[inline(always)]
fn read<'a>(reading: &Reading, place: Place<'a>, wanted: Fields, record: &mut Record<'a>) -> bool {
    reading.read(place, wanted, &mut Clf::new(), &mut Seen::nothing(), record).is_ok()
}

/// Facts for `explain --format nginx`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Nginx,
    name: "nginx",
    doc: "nginx access log: combined, main, with times behind it or a virtual host before it; or the site's own log_format",
    time_is: "end of the request: $time_local (of a log_format the best of $msec, $time_iso8601, $time_local), when the line was written",
    lateness_s_default: 30,
    lateness_why: "lines are written as requests end; workers that buffer write blocks a few seconds later",
    client_latency_is: "$request_time: the first time (three decimals) behind the user agent or the bytes, or rt=",
    upstream_latency_is: "$upstream_response_time, summed over all peers tried: the second such time, or urt= or ut=",
    client_gone_if: "status 499: the client closed the connection before the answer",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "-, or nothing; a status of 000 (nothing sent) or 009 (HTTP/0.9)",
    skips: "lines of the error log",
    rejects: "lines without [time] \"request\" status bytes, or where time, status or bytes cannot be read; \
              a request that is broken or no HTTP at all does not reject the line",
    fields: FIELDS,
};

/// What nginx can tell; ingress-nginx too.
pub(super) const FIELDS: &[(Field, &str)] = &[
    (Field::Time, "$time_local; $msec, $time_iso8601"),
    (Field::Status, "$status"),
    (Field::UpstreamStatus, "$upstream_status, the last one; us="),
    (Field::Method, "$request, up to the first space; $request_method"),
    (Field::Host, "the virtual host before the client's address; $host, $http_host, $server_name; the URL's host"),
    (Field::Port, "the port behind that host; $server_port"),
    (Field::Path, "$request, the path, percent signs as they stand; $request_uri, $uri"),
    (Field::Query, "$request, the query, percent signs as they stand; $request_uri, $args"),
    (Field::Protocol, "$request, after the last space; $server_protocol"),
    (Field::ClientLatency, "$request_time; rt="),
    (Field::UpstreamLatency, "$upstream_response_time, the sum; urt="),
    (Field::BytesReceived, "$request_length; rl="),
    (Field::BytesSent, "$body_bytes_sent, else $bytes_sent"),
    (Field::ClientGone, "$status"),
    (Field::Websocket, "$status"),
    (Field::RequestId, "$request_id, $req_id, $http_x_request_id; rid="),
    (Field::Client, "$remote_addr; of a list before the user the first address"),
    (Field::ClientPort, "$remote_port"),
    (Field::Target, "$upstream_addr, the last one; ua="),
    (Field::UserAgent, "$http_user_agent"),
    (Field::TlsCipher, "$ssl_cipher"),
    (Field::TlsProtocol, "$ssl_protocol"),
    (Field::TargetList, "$upstream_addr, as written"),
    (Field::TargetStatusList, "$upstream_status, as written"),
    (Field::ConnectionId, "$connection"),
    (Field::Scheme, "$scheme"),
    (Field::User, "$remote_user"),
    (Field::Referer, "$http_referer"),
    (Field::ForwardedFor, "$http_x_forwarded_for: the first quoted text behind the user agent; a list of addresses before the user"),
    (Field::Upstream, "$proxy_upstream_name, $proxy_host"),
    (Field::UpstreamLatencyList, "$upstream_response_time, as written"),
    (Field::UpstreamLatencyLast, "$upstream_response_time, the last one that is a time"),
    (Field::UpstreamConnect, "$upstream_connect_time, the last one; uct="),
    (Field::UpstreamHeader, "$upstream_header_time, the last one; uht="),
    (Field::Queue, "$upstream_queue_time, the last one"),
    (Field::CacheStatus, "$upstream_cache_status; cs="),
    (Field::Country, "$geoip_country_code, $geoip2_data_country_code"),
    (Field::ContentType, "$sent_http_content_type"),
    (Field::GrpcStatus, "$sent_trailer_grpc_status, $upstream_trailer_grpc_status, $sent_http_grpc_status"),
    (Field::Alpn, "$ssl_alpn_protocol"),
    (Field::Instance, "$hostname"),
    (Field::Sni, "$ssl_server_name"),
];
