//! The tables' columns: name, type, meaning, unit and how revisions merge, said once.
//!
//! Invariant: the files, their schema and `schemas/tables.json` come from these definitions. A column is
//! never renamed, retyped or removed; a new one is added nullable, with a higher [`SCHEMA_VERSION`].

use crate::core::budgeting;
use crate::core::histogram::Histogram;
use crate::core::rollup::{BudgetRow, BurnRow, QualityRow, RejectsRow, RequestsRow, SliRow};
use serde_json::{Value as Json, json};
use std::sync::Arc;

/// Version of the tables' schema, in every file's footer.
pub const SCHEMA_VERSION: u32 = 3;

/// A column's type, in SQL's words.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// UTF-8 text.
    String,
    /// 64 bits, signed.
    Bigint,
    /// 32 bits, signed.
    Integer,
    /// True or false.
    Boolean,
    /// Microseconds, UTC.
    Timestamp,
    /// DECIMAL(9,6).
    Decimal,
    /// List of INTEGER.
    Integers,
    /// List of BIGINT.
    Bigints,
    /// DECIMAL(18,6), signed.
    Wide,
    /// List of DECIMAL(18,6), each of which may be NULL.
    Wides,
    /// List of text.
    Strings,
}

impl Kind {
    /// As DuckDB writes it.
    pub const fn sql(self) -> &'static str {
        match self {
            Kind::String => "VARCHAR",
            Kind::Bigint => "BIGINT",
            Kind::Integer => "INTEGER",
            Kind::Boolean => "BOOLEAN",
            Kind::Timestamp => "TIMESTAMP WITH TIME ZONE",
            Kind::Decimal => "DECIMAL(9,6)",
            Kind::Integers => "INTEGER[]",
            Kind::Bigints => "BIGINT[]",
            Kind::Wide => "DECIMAL(18,6)",
            Kind::Wides => "DECIMAL(18,6)[]",
            Kind::Strings => "VARCHAR[]",
        }
    }
}

/// How a column of several revisions becomes one value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Merge {
    /// Part of what is grouped by.
    Key,
    /// Tells rows of one key apart; not merged.
    Revision,
    /// Added up.
    Sum,
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Counts of the same bucket index are added up.
    Buckets,
    /// The value of the highest revision.
    Last,
}

impl Merge {
    const fn name(self) -> &'static str {
        match self {
            Merge::Key => "key",
            Merge::Revision => "revision",
            Merge::Sum => "sum",
            Merge::Min => "min",
            Merge::Max => "max",
            Merge::Buckets => "buckets",
            Merge::Last => "last",
        }
    }
}

/// A row's value in a column.
#[derive(Clone, Copy)]
pub(super) enum Value<'a> {
    Null,
    Text(&'a str),
    Long(i64),
    Int(i32),
    Bool(bool),
    /// Bucket indexes of a histogram.
    Indexes(&'a Histogram),
    /// Bucket counts of a histogram.
    Counts(&'a Histogram),
    /// One value of each window of a budget's alerts.
    Burns(&'a [BurnRow], fn(&BurnRow) -> Option<i64>),
    /// A list of names.
    Texts(&'a [Arc<str>]),
}

/// One column of a table of rows `R`.
pub struct Column<R: 'static> {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: Kind,
    /// Whether it may be NULL.
    pub nullable: bool,
    /// Unit of the numbers, empty if they have none.
    pub unit: &'static str,
    /// How revisions merge.
    pub merge: Merge,
    /// What it means.
    pub doc: &'static str,
    pub(super) get: for<'a> fn(&'a R) -> Value<'a>,
}

/// A row type that has a table.
pub trait Table: Sized + 'static {
    /// The table's name without the slice suffix.
    const NAME: &'static str;
    /// What a row is.
    const DOC: &'static str;
    /// Whether its rows are broken down by the pipeline's dimensions.
    const HAS_DIMENSIONS: bool = false;
    /// Its columns, in order.
    fn columns() -> &'static [Column<Self>];
    /// The row's value of the dimension of that number.
    fn dimension(&self, _: usize) -> Option<&str> {
        None
    }
}

/// A column of one file: one of the table, or a dimension that the pipeline chose.
pub(super) enum FileColumn<'a, R: 'static> {
    Table(&'static Column<R>),
    /// Name and number.
    Dimension(&'a str, usize),
}

impl<'a, R: Table> FileColumn<'a, R> {
    /// The columns of a file: dimensions stand behind the first of the table.
    pub(super) fn all(dimensions: &'a [Arc<str>]) -> Vec<FileColumn<'a, R>> {
        let mut all: Vec<FileColumn<'a, R>> = R::columns().iter().map(FileColumn::Table).collect();
        let chosen = dimensions.iter().enumerate().map(|(i, name)| FileColumn::Dimension(name, i));
        all.splice(1..1, chosen);
        all
    }

    pub(super) fn name(&self) -> &str {
        match self {
            FileColumn::Table(column) => column.name,
            FileColumn::Dimension(name, _) => name,
        }
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            FileColumn::Table(column) => column.kind,
            FileColumn::Dimension(..) => Kind::String,
        }
    }

    pub(super) fn nullable(&self) -> bool {
        match self {
            FileColumn::Table(column) => column.nullable,
            FileColumn::Dimension(..) => true,
        }
    }

    pub(super) fn get<'r>(&self, row: &'r R) -> Value<'r> {
        match self {
            FileColumn::Table(column) => (column.get)(row),
            FileColumn::Dimension(_, i) => row.dimension(*i).map_or(Value::Null, Value::Text),
        }
    }
}

/// Counts are far below 2^63; should one ever not be, it sticks there.
fn long(count: u64) -> Value<'static> {
    Value::Long(i64::try_from(count).unwrap_or(i64::MAX))
}

/// A decimal's millionths, or an instant, that may be absent.
fn maybe(value: Option<i64>) -> Value<'static> {
    value.map_or(Value::Null, Value::Long)
}

/// A value that means nothing while the histogram is empty.
fn unless_empty(histogram: &Histogram, value: u64) -> Value<'static> {
    if histogram.count == 0 { Value::Null } else { long(value) }
}

// what columns that several tables have mean
const SERVICE: &str = "Service, as the pipeline's rules named it.";
const SLICE_START: &str = "First instant of the slice (event time).";
const REVISION: &str = "0: all that was known when the slice was first cut; else the number of the cut that brought the correction.";
const SOURCE: &str = "Source of the pipeline file.";
const TOPIC: &str = "Kafka topic; `backfill` for archives.";
const PARTITION: &str = "Kafka partition; 0 for archives.";

macro_rules! columns {
    ($($name:literal $kind:ident $null:literal $unit:literal $merge:ident $doc:tt $get:expr;)+) => {
        &[$(Column {
            name: $name,
            kind: Kind::$kind,
            nullable: $null,
            unit: $unit,
            merge: Merge::$merge,
            doc: $doc,
            get: $get,
        }),+]
    };
}

impl Table for RequestsRow {
    const NAME: &'static str = "requests";
    const DOC: &'static str = "What one service did in one slice. A row exists where requests > 0.";
    const HAS_DIMENSIONS: bool = true;

    fn dimension(&self, index: usize) -> Option<&str> {
        self.dimensions.get(index)?.as_deref()
    }

    fn columns() -> &'static [Column<RequestsRow>] {
        columns! {
            "service" String false "" Key SERVICE |r| Value::Text(&r.service);
            "slice_start" Timestamp false "" Key SLICE_START |r| Value::Long(r.slice_start.0);
            "revision" Bigint false "" Revision REVISION |r| long(r.revision);
            "requests" Bigint false "requests" Sum "All requests." |r| long(r.requests);
            "status_1xx" Bigint false "requests" Sum "Requests answered with 1xx." |r| long(r.statuses[1]);
            "status_2xx" Bigint false "requests" Sum "Requests answered with 2xx." |r| long(r.statuses[2]);
            "status_3xx" Bigint false "requests" Sum "Requests answered with 3xx." |r| long(r.statuses[3]);
            "status_4xx" Bigint false "requests" Sum "Requests answered with 4xx." |r| long(r.statuses[4]);
            "status_5xx" Bigint false "requests" Sum "Requests answered with 5xx." |r| long(r.statuses[5]);
            "status_none" Bigint false "requests" Sum "Requests without a status, or with one outside 100 to 599." |r| long(r.statuses[0]);
            "client_gone" Bigint false "requests" Sum "Requests whose client went away before the answer." |r| long(r.client_gone);
            "bytes_received" Bigint false "bytes" Sum "Bytes received from clients." |r| long(r.bytes_received);
            "bytes_sent" Bigint false "bytes" Sum "Bytes sent to clients." |r| long(r.bytes_sent);
            "client_latency_count" Bigint false "requests" Sum "Requests with a latency as the client saw it; WebSockets have none." |r| long(r.client_latency.count);
            "client_latency_sum_us" Bigint false "us" Sum "Their sum." |r| long(r.client_latency.sum_us);
            "client_latency_min_us" Bigint true "us" Min "The smallest; NULL when there is none." |r| unless_empty(&r.client_latency, r.client_latency.min_us);
            "client_latency_max_us" Bigint true "us" Max "The largest; NULL when there is none." |r| unless_empty(&r.client_latency, r.client_latency.max_us);
            "client_latency_bucket_index" Integers true "" Buckets "Indexes of the buckets that hold something, ascending: bucket i holds (2^(i/32), 2^((i+1)/32)] us, zeros are in none. NULL when the count is 0." |r| Value::Indexes(&r.client_latency);
            "client_latency_bucket_count" Bigints true "requests" Buckets "Counts of the buckets at the same place in the list of indexes." |r| Value::Counts(&r.client_latency);
            "upstream_latency_count" Bigint false "requests" Sum "Requests with a latency of the target; WebSockets have none." |r| long(r.upstream_latency.count);
            "upstream_latency_sum_us" Bigint false "us" Sum "Their sum." |r| long(r.upstream_latency.sum_us);
            "upstream_latency_min_us" Bigint true "us" Min "The smallest; NULL when there is none." |r| unless_empty(&r.upstream_latency, r.upstream_latency.min_us);
            "upstream_latency_max_us" Bigint true "us" Max "The largest; NULL when there is none." |r| unless_empty(&r.upstream_latency, r.upstream_latency.max_us);
            "upstream_latency_bucket_index" Integers true "" Buckets "As client_latency_bucket_index." |r| Value::Indexes(&r.upstream_latency);
            "upstream_latency_bucket_count" Bigints true "requests" Buckets "As client_latency_bucket_count." |r| Value::Counts(&r.upstream_latency);
        }
    }
}

impl Table for SliRow {
    const NAME: &'static str = "sli";
    const DOC: &'static str = "Verdicts of one SLO of one service in one slice, or of one of its groups (`per`). A row exists where the service, or the group, had requests.";

    fn columns() -> &'static [Column<SliRow>] {
        columns! {
            "service" String false "" Key SERVICE |r| Value::Text(&r.service);
            "slo" String false "" Key "Name of the SLO." |r| Value::Text(&r.slo);
            "slice_start" Timestamp false "" Key SLICE_START |r| Value::Long(r.slice_start.0);
            "revision" Bigint false "" Revision REVISION |r| long(r.revision);
            "generation" Integer false "" Key "Generation of the SLO's definition: another indicator or window is another generation." |r| Value::Int(i32::try_from(r.generation).unwrap_or(i32::MAX));
            "good" Bigint false "requests" Sum "Good requests." |r| long(r.good);
            "bad" Bigint false "requests" Sum "Bad requests." |r| long(r.bad);
            "excluded" Bigint false "requests" Sum "Requests left out; good + bad is the SLI's denominator." |r| long(r.excluded);
            "objective" Decimal false "percent" Last "The objective in force." |r| long(r.objective.0);
            "window_s" Bigint false "s" Last "Length of the window; of a calendar window, of the period that the slice lies in." |r| long(r.window_s);
            "slo_group" String true "" Key "Group of requests that it is of: a value of the SLO's `per` field, __none__ for records without one, __other__ for groups beyond groups_max. NULL where the SLO has no groups. Groups add up to the service." |r| r.group.as_deref().map_or(Value::Null, Value::Text);
            "maintenance_good" Bigint true "requests" Sum "How many of the good requests lie in an exclusion window, as the pipeline had them when the row was written: good - maintenance_good is what the budget counts. NULL in rows older than the column: 0." |r| long(r.maintenance_good);
            "maintenance_bad" Bigint true "requests" Sum "As maintenance_good, of the bad requests." |r| long(r.maintenance_bad);
        }
    }
}

impl Table for QualityRow {
    const NAME: &'static str = "quality";
    const DOC: &'static str = "What was read of one partition in one slice. A row exists for every partition and slice, zeros too; before the first record only where a line could not be read.";

    fn columns() -> &'static [Column<QualityRow>] {
        columns! {
            "source" String false "" Key SOURCE |r| Value::Text(&r.partition.source);
            "topic" String false "" Key TOPIC |r| Value::Text(&r.partition.topic);
            "partition" Integer false "" Key PARTITION |r| Value::Int(r.partition.number);
            "slice_start" Timestamp false "" Key SLICE_START |r| Value::Long(r.slice_start.0);
            "revision" Bigint false "" Revision REVISION |r| long(r.revision);
            "slices" Bigint false "slices" Last "How many slices from slice_start on the row stands for." |r| long(r.slices);
            "complete" Boolean false "" Last "Whether all that belongs here was read, as far as anybody can know." |r| Value::Bool(r.complete);
            "reason" String true "" Last "Why not complete: gap, silent, unreachable, stopped; NULL when complete." |r| r.reason.as_deref().map_or(Value::Null, Value::Text);
            "lines" Bigint false "lines" Sum "Lines read: records + skipped + rejected." |r| long(r.lines);
            "records" Bigint false "lines" Sum "Lines that were requests." |r| long(r.records);
            "skipped" Bigint false "lines" Sum "Lines that are no requests (comments, headers, other record types), and records dropped as duplicates." |r| long(r.skipped);
            "rejected" Bigint false "lines" Sum "Lines that could not be read; by reason in rejects." |r| long(r.rejected);
            "late" Bigint false "lines" Sum "Records that came after their slice had closed." |r| long(r.late);
            "replayed" Bigint false "records" Sum "Kafka records seen again and dropped." |r| long(r.replayed);
            "gap_offsets" Bigint false "offsets" Sum "Offsets lost before they could be read." |r| long(r.gap_offsets);
            "dimensions_folded" Bigint true "requests" Sum "Requests of the slice that are counted under __other__ in place of the values of their dimensions. Exact as a sum over partitions; among those that one thread read together it is told apart by order." |r| long(r.dimensions_folded);
            "duplicates_estimated" Bigint true "records" Sum "Estimate of the records that repeat another of the same partition, slice and revision (same request id and time). Exact up to 1024 distinct ids; beyond, D repeats among N ids are off by about sqrt(D * N / 1024). NULL where the source does not estimate." |r| r.duplicates_estimated.map_or(Value::Null, long);
            "duplicates_dropped" Bigint true "records" Sum "Records that repeated one of the latest of their partition and were dropped (`duplicates: drop`); part of skipped." |r| long(r.duplicates_dropped);
        }
    }
}

impl Table for RejectsRow {
    const NAME: &'static str = "rejects";
    const DOC: &'static str =
        "Rejected lines of one partition and slice by reason. A row exists where lines > 0.";

    fn columns() -> &'static [Column<RejectsRow>] {
        columns! {
            "source" String false "" Key SOURCE |r| Value::Text(&r.partition.source);
            "topic" String false "" Key TOPIC |r| Value::Text(&r.partition.topic);
            "partition" Integer false "" Key PARTITION |r| Value::Int(r.partition.number);
            "slice_start" Timestamp false "" Key SLICE_START |r| Value::Long(r.slice_start.0);
            "revision" Bigint false "" Revision REVISION |r| long(r.revision);
            "reason" String false "" Key "Why the lines were rejected." |r| Value::Text(r.reason);
            "lines" Bigint false "lines" Sum "How many." |r| long(r.lines);
        }
    }
}

impl Table for BudgetRow {
    const NAME: &'static str = "budget";
    const DOC: &'static str = "How the budget of one SLO of one service stood at the end of one hour: only as budget_1h. A row exists for every hour at whose end some window of the SLO holds a request. A later revision stands in place of the earlier ones.";

    fn columns() -> &'static [Column<BudgetRow>] {
        columns! {
            "service" String false "" Key SERVICE |r| Value::Text(&r.service);
            "slo" String false "" Key "Name of the SLO." |r| Value::Text(&r.slo);
            "slo_group" String true "" Key "As in sli_: the budget's group, NULL where the SLO has none." |r| r.group.as_deref().map_or(Value::Null, Value::Text);
            "slice_start" Timestamp false "" Key "First instant of the hour." |r| Value::Long(r.slice_start.0);
            "revision" Bigint false "" Revision "0: what was known when the hour's slices had closed; else the number of the cut that brought the row in place of earlier ones, with what came late for one of the two hours before." |r| long(r.revision);
            "until" Timestamp false "" Last "The instant that the row tells of: the end of the hour, or of the last slice where a run or backfill ended within it." |r| Value::Long(r.until.0);
            "generation" Integer false "" Last "Generation of the SLO's definition." |r| Value::Int(i32::try_from(r.generation).unwrap_or(i32::MAX));
            "objective" Decimal false "percent" Last "The objective in force." |r| long(r.objective.0);
            "budgeting" String false "" Last "What is weighed: occurrences (requests), timeslices or ratio_timeslices." |r| Value::Text(budgeting::name(&r.budgeting));
            "calendar" String true "" Last "The period that is the window: day, week, month, quarter or year; NULL where it rolls." |r| r.calendar.as_deref().map_or(Value::Null, Value::Text);
            "window_start" Timestamp false "" Last "First instant of the window." |r| Value::Long(r.window_start.0);
            "window_end" Timestamp false "" Last "First instant after the window; of a calendar's, the end of the period." |r| Value::Long(r.window_end.0);
            "good" Bigint false "requests" Last "Good requests of the window, up to `until`." |r| long(r.good);
            "bad" Bigint false "requests" Last "Bad requests of the window, up to `until`." |r| long(r.bad);
            "slices" Bigint false "slices" Last "Slices of the window up to `until`; with timeslices, of their length." |r| long(r.slices);
            "seen" Bigint false "slices" Last "Those of them since observation began; the rest counts as good at the mean rate." |r| long(r.seen);
            "read" Bigint false "slices" Last "Those of them whose input was read." |r| long(r.read);
            "budget_allowed" Wide true "requests or slices" Last "How many may be bad: requests, or slices where these are weighed. NULL where nothing is known: no requests." |r| maybe(r.allowed);
            "budget_consumed" Wide false "requests or slices" Last "How many are bad, as `budgeting` weighs them." |r| Value::Long(r.consumed);
            "budget_remaining" Wide true "requests or slices" Last "What is left; below 0 when overspent." |r| maybe(r.remaining);
            "consumed_ratio" Wide true "" Last "Consumed as a share of allowed, rounded down: the burn rate of the whole window." |r| maybe(r.consumed_ratio);
            "remaining_ratio" Wide true "" Last "Remaining as a share of allowed, rounded down." |r| maybe(r.remaining_ratio);
            "burn_window_s" Bigints false "s" Last "Windows of the alerts' tiers, long and short, the shortest first." |r| Value::Burns(&r.burns, |b| i64::try_from(b.window_s).ok());
            "burn_good" Bigints false "requests" Last "Good requests of each window." |r| Value::Burns(&r.burns, |b| i64::try_from(b.good).ok());
            "burn_bad" Bigints false "requests" Last "Bad requests of each window." |r| Value::Burns(&r.burns, |b| i64::try_from(b.bad).ok());
            "burn_rate" Wides false "" Last "Burn rate over each window, rounded down; NULL where it holds no request." |r| Value::Burns(&r.burns, |b| b.rate);
            "state" String false "" Last "The first that holds of: no_data, frozen (too little was read for alerts), firing, exhausted, ok. As decided at the hour's end." |r| Value::Text(r.state());
            "firing" Strings false "" Last "Tiers that fire, the most urgent first." |r| Value::Texts(&r.firing);
            "exhausted_since" Timestamp true "" Last "End of the slice that exhausted the budget." |r| maybe(r.exhausted_since.map(|t| t.0));
            "frozen_since" Timestamp true "" Last "Since when too little was read for alerts." |r| maybe(r.frozen_since.map(|t| t.0));
            "policy" String true "" Last "Tier of the policy that the budget is in; NULL without a policy." |r| r.policy.as_deref().map_or(Value::Null, Value::Text);
        }
    }
}

/// All tables and columns as one document: the content of `schemas/tables.json`.
pub fn document() -> Json {
    json!({
        "schema_version": SCHEMA_VERSION,
        "layout": "<rollups>/<table>/date=YYYY-MM-DD/<pipeline>-<journal>-<cut>-<watermark>.parquet, date of slice_start in UTC; <table> is a name below with the slice's suffix, such as requests_1m; of requests and sli also with _1h and _1d, the same columns by hour and day; of budget with _1h alone",
        "merge": {
            "key": "group by it",
            "revision": "not merged: tells a key's rows apart",
            "sum": "add up over revisions",
            "min": "smallest over revisions",
            "max": "largest over revisions",
            "buckets": "add up counts of the same index over revisions",
            "last": "value of the highest revision: a table whose columns are all so keeps the row of the highest revision of each key",
        },
        "tables": [
            table::<RequestsRow>(),
            table::<SliRow>(),
            table::<QualityRow>(),
            table::<RejectsRow>(),
            table::<BudgetRow>(),
        ],
    })
}

fn table<R: Table>() -> Json {
    let column = |c: &Column<R>| {
        json!({
            "name": c.name,
            "type": c.kind.sql(),
            "nullable": c.nullable,
            "unit": c.unit,
            "merge": c.merge.name(),
            "meaning": c.doc,
        })
    };
    let columns: Vec<Json> = R::columns().iter().map(column).collect();
    let mut table = json!({ "name": R::NAME, "rows": R::DOC, "columns": columns });
    if R::HAS_DIMENSIONS {
        table["dimensions"] = json!({
            "columns": "One for each name in the pipeline's sinks.rollups.dimensions, behind `service`, in that order; dots of a name are underscores. A file has those that any of its rows was counted with; there is then a row for each combination of values that had requests.",
            "type": Kind::String.sql(),
            "nullable": true,
            "merge": Merge::Key.name(),
            "meaning": "Value of the record's field; NULL where the record had none or was counted without the dimension. Combinations beyond limits.dimension_values_max are one row with __other__ in every dimension: dimensions_folded in quality counts their requests. Rows add up to what the service did, so grouping by service alone is the table without dimensions.",
        });
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `NINETAIL_UPDATE_SCHEMAS=1 cargo test columns` writes the document anew.
    #[test]
    fn the_document_says_what_the_files_hold() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/schemas/tables.json");
        let want = format!("{:#}\n", document());
        if std::env::var_os("NINETAIL_UPDATE_SCHEMAS").is_some() {
            std::fs::write(path, &want).expect("writes");
        }
        let found = std::fs::read_to_string(path).expect("schemas/tables.json is there");
        assert!(found == want, "schemas/tables.json is stale: run with NINETAIL_UPDATE_SCHEMAS=1");
    }
}
