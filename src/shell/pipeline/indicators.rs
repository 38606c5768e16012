//! Indicators that look past the request itself: how soon its line reached Kafka, and what other systems count.
//!
//! Invariant: what an indicator needs to decide anything is there, or is said to be missing.

use super::load::Checker;
use super::written::WrittenSlo;
use crate::core::format::preset;
use crate::core::record::Field;
use crate::core::settings::{Format, Indicator, Rule, Settings};
use crate::shell::config::{At, FreshnessFile, IndicatorFile, PipelineFile, SloFile, SourceFile};

/// The indicator, if it is one of these. One that is mixed with others is a problem.
pub(super) fn build(written: &At<IndicatorFile>, checker: &mut Checker) -> Option<Indicator> {
    let freshness = written.freshness.as_ref();
    let external = written.external.as_ref().filter(|external| external.value);
    if freshness.is_none() && external.is_none() {
        return None;
    }
    let others = written.good.is_some()
        || written.bad.is_some()
        || written.latency.is_some()
        || written.throughput.is_some();
    if others || (freshness.is_some() && external.is_some()) {
        checker.error_hint(
            &written.span,
            "an indicator has one of `good`, `bad`, `latency`, `freshness` and `external`",
            "give each its own SLO",
        );
    }
    if let (Some(_), Some(exclude)) = (external, &written.exclude) {
        checker.error_hint(
            &exclude.span,
            "`exclude` looks at requests, and an external SLO counts none",
            "leave out what does not count where it is counted",
        );
        return Some(Indicator { exclude: None, rule: Rule::External });
    }
    let exclude = written.exclude.as_ref().map(|e| e.value.0.clone());
    let rule = freshness.map_or(Rule::External, |freshness| self::freshness(freshness, checker));
    Some(Indicator { exclude, rule })
}

fn freshness(written: &At<FreshnessFile>, checker: &mut Checker) -> Rule {
    let below_us = checker.micros(&written.below).unwrap_or(1);
    if below_us == 0 {
        checker.error(&written.below.span, "nothing is fresher than 0");
    }
    Rule::Freshness { below_us }
}

/// Tells of indicators that no source can feed, and of sources that feed none.
pub(super) fn check_fed(
    (file, written): (&PipelineFile, &[WrittenSlo]),
    settings: &Settings,
    from_kafka: bool,
    checker: &mut Checker,
) {
    let declared = |name| settings.sources.iter().any(|s| s.input.layout.names().any(|n| n == name));
    let feeds = |source: &&At<SourceFile>| source.format.preset == preset(Format::External).name;
    let feeding = file.sources.iter().find(feeds);
    let is_external = |slo: &SloFile| slo.indicator.external.as_ref().is_some_and(|e| e.value);
    if let Some(source) = feeding
        && !written.iter().any(|w| is_external(&w.slo))
    {
        checker.warn(
            &source.format.span,
            "there is no SLO for these counters: every message is rejected",
            "declare one with `indicator: { external: true }`",
        );
    }
    for WrittenSlo { file, slo } in written {
        checker.included = file.clone();
        if let Some(external) = slo.indicator.external.as_ref().filter(|e| e.value && feeding.is_none()) {
            checker.error_hint(
                &external.span,
                "no source feeds this SLO",
                "add a source of counters: `format: external`",
            );
        }
        let Some(freshness) = &slo.indicator.freshness else { continue };
        if !from_kafka && !declared(Field::Arrival.name()) {
            checker.warn(
                &freshness.span,
                "nothing tells when lines arrive: every request is left out",
                "freshness is known of sources with `kafka:`, never of archives; or map a field of the lines to `arrival`",
            );
        }
    }
    checker.included = None;
}
