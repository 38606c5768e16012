//! Access logs of Apache httpd: common, combined, with a virtual host, or the site's own `LogFormat`.
//!
//! Source of the grammar: Apache's documentation of `mod_log_config`. A backslash before a quote within a
//! value takes its meaning away.
//!
//! Invariant: no latency is guessed. A bare number at a line's end may be seconds, milliseconds or
//! microseconds: only a `LogFormat` tells.

use crate::core::format::apache_layout;
use crate::core::format::instant::Clf;
use crate::core::format::combined;
use crate::core::format::pattern::Pattern;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

/// Reads lines as Apache writes them, or as the site says.
#[derive(Debug)]
pub(super) struct Parser {
    clf: Clf,
    declared: Option<Pattern>,
}

impl Parser {
    /// A parser of the usual lines, or of those of the site's `LogFormat`.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let declared = match layout {
            Layout::Usual => None,
            Layout::Text(text) => Some(apache_layout::compile(text, labels)?),
            _ => return Err(LayoutError::not_taken(Format::Apache)),
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
            Some(pattern) => pattern.read(line, wanted, record).map(|seen| seen.termination == b"X"),
            None => combined::read(line, wanted, true, &mut self.clf, record).map(|_| false),
        };
        match read {
            Ok(aborted) => {
                record.client_gone = aborted;
                record.websocket = record.status == Some(101);
                Ok(Parsed::Record)
            }
            Err(reason) => {
                let time = record.time;
                record.clear();
                record.time = time;
                let may_be_other = matches!(reason, Reason::NotThisFormat | Reason::Truncated);
                if may_be_other && is_error_log(line) { Ok(Parsed::Skipped) } else { Err(reason) }
            }
        }
    }
}

/// Whether the line is of Apache's error log: `[Fri Sep 09 10:42:29.902022 2011] [core:error] …`.
#[cold]
fn is_error_log(line: &[u8]) -> bool {
    let is = |at: usize, byte: u8| line.get(at) == Some(&byte);
    let digits = |range: std::ops::Range<usize>| line.get(range).is_some_and(|d| d.iter().all(u8::is_ascii_digit));
    is(0, b'[') && is(4, b' ') && is(8, b' ') && is(11, b' ') && digits(12..14) && is(14, b':') && digits(15..17)
}

/// Facts for `explain --format apache`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Apache,
    name: "apache",
    doc: "Apache httpd access log: common, combined, with a virtual host; or the site's own LogFormat",
    time_is: "end of the request: %t, when it began, plus the latency where a LogFormat logs one (%{end:…}t is the end itself)",
    lateness_s_default: 60,
    lateness_why: "lines are written as requests end; without a logged latency they bear the time when they began",
    client_latency_is: "%D, %{us}T, %{ms}T or %T, the most exact one, of a declared LogFormat; absent without one, as a bare \
                        number may be any of them",
    upstream_latency_is: "none: Apache logs none",
    client_gone_if: "%X is X: the connection was aborted before the response was complete",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "-, or nothing; for %b a - is 0 bytes",
    skips: "lines of the error log",
    rejects: "lines without [time] \"request\" status bytes, or where time, status, bytes or latency cannot be read; \
              a request that is broken or no HTTP at all does not reject the line",
    fields: &[
        (Field::Time, "%t, %{…}t"),
        (Field::Status, "%>s, %s"),
        (Field::Method, "%r, up to the first space; %m"),
        (Field::Host, "%v, %V, %{Host}i; the virtual host before the client's address; the URL's host"),
        (Field::Port, "%p; the port behind the virtual host"),
        (Field::Path, "%r, the path, percent signs as they stand; %U"),
        (Field::Query, "%r, the query, percent signs as they stand; %q"),
        (Field::Protocol, "%r, after the last space; %H"),
        (Field::ClientLatency, "%D, %{us}T, %{ms}T, %T"),
        (Field::BytesReceived, "%I"),
        (Field::BytesSent, "%b, %B, %O"),
        (Field::ClientGone, "%X"),
        (Field::Websocket, "%>s"),
        (Field::RequestId, "%{UNIQUE_ID}e, %{X-Request-Id}i, %{X-Request-Id}o, %L"),
        (Field::Client, "%a, %h; of a list before the user the first address"),
        (Field::ClientPort, "%{remote}p"),
        (Field::UserAgent, "%{User-Agent}i"),
        (Field::TlsCipher, "%{SSL_CIPHER}x, %{SSL_CIPHER}e"),
        (Field::TlsProtocol, "%{SSL_PROTOCOL}x, %{SSL_PROTOCOL}e"),
        (Field::ConnectionId, "%{c}L"),
        (Field::User, "%u"),
        (Field::Referer, "%{Referer}i"),
        (Field::ForwardedFor, "%{X-Forwarded-For}i; a list of addresses before the user"),
        (Field::UpstreamServer, "%{BALANCER_WORKER_NAME}e"),
        (Field::FirstByte, "%^FB"),
        (Field::Termination, "%X"),
        (Field::ContentType, "%{Content-Type}o"),
        (Field::Instance, "%A"),
        (Field::Sni, "%{SSL_TLS_SNI}x, %{SSL_TLS_SNI}e"),
    ],
};
