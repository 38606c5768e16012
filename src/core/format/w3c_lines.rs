//! Lines of the W3C extended log file format, whose columns a `#Fields:` line or the site names. Source of
//! the grammar: "Extended Log File Format", W3C working draft WD-logfile-960323.
//!
//! Invariant: the columns are those of the last header that could be kept, whether the process restarted
//! since or not.

use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::format::names::{Names, first_column};
use crate::core::format::roles::{Plan, Role};
use crate::core::format::{CARRY_BYTES_MAX, LayoutError, Parsed};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};
use memchr::memchr;

/// What one server does its own way.
#[derive(Debug)]
pub(super) struct Dialect {
    pub(super) format: Format,
    /// What its names mean.
    pub(super) table: &'static [(&'static str, Role)],
    /// What stands between columns. None: a space or a tab, whichever comes first in the line.
    pub(super) separator: Option<u8>,
    /// Whether a line has neither more nor fewer columns than its header.
    pub(super) exact: bool,
    /// The columns where neither a header nor the site names them.
    pub(super) usual: &'static [&'static str],
    /// Numbers of columns, below those of `usual`, that lines had in earlier years.
    pub(super) earlier: &'static [usize],
    /// What a cell says where the client was gone, if it is not the status 499.
    pub(super) gone: Option<(Role, &'static [u8])>,
}

/// Reads such lines one after another.
#[derive(Debug)]
pub(super) struct W3cLines {
    dialect: &'static Dialect,
    separator: Option<u8>,
    names: Names,
    declared: Vec<String>,
    /// The header in force; empty for none.
    header: Vec<u8>,
    columns: usize,
    pub(super) plan: Plan,
    pub(super) cells: Cells,
}

const FIELDS: &[u8] = b"#Fields:";

impl W3cLines {
    pub(super) fn new(
        dialect: &'static Dialect,
        layout: &Layout,
        labels: &Labels,
    ) -> Result<W3cLines, LayoutError> {
        let mut separator = dialect.separator;
        let declared: Vec<String> = match layout {
            Layout::Usual => Vec::new(),
            Layout::Columns(columns) => columns.clone(),
            Layout::Mapped { pattern: None, columns, separator: written, .. } => {
                if let Some(written) = written {
                    separator = Some(one_byte(written)?);
                }
                columns.clone()
            }
            Layout::Text(text) => {
                let names = text.strip_prefix("#Fields:").unwrap_or(text);
                names.split_ascii_whitespace().map(str::to_owned).collect()
            }
            Layout::Mapped { .. } => return Err(LayoutError::not_taken(dialect.format)),
        };
        let mut lines = W3cLines {
            dialect,
            separator,
            names: Names::new(dialect.table, layout, labels)?,
            declared,
            header: Vec::with_capacity(CARRY_BYTES_MAX),
            columns: 0,
            // CloudFront writes quotes as they are, unless it encodes them.
            plan: if dialect.format == Format::Cloudfront { Plan::new() } else { Plan::new().with_doubles() },
            cells: Cells::new(),
        };
        lines.plan_columns();
        if !lines.declared.is_empty() {
            lines.check(layout)?;
        }
        Ok(lines)
    }

    /// Whether what the site declares can make a record.
    fn check(&self, layout: &Layout) -> Result<(), LayoutError> {
        let error = |message: String, hint: &str, item| {
            Err(LayoutError { message, hint: Some(hint.into()), item, span: 0..0 })
        };
        if self.declared.len() > CELLS_MAX {
            return error(
                format!("{} columns are declared", self.declared.len()),
                "there may be 128",
                usize::MAX,
            );
        }
        let first = first_column(layout);
        for (i, name) in self.declared.iter().enumerate() {
            if self.declared[..i].contains(name) && name != "-" {
                return Err(LayoutError {
                    message: format!("two columns are named `{name}`"),
                    hint: Some("name the one that is not needed `-`".into()),
                    item: first + i,
                    span: 0..name.len(),
                });
            }
        }
        if !self.plan.fills().has(Field::Status) {
            return error("no column is the status".into(), "declare `sc-status`", usize::MAX);
        }
        let (day, clock) = (self.plan.cell_of(Role::Day), self.plan.cell_of(Role::Clock));
        if !self.plan.fills().has(Field::Time) || day.is_some() != clock.is_some() {
            return error("no column is the time".into(), "declare `date` and `time`", usize::MAX);
        }
        Ok(())
    }

    /// Makes the plan from the header, else from what is declared, else from the usual columns.
    fn plan_columns(&mut self) {
        if !self.header.is_empty() {
            let names = header_names(&self.header);
            self.columns = names.clone().count();
            self.names.plan(names, &mut self.plan);
        } else if !self.declared.is_empty() {
            self.columns = self.declared.len();
            self.names.plan(self.declared.iter().map(String::as_bytes), &mut self.plan);
        } else {
            self.columns = self.dialect.usual.len();
            self.names.plan(self.dialect.usual.iter().map(|name| name.as_bytes()), &mut self.plan);
        }
    }

    /// Makes the plan of cells with these names, whatever the header says.
    pub(super) fn plan_of<'n>(&self, names: impl Iterator<Item = &'n [u8]> + Clone) -> Plan {
        let mut plan = Plan::new();
        self.names.plan(names, &mut plan);
        plan
    }

    /// Names that the site takes values from.
    pub(super) fn sources(&self) -> impl Iterator<Item = &str> {
        self.names.sources().map(|(_, name)| name)
    }

    /// Takes a line that begins with `#`.
    #[cold]
    pub(super) fn directive(&mut self, line: &[u8]) {
        let line = line.trim_ascii_end();
        if line.get(..FIELDS.len()).is_none_or(|start| !start.eq_ignore_ascii_case(FIELDS)) {
            return;
        }
        if line == &self.header[..] {
            return;
        }
        self.header.clear();
        // A header that cannot be kept over a restart is not used before one either.
        if line.len() <= CARRY_BYTES_MAX && header_names(line).count() <= CELLS_MAX {
            self.header.extend_from_slice(line);
        }
        self.plan_columns();
    }

    /// Finds the cells of a line.
    #[inline]
    pub(super) fn split(&mut self, line: &[u8]) -> Result<(), Reason> {
        if self.columns == 0 {
            return Err(Reason::NotThisFormat);
        }
        let separator = self
            .separator
            .unwrap_or_else(|| line.iter().copied().find(|b| matches!(b, b' ' | b'\t')).unwrap_or(b' '));
        self.cells.split(line, separator);
        if self.cells.len() == self.columns {
            return Ok(());
        }
        self.split_otherwise(line, separator)
    }

    /// A line with another number of columns: quotes, several spaces, or another layout.
    #[cold]
    #[inline(never)]
    fn split_otherwise(&mut self, line: &[u8], separator: u8) -> Result<(), Reason> {
        if self.cells.len() > self.columns {
            self.cells.split_quoted(line, separator);
            if self.cells.len() > self.columns && !self.dialect.exact {
                self.cells.split(line, separator);
            }
        }
        let found = self.cells.len();
        if found >= self.columns {
            return if found > self.columns && self.dialect.exact {
                Err(Reason::NotThisFormat)
            } else {
                Ok(())
            };
        }
        if self.dialect.exact {
            return Err(Reason::Truncated);
        }
        // The last column of a line that was cut may be cut itself.
        if !self.dialect.earlier.contains(&found) {
            self.cells.pop();
        }
        let time = [Role::Day, Role::Clock].into_iter().filter_map(|role| self.plan.cell_of(role)).max();
        match self.plan.cell_of(Role::Status).max(time) {
            Some(last) if last >= self.cells.len() => Err(Reason::Truncated),
            _ => Ok(()),
        }
    }

    /// Reads one line; see [`super::Parser::parse`].
    #[inline]
    pub(super) fn read<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        match line.first() {
            Some(b'#') => {
                self.directive(line);
                return Ok(Parsed::Skipped);
            }
            None => return Ok(Parsed::Skipped),
            Some(_) => {}
        }
        self.split(line)?;
        if memchr(b'"', line).is_some() {
            self.cells.unquote(line);
        }
        if !self.plan.fills().has(Field::Status) {
            return Err(Reason::BadStatus);
        }
        let gone = self.dialect.gone.map(|(role, says)| {
            self.plan.cell_of(role).is_some_and(|cell| self.cells.get(line, cell) == says)
        });
        self.plan.read(line, &self.cells, wanted, record)?;
        record.client_gone |= gone.unwrap_or(record.status == Some(499));
        record.websocket |= record.status == Some(101);
        Ok(Parsed::Record)
    }

    /// The header in force.
    pub(super) fn carry(&self) -> Option<&[u8]> {
        (!self.header.is_empty()).then_some(&self.header)
    }

    /// Takes a header that was in force.
    pub(super) fn restore(&mut self, carry: &[u8]) {
        self.directive(carry);
    }
}

fn header_names(line: &[u8]) -> impl Iterator<Item = &[u8]> + Clone {
    let names = line.get(FIELDS.len()..).unwrap_or_default();
    names.split(|b| matches!(b, b' ' | b'\t')).filter(|name| !name.is_empty())
}

/// The one byte that stands between columns.
pub(super) fn one_byte(separator: &str) -> Result<u8, LayoutError> {
    match separator.as_bytes() {
        [byte] => Ok(*byte),
        b"\\t" => Ok(b'\t'),
        _ => Err(LayoutError {
            message: format!("`{separator}` cannot separate columns"),
            hint: Some("use one character, such as `|`, `,` or `\\t`".into()),
            item: 0,
            span: 0..separator.len(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::format::Parser;
    use crate::core::settings::Input;
    use crate::core::time::Time;

    const HEADER: &[u8] = b"#Fields: date time sc-status time-taken";

    fn parser() -> Parser {
        Parser::new(&Format::Iis.into(), &Labels::default()).expect("a parser")
    }

    #[test]
    fn a_header_goes_over_a_restart() {
        let read = |parser: &mut Parser| {
            let mut record = Record::at(Time(0));
            let line = b"2024-01-02 03:04:05 200 15";
            parser.parse(line, Fields::ALL, &mut record).map(|_| record.client_latency_us)
        };
        let header = |parser: &mut Parser| {
            let mut record = Record::at(Time(0));
            parser.parse(HEADER, Fields::NONE, &mut record)
        };
        let mut first = parser();
        assert_eq!(first.carry(), None);
        assert_eq!(read(&mut first), Err(Reason::NotThisFormat));
        assert_eq!(header(&mut first), Ok(Parsed::Skipped));
        assert_eq!(read(&mut first), Ok(Some(15_000)));
        let carry = first.carry().map(<[u8]>::to_vec);
        assert_eq!(carry.as_deref(), Some(HEADER));
        let mut second = parser();
        second.restore(&carry.unwrap_or_default());
        assert_eq!(read(&mut second), Ok(Some(15_000)));
        assert_eq!(second.carry(), first.carry());
        let mut third = parser();
        third.restore(b"anything");
        assert_eq!(third.carry(), None);
    }

    #[test]
    fn a_header_too_long_to_be_kept_ends_the_one_before() {
        let mut parser = parser();
        parser.restore(HEADER);
        let long = [HEADER, &b" cs(Cookie)".repeat(1000)[..]].concat();
        parser.restore(&long);
        assert_eq!(parser.carry(), None);
    }

    #[test]
    fn declarations_that_make_no_record() {
        let columns = |text: &str| Layout::Columns(text.split(' ').map(str::to_owned).collect());
        let mapped = |separator: &str| Layout::Mapped {
            pattern: None,
            separator: Some(separator.into()),
            columns: vec!["date".into()],
            fields: Vec::new(),
        };
        let cases = [
            (columns("date time cs-method"), "no column is the status", usize::MAX, 0..0),
            (columns("time sc-status"), "no column is the time", usize::MAX, 0..0),
            (columns("date time sc-status time"), "two columns are named `time`", 3, 0..4),
            (mapped("||"), "`||` cannot separate columns", 0, 0..2),
        ];
        for (layout, message, item, span) in cases {
            let error = Parser::new(&Input { layout, ..Format::W3c.into() }, &Labels::default()).unwrap_err();
            assert_eq!((error.message.as_str(), error.item, error.span), (message, item, span));
        }
    }
}
