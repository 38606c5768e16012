//! Every metric of the process, in one value that is handed around.
//!
//! Invariant: labels are bounded. Partitions and reasons are closed sets; services are cut off at
//! [`SERVICES_MAX`] and what is cut off is counted. Nothing here is looked up per record.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::prometheus_text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// How many services have their own budget gauges.
pub const SERVICES_MAX: usize = 500;

/// A gauge with a fraction: for display, nothing is decided by it.
pub type Fraction = Gauge<f64, AtomicU64>;

/// Labels of a partition.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct PartitionLabels {
    /// Source.
    pub source: String,
    /// Topic.
    pub topic: String,
    /// Partition number.
    pub partition: i32,
}

/// Label of an outcome.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct OutcomeLabel {
    /// `record`, `skipped` or `rejected`.
    pub outcome: &'static str,
}

/// Label of a reason.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct ReasonLabel {
    /// Why a line was rejected.
    pub reason: &'static str,
}

/// Label of an event type.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct TypeLabel {
    /// CloudEvents type.
    pub r#type: &'static str,
}

/// Labels of an SLO of a service.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct SloLabels {
    /// Service.
    pub service: String,
    /// SLO.
    pub slo: String,
}

/// Labels of a burn rate.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct BurnLabels {
    /// Service.
    pub service: String,
    /// SLO.
    pub slo: String,
    /// Window, as `1h`.
    pub window: String,
}

/// All metrics.
#[derive(Debug)]
#[expect(missing_docs, reason = "each field's meaning is its help text in `new`")]
pub struct Metrics {
    registry: Registry,
    pub records: Family<OutcomeLabel, Counter>,
    pub rejected: Family<ReasonLabel, Counter>,
    pub records_late: Counter,
    pub replayed: Counter,
    pub lag_records: Family<PartitionLabels, Gauge>,
    pub lag_seconds: Family<PartitionLabels, Fraction>,
    pub partition_idle: Family<PartitionLabels, Gauge>,
    pub watermark_lag_seconds: Fraction,
    pub slices_open: Gauge,
    pub services: Gauge,
    pub services_folded: Gauge,
    pub queue_chunks: Gauge,
    pub queue_chunks_max: Gauge,
    pub flush_duration: Histogram,
    pub journal_duration: Histogram,
    pub apply_duration: Histogram,
    pub cut_duration: Histogram,
    pub events_duration: Histogram,
    pub snapshot_duration: Histogram,
    pub commit_timestamp_seconds: Fraction,
    pub sink_errors: Family<SinkLabel, Counter>,
    pub events: Family<TypeLabel, Counter>,
    pub cuts: Counter,
    pub dead_letters: Counter,
    pub objective_ratio: Family<SloLabels, Fraction>,
    pub burn_rate: Family<BurnLabels, Fraction>,
    pub budget_remaining_ratio: Family<SloLabels, Fraction>,
    pub window_good: Family<SloLabels, Gauge>,
    pub window_bad: Family<SloLabels, Gauge>,
    pub slos_hidden: Gauge,
    pub health: Health,
}

/// Label of a sink.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct SinkLabel {
    /// `journal`, `rollups`, `events` or `dead_letters`.
    pub sink: &'static str,
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// All metrics at zero, registered under `ninetail_`.
    pub fn new() -> Metrics {
        let mut m = Metrics {
            registry: Registry::with_prefix("ninetail"),
            records: Family::default(),
            rejected: Family::default(),
            records_late: Counter::default(),
            replayed: Counter::default(),
            lag_records: Family::default(),
            lag_seconds: Family::default(),
            partition_idle: Family::default(),
            watermark_lag_seconds: Fraction::default(),
            slices_open: Gauge::default(),
            services: Gauge::default(),
            services_folded: Gauge::default(),
            queue_chunks: Gauge::default(),
            queue_chunks_max: Gauge::default(),
            flush_duration: seconds(),
            journal_duration: seconds(),
            apply_duration: seconds(),
            cut_duration: seconds(),
            events_duration: seconds(),
            snapshot_duration: seconds(),
            commit_timestamp_seconds: Fraction::default(),
            sink_errors: Family::default(),
            events: Family::default(),
            cuts: Counter::default(),
            dead_letters: Counter::default(),
            objective_ratio: Family::default(),
            burn_rate: Family::default(),
            budget_remaining_ratio: Family::default(),
            window_good: Family::default(),
            window_bad: Family::default(),
            slos_hidden: Gauge::default(),
            health: Health::default(),
        };
        let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
        let r = &mut m.registry;
        r.register("build", "version of the program", version);
        r.register("records", "lines by outcome", m.records.clone());
        r.register("rejected", "rejected lines by reason", m.rejected.clone());
        r.register("records_late", "records that came after their slice had closed", m.records_late.clone());
        r.register("replayed", "records seen again and dropped", m.replayed.clone());
        r.register("kafka_lag_records", "offsets between ours and the end", m.lag_records.clone());
        r.register("kafka_lag_seconds", "clock minus the latest event time read", m.lag_seconds.clone());
        r.register("partition_idle", "1 if read to its end and quiet", m.partition_idle.clone());
        r.register("watermark_lag_seconds", "clock minus watermark", m.watermark_lag_seconds.clone());
        r.register("slices_open", "slices that wait for their cut", m.slices_open.clone());
        r.register("services", "services kept apart", m.services.clone());
        r.register("services_folded", "times a service went to __other__", m.services_folded.clone());
        r.register("queue_chunks", "chunks waiting for the engine", m.queue_chunks.clone());
        r.register("queue_chunks_max", "bound of that queue", m.queue_chunks_max.clone());
        r.register(
            "flush_duration_seconds",
            "ingest: making and handing over a chunk",
            m.flush_duration.clone(),
        );
        r.register("journal_duration_seconds", "one durable append", m.journal_duration.clone());
        r.register(
            "apply_duration_seconds",
            "engine: applying one batch of entries",
            m.apply_duration.clone(),
        );
        r.register("rollup_write_duration_seconds", "writing the files of one cut", m.cut_duration.clone());
        r.register("events_duration_seconds", "publishing one batch of events", m.events_duration.clone());
        r.register("snapshot_duration_seconds", "taking one snapshot", m.snapshot_duration.clone());
        r.register(
            "commit_timestamp_seconds",
            "clock at the last commit",
            m.commit_timestamp_seconds.clone(),
        );
        r.register("sink_errors", "failed attempts to write, by sink", m.sink_errors.clone());
        r.register("events", "events published by type", m.events.clone());
        r.register("cuts", "cuts written", m.cuts.clone());
        r.register("dead_letters", "dead letters acknowledged", m.dead_letters.clone());
        r.register("slo_objective_ratio", "objective, 0 to 1", m.objective_ratio.clone());
        r.register("slo_burn_rate", "burn rate over a window", m.burn_rate.clone());
        r.register(
            "slo_error_budget_remaining_ratio",
            "budget left, 1 is all, below 0 is overspent",
            m.budget_remaining_ratio.clone(),
        );
        r.register("slo_window_good", "good requests in the SLO's window", m.window_good.clone());
        r.register("slo_window_bad", "bad requests in the SLO's window", m.window_bad.clone());
        r.register("slos_hidden", "SLOs beyond the bound that have no gauges", m.slos_hidden.clone());
        m
    }

    /// The Prometheus text format.
    pub fn text(&self) -> String {
        let mut out = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut out, &self.registry);
        out
    }
}

/// What the health endpoints look at. Times are microseconds of the process's clock.
#[derive(Debug, Default)]
pub struct Health {
    /// Clock of the engine's last turn.
    pub turned_at_us: AtomicI64,
    /// Whether inputs are assigned and the first chunk went through.
    pub ready: AtomicU64,
}

impl Health {
    /// The engine went around once.
    pub fn turn(&self, now_us: i64) {
        self.turned_at_us.store(now_us, Ordering::Relaxed);
    }

    /// The first chunk went through.
    pub fn set_ready(&self) {
        self.ready.store(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_users_scrape() {
        let m = Metrics::new();
        m.records.get_or_create(&OutcomeLabel { outcome: "record" }).inc_by(3);
        m.watermark_lag_seconds.set(1.5);
        let text = m.text();
        for line in [
            "ninetail_records_total{outcome=\"record\"} 3",
            "ninetail_watermark_lag_seconds 1.5",
            "ninetail_build_info{version=",
            "# TYPE ninetail_flush_duration_seconds histogram",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
    }
}
