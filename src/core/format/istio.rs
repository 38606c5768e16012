//! Access logs of Istio's proxies, as text.
//!
//! Sources of the grammar: "Envoy Access Logs", Istio documentation, and the formats in `pilot/pkg/model` of
//! its sources: since 1.9 with the details of the response code and of the termination; before that with a
//! quoted status of the policy, first alone, then with the reason of a transport failure behind it.
//!
//! Invariant: which of the three a line is of is decided by what stands behind the response flags.

use crate::core::format::cells::Cells;
use crate::core::format::envoy::{FIELDS, read};
use crate::core::format::operators::Template;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

macro_rules! istio {
    ($details:literal) => {
        concat!(
            "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" %RESPONSE_CODE% \
             %RESPONSE_FLAGS% ",
            $details,
            "%BYTES_RECEIVED% %BYTES_SENT% %DURATION% %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \
             \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \
             \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% \
             %DOWNSTREAM_REMOTE_ADDRESS% %REQUESTED_SERVER_NAME% %ROUTE_NAME%"
        )
    };
}

/// From the newest to the oldest.
const FORMATS: [&str; 3] = [
    istio!("%RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" "),
    istio!("\"%DYNAMIC_METADATA(istio.mixer:status)%\" \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" "),
    istio!("\"%DYNAMIC_METADATA(istio.mixer:status)%\" "),
];

/// Reads lines by the format that they are of.
#[derive(Debug)]
pub(super) struct Parser {
    templates: Vec<Template>,
    cells: Cells,
}

impl Parser {
    /// A parser by Istio's formats, or the declared one.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let formats = match layout {
            Layout::Usual => FORMATS.to_vec(),
            Layout::Text(text) => vec![text.as_str()],
            _ => return Err(LayoutError::not_taken(Format::Istio)),
        };
        let templates = formats.iter().map(|text| Template::new(text, labels)).collect::<Result<_, _>>()?;
        Ok(Parser { templates, cells: Cells::new() })
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
        let mut kind = 0;
        let mut split = self.templates[0].split(line, &mut self.cells);
        while split.is_err() && kind + 1 < self.templates.len() {
            kind += 1;
            let other = self.templates[kind].split(line, &mut self.cells);
            if other != Err(Reason::NotThisFormat) || split.is_ok() {
                split = other;
            }
        }
        split?;
        read(&mut self.templates[kind], &self.cells, line, wanted, record)
    }
}

/// Facts for `explain --format istio`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Istio,
    name: "istio",
    doc: "Istio proxy access log as text: the formats since 1.9 and before, or the format string of the mesh",
    time_is: "end of the request: START_TIME plus DURATION, UTC",
    lateness_s_default: 60,
    lateness_why: "lines are written at the end of the request and flushed every 10 seconds",
    client_latency_is: "DURATION, milliseconds: first byte of the request to last byte of the response",
    upstream_latency_is: "RESP(X-ENVOY-UPSTREAM-SERVICE-TIME), milliseconds",
    client_gone_if: "RESPONSE_CODE is 0 and RESPONSE_FLAGS has DC: the client left before the response began",
    websocket_if: "status 101",
    service_template: "{upstream}",
    absent_if: "- or empty; a status of 0",
    skips: "TCP connections: the request is \"- - -\" and RESPONSE_CODE is 0",
    rejects: "lines that are not of the format up to the durations, or whose numbers or time cannot be read. The proxies of both \
              ends log a request: keep one of them by upstream, inbound|.. or outbound|..",
    fields: FIELDS,
};
