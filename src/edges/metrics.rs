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

/// `group` and its name where an SLO has groups, else nothing.
pub type GroupLabel = Vec<(&'static str, String)>;

/// Labels of an SLO of a service.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct SloLabels {
    /// Service.
    pub service: String,
    /// SLO.
    pub slo: String,
    /// Its group.
    #[prometheus(flatten)]
    pub group: GroupLabel,
}

/// Labels of a burn rate.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct BurnLabels {
    /// Service.
    pub service: String,
    /// SLO.
    pub slo: String,
    /// Its group.
    #[prometheus(flatten)]
    pub group: GroupLabel,
    /// Window, as `1h`.
    pub window: String,
}

/// Label of a sink.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct SinkLabel {
    /// `journal`, `rollups`, `events`, `outbox` or `dead_letters`.
    pub sink: &'static str,
}

/// Label of a receiver of events.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct ReceiverLabel {
    /// Its name in the pipeline.
    pub receiver: String,
}

/// Labels of a delivery.
#[derive(Clone, Hash, PartialEq, Eq, EncodeLabelSet, Debug)]
pub struct DeliveryLabels {
    /// Name of the receiver.
    pub receiver: String,
    /// `taken`, `refused` or `failed`.
    pub outcome: &'static str,
}

/// The metrics from their table: each is a field of this name, registered under it with `ninetail_` before it.
macro_rules! metrics {
    ($($name:ident: $kind:ty $(= $zero:expr)?, $help:literal;)+) => {
        /// All metrics.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// What the health endpoints look at.
            pub health: Health,
            $(#[doc = $help] pub $name: $kind,)+
        }

        impl Metrics {
            /// All metrics at zero, registered.
            pub fn new() -> Metrics {
                let mut registry = Registry::with_prefix("ninetail");
                let version = Info::new(vec![("version", env!("CARGO_PKG_VERSION"))]);
                registry.register("build", "version of the program", version);
                $(
                    let $name: $kind = metrics!(zero $($zero)?);
                    registry.register(stringify!($name), $help, $name.clone());
                )+
                Metrics { registry, health: Health::default(), $($name,)+ }
            }
        }
    };
    (zero) => { Default::default() };
    (zero $zero:expr) => { $zero };
}

// Counters are shown with `_total` behind their name.
metrics! {
    records: Family<OutcomeLabel, Counter>, "lines by outcome";
    rejected: Family<ReasonLabel, Counter>, "rejected lines by reason";
    records_late: Counter, "records that came after their slice had closed";
    replayed: Counter, "records seen again and dropped";
    kafka_lag_records: Family<PartitionLabels, Gauge>, "offsets between ours and the end";
    kafka_lag_seconds: Family<PartitionLabels, Fraction>, "clock minus the latest event time read";
    partition_idle: Family<PartitionLabels, Gauge>, "1 if read to its end and quiet";
    watermark_lag_seconds: Fraction, "clock minus watermark";
    slices_open: Gauge, "slices that wait for their cut";
    services: Gauge, "services kept apart";
    services_folded: Gauge, "times a service went to __other__";
    slo_groups: Gauge, "groups of SLOs kept apart";
    slo_groups_folded: Counter, "requests counted under the group __other__, once for each SLO";
    dimensions_folded: Counter, "requests counted under __other__ in place of their dimensions' values";
    duplicates_dropped: Counter, "records that repeated another and were dropped";
    queue_chunks: Gauge, "chunks waiting for the engine";
    queue_chunks_max: Gauge, "bound of that queue";
    flush_duration_seconds: Histogram = seconds(), "ingest: making and handing over a chunk";
    journal_duration_seconds: Histogram = seconds(), "one durable append";
    apply_duration_seconds: Histogram = seconds(), "engine: applying one batch of entries";
    rollup_write_duration_seconds: Histogram = seconds(), "writing the files of one cut";
    events_duration_seconds: Histogram = seconds(), "publishing one batch of events";
    snapshot_duration_seconds: Histogram = seconds(), "taking one snapshot";
    commit_timestamp_seconds: Fraction, "clock at the last commit";
    sink_errors: Family<SinkLabel, Counter>, "failed attempts to write, by sink";
    events: Family<TypeLabel, Counter>, "events published by type";
    deliveries: Family<DeliveryLabels, Counter>, "requests to receivers of events by outcome";
    delivery_duration_seconds: Histogram = seconds(), "one request to a receiver of events";
    delivery_waiting: Family<ReceiverLabel, Gauge>, "events that wait for a webhook, or alerts whose state an Alertmanager lacks";
    delivery_dropped: Family<ReceiverLabel, Counter>, "events that a receiver will not get: refused, or too many waited";
    delivery_alerts_firing: Family<ReceiverLabel, Gauge>, "alerts that fire, as an Alertmanager is told";
    cuts: Counter, "cuts written";
    dead_letters: Counter, "dead letters acknowledged";
    slo_objective_ratio: Family<SloLabels, Fraction>, "objective, 0 to 1";
    slo_burn_rate: Family<BurnLabels, Fraction>, "burn rate over a window";
    slo_error_budget_remaining_ratio: Family<SloLabels, Fraction>,
        "budget left, 1 is all, below 0 is overspent";
    slo_window_good: Family<SloLabels, Gauge>, "good requests in the SLO's window";
    slo_window_bad: Family<SloLabels, Gauge>, "bad requests in the SLO's window";
    slos_hidden: Gauge, "SLOs beyond the bound that have no gauges";
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

fn seconds() -> Histogram {
    Histogram::new([0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0])
}

impl Metrics {
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
