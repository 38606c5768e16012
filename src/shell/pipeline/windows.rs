//! An SLO's `window:`, `budgeting:`, and what it does with missing and thin data.
//!
//! Invariant: windows are whole slices, of the base slice and of the budgeting method's own.

use super::load::Checker;
use super::slos::objective;
use crate::core::calendar::Calendar;
use crate::core::decimal::Decimal;
use crate::core::settings::{Budgeting, OnEmpty, SliceTest, Slo};
use crate::shell::config::scalar::seconds_text;
use crate::shell::config::{At, BudgetingFile, CalendarFile, DurationText, SloFile, WindowFile};

/// Longest window of an SLO.
const WINDOW_MAX_S: u64 = 400 * 86_400;
/// Longest slice of a budgeting method. Time zones are whole quarters of an hour off UTC, so that any
/// period begins with a slice.
const SLICE_MAX_S: u64 = 900;

/// Length of the slices that the method weighs, seconds.
pub(super) fn slice_s(budgeting: &Budgeting, base_s: u64) -> u64 {
    match budgeting {
        Budgeting::Occurrences => base_s,
        Budgeting::Timeslices { slice_s, .. } | Budgeting::RatioTimeslices { slice_s } => u64::from(*slice_s),
    }
}

/// The window's length for factors, seconds, 0 where it is wrong; and its calendar.
pub(super) fn window(
    written: &SloFile,
    budgeting: &Budgeting,
    checker: &mut Checker,
) -> (u64, Option<Calendar>) {
    match &written.window {
        None => (30 * 86_400, None),
        Some(At { value: WindowFile::Rolling(text), span }) => {
            let text = At { value: text.clone(), span: span.clone() };
            (rolling(&text, budgeting, checker), None)
        }
        Some(At { value: WindowFile::Calendar(calendar), .. }) => {
            (calendar.calendar.nominal_s(), Some(self::calendar(calendar, checker)))
        }
    }
}

fn rolling(text: &At<DurationText>, budgeting: &Budgeting, checker: &mut Checker) -> u64 {
    let before = checker.problems.len();
    let window_s = checker.seconds(Some(text), 0);
    if checker.problems.len() > before {
        return 0;
    }
    let slice_s = slice_s(budgeting, checker.slice_s);
    if window_s == 0 || !window_s.is_multiple_of(slice_s) {
        let slice = seconds_text(slice_s);
        checker.error(&text.span, format!("`{}` is not a whole number of slices ({slice})", &***text));
        return 0;
    }
    if window_s > WINDOW_MAX_S {
        checker.error(&text.span, format!("`{}` is longer than 400d", &***text));
        return 0;
    }
    window_s
}

fn calendar(written: &CalendarFile, checker: &mut Checker) -> Calendar {
    let calendar = Calendar {
        unit: written.calendar.value,
        time_zone: written.time_zone.as_ref().map_or("UTC", |zone| zone).into(),
        week_starts: written.week_starts.as_ref().map(|day| day.value).unwrap_or_default(),
    };
    if let Some(zone) = &written.time_zone
        && !calendar.is_known()
    {
        checker.error_hint(
            &zone.span,
            format!("unknown time zone `{}`", zone.value),
            "write a name of the IANA database: Europe/Berlin, America/New_York, UTC",
        );
    }
    calendar
}

pub(super) fn budgeting(written: &SloFile, checker: &mut Checker) -> Budgeting {
    let throughput = written.indicator.throughput.as_ref();
    let method = match (&written.budgeting, throughput) {
        (Some(method), _) => method.value,
        (None, Some(_)) => BudgetingFile::Timeslices,
        (None, None) => BudgetingFile::Occurrences,
    };
    let base_s = checker.slice_s;
    let slice_s = match &written.slice_window {
        None => base_s,
        Some(text) => {
            let slice_s = checker.seconds(Some(text), base_s);
            let divides = slice_s > 0 && SLICE_MAX_S.is_multiple_of(slice_s);
            if !divides || !slice_s.is_multiple_of(base_s) {
                checker.error_hint(
                    &text.span,
                    format!("a slice of `{}` is not possible", &***text),
                    format!(
                        "choose a multiple of the base slice ({}) that divides 15m",
                        seconds_text(base_s)
                    ),
                );
                base_s
            } else {
                slice_s
            }
        }
    };
    let slice_s = slice_s as u32;
    if let Some(place) = written.slice_target.as_ref().map(|t| &t.span)
        && (method != BudgetingFile::Timeslices || throughput.is_some())
    {
        checker.error_hint(
            place,
            "`slice_target` is for `budgeting: timeslices` with `good` or `latency` only",
            "take it away, or write `budgeting: timeslices`",
        );
    }
    if let (Some(text), BudgetingFile::Occurrences) = (&written.slice_window, method) {
        checker.error_hint(
            &text.span,
            "`slice_window` does nothing where requests are weighed",
            "take it away, or write `budgeting: timeslices` or `ratio_timeslices`",
        );
    }
    if let (Some(method), Some(_)) =
        (written.budgeting.as_ref().filter(|m| m.value != BudgetingFile::Timeslices), throughput)
    {
        checker.error_hint(&method.span, "throughput is weighed by slices", "write `budgeting: timeslices`");
    }
    match method {
        BudgetingFile::Occurrences => Budgeting::Occurrences,
        BudgetingFile::RatioTimeslices => Budgeting::RatioTimeslices { slice_s },
        BudgetingFile::Timeslices => Budgeting::Timeslices { slice_s, test: test(written, checker) },
    }
}

fn test(written: &SloFile, checker: &mut Checker) -> SliceTest {
    let Some(throughput) = &written.indicator.throughput else {
        let target = match &written.slice_target {
            Some(target) => objective(target, checker).unwrap_or_default(),
            None => {
                let place = written.budgeting.as_ref().map_or(&written.name.span, |b| &b.span);
                checker.error_hint(
                    place,
                    "timeslices need a target for a slice",
                    "slice_target: 95, the percent of a slice's requests that must be good",
                );
                Default::default()
            }
        };
        return SliceTest::Good { target };
    };
    let at_least = throughput.at_least.as_ref().map_or(0, |n| n.value);
    let at_most = throughput.at_most.as_ref().map(|n| n.value);
    if at_least == 0 && at_most.is_none() {
        checker.error_hint(
            &throughput.span,
            "a throughput needs `at_least` or `at_most`",
            "throughput: { at_least: 600000 } requests in every slice",
        );
    }
    if at_most.is_some_and(|most| most < at_least) {
        checker.error(&throughput.span, "`at_most` is below `at_least`: no slice could be good");
    }
    SliceTest::Requests { at_least, at_most }
}

pub(super) fn on_empty(written: &SloFile, budgeting: &Budgeting, checker: &mut Checker) -> OnEmpty {
    let Some(on_empty) = &written.on_empty else { return OnEmpty::default() };
    match (budgeting, on_empty.value) {
        (Budgeting::Occurrences, OnEmpty::Good | OnEmpty::Bad) => checker.error_hint(
            &on_empty.span,
            "where requests are weighed, a slice without any weighs nothing",
            "write gap or ignore, or weigh slices with `budgeting: timeslices`",
        ),
        (Budgeting::Timeslices { test: SliceTest::Requests { .. }, .. }, _) => checker.error_hint(
            &on_empty.span,
            "a throughput says itself what no request is",
            "take `on_empty` away",
        ),
        _ => {}
    }
    on_empty.value
}

pub(super) fn coverage_min(written: &SloFile, checker: &mut Checker) -> Decimal {
    let default = Slo::default().coverage_min;
    let Some(text) = &written.coverage_min else { return default };
    let number = text.trim();
    let number = number.strip_suffix('%').unwrap_or(number).trim_end();
    let read = Decimal::parse(number).filter(|d| d.0 <= 100_000_000);
    if read.is_none() {
        checker.error_hint(
            &text.span,
            format!("`{}` is not a share of a window", &***text),
            "write percent from 0 (never freeze) to 100: 90",
        );
    }
    read.unwrap_or(default)
}

pub(super) fn min_failures(written: &SloFile, budgeting: &Budgeting, checker: &mut Checker) -> u64 {
    let Some(least) = &written.min_failures else { return 0 };
    if let (Budgeting::Timeslices { test: SliceTest::Requests { .. }, .. }, 1..) = (budgeting, least.value) {
        checker.error_hint(
            &least.span,
            "no request of a throughput is bad: no alert could ever fire",
            "take `min_failures` away",
        );
    }
    least.value
}
