//! The file's `sinks.alertmanager` and `sinks.webhook`: receivers of events over HTTP.

use super::{At, DurationText};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// How a CloudEvent lies in a message.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema, Debug)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "Mode")]
pub enum ModeFile {
    /// All of it in the body.
    Structured,
    /// Its attributes in headers, its data in the body.
    Binary,
}

/// An Alertmanager (API version 2). It is told every alert that fires, again and again, and that it has ended.
/// Of a cluster of Alertmanagers name every member, one entry each.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Alertmanager")]
pub struct AlertmanagerFile {
    /// Its address without the API's path: `http://alertmanager:9093`.
    pub url: At<String>,
    /// Name in metrics, logs and the state folder, unique in the pipeline. Default: `alertmanager`,
    /// `alertmanager-2`, …
    pub name: Option<At<String>>,
    /// Time between two reports of an alert that fires; it ends by itself after four without one.
    /// Default: 1m.
    pub resend_every: Option<At<DurationText>>,
    /// Labels of every alert, beside its own: alertname, pipeline, service, slo, group, tier, owner, severity, rule,
    /// long and short. Those of its service win over them.
    pub labels: Option<BTreeMap<String, At<String>>>,
    /// How long a request may take. Default: 10s.
    pub timeout: Option<At<DurationText>>,
    /// TLS to it, where the address begins with `https`.
    pub tls: Option<HttpTlsFile>,
    /// Who we are.
    pub auth: Option<At<AuthFile>>,
}

/// A webhook: CloudEvents over HTTP, one a request, in order. What fails is tried again; an event may come
/// twice and is known by its `source` and `id`.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Webhook")]
pub struct WebhookFile {
    /// Where it is posted to.
    pub url: At<String>,
    /// Name in metrics, logs and the state folder, unique in the pipeline. Default: `webhook`, `webhook-2`, …
    pub name: Option<At<String>>,
    /// How an event lies in a request: `structured` (default) or `binary`.
    pub mode: Option<At<ModeFile>>,
    /// Headers of every request. What is secret belongs into `auth`.
    pub headers: Option<BTreeMap<String, At<String>>>,
    /// The event types it wants. Default: all.
    pub types: Option<Vec<At<String>>>,
    /// Whether it wants history too, events with `replay: true`. Default: false.
    pub replay: Option<At<bool>>,
    /// How long a request may take. Default: 10s.
    pub timeout: Option<At<DurationText>>,
    /// TLS to it, where the address begins with `https`.
    pub tls: Option<HttpTlsFile>,
    /// Who we are.
    pub auth: Option<At<AuthFile>>,
}

/// TLS to a receiver over HTTP.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "HttpTls")]
pub struct HttpTlsFile {
    /// Certificates to trust, PEM. Default: the system's.
    pub ca_file: Option<At<String>>,
}

/// Who we are: a bearer token, or a user name with a password. Files are read for each request.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Auth")]
pub struct AuthFile {
    /// File that holds a bearer token.
    pub bearer_token_file: Option<At<String>>,
    /// User name.
    pub username: Option<At<String>>,
    /// File that holds the user's password. Secrets never stand in the pipeline file.
    pub password_file: Option<At<String>>,
}

/// One, or a list of them.
#[derive(Clone, Debug)]
pub struct Several<T>(pub Vec<T>);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Several<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Several<T>, D::Error> {
        struct OneOrList<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOrList<T> {
            type Value = Several<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("one receiver, or a list of them")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Several<T>, A::Error> {
                Ok(Several(vec![T::deserialize(MapAccessDeserializer::new(map))?]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Several<T>, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Several(all))
            }
        }

        deserializer.deserialize_any(OneOrList(PhantomData))
    }
}

impl<T: JsonSchema> JsonSchema for Several<T> {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        format!("Several{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}
