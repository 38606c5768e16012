//! `generate rules`: alerting rules for Prometheus, over what `/metrics` shows.
//!
//! Invariant: every metric that a rule looks at is one that is exported.
//!
//! A pipeline's own receivers get every alert with its exact decision. These rules are for those who only scrape: the same
//! windows and factors, over gauges, and the health of the process itself.

use crate::core::decimal::Ratio;
use crate::core::settings::{Op, Slo};
use crate::shell::pipeline::Pipeline;
use crate::shell::words::duration;
use std::fmt::Write;

/// What can be wrong with the process: alert, severity, expression, how long, what it means.
const HEALTH: [[&str; 5]; 8] = [
    [
        "NinetailDown",
        "page",
        "absent(ninetail_build_info) == 1",
        "5m",
        "No process is scraped: nothing is counted, and no alert fires.",
    ],
    [
        "NinetailWatermarkStale",
        "page",
        "ninetail_watermark_lag_seconds > 3600",
        "5m",
        "The watermark is more than an hour behind: slices do not close, budgets and alerts stand still.",
    ],
    [
        "NinetailNotCommitting",
        "page",
        "time() - ninetail_commit_timestamp_seconds > 120",
        "2m",
        "Nothing was committed for two minutes: the journal, a sink or the disk holds it up; see the log.",
    ],
    [
        "NinetailLagGrows",
        "ticket",
        "sum by (source) (deriv(ninetail_kafka_lag_records[15m])) > 0 and sum by (source) (ninetail_kafka_lag_records) > 1e6",
        "30m",
        "More comes than is read: give it more threads, or another machine.",
    ],
    [
        "NinetailRejects",
        "ticket",
        "sum(rate(ninetail_rejected_total[15m])) / sum(rate(ninetail_records_total[15m])) > 0.01",
        "15m",
        "More than one line in a hundred cannot be read: look at the dead letters for the reason.",
    ],
    [
        "NinetailSinkErrors",
        "ticket",
        "sum by (sink) (increase(ninetail_sink_errors_total[15m])) > 0",
        "15m",
        "A sink keeps failing; it is tried again until it passes, and nothing is lost meanwhile.",
    ],
    [
        "NinetailDeliveriesDropped",
        "ticket",
        "sum by (receiver) (increase(ninetail_delivery_dropped_total[1h])) > 0",
        "0s",
        "A receiver refused events, or was away for so long that too many waited.",
    ],
    [
        "NinetailServicesFolded",
        "ticket",
        "increase(ninetail_services_folded[1h]) > 0",
        "0s",
        "There are more services than `limits.services_max`: some are counted under __other__.",
    ],
];

/// The rules' file, YAML: health, and the burn-rate alerts of a pipeline where there is one.
pub(super) fn rules(pipeline: Option<&Pipeline>) -> String {
    let mut out = String::from("# Alerting rules for Prometheus over ninetail's /metrics.\ngroups:\n");
    group(&mut out, "ninetail-health");
    for [name, severity, expression, pending, description] in HEALTH {
        rule(&mut out, name, expression, [("for", pending), ("keep_firing_for", "0s")]);
        texts(&mut out, "labels", &[("severity", severity)]);
        texts(&mut out, "annotations", &[("summary", description)]);
    }
    let Some(pipeline) = pipeline else { return out };
    let slos = &pipeline.settings.slos;
    if slos.iter().all(|slo| slo.tiers.is_empty()) {
        return out;
    }
    group(&mut out, &format!("ninetail-{}-burn-rates", pipeline.settings.name));
    for (place, slo) in slos.iter().enumerate() {
        burn_rates(&mut out, slo, &slos[..place]);
    }
    out
}

/// The tiers of one SLO. `before` are those that go first where they share its name.
fn burn_rates(out: &mut String, slo: &Slo, before: &[Slo]) {
    let taken: Vec<String> =
        before.iter().filter(|other| other.name == slo.name).flat_map(|o| o.services.clone()).collect();
    let mut labels = format!("slo={},service=~{}", string(&slo.name), string(&expression(&slo.services)));
    if !taken.is_empty() {
        let _ = write!(labels, ",service!~{}", string(&expression(&taken)));
    }
    for tier in &slo.tiers {
        let (op, factor) = (if tier.op == Op::Gt { ">" } else { ">=" }, number(tier.factor));
        let (long, short) = (duration(tier.long_s), duration(tier.short_s));
        let burns =
            |window: &str| format!("ninetail_slo_burn_rate{{{labels},window=\"{window}\"}} {op} {factor}");
        let both = format!("{} and ignoring (window) {}", burns(&long), burns(&short));
        let (after, keep) = (duration(tier.alert_after_s), duration(tier.cool_down_s));
        rule(out, "ErrorBudgetBurn", &both, [("for", &after), ("keep_firing_for", &keep)]);
        let same = [
            ("severity", &*tier.severity),
            ("slo", &*slo.name),
            ("rule", &*tier.name),
            ("long", &*long),
            ("short", &*short),
        ];
        texts(out, "labels", &same);
        let summary = format!(
            "{{{{ $labels.service }}}}/{{{{ $labels.slo }}}}{{{{ with $labels.group }}}}/{{{{ . }}}}{{{{ end }}}} burns its error budget {factor} times as fast as its window allows, over {long} and {short}"
        );
        texts(out, "annotations", &[("summary", &summary)]);
    }
}

fn group(out: &mut String, name: &str) {
    let _ = writeln!(out, "  - name: {}\n    rules:", string(name));
}

fn rule(out: &mut String, name: &str, expression: &str, durations: [(&str, &str); 2]) {
    let _ = writeln!(out, "      - alert: {name}\n        expr: {}", string(expression));
    for (key, value) in durations.into_iter().filter(|(_, value)| *value != "0s") {
        let _ = writeln!(out, "        {key}: {value}");
    }
}

fn texts(out: &mut String, of: &str, texts: &[(&str, &str)]) {
    let _ = writeln!(out, "        {of}:");
    for (key, text) in texts {
        let _ = writeln!(out, "          {key}: {}", string(text));
    }
}

/// A double-quoted string, which PromQL and YAML write alike.
fn string(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            quoted.push('\\');
        }
        quoted.push(c);
    }
    quoted + "\""
}

/// Service names and patterns as one regular expression. The reserved names have gauges only where an SLO names them.
fn expression(services: &[String]) -> String {
    let one = |service: &String| service.split('*').map(regex::escape).collect::<Vec<_>>().join(".*");
    services.iter().map(one).collect::<Vec<_>>().join("|")
}

/// A factor as PromQL reads it exactly: a decimal, or a quotient.
fn number(ratio: Ratio) -> String {
    match 1_000_000 % ratio.den {
        0 => {
            let millionths = u128::from(ratio.num) * u128::from(1_000_000 / ratio.den);
            let (whole, part) = (millionths / 1_000_000, millionths % 1_000_000);
            let text = format!("{whole}.{part:06}");
            text.trim_end_matches('0').trim_end_matches('.').to_owned()
        }
        _ => format!("({} / {})", ratio.num, ratio.den),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_and_services() {
        for (num, den, want) in [(72, 5, "14.4"), (6, 1, "6"), (1, 3, "(1 / 3)"), (1, 1_000_000, "0.000001")]
        {
            assert_eq!(number(Ratio { num, den }), want);
        }
        for (services, want) in [
            (&["*"][..], ".*"),
            (&["checkout"], "checkout"),
            (&["team-*", "a.b"], "team\\-.*|a\\.b"),
            (&["*-api"], ".*\\-api"),
        ] {
            let services: Vec<String> = services.iter().map(|s| s.to_string()).collect();
            assert_eq!(expression(&services), want);
        }
        assert_eq!(string("a\"b\\c"), "\"a\\\"b\\\\c\"");
    }
}
