//! An SLO's `alerts:` as they are written.

use super::{At, DecimalText, DurationText};
use crate::core::settings::Op;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// Burn-rate alerts: a preset or a list, and when they are decided.
#[derive(Clone, Debug)]
pub enum AlertsFile {
    /// A preset by name, or `none`.
    Preset(String),
    /// Own tiers, most urgent first.
    Tiers(Vec<At<TierFile>>),
    /// One of both, and when they are decided.
    Block(AlertsBlockFile),
}

/// Which alerts, and when they are decided.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "AlertsBlock")]
pub struct AlertsBlockFile {
    /// A preset, or `none`. Default: `workbook`.
    pub preset: Option<At<String>>,
    /// Own tiers, most urgent first, in place of a preset.
    pub tiers: Option<Vec<At<TierFile>>>,
    /// Alerts are decided as soon as the partition that is furthest ahead is so far past a slice's end, with what was counted
    /// by then: a page does not wait for the slowest file. Budgets, rows and `slo.budget.*` wait for every source's own
    /// lateness. A partition with lag is waited for. Only of the pipeline's alerts. Default: alerts wait too.
    pub lateness: Option<At<DurationText>>,
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
                f.write_str("the name of a preset, `none`, a list of tiers, or `{ preset: …, lateness: … }`")
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

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<AlertsFile, A::Error> {
                AlertsBlockFile::deserialize(MapAccessDeserializer::new(map)).map(AlertsFile::Block)
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
        let block = generator.subschema_for::<AlertsBlockFile>();
        json_schema!({
            "description": "Burn-rate alerts: a preset, `none`, or a list of tiers. `workbook`: 2 % of the budget in 1h and 5 % in 6h page, 10 % in 1d and in 3d ticket; factor = fraction × window / long window. `tickets`: the same, none of them a page. `handbook`: the same pages, 30 % in 3d ticket. `sloth`, `datadog`: their fractions by window. `pyrra`: factors 14, 7, 2, 1 over windows scaled with the SLO's.",
            "anyOf": [
                { "enum": ["workbook", "handbook", "sloth", "pyrra", "datadog", "tickets", "none"] },
                { "type": "array", "items": tier },
                block
            ]
        })
    }
}
