//! Delimited lines whose columns the site declares.
//!
//! Source of the grammar: the declaration. A column may be quoted, as in CSV (RFC 4180): then it may hold the
//! separator, and a quote is written twice.
//!
//! Invariant: columns are only ever appended. What a line has beyond those declared is ignored; what it
//! lacks is absent.

use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::format::names::{Names, first_column, first_field};
use crate::core::format::roles::{Plan, Role};
use crate::core::format::w3c::ANY;
use crate::core::format::w3c_lines::one_byte;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};
use memchr::memchr;

/// Reads lines by the declared columns.
#[derive(Debug)]
pub(super) struct Parser {
    separator: u8,
    columns: usize,
    /// Cells that a line must have: those of time and status.
    needed: usize,
    /// The first column's name, to know a header line by.
    first: Box<[u8]>,
    plan: Plan,
    cells: Cells,
}

impl Parser {
    /// A parser of the declared columns.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let (separator, columns) = match layout {
            Layout::Columns(columns) => (b'\t', columns),
            Layout::Mapped { pattern: None, separator, columns, .. } => {
                (separator.as_deref().map_or(Ok(b'\t'), one_byte)?, columns)
            }
            _ => return Err(undeclared()),
        };
        if columns.is_empty() {
            return Err(undeclared());
        }
        let mut names = Names::new(&[], layout, labels)?;
        declare_all(&mut names, columns, layout)?;
        let mut plan = Plan::new().with_doubles();
        names.plan(columns.iter().map(String::as_bytes), &mut plan);
        time_is_known(&plan)?;
        let times = [Role::Day, Role::Clock].into_iter().filter_map(|role| plan.cell_of(role));
        let needed = times.chain(plan.cell_of(Role::Status)).max().map_or(1, |last| last + 1);
        let first = columns[0].as_bytes().into();
        Ok(Parser { separator, columns: columns.len(), needed, first, plan, cells: Cells::new() })
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
        if memchr(b'"', line).is_some() {
            self.cells.split_quoted(line, self.separator);
            self.cells.unquote(line);
        } else {
            self.cells.split(line, self.separator);
        }
        let found = self.cells.len();
        if line[0] == b'#' || found > 1 && self.cells.get(line, 0) == &*self.first {
            return Ok(Parsed::Skipped);
        }
        if found == 1 && self.columns > 1 {
            return Err(Reason::NotThisFormat);
        }
        if found < self.columns {
            // The last column of a line that was cut may be cut itself.
            self.cells.pop();
            if self.cells.len() < self.needed {
                return Err(Reason::Truncated);
            }
        }
        self.plan.read(line, &self.cells, wanted, record)?;
        record.client_gone |= record.status == Some(499);
        record.websocket |= record.status == Some(101);
        Ok(Parsed::Record)
    }
}

fn undeclared() -> LayoutError {
    LayoutError {
        message: "delimited lines need their columns declared".into(),
        hint: Some("format: { delimited: { separator: '|', columns: [time, status, client_latency_ms, host, path] } }".into()),
        item: usize::MAX,
        span: 0..0,
    }
}

/// Gives every column the role of the field that it is named after, and checks what is declared.
fn declare_all(names: &mut Names, columns: &[String], layout: &Layout) -> Result<(), LayoutError> {
    let first = first_column(layout);
    if columns.len() > CELLS_MAX {
        let message = format!("{} columns are declared", columns.len());
        return Err(LayoutError { message, hint: Some("there may be 128".into()), item: usize::MAX, span: 0..0 });
    }
    for (i, name) in columns.iter().enumerate() {
        if columns[..i].contains(name) && name != "-" {
            return Err(LayoutError {
                message: format!("two columns are named `{name}`"),
                hint: Some("name the one that is not needed `-`".into()),
                item: first + i,
                span: 0..name.len(),
            });
        }
    }
    for (i, from) in names.sources() {
        if !columns.iter().any(|name| name.eq_ignore_ascii_case(from)) {
            return Err(LayoutError {
                message: format!("no column is named `{from}`"),
                hint: Some(format!("the columns are {}", columns.join(", "))),
                item: first_field(layout) + i,
                span: 0..0,
            });
        }
    }
    for (i, name) in columns.iter().enumerate() {
        names.declare_itself(name).map_err(|e| LayoutError { item: first + i, ..e })?;
    }
    Ok(())
}

/// Whether something says when the request was.
pub(super) fn time_is_known(plan: &Plan) -> Result<(), LayoutError> {
    if plan.fills().has(Field::Time) {
        return Ok(());
    }
    Err(LayoutError {
        message: "nothing is the time".into(),
        hint: Some("name one `time` (the end of the request), `request_creation` (its start), or two `date` and `time`".into()),
        item: usize::MAX,
        span: 0..0,
    })
}

/// Facts for `explain --format delimited`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Delimited,
    name: "delimited",
    doc: "delimited lines with declared columns, named after the record's fields or mapped to them; quoted as in CSV where they are",
    time_is: "end of the request: the column `time`, else `request_creation` (the start) plus client_latency; UTC unless it \
              has an offset, and any form (RFC 3339, common log format, number since the epoch by its magnitude) unless one is declared",
    lateness_s_default: 60,
    lateness_why: "such lines are mostly streamed",
    client_latency_is: "the column `client_latency_s`, `_ms`, `_us` or `_ns`, or as mapped",
    upstream_latency_is: "the column `upstream_latency_s`, `_ms`, `_us` or `_ns`, or as mapped; of a list the sum",
    client_gone_if: "status 499, or the column `client_gone` is true, 1 or yes",
    websocket_if: "status 101, or the column `websocket` is true, 1 or yes",
    service_template: "{host}",
    absent_if: "- or empty; a negative number; a status of 0",
    skips: "lines that begin with #, and headers: lines whose first column is its own name",
    rejects: "lines without a separator, or that end before the time and the status; lines whose time, status, latencies or \
              byte counters cannot be read",
    fields: ANY,
};
