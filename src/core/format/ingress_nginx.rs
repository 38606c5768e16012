//! Access logs of Kubernetes' ingress-nginx: `upstreaminfo`, or the site's own `log-format-upstream`.
//!
//! Source of the grammar: "Log format" in ingress-nginx's user guide. Up to the user agent the lines are
//! nginx's combined ones; then come
//! `length time [upstream] [alternative] addresses lengths times statuses id`, of which the four before the
//! last are lists with spaces.
//!
//! Invariant: what stands behind the last quote of a line was written by nginx alone; there a space belongs
//! to a list only behind a comma or around a colon.

use crate::core::format::instant::Clf;
use crate::core::format::combined;
use crate::core::format::nginx::{FIELDS, finish};
use crate::core::format::nginx_layout;
use crate::core::format::list::list_end;
use crate::core::format::pattern::Pattern;
use crate::core::format::reading::{Place, Reading, Seen};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};
use memchr::{memchr, memrchr};

/// Reads lines of `upstreaminfo`, or of the site's own.
#[derive(Debug)]
pub(super) struct Parser {
    clf: Clf,
    declared: Option<Pattern>,
    /// What a label asks for: the canary's upstream.
    alternative: Option<Field>,
}

impl Parser {
    /// A parser of the usual lines, or of those of the site's format string.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let declared = match layout {
            Layout::Usual => None,
            Layout::Text(text) => Some(nginx_layout::compile(text, labels)?),
            _ => return Err(LayoutError::not_taken(Format::IngressNginx)),
        };
        let alternative = labels.field("proxy_alternative_upstream_name");
        Ok(Parser { clf: Clf::new(), declared, alternative })
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
            None => usual(line, wanted, self.alternative, &mut self.clf, record),
        };
        finish(read, line, record)
    }
}

#[inline(always)]
fn usual<'a>(
    line: &'a [u8],
    wanted: Fields,
    alternative: Option<Field>,
    clf: &mut Clf,
    record: &mut Record<'a>,
) -> Result<(), Reason> {
    let middle = combined::read(line, wanted, false, clf, record)?;
    // Found from the right, whatever the user agent may hold. Without a tail it was cut, or is no such line.
    let at = memrchr(b'"', line).map_or(line.len(), |quote| quote + 2);
    if middle.tail.is_empty() || at >= line.len() {
        return Ok(());
    }
    Tail { line, at, wanted, seen: Seen::nothing() }.read(alternative, record)
}

/// What is left of a line to read.
struct Tail<'a> {
    line: &'a [u8],
    at: usize,
    wanted: Fields,
    seen: Seen<'a>,
}

impl<'a> Tail<'a> {
    #[inline(always)]
    fn read(&mut self, alternative: Option<Field>, record: &mut Record<'a>) -> Result<(), Reason> {
        self.take(&Reading::Count(Field::BytesReceived), false, record)?;
        self.take(&Reading::Latency(Unit::S, 1), false, record)?;
        self.bracketed(Some(Field::Upstream), record);
        self.bracketed(alternative, record);
        self.take(&Reading::Peers, false, record)?;
        self.take(&Reading::Nothing, false, record)?;
        self.take(&Reading::Upstreams(Unit::S), false, record)?;
        self.take(&Reading::UpstreamStatus, true, record)?;
        self.take(&Reading::Text(Field::RequestId), true, record)
    }

    /// Reads one value, which may be a list. What the line ends in was cut, unless it may be the last value.
    #[inline(always)]
    fn take(&mut self, reading: &Reading, may_end: bool, record: &mut Record<'a>) -> Result<(), Reason> {
        let (line, start) = (self.line, self.at.min(self.line.len()));
        let end = start + list_end(&line[start..]);
        self.at = end + 1;
        if start == line.len() || end == line.len() && !may_end {
            return Ok(());
        }
        let place = Place { line, start, end };
        reading.read(place, self.wanted, &mut Clf::new(), &mut self.seen, record)
    }

    /// Reads `[…]`, if it is there: addresses may begin with a bracket too, but go on behind it.
    #[inline(always)]
    fn bracketed(&mut self, field: Option<Field>, record: &mut Record<'a>) {
        let rest = self.line.get(self.at..).unwrap_or_default();
        let Some(close) = memchr(b']', rest).filter(|_| rest[0] == b'[') else { return };
        if rest.get(close + 1) != Some(&b' ') {
            return;
        }
        self.at += close + 2;
        let name = &rest[1..close];
        if let Some(field) = field.filter(|field| self.wanted.has(*field) && !matches!(name, b"" | b"-")) {
            record.set(field, Value::Text(name));
        }
    }
}

/// Facts for `explain --format ingress_nginx`.
pub(super) static PRESET: Preset = Preset {
    format: Format::IngressNginx,
    name: "ingress_nginx",
    doc: "Kubernetes ingress-nginx access log: upstreaminfo, or the site's own log-format-upstream",
    time_is: "end of the request: $time_local, when the line was written",
    lateness_s_default: 30,
    lateness_why: "lines are written as requests end",
    client_latency_is: "$request_time",
    upstream_latency_is: "$upstream_response_time, summed over all peers tried",
    client_gone_if: "status 499: the client closed the connection before the answer",
    websocket_if: "status 101",
    service_template: "{upstream}",
    absent_if: "-, or nothing; [] for upstreams; a status of 000 (nothing sent) or 009 (HTTP/0.9)",
    skips: "lines of the error log and of the controller's own log",
    rejects: "lines without [time] \"request\" status bytes, or where time, status, bytes, $request_length, $request_time or \
              $upstream_response_time cannot be read; a request that is broken does not reject the line, nor does an end that was cut",
    fields: FIELDS,
};
