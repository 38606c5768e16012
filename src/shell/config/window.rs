//! An SLO's `window:` and `budgeting:` as they are written.

use super::{At, DurationText};
use crate::core::calendar::{Unit, Weekday};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// A rolling window by its length, or a calendar's.
#[derive(Clone, Debug)]
pub enum WindowFile {
    /// It rolls.
    Rolling(DurationText),
    /// Periods of a calendar.
    Calendar(CalendarFile),
}

/// A calendar whose periods are the windows. They begin at midnight of the time zone; what has not been is not
/// assumed.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Calendar")]
pub struct CalendarFile {
    /// The period: `day`, `week`, `month`, `quarter` or `year`.
    #[schemars(schema_with = "units")]
    pub calendar: At<Unit>,
    /// IANA time zone, such as `Europe/Berlin`. Default: UTC.
    pub time_zone: Option<At<String>>,
    /// The day that a week begins with. Default: monday.
    #[serde(default)]
    #[schemars(schema_with = "weekdays")]
    pub week_starts: Option<At<Weekday>>,
}

fn units(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["day", "week", "month", "quarter", "year"] })
}

fn weekdays(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "enum": ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday", null]
    })
}

/// The schema of `on_empty:`.
pub(super) fn on_empty(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["gap", "good", "bad", "ignore", null] })
}

/// The schema of a tier's `op:`.
pub(super) fn op(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["gt", "gte", null] })
}

/// A budgeting method, named as in OpenSLO.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Budgeting")]
pub enum BudgetingFile {
    /// Good requests over all requests.
    Occurrences,
    /// Good slices over all slices.
    Timeslices,
    /// The mean of the slices' shares of good requests.
    RatioTimeslices,
}

impl<'de> Deserialize<'de> for WindowFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<WindowFile, D::Error> {
        struct Window;

        impl<'de> Visitor<'de> for Window {
            type Value = WindowFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a length such as 30d, or a calendar")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<WindowFile, E> {
                Ok(WindowFile::Rolling(DurationText(text.to_string())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WindowFile, A::Error> {
                CalendarFile::deserialize(MapAccessDeserializer::new(map)).map(WindowFile::Calendar)
            }
        }

        deserializer.deserialize_any(Window)
    }
}

impl JsonSchema for WindowFile {
    fn schema_name() -> Cow<'static, str> {
        "Window".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let rolling = generator.subschema_for::<DurationText>();
        let calendar = generator.subschema_for::<CalendarFile>();
        json_schema!({
            "description": "A length (it rolls), or a calendar (its periods).",
            "anyOf": [rolling, calendar]
        })
    }
}
