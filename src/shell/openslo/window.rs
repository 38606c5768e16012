//! `timeWindow` and `budgetingMethod` of OpenSLO: rolling windows and calendars, and how slices are weighed.
//!
//! A calendar's `duration` is one period (`1d`, `1w`, `1M`, `1Q`, `1Y`) and its `startTime` says where one begins;
//! periods here begin at midnight of the time zone, on the first day of the month, quarter or year.

use super::objects::{Objects, Site};
use super::read::duration;
use super::shifted;
use super::tree::Node;
use crate::core::calendar::{Calendar, Unit, Weekday};
use crate::shell::config::{At, BudgetingFile, CalendarFile, DecimalText, SloFile, WindowFile};
use jiff::civil::Date;
use serde_json::{Value, json};
use std::ops::Range;

const UNITS: [(&str, Unit); 5] =
    [("1d", Unit::Day), ("1w", Unit::Week), ("1M", Unit::Month), ("1Q", Unit::Quarter), ("1Y", Unit::Year)];

/// 2024 began on this weekday.
const WEEK: [Weekday; 7] = [
    Weekday::Monday,
    Weekday::Tuesday,
    Weekday::Wednesday,
    Weekday::Thursday,
    Weekday::Friday,
    Weekday::Saturday,
    Weekday::Sunday,
];

/// The window; None where none is written.
pub(super) fn read(objects: &mut Objects, site: &Site, spec: &At<Node>) -> Option<At<WindowFile>> {
    let windows = objects.list(site, spec, "timeWindow");
    let Some(window) = windows.first() else {
        objects.warn(site, &spec.span, "timeWindow is missing", "30 days, rolling, is taken");
        return None;
    };
    if let Some(second) = windows.get(1) {
        objects.error(site, &second.span, "an SLO has one time window", "write an SLO for each");
    }
    objects.known(site, window, &["duration", "isRolling", "calendar"]);
    let Some(text) = objects.text(site, window, "duration") else {
        objects.error(site, &window.span, "a time window has no duration", "duration: 30d");
        return None;
    };
    let rolling = objects.text(site, window, "isRolling");
    let calendar = window.get("calendar").cloned();
    match (rolling.as_ref().map(|r| r.value.as_str()), calendar) {
        (None, None) => {
            objects.warn(site, &window.span, "isRolling is missing", "the window is read as a rolling one");
        }
        (Some("true"), Some(calendar)) => {
            let hint = "isRolling: true goes before it";
            objects.warn(site, &calendar.span, "a rolling window has no calendar", hint);
        }
        (Some("true"), None) => {}
        (Some("false") | None, calendar) => {
            return self::calendar(objects, site, &text, calendar.as_ref());
        }
        (Some(other), _) => {
            let message = format!("`{other}` is neither true nor false");
            objects.error(site, &rolling.as_ref().map_or(&window.span, |r| &r.span).clone(), message, "");
        }
    }
    let (seconds, read) = duration(objects, site, &text)?;
    if seconds < 3_600 {
        let hint = if text.ends_with('m') { "`m` is minutes; months are `M`" } else { "is it meant so?" };
        objects.warn(site, &text.span, format!("a budget over `{}` is unusually short", text.value), hint);
    }
    Some(read.with(WindowFile::Rolling(read.value.clone())))
}

fn calendar(
    objects: &mut Objects,
    site: &Site,
    text: &At<String>,
    calendar: Option<&At<Node>>,
) -> Option<At<WindowFile>> {
    let Some((_, unit)) = UNITS.iter().find(|(known, _)| *known == text.value) else {
        objects.error(
            site,
            &text.span,
            format!("`{}` is no period of a calendar", text.value),
            "1d, 1w, 1M, 1Q or 1Y; other lengths roll: isRolling: true",
        );
        return None;
    };
    let none = text.with(Node::Null);
    if calendar.is_none() {
        objects.warn(site, &text.span, "a calendar window has no calendar", "it begins at midnight, UTC");
    }
    let calendar = calendar.unwrap_or(&none);
    objects.known(site, calendar, &["startTime", "timeZone"]);
    let time_zone = objects.text(site, calendar, "timeZone");
    if time_zone.is_none() && calendar.value != Node::Null {
        objects.warn(site, &calendar.span, "timeZone is missing", "UTC is taken");
    }
    let week_starts = match objects.text(site, calendar, "startTime") {
        Some(start) => Some(start.with(begins(objects, site, &start, *unit)?)),
        None => None,
    };
    let file = CalendarFile {
        calendar: site.at(&text.span, *unit),
        time_zone: time_zone.map(|zone| site.at(&zone.span, zone.value)),
        week_starts: week_starts.filter(|_| *unit == Unit::Week).map(|day| site.at(&day.span, day.value)),
    };
    Some(site.at(&text.span, WindowFile::Calendar(file)))
}

/// The weekday of `startTime`, which has to be where one of our periods begins.
fn begins(objects: &mut Objects, site: &Site, start: &At<String>, unit: Unit) -> Option<Weekday> {
    let (date, time) = start.split_once([' ', 'T']).unwrap_or((&start.value, "00:00:00"));
    let Ok(date) = date.parse::<Date>() else {
        let message = format!("`{}` is no time", start.value);
        objects.error(site, &start.span, message, "startTime: 2026-01-01 00:00:00");
        return None;
    };
    if time.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        let hint = "write 00:00:00; the time is not read";
        objects.warn(site, &start.span, "periods begin at midnight of the time zone", hint);
    }
    let (is_first, what) = match unit {
        Unit::Day | Unit::Week => (true, ""),
        Unit::Month => (date.day() == 1, "months begin on their first day"),
        Unit::Quarter => {
            (date.day() == 1 && date.month() % 3 == 1, "quarters begin in January, April, July and October")
        }
        Unit::Year => (date.day() == 1 && date.month() == 1, "years begin in January"),
    };
    if !is_first {
        let message = format!("a {} that begins on {date} is not kept", unit.name());
        objects.error(site, &start.span, message, what);
        return None;
    }
    WEEK.get(usize::try_from(date.weekday().to_monday_zero_offset()).unwrap_or(0)).copied()
}

/// A calendar's `timeWindow`.
pub(super) fn of(calendar: &Calendar) -> Value {
    let (duration, _) = UNITS.iter().find(|(_, unit)| *unit == calendar.unit).unwrap_or(&UNITS[0]);
    let day = match calendar.unit {
        Unit::Week => WEEK.iter().position(|day| *day == calendar.week_starts).unwrap_or(0) + 1,
        _ => 1,
    };
    json!({
        "duration": duration,
        "isRolling": false,
        "calendar": { "startTime": format!("2024-01-{day:02} 00:00:00"), "timeZone": calendar.time_zone },
    })
}

/// The budgeting method; None for occurrences, and where it is none.
pub(super) fn method(objects: &mut Objects, site: &Site, spec: &At<Node>) -> Option<At<BudgetingFile>> {
    let Some(method) = objects.text(site, spec, "budgetingMethod") else {
        objects.warn(site, &spec.span, "budgetingMethod is missing", "it is read as Occurrences");
        return None;
    };
    let known = [
        ("Occurrences", BudgetingFile::Occurrences),
        ("Timeslices", BudgetingFile::Timeslices),
        ("RatioTimeslices", BudgetingFile::RatioTimeslices),
    ];
    let Some((name, read)) = known.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(&method)) else {
        let message = format!("unknown budgetingMethod `{}`", method.value);
        objects.error(site, &method.span, message, "Occurrences, Timeslices or RatioTimeslices");
        return None;
    };
    if method.value != name {
        objects.warn(site, &method.span, format!("it is written {name}"), "it is read as that");
    }
    (read != BudgetingFile::Occurrences).then(|| site.at(&method.span, read))
}

/// An objective's `timeSliceTarget` and `timeSliceWindow`.
pub(super) fn slices(objects: &mut Objects, site: &Site, objective: &At<Node>, slo: &mut SloFile) {
    let method = slo.budgeting.as_ref().map_or(BudgetingFile::Occurrences, |method| method.value);
    let unused = |objects: &mut Objects, key: &str, method: &str, span: &Range<usize>| {
        let hint = "it belongs to Timeslices; it is not read";
        objects.warn(site, span, format!("`{key}` is of no use with {method}"), hint);
    };
    if let Some(target) = objects.text(site, objective, "timeSliceTarget") {
        match (method, shifted(&target, 2)) {
            (BudgetingFile::Occurrences, _) => {
                unused(objects, "timeSliceTarget", "Occurrences", &target.span)
            }
            (BudgetingFile::RatioTimeslices, _) => {
                unused(objects, "timeSliceTarget", "RatioTimeslices", &target.span);
            }
            (BudgetingFile::Timeslices, Some(percent)) => {
                slo.slice_target = Some(target.with(DecimalText(percent)));
            }
            (BudgetingFile::Timeslices, None) => {
                let message = format!("`{}` is no decimal", target.value);
                objects.error(site, &target.span, message, "timeSliceTarget: 0.95, a share");
            }
        }
    }
    let Some(window) = objects.text(site, objective, "timeSliceWindow") else {
        if method != BudgetingFile::Occurrences {
            let hint = "the pipeline's slice is taken";
            objects.warn(site, &objective.span, "timeSliceWindow is missing", hint);
        }
        return;
    };
    if method == BudgetingFile::Occurrences {
        return unused(objects, "timeSliceWindow", "Occurrences", &window.span);
    }
    // the specification takes a bare number too: minutes
    let with_unit = match window.parse::<u64>() {
        Ok(_) => window.with(format!("{}m", window.value)),
        Err(_) => window,
    };
    slo.slice_window = duration(objects, site, &with_unit).map(|(_, read)| read);
}
