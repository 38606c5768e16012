//! Published tables read back: which files there are, and their rows.
//!
//! Invariant: a column is found by its name, never by its place; columns that a newer release added are
//! passed over. One row here is one row of a file: merging revisions is the reader's part.

use super::outputs;
use crate::core::decimal::Decimal;
use crate::core::time::{SliceLength, Time};
use arrow::array::{
    Array, BooleanArray, Decimal128Array, Int32Array, Int64Array, ListArray, StringArray,
    TimestampMicrosecondArray,
};
use arrow::record_batch::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use std::fmt::Display;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

/// Rows decoded at a time.
const BATCH_ROWS: usize = 8 * 1024;
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

/// All published files under the folder, by path. A folder that is not there holds none.
///
/// # Errors
/// [`ReadError::List`].
pub fn files(rollups: &Path) -> Result<Vec<TableFile>, ReadError> {
    let list = |path: &Path, error| ReadError::List { path: path.to_owned(), error };
    let mut found = Vec::new();
    for table in outputs::folders(rollups).map_err(|e| list(rollups, e))? {
        let Some((name, slice)) = file_name(&table).and_then(table_name) else { continue };
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

/// Latencies of a row of `requests_`.
#[derive(Clone, Copy, Debug)]
pub struct LatencyView<'a> {
    /// How many.
    pub count: u64,
    /// Their sum, microseconds.
    pub sum_us: u64,
    /// The smallest, 0 where there is none.
    pub min_us: u64,
    /// The largest, 0 where there is none.
    pub max_us: u64,
    /// Indexes of the buckets that hold something.
    pub indexes: &'a [i32],
    /// Their counts.
    pub counts: &'a [i64],
}

/// A row of `requests_`, as far as reports need it.
#[derive(Clone, Copy, Debug)]
pub struct RequestsView<'a> {
    /// Service.
    pub service: &'a str,
    /// Start of the slice.
    pub slice_start: Time,
    /// All requests.
    pub requests: u64,
    /// Those answered with 5xx.
    pub status_5xx: u64,
    /// Latency as clients saw it.
    pub client: LatencyView<'a>,
    /// Latency of targets.
    pub upstream: LatencyView<'a>,
}

/// Reads a file of `requests_`.
///
/// # Errors
/// [`ReadError`].
pub fn requests(path: &Path, mut each: impl FnMut(RequestsView<'_>)) -> Result<(), ReadError> {
    let mut names = vec!["service".to_owned(), "slice_start".into(), "requests".into(), "status_5xx".into()];
    for latency in ["client", "upstream"] {
        let parts = ["count", "sum_us", "min_us", "max_us", "bucket_index", "bucket_count"];
        names.extend(parts.map(|part| format!("{latency}_latency_{part}")));
    }
    batches(path, &names, |batch| {
        let of = Columns { path, batch };
        let (service, start) = (of.texts("service")?, of.times("slice_start")?);
        let (requests, errors) = (of.longs("requests")?, of.longs("status_5xx")?);
        let (client, upstream) = (Latencies::of(&of, "client")?, Latencies::of(&of, "upstream")?);
        for row in 0..batch.num_rows() {
            each(RequestsView {
                service: service.value(row),
                slice_start: Time(start.value(row)),
                requests: unsigned(requests, row),
                status_5xx: unsigned(errors, row),
                client: client.row(row),
                upstream: upstream.row(row),
            });
        }
        Ok(())
    })
}

/// A row of `sli_`.
#[derive(Clone, Copy, Debug)]
pub struct SliView<'a> {
    /// Service.
    pub service: &'a str,
    /// SLO.
    pub slo: &'a str,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: i64,
    /// Generation of the SLO's definition.
    pub generation: i32,
    /// Good requests.
    pub good: u64,
    /// Bad requests.
    pub bad: u64,
    /// Requests left out.
    pub excluded: u64,
    /// Objective, percent.
    pub objective: Decimal,
    /// Rolling window, seconds.
    pub window_s: u64,
}

/// Reads a file of `sli_`.
///
/// # Errors
/// [`ReadError`].
pub fn slis(path: &Path, mut each: impl FnMut(SliView<'_>)) -> Result<(), ReadError> {
    let names = [
        "service",
        "slo",
        "slice_start",
        "revision",
        "generation",
        "good",
        "bad",
        "excluded",
        "objective",
        "window_s",
    ];
    batches(path, &names, |batch| {
        let of = Columns { path, batch };
        let (service, slo, start) = (of.texts("service")?, of.texts("slo")?, of.times("slice_start")?);
        let (revision, generation) = (of.longs("revision")?, of.get::<Int32Array>("generation")?);
        let (good, bad, excluded) = (of.longs("good")?, of.longs("bad")?, of.longs("excluded")?);
        let (objective, window_s) = (of.get::<Decimal128Array>("objective")?, of.longs("window_s")?);
        for row in 0..batch.num_rows() {
            each(SliView {
                service: service.value(row),
                slo: slo.value(row),
                slice_start: Time(start.value(row)),
                revision: revision.value(row),
                generation: generation.value(row),
                good: unsigned(good, row),
                bad: unsigned(bad, row),
                excluded: unsigned(excluded, row),
                objective: Decimal(u64::try_from(objective.value(row)).unwrap_or(0)),
                window_s: unsigned(window_s, row),
            });
        }
        Ok(())
    })
}

/// A row of `quality_`, as far as reports need it.
#[derive(Clone, Copy, Debug)]
pub struct QualityView<'a> {
    /// Source of the pipeline file.
    pub source: &'a str,
    /// Topic.
    pub topic: &'a str,
    /// Partition.
    pub partition: i32,
    /// Start of the slice.
    pub slice_start: Time,
    /// 0, or the number of the cut that brought the correction.
    pub revision: i64,
    /// How many slices the row stands for.
    pub slices: u64,
    /// Why not complete; None where complete.
    pub incomplete: Option<&'a str>,
    /// Lines read.
    pub lines: u64,
    /// Lines that could not be read.
    pub rejected: u64,
    /// Records that came after their slice had closed.
    pub late: u64,
    /// Offsets lost.
    pub gap_offsets: u64,
}

/// Reads a file of `quality_`.
///
/// # Errors
/// [`ReadError`].
pub fn quality(path: &Path, mut each: impl FnMut(QualityView<'_>)) -> Result<(), ReadError> {
    let names = [
        "source",
        "topic",
        "partition",
        "slice_start",
        "revision",
        "slices",
        "complete",
        "reason",
        "lines",
        "rejected",
        "late",
        "gap_offsets",
    ];
    batches(path, &names, |batch| {
        let of = Columns { path, batch };
        let (source, topic) = (of.texts("source")?, of.texts("topic")?);
        let (partition, start) = (of.get::<Int32Array>("partition")?, of.times("slice_start")?);
        let (revision, slices) = (of.longs("revision")?, of.longs("slices")?);
        let (complete, reason) = (of.get::<BooleanArray>("complete")?, of.texts("reason")?);
        let (lines, rejected) = (of.longs("lines")?, of.longs("rejected")?);
        let (late, gap_offsets) = (of.longs("late")?, of.longs("gap_offsets")?);
        for row in 0..batch.num_rows() {
            let why = || if reason.is_null(row) { "unknown" } else { reason.value(row) };
            each(QualityView {
                source: source.value(row),
                topic: topic.value(row),
                partition: partition.value(row),
                slice_start: Time(start.value(row)),
                revision: revision.value(row),
                slices: unsigned(slices, row),
                incomplete: (!complete.value(row)).then(why),
                lines: unsigned(lines, row),
                rejected: unsigned(rejected, row),
                late: unsigned(late, row),
                gap_offsets: unsigned(gap_offsets, row),
            });
        }
        Ok(())
    })
}

/// NULL and what is below 0 count as 0.
fn unsigned(column: &Int64Array, row: usize) -> u64 {
    if column.is_null(row) { 0 } else { u64::try_from(column.value(row)).unwrap_or(0) }
}

/// A batch's columns by name.
struct Columns<'a> {
    path: &'a Path,
    batch: &'a RecordBatch,
}

impl<'a> Columns<'a> {
    fn get<T: 'static>(&self, name: &str) -> Result<&'a T, ReadError> {
        let column = self.batch.column_by_name(name).and_then(|c| c.as_any().downcast_ref());
        column.ok_or_else(|| ReadError::Column { path: self.path.to_owned(), column: name.to_owned() })
    }

    fn texts(&self, name: &str) -> Result<&'a StringArray, ReadError> {
        self.get(name)
    }

    fn longs(&self, name: &str) -> Result<&'a Int64Array, ReadError> {
        self.get(name)
    }

    fn times(&self, name: &str) -> Result<&'a TimestampMicrosecondArray, ReadError> {
        self.get(name)
    }

    fn list<T: 'static>(&self, name: &str) -> Result<(&'a ListArray, &'a T), ReadError> {
        let list: &ListArray = self.get(name)?;
        let values = list.values().as_any().downcast_ref();
        let values = values
            .ok_or_else(|| ReadError::Column { path: self.path.to_owned(), column: name.to_owned() })?;
        Ok((list, values))
    }
}

/// The columns of one of the two latencies.
struct Latencies<'a> {
    totals: [&'a Int64Array; 4],
    indexes: (&'a ListArray, &'a Int32Array),
    counts: (&'a ListArray, &'a Int64Array),
}

impl<'a> Latencies<'a> {
    fn of(of: &Columns<'a>, latency: &str) -> Result<Latencies<'a>, ReadError> {
        let total = |part: &str| of.longs(&format!("{latency}_latency_{part}"));
        Ok(Latencies {
            totals: [total("count")?, total("sum_us")?, total("min_us")?, total("max_us")?],
            indexes: of.list(&format!("{latency}_latency_bucket_index"))?,
            counts: of.list(&format!("{latency}_latency_bucket_count"))?,
        })
    }

    fn row(&self, row: usize) -> LatencyView<'a> {
        let [count, sum_us, min_us, max_us] = self.totals.map(|total| unsigned(total, row));
        let span = |list: &ListArray| {
            let ends = list.value_offsets();
            ends[row] as usize..ends[row + 1] as usize
        };
        let indexes = &self.indexes.1.values()[span(self.indexes.0)];
        let counts = &self.counts.1.values()[span(self.counts.0)];
        LatencyView { count, sum_us, min_us, max_us, indexes, counts }
    }
}

/// Decodes the named columns batch by batch.
fn batches(
    path: &Path,
    names: &[impl AsRef<str>],
    mut each: impl FnMut(&RecordBatch) -> Result<(), ReadError>,
) -> Result<(), ReadError> {
    let failed = |e: &dyn Display| ReadError::File { path: path.to_owned(), detail: e.to_string() };
    let file = File::open(path).map_err(|e| failed(&e))?;
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| failed(&e))?;
    let mask = ProjectionMask::columns(builder.parquet_schema(), names.iter().map(AsRef::as_ref));
    let reader = builder.with_projection(mask).with_batch_size(BATCH_ROWS).build().map_err(|e| failed(&e))?;
    for batch in reader {
        each(&batch.map_err(|e| failed(&e))?)?;
    }
    Ok(())
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
