//! Published tables read back: which files there are ([`files`]), and their rows.
//!
//! Invariant: only names that the sink gives are taken for published files; what else lies there is passed
//! over.

mod columns;
mod rows;

pub use rows::{
    BudgetView, LatencyView, QualityView, RequestsView, SliView, budgets, quality, requests, slis, spans,
    windows,
};

use super::outputs;
use crate::core::time::{Grain, SliceLength, Time};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Seconds of a day.
const DAY_S: i64 = 86_400;

/// A published file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TableFile {
    /// Its table, without the slice's suffix: `requests`.
    pub table: String,
    /// The length of the slices.
    pub slice: SliceLength,
    /// The first instant of its date.
    pub day: Time,
    /// The pipeline that wrote it.
    pub pipeline: String,
    /// Where it lies.
    pub path: PathBuf,
}

impl TableFile {
    /// The first instant after its date.
    pub fn day_end(&self) -> Time {
        self.day.plus_seconds(DAY_S)
    }
}

/// Why a file could not be read.
#[derive(thiserror::Error, Debug)]
pub enum ReadError {
    /// The folder cannot be listed.
    #[error("listing {path}: {error}")]
    List {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The file cannot be read as Parquet.
    #[error("reading {path}: {detail}")]
    File {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        detail: String,
    },
    /// The file lacks a column, or it is of another type.
    #[error(
        "{path} has no column `{column}` of the type that schemas/tables.json says; was it written by ninetail?"
    )]
    Column {
        /// The file.
        path: PathBuf,
        /// The column.
        column: String,
    },
}

/// The columns that a file of `requests_` is broken down by, in their order.
///
/// # Errors
/// [`ReadError::File`].
pub fn dimensions(path: &Path) -> Result<Vec<String>, ReadError> {
    let footer = super::file::footer(path)
        .map_err(|e| ReadError::File { path: path.to_owned(), detail: e.to_string() })?;
    let names = footer.get(super::file::DIMENSIONS).map(String::as_str).unwrap_or_default();
    Ok(names.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect())
}

/// All published files of slices under the folder, by path. A folder that is not there holds none.
///
/// # Errors
/// [`ReadError::List`].
pub fn files(rollups: &Path) -> Result<Vec<TableFile>, ReadError> {
    listed(rollups, table_name)
}

/// The same of the tables of hours and days.
///
/// # Errors
/// [`ReadError::List`].
pub fn coarse_files(rollups: &Path) -> Result<Vec<TableFile>, ReadError> {
    listed(rollups, |folder| {
        let (name, suffix) = folder.rsplit_once('_')?;
        let grain = Grain::ALL.into_iter().find(|grain| grain.suffix() == suffix)?;
        Some((name, SliceLength(grain.seconds() as u32)))
    })
}

/// The files of the tables that `named` knows by their folder.
fn listed(
    rollups: &Path,
    named: impl Fn(&str) -> Option<(&str, SliceLength)>,
) -> Result<Vec<TableFile>, ReadError> {
    let list = |path: &Path, error| ReadError::List { path: path.to_owned(), error };
    let mut found = Vec::new();
    for table in outputs::folders(rollups).map_err(|e| list(rollups, e))? {
        let Some((name, slice)) = file_name(&table).and_then(&named) else { continue };
        for date in outputs::folders(&table).map_err(|e| list(&table, e))? {
            let Some(day) = file_name(&date).and_then(day) else { continue };
            for entry in fs::read_dir(&date).map_err(|e| list(&date, e))? {
                let path = entry.map_err(|e| list(&date, e))?.path();
                let Some((pipeline, ..)) = file_name(&path).and_then(outputs::parse) else { continue };
                let pipeline = pipeline.to_owned();
                found.push(TableFile { table: name.to_owned(), slice, day, pipeline, path });
            }
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

fn file_name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

/// `requests_1m`: the table and the length of its slices.
fn table_name(folder: &str) -> Option<(&str, SliceLength)> {
    let (name, suffix) = folder.rsplit_once('_')?;
    let unit_s = if suffix.ends_with('m') { 60 } else { 1 };
    let number: u32 = suffix.strip_suffix(['m', 's'])?.parse().ok()?;
    let slice = SliceLength(number.checked_mul(unit_s)?);
    (number > 0 && slice.suffix() == suffix).then_some((name, slice))
}

/// `date=2018-12-31`: its first instant.
fn day(folder: &str) -> Option<Time> {
    Time::parse(&format!("{}T00:00:00Z", folder.strip_prefix("date=")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_name_tables_and_days() {
        let cases = [
            ("requests_1m", Some(("requests", 60))),
            ("sli_10s", Some(("sli", 10))),
            ("sli_5m", Some(("sli", 300))),
            ("sli_60s", None),
            ("sli", None),
            ("sli_0m", None),
            ("sli_1h", None),
        ];
        for (folder, want) in cases {
            assert_eq!(table_name(folder).map(|(name, slice)| (name, slice.0)), want, "{folder}");
        }
        assert_eq!(day("date=2018-12-31"), Time::parse("2018-12-31T00:00:00Z"));
        for bad in ["2018-12-31", "date=", "date=x"] {
            assert_eq!(day(bad), None, "{bad}");
        }
    }
}
