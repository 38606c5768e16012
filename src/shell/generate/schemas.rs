//! Schemas of pipeline files and events, made from the types that read and write them.
//!
//! Invariant: a file under schemas/ that stands in [`documents`] is what is printed, byte for byte; a test holds it.

use super::asyncapi;
use crate::core::event::{CloudEvent, KINDS, Kind, data_schema, kind};
use crate::shell::config::PipelineFile;
use clap::builder::PossibleValuesParser;
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// JSON Schema's own schema, as a document names it.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// What `--of` takes.
pub(super) fn names() -> PossibleValuesParser {
    let kinds = KINDS.iter().map(|k| k.name);
    PossibleValuesParser::new(["pipeline", "events", "asyncapi"].into_iter().chain(kinds))
}

/// Every document with the file under schemas/ that keeps it.
pub fn documents() -> Vec<(&'static str, String)> {
    let fixed = [
        ("pipeline", "pipeline.schema.json".to_owned()),
        ("events", "event.schema.json".to_owned()),
        ("asyncapi", "asyncapi.yaml".to_owned()),
    ];
    let kinds = KINDS.iter().map(|k| (k.name, format!("events/{}.schema.json", k.name)));
    fixed.into_iter().chain(kinds).collect()
}

/// The text of a document, with a line end. None if there is none of that name.
pub fn schema(of: &str) -> Option<String> {
    let value = match of {
        "pipeline" => schemars::schema_for!(PipelineFile).to_value(),
        "events" => events(),
        "asyncapi" => return Some(asyncapi::document()),
        name => data(kind(name)?),
    };
    // A schema is plain JSON: serialising it cannot fail.
    let mut text = serde_json::to_string_pretty(&value).unwrap_or_default();
    text.push('\n');
    Some(text)
}

/// A generator of what is written, as opposed to what is read: every field is there.
fn generator() -> SchemaGenerator {
    SchemaSettings::draft2020_12().for_serialize().into_generator()
}

/// Events of all types as structured CloudEvents.
fn events() -> Value {
    let mut generator = generator();
    let mut root = CloudEvent::json_schema(&mut generator).to_value();
    root["properties"]["type"] = json!({
        "description": "The event type.",
        "enum": KINDS.iter().map(|k| k.name).collect::<Vec<_>>(),
    });
    let cases: Vec<Value> = KINDS
        .iter()
        .map(|kind| {
            json!({
                "if": { "properties": { "type": { "const": kind.name } } },
                "then": { "properties": {
                    "subject": { "pattern": kind.subject },
                    "dataschema": { "const": data_schema(kind.name) },
                    "data": of(kind, &mut generator),
                } }
            })
        })
        .collect();
    let mut document = Map::new();
    document.insert("$schema".into(), DIALECT.into());
    document.insert("$id".into(), "https://ninetail.dev/schemas/event.schema.json".into());
    document.insert("title".into(), "ninetail event".into());
    if let Value::Object(root) = root {
        document.extend(root);
    }
    // names of attributes as CloudEvents allows them
    document.insert("propertyNames".into(), json!({ "pattern": "^[a-z0-9]+$" }));
    document.insert("allOf".into(), cases.into());
    document.insert("$defs".into(), generator.take_definitions(true).into());
    document.into()
}

/// The data of one event type: all of the record's value in binary mode.
fn data(kind: &Kind) -> Value {
    let mut generator = generator();
    let Value::Object(of) = of(kind, &mut generator) else { return Value::Null };
    let mut document = Map::new();
    document.insert("$schema".into(), DIALECT.into());
    document.insert("$id".into(), data_schema(kind.name).into());
    document.insert("title".into(), kind.name.into());
    document.insert("description".into(), kind.about.into());
    document.extend(of);
    document.insert("$defs".into(), generator.take_definitions(true).into());
    document.into()
}

/// What holds for the data of a type.
pub(super) fn of(kind: &Kind, generator: &mut SchemaGenerator) -> Value {
    let whole = (kind.data)(generator).to_value();
    json!({ "allOf": [whole, (kind.narrows)()] })
}
