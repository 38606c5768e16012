//! Log formats: from a line to a [`Record`].
//!
//! Invariant: any bytes give a record, a skip or a [`Reason`]; nothing panics, allocates or is lost.
//! What a format does with times, latencies and absent values is written down in its [`Preset`], which
//! `explain --format` prints.

mod aws_alb;
mod number;
mod request;
mod timestamp;

use crate::core::record::{Field, Fields, Reason, Record};
use crate::core::settings::Format;

/// What a line is, if it is not rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A request; the record is filled.
    Record,
    /// No request (a comment, a header, another record type) and not meant to be one.
    Skipped,
}

/// Reads one line, without its line end, into the record, which is cleared first.
///
/// Time, status, latencies, bytes and flags are always filled; of the other fields those in `wanted`.
/// If the line is rejected the record holds nothing but the time, where that could be read, else
/// [`Record::NO_TIME`].
///
/// # Errors
/// The reason to reject the line.
#[inline]
pub fn parse<'a>(
    format: Format,
    line: &'a [u8],
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<Parsed, Reason> {
    match format {
        Format::AwsAlb => aws_alb::parse(line, wanted, record),
    }
}

/// The facts about a format.
#[derive(Debug)]
pub struct Preset {
    /// The format.
    pub format: Format,
    /// Its name in pipeline files.
    pub name: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// What the record's time is.
    pub time_is: &'static str,
    /// Lateness where the pipeline file says nothing, seconds, and why.
    pub lateness_s_default: u32,
    /// Why that much.
    pub lateness_why: &'static str,
    /// What the client's latency is.
    pub client_latency_is: &'static str,
    /// What the upstream's latency is.
    pub upstream_latency_is: &'static str,
    /// When the client counts as gone.
    pub client_gone_if: &'static str,
    /// When a record counts as a WebSocket.
    pub websocket_if: &'static str,
    /// The usual service name, as a template.
    pub service_template: &'static str,
    /// What says that there is no value.
    pub absent_if: &'static str,
    /// Which lines are skipped.
    pub skips: &'static str,
    /// Which lines are rejected.
    pub rejects: &'static str,
    /// The fields that it fills, and from what, in the order of [`Field::ALL`].
    pub fields: &'static [(Field, &'static str)],
}

/// Every format.
pub const ALL: &[Format] = &[Format::AwsAlb];

/// The facts about a format.
pub const fn preset(format: Format) -> &'static Preset {
    match format {
        Format::AwsAlb => &aws_alb::PRESET,
    }
}

/// The format of that name.
pub fn by_name(name: &str) -> Option<Format> {
    ALL.iter().copied().find(|format| preset(*format).name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_named_as_in_pipeline_files_and_list_their_fields_in_order() {
        for &format in ALL {
            let preset = preset(format);
            assert_eq!(preset.format, format);
            assert_eq!(serde_json::to_value(format).ok(), Some(preset.name.into()));
            assert_eq!(by_name(preset.name), Some(format));
            assert!(preset.fields.is_sorted_by_key(|(field, _)| *field), "{}", preset.name);
        }
        assert_eq!(by_name("nginx_kombined"), None);
    }
}
