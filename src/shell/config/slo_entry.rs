//! One entry of `slos:`: an SLO, or a file or preset that stands for several.
//!
//! Invariant: the first key says which it is, so that every other key keeps its place and an unknown one is
//! told among the keys of that kind.

use super::scalar::{At, OneOrMany};
use super::{AlertsFile, DecimalText, SloFile, WindowFile};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use std::borrow::Cow;
use std::fmt;

/// One entry of `slos:`.
#[derive(Clone, Debug)]
pub enum SloEntryFile {
    /// An SLO.
    Slo(Box<SloFile>),
    /// SLOs in OpenSLO files.
    OpenSlo(OpenSloFile),
    /// The usual SLOs of a type of service.
    Preset(Box<PresetFile>),
}

/// SLOs in OpenSLO v1 files. What one file defines, another may refer to.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "OpenSlo")]
pub struct OpenSloFile {
    /// The file, or a list of files; YAML or JSON, of one object or several.
    pub openslo: At<OneOrMany>,
}

/// The usual SLOs of a type of service; `check --print` shows what they are.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Preset")]
pub struct PresetFile {
    /// Type of service: `api` (99.9 % of requests answered, 99 % within 300ms), `web` (99.9 % answered, 95 % within 1s
    /// and 99 % within 3s) or `batch` (99 % answered). Latencies are the client's.
    pub preset: At<String>,
    /// A service's name, a list of them, or patterns with `*`. Default: `*`.
    pub service: Option<At<OneOrMany>>,
    /// Objective of availability in percent, in place of the preset's.
    pub objective: Option<At<DecimalText>>,
    /// Their window: a length, which rolls, or `{ calendar: month, time_zone: … }`. Default: 30d.
    pub window: Option<At<WindowFile>>,
    /// A budget for each value of this field, in place of one for the service; see an SLO's `per`.
    pub per: Option<At<String>>,
    /// With `per`: groups of one service that are kept apart at a time. Default: 50.
    pub groups_max: Option<At<u32>>,
    /// Burn-rate alerts of these SLOs, in place of the pipeline's.
    pub alerts: Option<At<AlertsFile>>,
}

impl<'de> Deserialize<'de> for SloEntryFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<SloEntryFile, D::Error> {
        struct Entry;

        impl<'de> Visitor<'de> for Entry {
            type Value = SloEntryFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of keys")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<SloEntryFile, A::Error> {
                let first = entries.next_key::<String>()?;
                let kind = first.clone().unwrap_or_default();
                let rest = MapAccessDeserializer::new(From { first, entries });
                Ok(match kind.as_str() {
                    "openslo" => SloEntryFile::OpenSlo(OpenSloFile::deserialize(rest)?),
                    "preset" => SloEntryFile::Preset(Box::new(PresetFile::deserialize(rest)?)),
                    _ => SloEntryFile::Slo(Box::new(SloFile::deserialize(rest)?)),
                })
            }
        }

        deserializer.deserialize_map(Entry)
    }
}

/// A mapping whose first key has been read.
struct From<A> {
    first: Option<String>,
    entries: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for From<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(first) => {
                let key: StringDeserializer<A::Error> = serde::de::IntoDeserializer::into_deserializer(first);
                seed.deserialize(key).map(Some)
            }
            None => self.entries.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        if self.first.is_some() {
            return Err(A::Error::custom("a value before its key"));
        }
        self.entries.next_value_seed(seed)
    }
}

impl JsonSchema for SloEntryFile {
    fn schema_name() -> Cow<'static, str> {
        "SloEntry".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let kinds = [
            generator.subschema_for::<SloFile>(),
            generator.subschema_for::<OpenSloFile>(),
            generator.subschema_for::<PresetFile>(),
        ];
        json_schema!({
            "description": "An SLO; or SLOs in OpenSLO files (`openslo:` is the first key); or the usual SLOs of a type of service (`preset:` is the first key).",
            "anyOf": kinds
        })
    }
}
