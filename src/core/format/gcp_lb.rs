//! UNWRITTEN SEAT: Google Cloud load balancers.

use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

#[derive(Debug)]
pub(super) struct Parser;

impl Parser {
    pub(super) fn new(_: &Layout, _: &Labels) -> Result<Parser, LayoutError> {
        Err(LayoutError::not_taken(Format::GcpLb))
    }

    pub(super) fn parse<'a>(&'a mut self, _: &'a [u8], _: Fields, _: &mut Record<'a>) -> Result<Parsed, Reason> {
        Err(Reason::NotThisFormat)
    }
}

pub(super) static PRESET: Preset = Preset {
    format: Format::GcpLb,
    name: "gcp_lb",
    doc: "",
    time_is: "",
    lateness_s_default: 60,
    lateness_why: "",
    client_latency_is: "",
    upstream_latency_is: "",
    client_gone_if: "",
    websocket_if: "",
    service_template: "{host}",
    absent_if: "",
    skips: "",
    rejects: "",
    fields: &[],
};
