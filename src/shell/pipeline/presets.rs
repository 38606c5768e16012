//! The usual SLOs by type of service, as plain SLOs.
//!
//! Invariant: a preset is nothing but shorthand: every SLO that it makes could be written out, and `check
//! --print` does.

use super::load::{Checker, meant};
use crate::shell::config::{
    At, DecimalText, DurationText, IndicatorFile, LatencyFile, PredicateText, PresetFile, SloFile,
};

/// A latency SLO of a preset: name, bound, percent.
type Latency = (&'static str, &'static str, &'static str);

/// Type of service, percent of availability, latencies of the client.
const PRESETS: [(&str, &str, &[Latency]); 3] = [
    ("api", "99.9", &[("latency", "300ms", "99")]),
    ("web", "99.9", &[("latency", "1s", "95"), ("latency-slow", "3s", "99")]),
    ("batch", "99", &[]),
];

/// The SLOs of a preset, each in the place of the whole entry.
pub(super) fn expand<T>(entry: &At<T>, preset: &PresetFile, checker: &mut Checker) -> Vec<At<SloFile>> {
    let Some((_, percent, latencies)) = PRESETS.iter().find(|(name, ..)| *name == preset.preset.value) else {
        checker.error_hint(
            &preset.preset.span,
            format!("unknown preset `{}`", preset.preset.value),
            meant(&preset.preset, PRESETS.iter().map(|(name, ..)| *name)),
        );
        return Vec::new();
    };
    let place = &preset.preset;
    let exclude = || Some(place.with(PredicateText("client_gone".into())));
    let slo = |name: &str, objective: At<DecimalText>, indicator: IndicatorFile| {
        let mut slo = SloFile::new(place.with(name.to_string()), objective, place.with(indicator));
        slo.service = preset.service.clone();
        slo.window = preset.window.clone();
        slo.alerts = preset.alerts.clone();
        entry.with(slo)
    };
    let objective = preset.objective.clone().unwrap_or_else(|| place.with(DecimalText((*percent).into())));
    let answered = IndicatorFile {
        good: Some(place.with(PredicateText("status < 500".into()))),
        exclude: exclude(),
        ..IndicatorFile::default()
    };
    let mut slos = vec![slo("availability", objective, answered)];
    for (name, bound, percent) in *latencies {
        let latency = LatencyFile {
            below: place.with(DurationText((*bound).into())),
            of: place.with("client".to_string()),
            failed: None,
        };
        let indicator = IndicatorFile { latency: Some(place.with(latency)), ..IndicatorFile::default() };
        slos.push(slo(name, place.with(DecimalText((*percent).into())), indicator));
    }
    slos
}
