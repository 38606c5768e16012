//! Lines and settings for the laws: few services, few slices, everything that a sum could get wrong.

use ninetail::core::decimal::Decimal;
use ninetail::core::settings::{
    Failed, Format, Indicator, LatencyOf, Limits, Rule, ServiceRule, Settings, Slo, Source,
};
use ninetail::core::time::{Grain, SliceLength, Time};
use proptest::prelude::*;

/// 2025-03-04T10:00:00Z.
pub(crate) const START: Time = Time::from_seconds(1_741_082_400);
/// An hour later: ingest's clock.
pub(crate) const CLOCK: Time = START.plus_seconds(3600);

/// A pipeline with an availability and a latency SLO over services named by target group.
pub(crate) fn settings(latency_below_us: u64) -> Settings {
    let slo = |name: &str, exclude: Option<&str>, rule| Slo {
        name: name.into(),
        services: vec!["*".into()],
        objective: Decimal(99_900_000),
        window_s: 30 * 86_400,
        indicator: Indicator { exclude: exclude.map(String::from), rule },
        tiers: Vec::new(),
        consumed_step: Decimal(0),
        ..Slo::default()
    };
    let latency = Rule::Latency { below_us: latency_below_us, of: LatencyOf::Upstream, failed: Failed::Bad };
    Settings {
        name: "laws".into(),
        slice: SliceLength(60),
        cut_s: 300,
        watermark_quorum: 16,
        history_after_s: 900,
        silent_after_s: 600,
        alerts_lateness_s: None,
        exclusions: Vec::new(),
        sources: vec![Source {
            name: "alb".into(),
            topics: vec!["logs".into()],
            input: Format::AwsAlb.into(),
            lateness_s: 30,
            idle_timeout_s: 30,
        }],
        routes: None,
        dimensions: Vec::new(),
        tiers: Grain::ALL.to_vec(),
        services: vec![ServiceRule {
            name: "{target_group}".into(),
            when: None,
            matches: Vec::new(),
            map: None,
            tier: None,
            owner: None,
            runbook_url: None,
            dashboard_url: None,
            labels: Default::default(),
        }],
        slos: vec![
            slo("availability", Some("client_gone"), Rule::Good("status < 500".into())),
            slo("latency", None, latency),
        ],
        limits: Limits::default(),
    }
}

/// A line by what matters in it; `millis` after [`START`].
pub(crate) fn line(millis: i64, service: u32, status: u16, upstream_millis: i64) -> Vec<u8> {
    let time = Time(START.0 + millis * 1000 + 1);
    let seconds = |ms: i64| if ms < 0 { "-1".to_string() } else { format!("{}.{:03}", ms / 1000, ms % 1000) };
    let group = match service {
        0 => "-".to_string(),
        n => format!(
            "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/team-{n}/0123456789abcdef"
        ),
    };
    format!(
        "https {time} app/prod/0123456789abcdef 203.0.113.7:51234 10.0.0.{service}:8080 0.001 {} 0.000 {status} {status} \
         120 4300 \"GET https://shop.example.com:443/cart?x=1 HTTP/2.0\" \"curl/8.5.0\" TLS_AES_128_GCM_SHA256 TLSv1.3 \
         {group} \"Root=1-67c6d0a0-000000000000000000000001\" \"shop.example.com\" \"session-reused\" 1 {} \
         \"forward\" \"-\" \"-\" \"10.0.0.1:8080\" \"{status}\" \"-\" \"-\" TID_0123456789abcdef0123456789abcdef",
        seconds(upstream_millis),
        Time(time.0 - upstream_millis.max(0) * 1000 - 1000),
    )
    .into_bytes()
}

/// Any line: mostly records of a few services and minutes, some that cannot be read.
pub(crate) fn any_line() -> impl Strategy<Value = Vec<u8>> {
    let status = prop::sample::select(vec![200u16, 200, 301, 404, 460, 500, 503]);
    prop_oneof![
        12 => (0i64..600_000, 0u32..5, status, -1i64..3000).prop_map(|(t, s, c, ms)| line(t, s, c, ms)),
        1 => Just(line(7_200_000, 1, 200, 5)), // two hours after the start: later than the clock
        1 => Just(Vec::new()),
        // without a line end: one message is one line here
        1 => prop::collection::vec((0u8..255).prop_map(|b| if b == b'\n' { 255 } else { b }), 0..40),
    ]
}
