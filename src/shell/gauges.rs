//! From what went through the engine to the metrics that people watch.

use crate::core::burn::Millionths;
use crate::core::engine::Engine;
use crate::core::entry::Entry;
use crate::core::partial::Standing;
use crate::core::time::{SECOND_US, Time};
use crate::edges::metrics::{
    BurnLabels, Metrics, OutcomeLabel, PartitionLabels, ReasonLabel, SERVICES_MAX, SloLabels,
};
use crate::edges::sink::dead_letters::LetterCounts;
use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::AtomicU64;

use prometheus_client::metrics::counter::Counter;

/// Adds up what chunks say of their lines.
pub fn count(metrics: &Metrics, entries: &[Entry]) {
    let outcome = |outcome, n| {
        if n > 0 {
            metrics.records.get_or_create(&OutcomeLabel { outcome }).inc_by(n);
        }
    };
    for entry in entries {
        let Entry::Chunk(chunk) = entry else { continue };
        for coverage in &chunk.coverage {
            metrics.replayed.inc_by(coverage.replayed);
            for (_, quality) in &coverage.quality {
                outcome("record", quality.records);
                outcome("skipped", quality.skipped);
                outcome("rejected", quality.rejected());
                metrics.duplicates_dropped.inc_by(quality.dropped);
                for (reason, n) in &quality.rejects {
                    metrics.rejected.get_or_create(&ReasonLabel { reason: reason.name() }).inc_by(*n);
                }
            }
        }
    }
}

/// Shows how the engine stands.
pub fn update(metrics: &Metrics, engine: &Engine, now: Time) {
    let lag_s = |time: Time| (now.0 - time.0) as f64 / SECOND_US as f64;
    if let Some(watermark) = engine.watermarks().watermark() {
        metrics.watermark_lag_seconds.set(lag_s(watermark));
    }
    metrics.commit_timestamp_seconds.set(now.0 as f64 / SECOND_US as f64);
    metrics.slices_open.set(engine.slices_waiting() as i64);
    metrics.services.set(engine.roster().len() as i64);
    metrics.services_folded.set(i64::try_from(engine.roster().folded()).unwrap_or(i64::MAX));
    raise_to(&metrics.records_late, engine.records_late());
    raise_to(&metrics.dimensions_folded, engine.breakdown().folded());
    metrics.slo_groups.set(engine.slo_groups().len() as i64);
    raise_to(&metrics.slo_groups_folded, engine.slo_groups().folded());
    for (partition, progress) in engine.watermarks().iter() {
        let labels = PartitionLabels {
            source: partition.source.to_string(),
            topic: partition.topic.to_string(),
            partition: partition.number,
        };
        metrics.partition_idle.get_or_create(&labels).set(i64::from(progress.standing() == Standing::AtEnd));
        if let Some(latest) = progress.latest(now) {
            metrics.kafka_lag_seconds.get_or_create(&labels).set(lag_s(latest));
        }
    }
}

/// The budgets that have gauges now: those of services that left lose theirs, or the labels would only ever grow.
#[derive(Default)]
pub struct Shown {
    budgets: HashSet<SloLabels>,
    burns: HashSet<BurnLabels>,
}

/// Shows how the budgets stand: worth doing when a slice has closed.
pub fn budgets(metrics: &Metrics, engine: &Engine, shown: &mut Shown) {
    let before = std::mem::take(shown);
    let ratio = |m: Millionths| m.0 as f64 / 1e6;
    let mut services = BTreeSet::new();
    let mut hidden = 0;
    for gauge in engine.ledger().gauges() {
        services.insert((gauge.service.clone(), gauge.group.cloned()));
        if services.len() > SERVICES_MAX {
            hidden += 1;
            continue;
        }
        let group: Vec<_> = gauge.group.iter().map(|group| ("group", group.to_string())).collect();
        let labels = SloLabels { service: gauge.service.to_string(), slo: gauge.slo.to_string(), group };
        let slo = &gauge.definition.slo;
        metrics.slo_objective_ratio.get_or_create(&labels).set(slo.objective.0 as f64 / 1e8);
        for (tier, (_, long, short, _)) in slo.tiers.iter().zip(&gauge.burns) {
            for (window_s, rate) in [(tier.long_s, long), (tier.short_s, short)] {
                let Some(rate) = rate else { continue };
                let window = crate::shell::words::duration(window_s);
                let SloLabels { service, slo, group } = labels.clone();
                let labels = BurnLabels { service, slo, group, window };
                metrics.slo_burn_rate.get_or_create(&labels).set(ratio(*rate));
                shown.burns.insert(labels);
            }
        }
        let count = |requests| i64::try_from(requests).unwrap_or(i64::MAX);
        metrics.slo_window_good.get_or_create(&labels).set(count(gauge.window.good));
        metrics.slo_window_bad.get_or_create(&labels).set(count(gauge.window.bad));
        match gauge.remaining {
            Some(left) => {
                metrics.slo_error_budget_remaining_ratio.get_or_create(&labels).set(ratio(left));
            }
            None => {
                metrics.slo_error_budget_remaining_ratio.remove(&labels);
            }
        }
        shown.budgets.insert(labels);
    }
    metrics.slos_hidden.set(hidden);
    for labels in before.budgets.difference(&shown.budgets) {
        metrics.slo_objective_ratio.remove(labels);
        metrics.slo_window_good.remove(labels);
        metrics.slo_window_bad.remove(labels);
        metrics.slo_error_budget_remaining_ratio.remove(labels);
    }
    for labels in before.burns.difference(&shown.burns) {
        metrics.slo_burn_rate.remove(labels);
    }
}

/// Shows the dead letters kept so far.
pub fn letters(metrics: &Metrics, counts: LetterCounts) {
    raise_to(&metrics.dead_letters, counts.kept);
}

/// A counter whose total is known elsewhere.
fn raise_to(counter: &Counter<u64, AtomicU64>, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}
