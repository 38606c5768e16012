//! Rows of the tables as reports need them.
//!
//! Invariant: one row here is one row of a file; merging revisions is the reader's part.

use super::columns::{Decimals, Flags, Ints, Lists, Longs, Texts, Times, for_rows, unsigned};
use super::{ReadError, TableFile};
use crate::core::decimal::Decimal;
use crate::core::time::Time;
use arrow::array::Array;
use std::path::Path;

/// Reads of a table's file only which slices its rows are of: the first one's start, and how many.
///
/// # Errors
/// [`ReadError`].
pub fn spans(file: &TableFile, mut each: impl FnMut(Time, u64)) -> Result<(), ReadError> {
    match file.table.as_str() {
        "quality" => for_rows!(&file.path, |row: slice_start: &Times, slices: &Longs| {
            each(Time(slice_start.value(row)), unsigned(slices, row))
        }),
        _ => for_rows!(&file.path, |row: slice_start: &Times| each(Time(slice_start.value(row)), 1)),
    }
}

/// Reads of a file of `sli_` only the windows, seconds.
///
/// # Errors
/// [`ReadError`].
pub fn windows(path: &Path, mut each: impl FnMut(u64)) -> Result<(), ReadError> {
    for_rows!(path, |row: window_s: &Longs| each(unsigned(window_s, row)))
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

impl<'a> LatencyView<'a> {
    fn new(
        row: usize,
        [count, sum_us, min_us, max_us]: [&Longs; 4],
        (indexes, counts): (&Lists<'a, Ints>, &Lists<'a, Longs>),
    ) -> LatencyView<'a> {
        LatencyView {
            count: unsigned(count, row),
            sum_us: unsigned(sum_us, row),
            min_us: unsigned(min_us, row),
            max_us: unsigned(max_us, row),
            indexes: indexes.row(row),
            counts: counts.row(row),
        }
    }
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
    for_rows!(
        path,
        |row: service: &Texts,
         slice_start: &Times,
         requests: &Longs,
         status_5xx: &Longs,
         client_latency_count: &Longs,
         client_latency_sum_us: &Longs,
         client_latency_min_us: &Longs,
         client_latency_max_us: &Longs,
         client_latency_bucket_index: Lists<'_, Ints>,
         client_latency_bucket_count: Lists<'_, Longs>,
         upstream_latency_count: &Longs,
         upstream_latency_sum_us: &Longs,
         upstream_latency_min_us: &Longs,
         upstream_latency_max_us: &Longs,
         upstream_latency_bucket_index: Lists<'_, Ints>,
         upstream_latency_bucket_count: Lists<'_, Longs>|
        each(RequestsView {
            service: service.value(row),
            slice_start: Time(slice_start.value(row)),
            requests: unsigned(requests, row),
            status_5xx: unsigned(status_5xx, row),
            client: LatencyView::new(
                row,
                [client_latency_count, client_latency_sum_us, client_latency_min_us, client_latency_max_us],
                (&client_latency_bucket_index, &client_latency_bucket_count),
            ),
            upstream: LatencyView::new(
                row,
                [
                    upstream_latency_count,
                    upstream_latency_sum_us,
                    upstream_latency_min_us,
                    upstream_latency_max_us,
                ],
                (&upstream_latency_bucket_index, &upstream_latency_bucket_count),
            ),
        })
    )
}

/// A row of `sli_`.
#[derive(Clone, Copy, Debug)]
pub struct SliView<'a> {
    /// Service.
    pub service: &'a str,
    /// SLO.
    pub slo: &'a str,
    /// Its group; None where it has no groups.
    pub group: Option<&'a str>,
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
    for_rows!(
        path,
        |row: service: &Texts,
         slo: &Texts,
         slo_group: Option<&Texts>,
         slice_start: &Times,
         revision: &Longs,
         generation: &Ints,
         good: &Longs,
         bad: &Longs,
         excluded: &Longs,
         objective: &Decimals,
         window_s: &Longs|
        each(SliView {
            service: service.value(row),
            slo: slo.value(row),
            group: slo_group.filter(|groups| groups.is_valid(row)).map(|groups| groups.value(row)),
            slice_start: Time(slice_start.value(row)),
            revision: revision.value(row),
            generation: generation.value(row),
            good: unsigned(good, row),
            bad: unsigned(bad, row),
            excluded: unsigned(excluded, row),
            objective: Decimal(u64::try_from(objective.value(row)).unwrap_or(0)),
            window_s: unsigned(window_s, row),
        })
    )
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
    for_rows!(
        path,
        |row: source: &Texts,
         topic: &Texts,
         partition: &Ints,
         slice_start: &Times,
         revision: &Longs,
         slices: &Longs,
         complete: &Flags,
         reason: &Texts,
         lines: &Longs,
         rejected: &Longs,
         late: &Longs,
         gap_offsets: &Longs|
        {
            let why = || if reason.is_null(row) { "unknown" } else { reason.value(row) };
            each(QualityView {
                source: source.value(row),
                topic: topic.value(row),
                partition: partition.value(row),
                slice_start: Time(slice_start.value(row)),
                revision: revision.value(row),
                slices: unsigned(slices, row),
                incomplete: (!complete.value(row)).then(why),
                lines: unsigned(lines, row),
                rejected: unsigned(rejected, row),
                late: unsigned(late, row),
                gap_offsets: unsigned(gap_offsets, row),
            });
        }
    )
}
