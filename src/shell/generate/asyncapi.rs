//! The topic of events as an AsyncAPI 3 document with Kafka bindings: channel, messages, both CloudEvents modes.
//!
//! Schemas are draft 7 here, the one that every AsyncAPI tool reads.

use super::schemas::of;
use crate::core::event::{CloudEvent, KINDS, Kind, data_schema};
use crate::edges::sink::events::{DATA_TYPE, STRUCTURED_TYPE};
use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// Version of the Kafka bindings.
const BINDINGS: &str = "0.5.0";

/// The document in YAML.
pub(super) fn document() -> String {
    let mut settings = SchemaSettings::draft07().for_serialize();
    settings.definitions_path = "/components/schemas".into();
    let mut generator = settings.into_generator();
    let mut messages = Map::new();
    for kind in KINDS {
        messages.insert(kind.name.into(), structured(kind, &mut generator));
        messages.insert(binary_name(kind), binary(kind, &mut generator));
    }
    let headers = headers(&mut generator);
    let mut schemas = Map::from_iter([("CloudEventHeaders".to_owned(), headers)]);
    schemas.extend(generator.take_definitions(true));
    let references = |place: &str| -> Map<String, Value> {
        let reference =
            |name: &String| (name.clone(), json!({ "$ref": format!("{place}/{}", pointer(name)) }));
        messages.keys().map(reference).collect()
    };
    let document = json!({
        "asyncapi": "3.1.0",
        "info": {
            "title": "ninetail events",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Error budgets and burn-rate alerts decided from access logs, as CloudEvents 1.0. Events and fields are only added: ignore what you do not know.",
            "license": { "name": "Apache-2.0" },
        },
        "defaultContentType": DATA_TYPE,
        "servers": {
            "kafka": {
                "host": "{brokers}",
                "protocol": "kafka",
                "description": "The cluster of `sinks.events`, or the sources'.",
                "variables": { "brokers": { "default": "localhost:9092", "description": "Bootstrap servers." } },
            },
        },
        "channels": {
            "events": {
                "address": "{topic}",
                "title": "Events",
                "description": "`sinks.events.topic`. The key is the service (of a gap: the source), so that all events of a budget lie in one partition, in the order of their `sequence`. Events are published in transactions: read with `isolation.level=read_committed`. `mode: structured` (the default) puts the whole event into the value, `mode: binary` its attributes into headers; a reader tells them apart by the `content-type` header.",
                "servers": [{ "$ref": "#/servers/kafka" }],
                "parameters": { "topic": { "default": "slo-events", "description": "Name of the topic." } },
                "messages": references("#/components/messages"),
                "bindings": { "kafka": {
                    // compaction would keep the last event of a service and forget the others
                    "topicConfiguration": { "cleanup.policy": ["delete"] },
                    "bindingVersion": BINDINGS,
                } },
            },
        },
        "operations": {
            "publish": {
                "action": "send",
                "summary": "ninetail publishes what it decides, each event once.",
                "channel": { "$ref": "#/channels/events" },
                "messages": references("#/channels/events/messages").into_iter().map(|(_, r)| r).collect::<Vec<_>>(),
            },
        },
        "components": { "messages": messages, "schemas": schemas },
    });
    // A tree of texts, numbers and lists: it has a YAML form.
    serde_saphyr::to_string(&document).unwrap_or_default()
}

fn structured(kind: &Kind, generator: &mut SchemaGenerator) -> Value {
    let event = generator.subschema_for::<CloudEvent>().to_value();
    let narrowed = json!({ "properties": {
        "type": { "const": kind.name },
        "subject": { "pattern": kind.subject },
        "dataschema": { "const": data_schema(kind.name) },
        "data": of(kind, generator),
    } });
    json!({
        "name": kind.name,
        "title": kind.name,
        "summary": kind.about,
        "contentType": STRUCTURED_TYPE,
        "payload": { "allOf": [event, narrowed] },
        "bindings": bindings(),
    })
}

fn binary(kind: &Kind, generator: &mut SchemaGenerator) -> Value {
    let narrowed = json!({ "properties": {
        "ce_type": { "const": kind.name },
        "ce_subject": { "pattern": kind.subject },
        "ce_dataschema": { "const": data_schema(kind.name) },
    } });
    json!({
        "name": binary_name(kind),
        "title": format!("{}, binary mode", kind.name),
        "summary": kind.about,
        "contentType": DATA_TYPE,
        "headers": { "type": "object", "allOf": [{ "$ref": "#/components/schemas/CloudEventHeaders" }, narrowed] },
        "payload": of(kind, generator),
        "bindings": bindings(),
    })
}

fn binary_name(kind: &Kind) -> String {
    format!("{}.binary", kind.name)
}

fn bindings() -> Value {
    json!({ "kafka": {
        "key": { "type": "string", "description": "The service, or a gap's source." },
        "bindingVersion": BINDINGS,
    } })
}

/// The headers of binary mode: every attribute of the event but the data, as CloudEvents' Kafka binding has them.
fn headers(generator: &mut SchemaGenerator) -> Value {
    let event = CloudEvent::json_schema(generator).to_value();
    let is_header = |name: &str| !["data", "datacontenttype"].contains(&name);
    let mut properties = Map::from_iter([("content-type".to_owned(), json!({ "const": DATA_TYPE }))]);
    for (name, attribute) in event["properties"].as_object().into_iter().flatten() {
        if is_header(name) {
            properties.insert(format!("ce_{name}"), attribute.clone());
        }
    }
    let names = event["required"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let required: Vec<String> = ["content-type".to_owned()]
        .into_iter()
        .chain(names.filter(|name| is_header(name)).map(|name| format!("ce_{name}")))
        .collect();
    json!({
        "description": "A CloudEvent's attributes in binary mode, UTF-8.",
        "type": "object",
        "required": required,
        "properties": properties,
    })
}

/// A name as part of a JSON pointer.
fn pointer(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
