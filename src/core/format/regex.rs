//! Lines that a regular expression takes apart, whose named groups are fields or labels.
//!
//! Source of the grammar: the declaration. Invariant: a line that the expression does not match is no line of
//! the format; a group that took no part in the match is absent.

use crate::core::format::cells::{CELLS_MAX, Cells};
use crate::core::format::delimited::time_is_known;
use crate::core::format::names::{Names, first_field};
use crate::core::format::roles::Plan;
use crate::core::format::w3c::ANY;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};
use regex::bytes::{CaptureLocations, Regex, RegexBuilder};

/// Reads lines by the declared expression.
#[derive(Debug)]
pub(super) struct Parser {
    regex: Regex,
    locations: CaptureLocations,
    plan: Plan,
    cells: Cells,
}

impl Parser {
    /// A parser by the declared expression.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        let pattern = match layout {
            Layout::Text(pattern) => pattern,
            Layout::Mapped { pattern: Some(pattern), .. } => pattern,
            _ => {
                return Err(LayoutError {
                    message: "lines read by a regular expression need one".into(),
                    hint: Some("format: { regex: { pattern: '^(?<time>\\S+) (?<status>\\d+) (?<client_latency_ms>\\d+)$' } }".into()),
                    item: usize::MAX,
                    span: 0..0,
                });
            }
        };
        // Lines are bytes: `.` is any of them, whether they are UTF-8 or not.
        let regex = RegexBuilder::new(pattern).unicode(false).build().map_err(|e| refused(pattern, &e))?;
        let groups: Vec<&str> = regex.capture_names().map(Option::unwrap_or_default).collect();
        let place = |name: &str| {
            let start = pattern.find(&format!("<{name}>")).map_or(0, |at| at + 1);
            start..start + name.len()
        };
        if groups.len() > CELLS_MAX {
            let message = format!("the expression has {} groups", groups.len() - 1);
            return Err(LayoutError { message, hint: Some("there may be 127".into()), item: 0, span: 0..0 });
        }
        let mut names = Names::new(&[], layout, labels)?;
        for (i, from) in names.sources() {
            if !groups.contains(&from) {
                return Err(LayoutError {
                    message: format!("no group is named `{from}`"),
                    hint: Some(format!("write it as `(?<{from}>..)` in the pattern")),
                    item: first_field(layout) + i,
                    span: 0..0,
                });
            }
        }
        for name in groups.iter().filter(|name| !name.is_empty()) {
            names.declare_itself(name).map_err(|e| LayoutError { item: 0, span: place(name), ..e })?;
        }
        let mut plan = Plan::new();
        names.plan(groups.iter().map(|name| name.as_bytes()), &mut plan);
        time_is_known(&plan)?;
        let locations = regex.capture_locations();
        Ok(Parser { regex, locations, plan, cells: Cells::new() })
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
        if self.regex.captures_read(&mut self.locations, line).is_none() {
            return Err(if line.is_empty() { Reason::Empty } else { Reason::NotThisFormat });
        }
        self.cells.reset(self.locations.len());
        for group in 1..self.locations.len() {
            if let Some((start, end)) = self.locations.get(group) {
                self.cells.set(group, start, end);
            }
        }
        self.plan.read(line, &self.cells, wanted, record)?;
        record.client_gone |= record.status == Some(499);
        record.websocket |= record.status == Some(101);
        Ok(Parsed::Record)
    }
}

/// What the expression's compiler says, in one line, and the place that it points to.
fn refused(pattern: &str, error: &regex::Error) -> LayoutError {
    let text = error.to_string();
    let message = text.lines().rev().find_map(|line| line.strip_prefix("error: ")).unwrap_or(&text);
    // The pattern stands in it indented by four, with carets below.
    let carets = text.lines().find(|line| !line.trim().is_empty() && line.trim().bytes().all(|b| b == b'^'));
    let span = carets.map_or(0..pattern.len(), |line| {
        let chars = line.len() - line.trim_start().len();
        let bytes = |chars: usize| pattern.char_indices().nth(chars).map_or(pattern.len(), |(at, _)| at);
        let first = chars.saturating_sub(4);
        bytes(first)..bytes(first + line.trim().len())
    });
    LayoutError { message: format!("the expression cannot be read: {message}"), hint: None, item: 0, span }
}

/// Facts for `explain --format regex`.
pub(super) static PRESET: Preset = Preset {
    format: Format::Regex,
    name: "regex",
    doc: "any lines, by a regular expression whose named groups are the record's fields, or are mapped to them, or are labels",
    time_is: "end of the request: the group `time`, else `request_creation` (the start) plus client_latency; UTC unless it \
              has an offset, and any form (RFC 3339, common log format, number since the epoch by its magnitude) unless one is declared",
    lateness_s_default: 60,
    lateness_why: "such lines are mostly streamed",
    client_latency_is: "the group `client_latency_s`, `_ms`, `_us` or `_ns`, or as mapped",
    upstream_latency_is: "the group `upstream_latency_s`, `_ms`, `_us` or `_ns`, or as mapped; of a list the sum",
    client_gone_if: "status 499, or the group `client_gone` is true, 1 or yes",
    websocket_if: "status 101, or the group `websocket` is true, 1 or yes",
    service_template: "{host}",
    absent_if: "a group that took no part, or holds - or nothing; a negative number; a status of 0",
    skips: "none",
    rejects: "lines that the expression does not match, or whose time, status, latencies or byte counters cannot be read",
    fields: ANY,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::record::{Field, Value};
    use crate::core::settings::Mapping;
    use crate::core::time::Time;

    fn mapped(pattern: &str, fields: &[(&str, &str, Option<&str>)]) -> Layout {
        let mapping = |(name, from, unit): &(&str, &str, Option<&str>)| Mapping {
            name: (*name).into(),
            from: if from.is_empty() { Vec::new() } else { vec![(*from).into()] },
            unit: unit.map(Into::into),
        };
        Layout::Mapped {
            pattern: Some(pattern.into()),
            separator: None,
            columns: Vec::new(),
            fields: fields.iter().map(mapping).collect(),
        }
    }

    #[test]
    fn what_is_declared_wrongly_is_said_with_its_place() {
        let time = "(?<time>.)";
        let cases = [
            (mapped("a(b", &[]), "the expression cannot be read: unclosed group", 0, 1..2),
            (mapped(r"é\p{Greek", &[]), "the expression cannot be read", 0, 0..0),
            (mapped("(?<status>.)", &[]), "nothing is the time", usize::MAX, 0..0),
            (
                mapped("(?<time>.) (?<queue>.)", &[]),
                "`queue` does not say its unit",
                0,
                14..19,
            ),
            (mapped(time, &[("status", "code", None)]), "no group is named `code`", 1, 0..0),
            (mapped(time, &[("time", "", Some("ms"))]), "`ms` is no form of a time", 1, 0..0),
        ];
        for (layout, message, item, span) in cases {
            let error = Parser::new(&layout, &Labels::default()).unwrap_err();
            assert!(error.message.starts_with(message), "{}", error.message);
            assert_eq!(error.item, item, "{message}");
            if message.len() > 30 || span != (0..0) {
                assert!(error.span == span || span == (0..0), "{message}: {:?}", error.span);
            }
        }
        assert!(Parser::new(&Layout::Usual, &Labels::default()).is_err());
    }

    #[test]
    fn groups_that_are_no_field_are_labels() {
        let mut labels = Labels::default();
        let layout = mapped("^(?<time>[0-9]+) (?<tenant>[^ ]+) (?<area>.*)$", &[("zone_name", "area", None)]);
        layout.names().for_each(|name| labels.declare(name));
        assert!(labels.is_known("tenant") && labels.is_known("zone_name") && labels.is_known("time"));
        let (tenant, zone) = (labels.intern("tenant"), labels.intern("zone_name"));
        let mut parser = Parser::new(&layout, &labels).expect("a parser");
        let mut record = Record::at(Time(0));
        let wanted = tenant.into_iter().chain(zone).collect();
        assert_eq!(parser.parse(b"1653485126 acme \xff\xfe", wanted, &mut record), Ok(Parsed::Record));
        assert_eq!(record.get(tenant.unwrap_or(Field::Path)), Value::Text(b"acme"));
        assert_eq!(record.get(zone.unwrap_or(Field::Path)), Value::Text(b"\xff\xfe"));
    }
}
