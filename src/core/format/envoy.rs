//! Access logs of Envoy, as text: its default format, or the site's own format string.
//!
//! Source of the grammar: "Access logging", Envoy documentation.
//!
//! Invariant: a line is a record once the values up to the last number that decides something could be read.
//! Nothing is escaped in such lines; see [`operators`](super::operators) for what that means.

use crate::core::format::cells::Cells;
use crate::core::format::operators::Template;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout};

const DEFAULT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
                       %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
                       %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
                       \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"";

/// Reads lines by the format string.
#[derive(Debug)]
pub(super) struct Parser {
    template: Template,
    cells: Cells,
}

impl Parser {
    /// A parser by the default format, or the declared one.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let text = match layout {
            Layout::Usual => DEFAULT,
            Layout::Text(text) => text,
            _ => return Err(LayoutError::not_taken(Format::Envoy)),
        };
        Ok(Parser { template: Template::new(text, labels)?, cells: Cells::new() })
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
        if line.is_empty() {
            return Err(Reason::Empty);
        }
        self.template.split(line, &mut self.cells)?;
        read(&mut self.template, &self.cells, line, wanted, record)
    }
}

/// Reads the values that were found.
#[inline]
pub(super) fn read<'a>(
    template: &'a mut Template,
    cells: &Cells,
    line: &'a [u8],
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<Parsed, Reason> {
    let Template { plan, request, flags, .. } = template;
    plan.read(line, cells, wanted, record)?;
    if record.status.is_none() {
        let text = |cell: &Option<usize>| cell.map_or(&[][..], |cell| cells.get(line, cell));
        if text(request) == b"- - -" {
            // A connection that was proxied as TCP.
            let time = record.time;
            record.clear();
            record.time = time;
            return Ok(Parsed::Skipped);
        }
        record.client_gone |= text(flags).split(|b| *b == b',').any(|flag| flag == b"DC");
    }
    record.websocket |= record.status == Some(101);
    // Envoy's word for an answer that came from the target is no reason of an error.
    if wanted.has(Field::ErrorReason) && record.get(Field::ErrorReason) == Value::Text(b"via_upstream") {
        record.set(Field::ErrorReason, Value::Absent);
    }
    Ok(Parsed::Record)
}

/// Facts for `explain --format envoy`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Envoy,
    name: "envoy",
    doc: "Envoy access log as text: the default format, or the format string of the site",
    time_is: "end of the request: START_TIME plus DURATION, or EMIT_TIME where the format has it; UTC without an offset",
    lateness_s_default: 60,
    lateness_why: "lines are written at the end of the request and flushed every 10 seconds",
    client_latency_is: "DURATION, milliseconds: first byte of the request to last byte of the response",
    upstream_latency_is: "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME), milliseconds",
    client_gone_if: "RESPONSE_CODE is 0 and RESPONSE_FLAGS has DC: the client left before the response began",
    websocket_if: "status 101",
    service_template: "{host}",
    absent_if: "- or empty; a status of 0",
    skips: "TCP connections: the request is \"- - -\" and RESPONSE_CODE is 0",
    rejects: "lines that are not of the format up to the last number (RESPONSE_CODE, bytes, durations), or whose numbers or time \
              cannot be read. Nothing is escaped: what stands behind the numbers is read as well as it can be",
    fields: FIELDS,
};

/// What the operators fill, here and in Istio.
pub(super) const FIELDS: &[(Field, &str)] = &[
    (Field::Time, "START_TIME + DURATION, or EMIT_TIME"),
    (Field::Status, "RESPONSE_CODE"),
    (Field::Method, "REQ(:METHOD)"),
    (Field::Host, "REQ(:AUTHORITY), without the port"),
    (Field::Port, "REQ(:AUTHORITY), the port if it has one"),
    (Field::Path, "REQ(X-ENVOY-ORIGINAL-PATH?:PATH), up to the question mark"),
    (Field::Query, "REQ(X-ENVOY-ORIGINAL-PATH?:PATH), behind the question mark"),
    (Field::Protocol, "PROTOCOL"),
    (Field::ClientLatency, "DURATION"),
    (Field::UpstreamLatency, "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)"),
    (Field::BytesReceived, "BYTES_RECEIVED, the body"),
    (Field::BytesSent, "BYTES_SENT, the body"),
    (Field::ClientGone, "RESPONSE_CODE, RESPONSE_FLAGS"),
    (Field::Websocket, "RESPONSE_CODE"),
    (Field::RequestId, "REQ(X-REQUEST-ID)"),
    (Field::Client, "DOWNSTREAM_REMOTE_ADDRESS, up to the last colon"),
    (Field::ClientPort, "DOWNSTREAM_REMOTE_ADDRESS, after the last colon"),
    (Field::Target, "UPSTREAM_HOST"),
    (Field::UserAgent, "REQ(USER-AGENT)"),
    (Field::TlsCipher, "DOWNSTREAM_TLS_CIPHER"),
    (Field::TlsProtocol, "DOWNSTREAM_TLS_VERSION"),
    (Field::RequestCreation, "START_TIME"),
    (
        Field::ErrorReason,
        "UPSTREAM_TRANSPORT_FAILURE_REASON, else CONNECTION_TERMINATION_DETAILS, else RESPONSE_CODE_DETAILS but via_upstream",
    ),
    (Field::ConnectionId, "CONNECTION_ID"),
    (Field::Scheme, "REQ(:SCHEME)"),
    (Field::Referer, "REQ(REFERER)"),
    (Field::ForwardedFor, "REQ(X-FORWARDED-FOR)"),
    (Field::Upstream, "UPSTREAM_CLUSTER"),
    (Field::UpstreamLatencyList, "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME), as written"),
    (Field::UpstreamLatencyLast, "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)"),
    (Field::RouteName, "ROUTE_NAME"),
    (Field::Termination, "RESPONSE_FLAGS"),
    (Field::ContentType, "RESP(CONTENT-TYPE)"),
    (Field::GrpcStatus, "GRPC_STATUS or TRAILER(GRPC-STATUS), by number or name"),
    (Field::Instance, "HOSTNAME"),
    (Field::Sni, "REQUESTED_SERVER_NAME"),
];
