//! An SLO's `alerts:` as they are written.

use super::{At, DecimalText, DurationText};
use crate::core::settings::Op;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Burn-rate alerts: a preset or a list.
#[derive(Clone, Debug)]
pub enum AlertsFile {
    /// A preset by name, or `none`.
    Preset(String),
    /// Own tiers, most urgent first.
    Tiers(Vec<At<TierFile>>),
}

/// A burn-rate alert: fires while both windows burn faster than the factor.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Tier")]
pub struct TierFile {
    /// Its name, part of event ids. Default: severity and long window, `page-1h`.
    pub name: Option<At<String>>,
    /// How urgent: `page`, `ticket`, or your own word.
    pub severity: At<String>,
    /// Burn rate that must be exceeded; 1 uses up the budget exactly within the window.
    pub factor: Option<At<DecimalText>>,
    /// In place of `factor`: the share of the budget that the long window may use up, such as `2%`.
    pub budget: Option<At<DecimalText>>,
    /// Long window.
    pub long: At<DurationText>,
    /// Short window: how soon the alert resolves.
    pub short: At<DurationText>,
    /// `gt` (default): fires above the factor; `gte`: at the factor too.
    #[serde(default)]
    #[schemars(schema_with = "super::window::op")]
    pub op: Option<At<Op>>,
    /// It fires once it has burned for so long. Default: at once.
    pub alert_after: Option<At<DurationText>>,
    /// It resolves once it has not burned for so long. Default: at once.
    pub cool_down: Option<At<DurationText>>,
}

impl<'de> Deserialize<'de> for AlertsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AlertsFile, D::Error> {
        struct Alerts;

        impl<'de> Visitor<'de> for Alerts {
            type Value = AlertsFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a preset, `none`, or a list of tiers")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<AlertsFile, E> {
                Ok(AlertsFile::Preset(text.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<AlertsFile, A::Error> {
                let mut tiers = Vec::new();
                while let Some(tier) = items.next_element()? {
                    tiers.push(tier);
                }
                Ok(AlertsFile::Tiers(tiers))
            }
        }

        deserializer.deserialize_any(Alerts)
    }
}

impl JsonSchema for AlertsFile {
    fn schema_name() -> Cow<'static, str> {
        "Alerts".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let tier = generator.subschema_for::<TierFile>();
        json_schema!({
            "description": "Burn-rate alerts: a preset, `none`, or a list of tiers. `workbook`: 2 % of the budget in 1h and 5 % in 6h page, 10 % in 1d and in 3d ticket; factor = fraction × window / long window. `tickets`: the same, none of them a page. `handbook`: the same pages, 30 % in 3d ticket. `sloth`, `datadog`: their fractions by window. `pyrra`: factors 14, 7, 2, 1 over windows scaled with the SLO's.",
            "anyOf": [
                { "enum": ["workbook", "handbook", "sloth", "pyrra", "datadog", "tickets", "none"] },
                { "type": "array", "items": tier }
            ]
        })
    }
}
