//! Views for DuckDB over the published Parquet files.
//!
//! Invariant: the views say what `report` says, from the same files: sums over revisions, buckets added up per
//! index, nearest-rank percentiles whose value is the upper bound of a bucket. The bound is computed in
//! integers, as ingest does.

use crate::core::histogram::upper_us;
use crate::core::rollup::{QualityRow, RejectsRow, RequestsRow, SliRow};
use crate::core::time::SliceLength;
use crate::edges::sink::columns::{Merge, Table};
use crate::edges::sink::parquet::read::{TableFile, dimensions};
use crate::shell::exit::CommandError;
use crate::shell::pipeline::Pipeline;
use crate::shell::report::choose;
use std::fmt::Write;
use std::path::Path;

const LATENCIES: [&str; 2] = ["client", "upstream"];
const PERCENTILES: [u32; 3] = [50, 95, 99];

/// All statements.
///
/// # Errors
/// If the pipeline is invalid, or the folder holds no rollups of it.
pub(super) fn views(pipeline: Option<&Path>, rollups: Option<&Path>) -> Result<String, CommandError> {
    let pipeline = pipeline.map(Pipeline::load).transpose()?;
    let folder = rollups.or(pipeline.as_ref().map(|p| p.sinks.rollups.as_path()));
    let folder = folder.ok_or_else(|| CommandError::Usage("name a pipeline or --rollups".into()))?;
    let settings = pipeline.as_ref().map(|p| &p.settings);
    let (name, slice, files) = choose(folder, settings.map(|s| s.name.as_str()), settings.map(|s| s.slice))?;
    // so that the views work wherever DuckDB is started
    let folder = std::path::absolute(folder)?;
    let newest = files.iter().filter(|file| file.table == RequestsRow::NAME).max_by_key(|file| file.day);
    let dimensions = newest.map(|file| dimensions(&file.path)).transpose().map_err(CommandError::failed)?;
    let dimensions = dimensions.unwrap_or_default();
    Ok(statements(&Source { folder: &folder, name: &name, slice, files: &files, dimensions: &dimensions }))
}

/// The files that the views are over.
struct Source<'a> {
    folder: &'a Path,
    name: &'a str,
    slice: SliceLength,
    files: &'a [TableFile],
    /// Columns that the newest file is broken down by.
    dimensions: &'a [String],
}

impl Source<'_> {
    /// Whether the table has a file: DuckDB refuses a view over none.
    fn has(&self, table: &str) -> bool {
        self.files.iter().any(|file| file.table == table)
    }

    /// `read_parquet` over one pipeline's files of a table: the name is followed by 16 hex digits.
    fn read(&self, table: &str) -> String {
        let folder = self.folder.display().to_string();
        let mut pattern = String::new();
        for letter in folder.chars() {
            match letter {
                '*' | '?' | '[' => write!(pattern, "[{letter}]").unwrap_or_default(),
                other => pattern.push(other),
            }
        }
        let digits = "[0-9a-f]".repeat(16);
        let _ = write!(pattern, "/{table}_{}/*/{}-{digits}-*.parquet", self.slice.suffix(), self.name);
        format!(
            "read_parquet('{}', hive_partitioning = true, union_by_name = true)",
            pattern.replace('\'', "''")
        )
    }
}

fn statements(source: &Source<'_>) -> String {
    let slice_s = source.slice.0;
    let mut out = format!(
        "-- Views over the rollups of pipeline {name} in {folder}, slices of {suffix}.
-- Counts add up over revisions; a published file never changes. Times are UTC.
SET TimeZone = 'UTC';

-- The largest latency of a bucket, microseconds: floor(2^((i + 1) / 32)), in integers.
CREATE OR REPLACE MACRO bucket_upper_us(i) AS ({bounds})[(i + 1) % 32 + 1] >> greatest(62 - (i + 1) // 32, 0);
",
        name = source.name,
        folder = source.folder.display(),
        suffix = source.slice.suffix(),
        bounds = bounds(),
    );
    merged::<RequestsRow>(source, RequestsRow::NAME, &[], &mut out);
    merged::<SliRow>(source, SliRow::NAME, &[], &mut out);
    merged::<QualityRow>(source, QualityRow::NAME, &[], &mut out);
    merged::<RejectsRow>(source, RejectsRow::NAME, &[], &mut out);
    buckets(source, "request_buckets", "", &mut out);
    let _ = write!(
        out,
        "
-- Latency percentiles of every service and slice.
CREATE OR REPLACE VIEW request_percentiles AS
{};

-- The same over a range: FROM latency_percentiles('2026-01-01T00:00:00Z'::TIMESTAMPTZ, now());
CREATE OR REPLACE MACRO latency_percentiles(since, until) AS TABLE
{};
",
        percentiles("date, service, slice_start", "", WHOLE),
        percentiles("service", " WHERE slice_start >= since AND slice_start < until", WHOLE),
    );
    if !source.dimensions.is_empty() {
        by_dimension(source, &mut out);
    }
    budgets(slice_s, &mut out);
    out
}

/// The bounds of one octave's buckets at 2^62, which shift down to every other octave's.
fn bounds() -> String {
    let bounds: Vec<String> = (0..32).map(|j| upper_us(62 * 32 + j - 1).to_string()).collect();
    format!("[{}]", bounds.join(", "))
}

/// One view: the rows of a table with their revisions merged. Buckets have a view of their own.
fn merged<R: Table>(source: &Source<'_>, view: &str, dimensions: &[String], out: &mut String) {
    let mut columns = vec!["date".to_owned()];
    columns.extend_from_slice(dimensions);
    let mut keys = columns.clone();
    let mut empty = vec!["NULL::DATE AS date".to_owned()];
    // of two rows of one revision (of two journals) the incomplete one is believed
    let complete = R::columns().iter().any(|c| c.name == "complete");
    let newest = if complete { "revision, complete DESC" } else { "revision" };
    for column in R::columns() {
        let (name, sql) = (column.name, column.kind.sql());
        columns.push(match column.merge {
            Merge::Key => {
                keys.push(name.to_owned());
                name.to_owned()
            }
            Merge::Revision => format!("max({name}) AS {name}"),
            Merge::Sum => format!("sum({name})::{sql} AS {name}"),
            Merge::Min => format!("min({name}) AS {name}"),
            Merge::Max => format!("max({name}) AS {name}"),
            Merge::Last => format!("last({name} ORDER BY {newest}) AS {name}"),
            Merge::Buckets => continue,
        });
        empty.push(format!("NULL::{sql} AS {name}"));
    }
    let _ = write!(out, "\n-- {}\nCREATE OR REPLACE VIEW {view} AS\n", R::DOC);
    let _ = if source.has(R::NAME) {
        writeln!(
            out,
            "SELECT {}\nFROM {}\nGROUP BY {};",
            columns.join(",\n       "),
            source.read(R::NAME),
            keys.join(", ")
        )
    } else {
        writeln!(
            out,
            "-- There is no file of it yet: generate this view anew when there is.\nSELECT {} WHERE false;",
            empty.join(", ")
        )
    };
}

/// The views that percentiles are made of: counts, and buckets.
type Views = (&'static str, &'static str);
const WHOLE: Views = ("requests", "request_buckets");
const BY_DIMENSION: Views = ("requests_by_dimension", "request_buckets_by_dimension");

/// The same as the whole services' views, for each combination of the dimensions' values.
fn by_dimension(source: &Source<'_>, out: &mut String) {
    let quoted: Vec<String> = source.dimensions.iter().map(|name| format!("\"{name}\"")).collect();
    let more = format!("{}, ", quoted.join(", "));
    merged::<RequestsRow>(source, BY_DIMENSION.0, &quoted, out);
    buckets(source, BY_DIMENSION.1, &more, out);
    let _ = write!(
        out,
        "
-- Latency percentiles of every service, combination and slice.
CREATE OR REPLACE VIEW request_percentiles_by_dimension AS
{};

-- The same over a range.
CREATE OR REPLACE MACRO latency_percentiles_by_dimension(since, until) AS TABLE
{};
",
        percentiles(&format!("date, service, {more}slice_start"), "", BY_DIMENSION),
        percentiles(
            &format!("service, {}", quoted.join(", ")),
            " WHERE slice_start >= since AND slice_start < until",
            BY_DIMENSION
        ),
    );
}

/// The histograms' buckets as rows; `more` are further keys, each with a comma behind it.
fn buckets(source: &Source<'_>, view: &str, more: &str, out: &mut String) {
    let rows = |latency: &str| {
        if !source.has(RequestsRow::NAME) {
            return format!(
                "  SELECT NULL::DATE AS date, NULL::VARCHAR AS service, NULL::TIMESTAMP WITH TIME ZONE AS slice_start,
         '{latency}' AS latency, NULL::INTEGER AS bucket_index, NULL::BIGINT AS bucket_count WHERE false"
            );
        }
        format!(
            "  SELECT date, service, {more}slice_start, '{latency}' AS latency,
         unnest({latency}_latency_bucket_index) AS bucket_index,
         unnest({latency}_latency_bucket_count) AS bucket_count
  FROM {}",
            source.read(RequestsRow::NAME)
        )
    };
    let _ = write!(
        out,
        "
-- Latencies by bucket: bucket i holds (2^(i/32), 2^((i+1)/32)] microseconds; zeros are in none.
CREATE OR REPLACE VIEW {view} AS
SELECT date, service, {more}slice_start, latency, bucket_index, sum(bucket_count)::BIGINT AS bucket_count
FROM (
{}
)
GROUP BY date, service, {more}slice_start, latency, bucket_index;
",
        LATENCIES.map(rows).join("\n  UNION ALL\n")
    );
}

/// Nearest-rank percentiles by the keys: the upper bound of the bucket that holds the rank, no less than the
/// smallest and no more than the largest latency; 0 where the rank falls among the zeros.
fn percentiles(keys: &str, filter: &str, (requests, request_buckets): Views) -> String {
    let of_totals = keys.split(", ").map(|key| format!("t.{key}")).collect::<Vec<_>>().join(", ");
    // a dimension may be NULL, which equals nothing
    let same = |key| format!("t.{key} IS NOT DISTINCT FROM b.{key}");
    let same = keys.split(", ").map(same).collect::<Vec<_>>().join(" AND ");
    let totals = |latency: &str| {
        format!(
            "  SELECT {keys}, '{latency}' AS latency, sum({latency}_latency_count)::BIGINT AS count,
         min({latency}_latency_min_us) AS min_us, max({latency}_latency_max_us) AS max_us
  FROM {requests}{filter} GROUP BY {keys}"
        )
    };
    let percentile = |p: u32| {
        let rank = format!("(count * {p} + 99) // 100");
        format!(
            "       CASE WHEN {rank} <= any_value(zeros) THEN 0
            ELSE greatest(min_us, least(max_us, coalesce(
              min(bucket_upper_us(bucket_index)) FILTER (passed >= {rank}), max_us))) END::BIGINT AS p{p}_us"
        )
    };
    format!(
        "WITH totals AS (
{totals}
), buckets AS (
  SELECT {keys}, latency, bucket_index, sum(bucket_count)::BIGINT AS bucket_count
  FROM {request_buckets}{filter} GROUP BY {keys}, latency, bucket_index
), ranked AS (
  SELECT t.*, bucket_index,
         count - coalesce(sum(bucket_count) OVER (PARTITION BY {of_totals}, t.latency), 0) AS zeros,
         zeros + sum(bucket_count) OVER (PARTITION BY {of_totals}, t.latency ORDER BY bucket_index) AS passed
  FROM totals t LEFT JOIN buckets b ON {same} AND t.latency = b.latency
  WHERE count > 0
)
SELECT {keys}, latency, count, min_us,
{percentiles},
       max_us
FROM ranked
GROUP BY {keys}, latency, count, min_us, max_us",
        totals = LATENCIES.map(totals).join("\n  UNION ALL\n"),
        percentiles = PERCENTILES.map(percentile).join(",\n"),
    )
}

/// Where every budget stands, and how it got there.
fn budgets(slice_s: u32, out: &mut String) {
    let _ = write!(
        out,
        "
-- What was read: its first instant, and the first one after it.
CREATE OR REPLACE VIEW covered AS
SELECT min(slice_start) AS since, max(slice_start + to_seconds(slices * {slice_s})) AS until FROM quality;

-- The newest definition of every SLO.
CREATE OR REPLACE VIEW slo_newest AS
SELECT service, slo, generation, objective, window_s FROM sli
QUALIFY row_number() OVER (PARTITION BY service, slo ORDER BY slice_start DESC, generation DESC) = 1;

-- Every SLO's rolling window that ends with the newest slice, or that of each of its groups. Of a window that was read in part, the rest
-- counts as good at the mean rate. Shares are floating point here; `ninetail report` rounds them down.
CREATE OR REPLACE VIEW slo_status AS
WITH counted AS (
  SELECT n.service, n.slo, slo_group, n.generation, n.objective, n.window_s,
         sum(good)::BIGINT AS good, sum(bad)::BIGINT AS bad, sum(excluded)::BIGINT AS excluded,
         any_value(least(1, epoch(until - since) / n.window_s)) AS seen
  FROM slo_newest n JOIN sli s ON s.service = n.service AND s.slo = n.slo AND s.generation = n.generation, covered
  WHERE slice_start >= until - to_seconds(n.window_s)
  GROUP BY n.service, n.slo, slo_group, n.generation, n.objective, n.window_s
)
SELECT *, good + bad AS requests, 100 * good / nullif(good + bad, 0) AS sli_percent,
       100 * (1 - seen * bad / nullif(good + bad, 0) / (1 - objective::DOUBLE / 100)) AS budget_left_percent
FROM counted ORDER BY budget_left_percent;

-- Burn-down: what was left of the budget at the end of every slice.
CREATE OR REPLACE VIEW burn_down AS
SELECT s.service, s.slo, s.slo_group, s.generation, s.slice_start, s.objective, s.window_s,
       sum(s.good) OVER w AS good, sum(s.bad) OVER w AS bad,
       100 * (1 - least(1, (epoch(s.slice_start - since) + {slice_s}) / s.window_s)
              * sum(s.bad) OVER w / nullif(sum(s.good + s.bad) OVER w, 0)
              / (1 - s.objective::DOUBLE / 100)) AS budget_left_percent
FROM sli s, covered
WINDOW w AS (PARTITION BY s.service, s.slo, s.slo_group, s.generation ORDER BY s.slice_start
             RANGE BETWEEN to_seconds(s.window_s - {slice_s}) PRECEDING AND CURRENT ROW);
"
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn file(table: &str) -> TableFile {
        let (slice, path) = (SliceLength(60), PathBuf::new());
        TableFile { table: table.into(), slice, day: Default::default(), pipeline: "edge".into(), path }
    }

    #[test]
    fn every_column_is_in_its_view() {
        let files = ["requests", "sli", "quality"].map(file);
        let folder = Path::new("/data/it's [x]/rollups");
        let sql = statements(&Source {
            folder,
            name: "edge",
            slice: SliceLength(60),
            files: &files,
            dimensions: &[],
        });
        let digits = "[0-9a-f]".repeat(16);
        let read = format!("read_parquet('/data/it''s [[]x]/rollups/requests_1m/*/edge-{digits}-*.parquet'");
        assert!(sql.contains(&read), "{sql}");
        for column in RequestsRow::columns().iter().filter(|c| c.merge != Merge::Buckets) {
            assert!(sql.contains(&format!(" {}", column.name)), "{}", column.name);
        }
        assert!(sql.contains("last(complete ORDER BY revision, complete DESC) AS complete"), "{sql}");
        assert!(sql.contains("NULL::VARCHAR AS reason") && !sql.contains("rejects_1m"), "{sql}");
    }

    #[test]
    fn bounds_shift_down_to_those_of_every_octave() {
        for i in -1..1_983i16 {
            let top = upper_us(62 * 32 + (i + 1) % 32 - 1);
            assert_eq!(top >> (62 - (i + 1) / 32), upper_us(i), "{i}");
        }
        assert!(upper_us(62 * 32 + 30) <= i64::MAX as u64);
    }
}
