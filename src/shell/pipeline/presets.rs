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
        slo.per = preset.per.clone();
        slo.groups_max = preset.groups_max.clone();
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
        let latency =
            LatencyFile { below: place.with(DurationText((*bound).into())), of: None, failed: None };
        let indicator = IndicatorFile { latency: Some(place.with(latency)), ..IndicatorFile::default() };
        slos.push(slo(name, place.with(DecimalText((*percent).into())), indicator));
    }
    slos
}

#[cfg(test)]
mod tests {
    use crate::core::sli::expand;
    use crate::shell::pipeline::Pipeline;
    use std::collections::HashMap;
    use std::path::Path;

    fn load(slos: &str) -> Pipeline {
        let text =
            format!("version: 1\nname: shop\nsources: [{{ name: alb, format: aws_alb }}]\nslos:\n{slos}");
        Pipeline::parse(Path::new("p.yaml"), &text, HashMap::new()).unwrap_or_else(|e| panic!("{e}"))
    }

    #[test]
    fn a_preset_is_shorthand() {
        let short = "  - { preset: batch, service: nightly, alerts: none }
  - { preset: web, window: 28d, objective: 99.95 }
";
        let long = "  - { name: availability, service: nightly, objective: 99, alerts: none, indicator: { good: status < 500, exclude: client_gone } }
  - { name: availability, objective: 99.95, window: 28d, indicator: { good: status < 500, exclude: client_gone } }
  - { name: latency, objective: 95, window: 28d, indicator: { latency: { below: 1s, of: client } } }
  - { name: latency-slow, objective: 99, window: 28d, indicator: { latency: { below: 3s, of: client } } }
";
        assert_eq!(load(short).settings.slos, load(long).settings.slos);
    }

    #[test]
    fn several_thresholds_are_several_slos() {
        let slos = load("  - preset: web\n").settings.slos;
        let bounds: Vec<bool> = ["1s", "3s"]
            .iter()
            .zip(&slos[1..])
            .map(|(bound, slo)| expand(slo).contains(&format!("client_latency < duration(\"{bound}\")")))
            .collect();
        assert_eq!(bounds, [true, true]);
    }

    #[test]
    fn errors_are_the_other_side_of_good() {
        let text = "  - name: errors
    objective: 99.9
    indicator:
      specification: At most one request of a thousand fails.
      bad: status >= 500 || error_reason != null
";
        let pipeline = load(text);
        let decided = expand(&pipeline.settings.slos[0]);
        assert!(decided.contains("good     !(status >= 500 || error_reason != null)"), "{decided}");
        let specification = pipeline.specifications[0].as_deref();
        assert_eq!(specification, Some("At most one request of a thousand fails."));
        // carets stand where the text stands
        let wrong = text.replace("error_reason", "eror_reason");
        let wrong =
            format!("version: 1\nname: shop\nsources: [{{ name: alb, format: aws_alb }}]\nslos:\n{wrong}");
        let said = Pipeline::parse(Path::new("p.yaml"), &wrong, HashMap::new())
            .expect_err("no such field")
            .to_string();
        assert!(said.contains("p.yaml:9:29") && said.contains("^^^^^^^^^^^"), "{said}");
    }
}
