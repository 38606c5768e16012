//! `format:` as it is written: a preset's name, or one with what the site declares of its lines.
//!
//! ```yaml
//! format: aws_alb
//! format: { nginx: '$remote_addr [$time_local] "$request" $status $request_time' }   # the server's own string
//! format: { iis: [date, time, cs-method, cs-uri-stem, sc-status, time-taken] }       # the columns
//! format: { json: { fields: { status: http.status, client_latency: { from: took, unit: ms } } } }
//! ```

use super::{At, OneOrMany};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// A log format.
#[derive(Clone, Debug)]
pub struct FormatFile {
    /// The preset's name.
    pub preset: String,
    /// What the site declares.
    pub layout: Option<At<LayoutFile>>,
}

/// What a site declares of its lines.
#[derive(Clone, Debug)]
pub enum LayoutFile {
    /// The server's own format string.
    Text(String),
    /// The columns in their order.
    Columns(Vec<At<String>>),
    /// Fields by path, group or column.
    Mapped(MappedFile),
}

/// Fields by path, group or column.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MappedFormat")]
pub struct MappedFile {
    /// `regex` only: the expression; its named groups are fields or labels.
    pub pattern: Option<At<String>>,
    /// `delimited` only: what stands between two columns. Default: a tab.
    pub separator: Option<At<String>>,
    /// `delimited` and `w3c` only: the columns in their order.
    pub columns: Option<Vec<At<String>>>,
    /// Where fields lie, by the record's field or a name of your own (a label, for rules).
    pub fields: Option<BTreeMap<String, At<MappedFieldFile>>>,
}

/// Where a field lies, and in what unit.
#[derive(Clone, Debug)]
pub struct MappedFieldFile {
    /// Paths, groups or columns; the first that is there counts.
    pub from: Option<At<OneOrMany>>,
    /// Unit of a duration (`s`, `ms`, `us`, `ns`), or form of a time (`rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`,
    /// `epoch_ns`, `clf`). Times that say nothing are told apart by their magnitude.
    pub unit: Option<At<String>>,
}

impl<'de> Deserialize<'de> for FormatFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<FormatFile, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = FormatFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a format, or one with what is declared of it")
            }

            fn visit_str<E: Error>(self, preset: &str) -> Result<FormatFile, E> {
                Ok(FormatFile { preset: preset.to_string(), layout: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<FormatFile, A::Error> {
                let Some(preset) = map.next_key::<String>()? else {
                    return Err(A::Error::custom("no format is named"));
                };
                let layout = map.next_value::<Option<At<LayoutFile>>>()?;
                match map.next_key::<String>()? {
                    None => Ok(FormatFile { preset, layout }),
                    Some(more) => {
                        Err(A::Error::custom(format!("`{preset}` and `{more}`: a source has one format")))
                    }
                }
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl<'de> Deserialize<'de> for LayoutFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<LayoutFile, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = LayoutFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the server's format string, a list of columns, or a map of fields")
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<LayoutFile, E> {
                Ok(LayoutFile::Text(text.to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<LayoutFile, A::Error> {
                let mut columns = Vec::new();
                while let Some(column) = items.next_element()? {
                    columns.push(column);
                }
                Ok(LayoutFile::Columns(columns))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<LayoutFile, A::Error> {
                MappedFile::deserialize(MapAccessDeserializer::new(map)).map(LayoutFile::Mapped)
            }
        }

        deserializer.deserialize_any(Written)
    }
}

/// The long way to write a field.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "MappedField")]
struct MappedFieldMap {
    /// Paths, groups or columns; the first that is there counts. Default: the field's own name.
    from: Option<At<OneOrMany>>,
    /// Unit of a duration (`s`, `ms`, `us`, `ns`), or form of a time (`rfc3339`, `epoch_s`, `epoch_ms`, `epoch_us`,
    /// `epoch_ns`, `clf`).
    unit: Option<At<String>>,
}

impl<'de> Deserialize<'de> for MappedFieldFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<MappedFieldFile, D::Error> {
        struct Written;

        impl<'de> Visitor<'de> for Written {
            type Value = MappedFieldFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path, or a map of `from` and `unit`")
            }

            fn visit_str<E: Error>(self, path: &str) -> Result<MappedFieldFile, E> {
                let from = At { value: OneOrMany::one(path), span: 0..0 };
                Ok(MappedFieldFile { from: Some(from), unit: None })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<MappedFieldFile, A::Error> {
                let MappedFieldMap { from, unit } =
                    MappedFieldMap::deserialize(MapAccessDeserializer::new(map))?;
                Ok(MappedFieldFile { from, unit })
            }
        }

        deserializer.deserialize_any(Written)
    }
}

impl JsonSchema for FormatFile {
    fn schema_name() -> Cow<'static, str> {
        "Format".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let presets: Vec<&str> =
            crate::core::format::ALL.iter().map(|f| crate::core::format::preset(*f).name).collect();
        let layout = generator.subschema_for::<LayoutFile>();
        json_schema!({
            "description": "A log format: a preset by name, or one with what the site declares of its lines.",
            "anyOf": [
                { "enum": presets },
                {
                    "type": "object",
                    "propertyNames": { "enum": presets },
                    "minProperties": 1,
                    "maxProperties": 1,
                    "additionalProperties": layout
                }
            ]
        })
    }
}

impl JsonSchema for LayoutFile {
    fn schema_name() -> Cow<'static, str> {
        "Layout".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let mapped = generator.subschema_for::<MappedFile>();
        json_schema!({
            "description": "The server's own format string, the columns in their order, or fields by path, group or column.",
            "anyOf": [{ "type": "string" }, { "type": "array", "items": { "type": "string" } }, mapped]
        })
    }
}

impl JsonSchema for MappedFieldFile {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "MappedFieldOrPath".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let map = generator.subschema_for::<MappedFieldMap>();
        json_schema!({ "anyOf": [{ "type": "string" }, map] })
    }
}
