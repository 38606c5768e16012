//! What the table of hours tells of SLOs: where no pipeline file is given, whose windows are a calendar's, and whose budgets
//! are weighed by slices; and which budgets there were as a range begins.
//!
//! Invariant: of each SLO the newest row that tells of an instant no later than the report's end decides, of the highest revision.

use crate::core::time::Time;
use crate::edges::sink::parquet::read::{self, BudgetView, ReadError};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// By service and SLO.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Told(BTreeMap<String, BTreeMap<String, Row>>);

#[derive(Clone, Copy, PartialEq, Debug)]
struct Row {
    newest: (Time, i64),
    by_slices: bool,
    /// The calendar's period.
    period: Option<(Time, Time)>,
}

impl Told {
    /// Reads the newest two dates that begin before `until`.
    ///
    /// # Errors
    /// [`ReadError`].
    pub(super) fn read(rollups: &Path, pipeline: &str, until: Time) -> Result<Told, ReadError> {
        let mut files = read::coarse_files(rollups)?;
        files.retain(|f| f.table == "budget" && f.pipeline == pipeline && f.day < until);
        let days: BTreeSet<Time> = files.iter().map(|file| file.day).collect();
        let newest: BTreeSet<Time> = days.into_iter().rev().take(2).collect();
        let mut told = Told::default();
        for file in files.iter().filter(|file| newest.contains(&file.day)) {
            read::budgets(&file.path, |row| {
                if row.until <= until {
                    told.add(&row);
                }
            })?;
        }
        Ok(told)
    }

    fn add(&mut self, row: &BudgetView<'_>) {
        let said = Row {
            newest: (row.until, row.revision),
            by_slices: row.budgeting != "occurrences",
            period: row.calendar.map(|_| (row.window_start, row.window_end)),
        };
        let slos = self.0.entry(row.service.to_owned()).or_default();
        let kept = slos.entry(row.slo.to_owned()).or_insert(said);
        if said.newest > kept.newest {
            *kept = said;
        }
    }

    /// Whether nothing is told of any SLO.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn row(&self, service: &str, slo: &str) -> Option<&Row> {
        self.0.get(service)?.get(slo)
    }

    /// Whether the SLO's budget is weighed by slices.
    pub(super) fn by_slices(&self, service: &str, slo: &str) -> bool {
        self.row(service, slo).is_some_and(|row| row.by_slices)
    }

    /// Whether the SLO had a budget in the hour before that: a row for each hour goes on while it has one, without requests too.
    pub(super) fn knows(&self, service: &str, slo: &str, before: Time) -> bool {
        self.row(service, slo).is_some_and(|row| row.newest.0 > before.plus_seconds(-3_600))
    }

    /// When the calendar's period begins that the instant before `until` lies in, if the window is a calendar's.
    pub(super) fn begun(&self, service: &str, slo: &str, until: Time) -> Option<Time> {
        // the period after the one that was told begins where that ends
        let (start, end) = self.row(service, slo)?.period?;
        Some(if until > end { end } else { start })
    }
}
