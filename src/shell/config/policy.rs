//! An SLO's `policy:` and `sla:` as they are written.

use super::{At, DecimalText};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// An error-budget policy: a preset or a list.
#[derive(Clone, Debug)]
pub enum PolicyFile {
    /// `handbook` or `none`.
    Preset(String),
    /// Own tiers, top-down; the first that holds counts.
    Tiers(Vec<At<PolicyTierFile>>),
}

/// A tier of a policy: holds by what remains of the budget. The last one has neither bound.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "PolicyTier")]
pub struct PolicyTierFile {
    /// Its name.
    pub name: At<String>,
    /// Holds while more than this remains, percent.
    pub above: Option<At<DecimalText>>,
    /// Holds while this or more remains, percent.
    pub from: Option<At<DecimalText>>,
    /// What is to be done.
    pub action: String,
    /// Whether `gate` lets releases out. Default: in all tiers but the last.
    pub releases: Option<bool>,
}

/// What customers were promised; needs a calendar window.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sla")]
pub struct SlaFile {
    /// Objective in percent; less is a breach.
    pub objective: At<DecimalText>,
    /// What is owed for a breach.
    pub credits: Option<Vec<CreditFile>>,
}

/// A credit of an agreement.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Credit")]
pub struct CreditFile {
    /// Owed below so many percent; the lowest such bound counts.
    pub below: At<DecimalText>,
    /// Percent of the bill.
    pub credit: At<DecimalText>,
}

impl<'de> Deserialize<'de> for PolicyFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<PolicyFile, D::Error> {
        struct Policy;

        impl<'de> Visitor<'de> for Policy {
            type Value = PolicyFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`handbook`, `none`, or a list of tiers")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<PolicyFile, E> {
                Ok(PolicyFile::Preset(text.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<PolicyFile, A::Error> {
                let mut tiers = Vec::new();
                while let Some(tier) = items.next_element()? {
                    tiers.push(tier);
                }
                Ok(PolicyFile::Tiers(tiers))
            }
        }

        deserializer.deserialize_any(Policy)
    }
}

impl JsonSchema for PolicyFile {
    fn schema_name() -> Cow<'static, str> {
        "Policy".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let tier = generator.subschema_for::<PolicyTierFile>();
        json_schema!({
            "description": "What follows from what remains of the budget. `handbook`: full speed above 50 %, caution from 25, slow down from 10, freeze above 0, exhausted.",
            "anyOf": [
                { "enum": ["handbook", "none"] },
                { "type": "array", "items": tier }
            ]
        })
    }
}
