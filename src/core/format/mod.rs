//! Log formats.

use crate::core::record::{Fields, Reason, Record};
use crate::core::settings::Format;

/// What a line turned out to be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A record.
    Record,
    /// No request.
    Skipped,
}

/// Reads a line.
pub fn parse<'a>(
    format: Format,
    line: &'a [u8],
    wanted: Fields,
    record: &mut Record<'a>,
) -> Result<Parsed, Reason> {
    let _ = (format, line, wanted, record);
    Err(Reason::NotThisFormat)
}
