//! The schemas that the binary prints: those in the repository, whole, described, and true of pipelines and events.

use super::{done, ninetail, pipelines, root};
use ninetail::shell::generate::documents;
use serde_json::Value;

#[test]
fn every_pipeline_fits_the_schema() {
    let schema: Value =
        serde_json::from_str(&done(&ninetail(&["generate", "schema"]))).expect("the schema is JSON");
    let validator = jsonschema::validator_for(&schema).expect("it is a schema");
    for path in pipelines() {
        let text = std::fs::read_to_string(&path).expect("read");
        let value: Value = serde_saphyr::from_str(&text).expect("YAML");
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path())).collect();
        assert!(errors.is_empty(), "{}: {errors:#?}", path.display());
    }
}

/// `UPDATE=1 cargo test --test cli` writes them anew.
#[test]
fn the_schemas_in_the_repository_are_those_printed() {
    let documents = documents();
    for (of, file) in &documents {
        let path = root().join("schemas").join(file);
        let printed = done(&ninetail(&["generate", "schema", "--of", of]));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("made");
            std::fs::write(&path, &printed).expect("written");
        }
        let kept = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            kept == printed,
            "schemas/{file} is not what `generate schema --of {of}` prints; UPDATE=1 writes it"
        );
    }
    let default = done(&ninetail(&["generate", "schema"]));
    assert_eq!(default, done(&ninetail(&["generate", "schema", "--of", "pipeline"])));
    // none is left of a type that is gone
    for entry in std::fs::read_dir(root().join("schemas/events")).expect("listed") {
        let name = format!("events/{}", entry.expect("listed").file_name().to_string_lossy());
        assert!(documents.iter().any(|(_, file)| *file == name), "schemas/{name} is of no event type");
    }
    assert_eq!(ninetail(&["generate", "schema", "--of", "slo.nothing"]).status.code(), Some(2));
}

/// Every event field says what it means.
#[test]
fn every_event_field_is_described() {
    for (of, _) in documents().iter().filter(|(of, _)| *of != "pipeline" && *of != "asyncapi") {
        let schema: Value =
            serde_json::from_str(&done(&ninetail(&["generate", "schema", "--of", of]))).expect("JSON");
        jsonschema::meta::validate(&schema).unwrap_or_else(|e| panic!("{of}: {e}"));
        let named = schema["$defs"].as_object().into_iter().flatten().map(|(name, s)| (name.as_str(), s));
        for (name, object) in named.chain([("root", &schema)]) {
            for (key, field) in object["properties"].as_object().into_iter().flatten() {
                assert!(field["description"].is_string(), "{of}: {name}.{key} is not described");
            }
        }
    }
}

/// Every key of the grammar says what it means.
#[test]
fn every_key_is_described() {
    fn walk(value: &Value, path: &str, silent: &mut Vec<String>) {
        if let Some(properties) = value.get("properties").and_then(Value::as_object) {
            for (key, schema) in properties {
                if schema.get("description").is_none() {
                    silent.push(format!("{path}.{key}"));
                }
            }
        }
        for (name, inner) in value.as_object().into_iter().flatten() {
            walk(inner, &format!("{path}.{name}"), silent);
        }
    }
    let schema: Value =
        serde_json::from_str(&done(&ninetail(&["generate", "schema"]))).expect("the schema is JSON");
    let mut silent = Vec::new();
    walk(&schema, "", &mut silent);
    assert!(silent.is_empty(), "{silent:#?}");
}

/// The AsyncAPI document holds together: every reference leads somewhere, every operation's message is one of its
/// channel's, and both modes of every event type are there with schemas that tell a right event from a wrong one.
#[test]
fn the_asyncapi_document_holds_together() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(object) => {
                for (key, inner) in object {
                    match inner.as_str().filter(|_| key == "$ref") {
                        Some(reference) => found.push(reference),
                        None => references(inner, found),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            _ => {}
        }
    }
    let text = done(&ninetail(&["generate", "schema", "--of", "asyncapi"]));
    let document: Value = serde_saphyr::from_str(&text).expect("YAML");
    let at = |reference: &str| {
        let pointer = reference.strip_prefix('#').unwrap_or_else(|| panic!("{reference} leads elsewhere"));
        document.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
    };
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 40);
    for reference in found {
        at(reference);
    }
    // what version 3 requires
    assert_eq!(document["asyncapi"], "3.1.0");
    assert!(document["info"]["title"].is_string() && document["info"]["version"].is_string());
    let top = ["asyncapi", "info", "defaultContentType", "servers", "channels", "operations", "components"];
    assert!(document.as_object().expect("an object").keys().all(|k| top.contains(&k.as_str())));
    for server in document["servers"].as_object().expect("servers").values() {
        assert!(server["host"].is_string() && server["protocol"] == "kafka");
    }
    let channels = document["channels"].as_object().expect("channels");
    for channel in channels.values() {
        let address = channel["address"].as_str().expect("an address");
        for parameter in channel["parameters"].as_object().expect("parameters").keys() {
            assert!(address.contains(&format!("{{{parameter}}}")));
        }
        assert_eq!(channel["bindings"]["kafka"]["bindingVersion"], "0.5.0");
    }
    for operation in document["operations"].as_object().expect("operations").values() {
        assert!(["send", "receive"].contains(&operation["action"].as_str().expect("an action")));
        let channel = operation["channel"]["$ref"].as_str().expect("a channel");
        for message in operation["messages"].as_array().expect("messages") {
            let reference = message["$ref"].as_str().expect("a reference");
            assert!(reference.starts_with(&format!("{channel}/messages/")), "{reference}");
        }
    }
    let messages = document["components"]["messages"].as_object().expect("messages");
    let kinds = ninetail::core::event::KINDS;
    assert_eq!(messages.len(), 2 * kinds.len());
    // each schema by itself, with the components that it refers to
    let validator = |schema: &Value| {
        let whole = serde_json::json!({
            "$schema": "http://json-schema.org/draft-07/schema#",
            "allOf": [schema],
            "components": { "schemas": document["components"]["schemas"] },
        });
        jsonschema::validator_for(&whole).unwrap_or_else(|e| panic!("{e}"))
    };
    for kind in kinds {
        let (structured, binary) = (&messages[kind.name], &messages[&format!("{}.binary", kind.name)]);
        assert_eq!(structured["contentType"], "application/cloudevents+json; charset=UTF-8");
        assert_eq!(structured["summary"], kind.about);
        assert_eq!(binary["contentType"], "application/json");
        let whole = validator(&structured["payload"]);
        assert!(!whole.is_valid(&serde_json::json!({ "specversion": "1.0" })));
        assert!(!validator(&binary["payload"]).is_valid(&serde_json::json!({})));
        assert!(!validator(&binary["headers"]).is_valid(&serde_json::json!({ "ce_id": "x" })));
    }
    // an event that is published fits its own message, and no other
    let partition =
        ninetail::core::position::Partition { source: "alb".into(), topic: "logs".into(), number: 3 };
    let end = ninetail::core::time::Time::from_seconds(1_530_570_180);
    let gap = ninetail::core::event::DataGap {
        origin: ninetail::core::event::Origin::Partition(&partition),
        reason: "retention",
        loss: ninetail::core::event::Loss::Offsets { first: 1, next: 9 },
        end,
        watermark: end,
        clock: end,
        replay: false,
    };
    let event = gap.event(ninetail::core::rollup::OutputPosition::default(), 1);
    let event: Value =
        serde_json::from_str(&event.to_json(&event.attributes("/ninetail/edge", None))).expect("JSON");
    for kind in kinds {
        let fits = validator(&messages[kind.name]["payload"]).is_valid(&event);
        assert_eq!(fits, kind.name == "slo.data.gap", "{}", kind.name);
        let data = validator(&messages[&format!("{}.binary", kind.name)]["payload"]);
        assert_eq!(data.is_valid(&event["data"]), kind.name == "slo.data.gap", "{}", kind.name);
    }
}
