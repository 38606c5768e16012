//! Istio access logs as JSON (`accessLogEncoding: JSON`): Envoy's, with Istio's keys.
//!
//! Source of the grammar: "Envoy Access Logs" of the Istio documentation. Both proxies of a request log it, the
//! client's (`outbound|..`) and the server's (`inbound|..`): a pipeline that reads both keeps one
//! by `upstream`.

use crate::core::format::envoy_json;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

#[derive(Debug)]
pub(super) struct Parser {
    envoy: envoy_json::Parser,
}

impl Parser {
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        Ok(Parser { envoy: envoy_json::Parser::of(Format::IstioJson, layout, labels)? })
    }

    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        self.envoy.parse(line, wanted, record)
    }

    pub(super) fn repaired(&self) -> u64 {
        self.envoy.repaired()
    }
}

/// Facts for `explain --format istio_json`.
pub(super) static PRESET: Preset = envoy_json::preset(
    Format::IstioJson,
    "istio_json",
    "Istio access log as JSON; both proxies log a request, tell them apart by upstream (inbound|.., outbound|..)",
);
