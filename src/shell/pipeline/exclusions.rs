//! `exclusions:`: when what happens does not count.
//!
//! Invariant: a rule that is accepted occurs, ends, and leaves something to measure.

use super::load::Checker;
use crate::core::exclusion::seconds_of;
use crate::core::settings::{Exclusion, Occurs};
use crate::core::time::Time;
use crate::shell::config::{At, ExclusionFile, OneOrMany};
use jiff::civil::DateTime;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use std::collections::BTreeSet;
use std::ops::Range;

pub(super) fn build(written: Option<&[At<ExclusionFile>]>, checker: &mut Checker) -> Vec<Exclusion> {
    let mut names = BTreeSet::new();
    let mut all = Vec::new();
    for exclusion in written.unwrap_or_default() {
        let name = &exclusion.name;
        if name.trim().is_empty() {
            checker.error(&name.span, "an exclusion needs a name");
        } else if !names.insert(name.value.clone()) {
            checker.error_hint(
                &name.span,
                format!("two exclusions are named `{}`", name.value),
                "their names tell them apart: choose another",
            );
        }
        if exclusion.reason.trim().is_empty() {
            checker.error_hint(
                &exclusion.reason.span,
                "an exclusion needs a reason",
                "reason: what people will be told, such as `database upgrade`",
            );
        }
        if let Some(occurs) = occurs(exclusion, checker) {
            all.push(Exclusion {
                name: name.value.as_str().into(),
                reason: exclusion.reason.value.clone(),
                services: selectors(exclusion.services.as_ref(), "service", checker),
                slos: selectors(exclusion.slos.as_ref(), "SLO", checker),
                occurs,
            });
        }
    }
    all
}

/// Warns of exclusions that are for no SLO.
pub(super) fn check_used(
    written: Option<&[At<ExclusionFile>]>,
    slos: &[crate::core::settings::Slo],
    checker: &mut Checker,
) {
    for exclusion in written.unwrap_or_default() {
        for selector in exclusion.slos.iter().flat_map(At::items) {
            if !slos.iter().any(|slo| crate::core::service::selects(&selector, &slo.name)) {
                let known: BTreeSet<&str> = slos.iter().map(|slo| &*slo.name).collect();
                let hint = super::load::meant(&selector, known.iter().copied());
                checker.warn(&selector.span, format!("no SLO is named `{}`", selector.value), hint);
            }
        }
    }
}

fn selectors(written: Option<&At<OneOrMany>>, what: &str, checker: &mut Checker) -> Vec<String> {
    let Some(written) = written else { return vec!["*".into()] };
    let all: Vec<At<String>> = written.items().collect();
    if all.is_empty() || all.iter().any(|s| s.is_empty()) {
        checker.error_hint(&written.span, format!("no {what} is named"), "name one, or `*` for all");
    }
    all.into_iter().map(|s| s.value).collect()
}

fn occurs(written: &At<ExclusionFile>, checker: &mut Checker) -> Option<Occurs> {
    let time_zone = written.time_zone.as_ref().map_or("UTC", |zone| zone);
    let Ok(zone) = TimeZoneDatabase::bundled().get(time_zone) else {
        let span = written.time_zone.as_ref().map_or(&written.span, |zone| &zone.span);
        checker.error_hint(
            span,
            format!("unknown time zone `{time_zone}`"),
            "write a name of the IANA database: Europe/Berlin, America/New_York, UTC",
        );
        return None;
    };
    match (&written.from, &written.to, &written.rrule) {
        (Some(from), Some(to), None) => {
            if let Some(extra) = written.start.as_ref().or(written.duration_place().as_ref()) {
                checker.error_hint(
                    &extra.span,
                    "this is for recurring windows",
                    "take it away, or write `rrule`",
                );
            }
            let (start, end) = (instant(from, &zone, checker)?, instant(to, &zone, checker)?);
            if end <= start {
                checker.error_hint(
                    &to.span,
                    format!("the window ends at {end}, which is not after its beginning at {start}"),
                    "`to` is the first instant that counts again",
                );
                return None;
            }
            Some(Occurs::Once { from: start, to: end })
        }
        (None, None, Some(rule)) => recurring(written, rule, time_zone, checker),
        (_, _, Some(rule)) => {
            checker.error_hint(
                &rule.span,
                "a window has `from` and `to`, or `rrule`, `start` and `duration`, not both",
                "write two exclusions",
            );
            None
        }
        _ => {
            checker.error_hint(
                &written.name.span,
                format!("the exclusion `{}` does not say when", written.name.value),
                "write `from` and `to` for one window, or `rrule`, `start` and `duration` for recurring ones",
            );
            None
        }
    }
}

fn recurring(
    written: &At<ExclusionFile>,
    rule: &At<String>,
    time_zone: &str,
    checker: &mut Checker,
) -> Option<Occurs> {
    let (Some(start), Some(duration)) = (&written.start, &written.duration) else {
        checker.error_hint(
            &rule.span,
            "a rule needs `start` and `duration`",
            "start: 2026-01-04T02:00 and duration: 2h, for example",
        );
        return None;
    };
    let Some(local) = local(start) else {
        checker.error_hint(
            &start.span,
            format!("`{}` is not a local time", start.value),
            "write date and time without an offset: 2026-01-04T02:00; `time_zone` says where",
        );
        return None;
    };
    let before = checker.problems.len();
    let duration_s = checker.seconds(Some(duration), 0);
    if checker.problems.len() > before {
        return None;
    }
    let text = rule.trim();
    let occurs = Occurs::Repeats {
        rule: text.strip_prefix("RRULE:").unwrap_or(text).to_ascii_uppercase(),
        start: local.to_string(),
        time_zone: time_zone.to_owned(),
        duration_s,
    };
    if let Err(error) = occurs.check() {
        let of_duration = error.message.starts_with("a window");
        let span: &Range<usize> = if of_duration { &duration.span } else { &rule.span };
        checker.error_hint(span, error.message, error.hint);
        return None;
    }
    Some(occurs)
}

impl ExclusionFile {
    /// Where `duration` stands.
    fn duration_place(&self) -> Option<At<String>> {
        self.duration.as_ref().map(|duration| duration.with(String::new()))
    }
}

fn local(text: &At<String>) -> Option<DateTime> {
    let text = text.trim();
    let plain = !text.ends_with(['Z', 'z']) && text.parse::<jiff::Timestamp>().is_err();
    text.parse::<DateTime>().ok().filter(|_| plain)
}

/// An instant with its offset, or a local time of the zone.
fn instant(text: &At<String>, zone: &TimeZone, checker: &mut Checker) -> Option<Time> {
    let read = Time::parse(text.trim()).or_else(|| {
        let seconds = seconds_of(local(text)?, zone)?;
        Some(Time::from_seconds(seconds))
    });
    if read.is_none() {
        checker.error_hint(
            &text.span,
            format!("`{}` is not a time", text.value),
            "write 2026-03-01T02:00, local to `time_zone`, or 2026-03-01T02:00:00Z",
        );
    }
    read
}
