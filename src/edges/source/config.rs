//! How to reach a cluster, and which librdkafka settings are ours.
//!
//! Invariant: nothing in the user's settings can make the client commit, reset or skip an offset by itself.

use super::error::SourceError;
use crate::edges::kafka::{AssignConsumer, RECONNECT_BACKOFF};
use rdkafka::client::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::types::RDKafkaErrorCode;
use std::collections::BTreeMap;
use std::fmt;

/// A cluster and how to read from it. Its `Debug` shows no value of `properties`: they may hold secrets.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaConfig {
    /// `bootstrap.servers`.
    pub brokers: String,
    /// `group.id`: offsets are committed to it as a hint for lag monitors. It is never joined.
    pub group: String,
    /// Further librdkafka settings (TLS, SASL, fetch sizes ...); [`OWNED`] ones are ignored.
    pub properties: BTreeMap<String, String>,
    /// Bound on what one consumer has fetched and not yet handed over, bytes. Fetches in flight come on top.
    pub queue_bytes_max: usize,
}

/// Settings that decide what is read from where: the pipeline file cannot set them.
pub const OWNED: [&str; 10] = [
    "bootstrap.servers",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "enable.partition.eof",
    "isolation.level",
    "allow.auto.create.topics",
    "consume.callback.max.messages",
    "statistics.interval.ms",
];

/// Default of [`KafkaConfig::queue_bytes_max`].
pub const QUEUE_BYTES_MAX: usize = 4 << 20;

/// Settings that the pipeline file may overrule, with the reason for ours.
const DEFAULTS: [(&str, &str); 7] = [
    RECONNECT_BACKOFF,
    // how long an empty fetch waits at the broker: bounds how late an end mark is; new lines never wait for it
    ("fetch.wait.max.ms", "20"),
    // a full queue is looked at again so soon; the default of a second makes catching up crawl
    ("fetch.queue.backoff.ms", "2"),
    ("fetch.error.backoff.ms", "100"),
    // a flipped bit is an error, not a strange line
    ("check.crcs", "true"),
    // per partition and fetch; a larger batch still comes whole. Measured with 2 consumers of 4 partitions: 65 MiB
    // resident with this, 83 MiB with four times as much, at the same cpu
    ("fetch.message.max.bytes", "131072"),
    ("socket.keepalive.enable", "true"),
];

impl KafkaConfig {
    /// The cluster with default settings.
    pub fn new(brokers: impl Into<String>, group: impl Into<String>) -> KafkaConfig {
        KafkaConfig {
            brokers: brokers.into(),
            group: group.into(),
            properties: BTreeMap::new(),
            queue_bytes_max: QUEUE_BYTES_MAX,
        }
    }

    /// Settings of the user that are ignored because they are ours, in order: a warning is due for each.
    pub fn ignored(&self) -> impl Iterator<Item = &str> {
        self.properties.keys().map(String::as_str).filter(|key| OWNED.contains(key))
    }

    /// What librdkafka is told for reading: by `assign` alone.
    pub fn client_config(&self) -> ClientConfig {
        let mut client = self.client();
        client.set("isolation.level", "read_committed");
        client.set("enable.partition.eof", "true");
        client.set("queued.max.messages.kbytes", (self.queue_bytes_max >> 10).max(1).to_string());
        // only the bytes bound the queue
        client.set("queued.min.messages", "1000000");
        client
    }

    /// A consumer that reads by `assign` alone.
    pub(super) fn consumer(&self) -> Result<AssignConsumer<Logged>, SourceError> {
        self.create(self.client_config())
    }

    /// A client that asks questions and reads nothing. It sees uncommitted offsets: its ends are high watermarks.
    pub(super) fn asker(&self) -> Result<AssignConsumer<Logged>, SourceError> {
        let mut client = self.client();
        client.set("isolation.level", "read_uncommitted");
        self.create(client)
    }

    fn client(&self) -> ClientConfig {
        let mut client = ClientConfig::new();
        for (key, value) in DEFAULTS {
            client.set(key, value);
        }
        for (key, value) in &self.properties {
            if !OWNED.contains(&key.as_str()) {
                client.set(key, value);
            }
        }
        client.set("bootstrap.servers", &self.brokers);
        client.set("group.id", &self.group);
        client.set("enable.auto.commit", "false");
        client.set("enable.auto.offset.store", "false");
        client.set("auto.offset.reset", "error");
        client.set("allow.auto.create.topics", "false");
        client.set_log_level(RDKafkaLogLevel::Info);
        client
    }

    fn create(&self, client: ClientConfig) -> Result<AssignConsumer<Logged>, SourceError> {
        AssignConsumer::new(&client, Logged)
            .map_err(|error| SourceError::Client { brokers: self.brokers.clone(), error: Box::new(error) })
    }
}

impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("group", &self.group)
            .field("properties", &self.properties.keys().collect::<Vec<_>>())
            .field("queue_bytes_max", &self.queue_bytes_max)
            .finish()
    }
}

/// Sends librdkafka's log to `tracing`.
pub(super) struct Logged;

impl ClientContext for Logged {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logged(level as i32, facility, message);
    }

    fn error(&self, error: rdkafka::error::KafkaError, reason: &str) {
        use RDKafkaErrorCode::{AllBrokersDown, BrokerTransportFailure};
        // its log says so too, and once; this comes for every request that waits
        if matches!(error.rdkafka_error_code(), Some(AllBrokersDown | BrokerTransportFailure)) {
            tracing::debug!(target: "librdkafka", %error, "{reason}");
        } else {
            tracing::warn!(target: "librdkafka", %error, "{reason}");
        }
    }
}

impl ConsumerContext for Logged {}

/// A line of librdkafka's log; levels are syslog's. Its errors are about brokers that may come back: warnings of ours.
pub(super) fn logged(level: i32, facility: &str, message: &str) {
    if level <= RDKafkaLogLevel::Warning as i32 {
        tracing::warn!(target: "librdkafka", facility, "{message}");
    } else {
        tracing::debug!(target: "librdkafka", facility, "{message}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owned_settings_cannot_be_overruled_and_others_can() {
        let mut config = KafkaConfig::new("localhost:1", "g");
        config.properties.insert("auto.offset.reset".into(), "earliest".into());
        config.properties.insert("fetch.wait.max.ms".into(), "77".into());
        config.properties.insert("sasl.password".into(), "hush".into());
        let client = config.client();
        assert_eq!(client.get("auto.offset.reset"), Some("error"));
        assert_eq!(client.get("fetch.wait.max.ms"), Some("77"));
        assert_eq!(config.ignored().collect::<Vec<_>>(), ["auto.offset.reset"]);
        assert!(!format!("{config:?}").contains("hush"));
    }

    #[test]
    fn an_unknown_setting_is_an_error_that_names_the_cluster() {
        let mut config = KafkaConfig::new("localhost:1", "g");
        config.properties.insert("fetch.wait.maximum".into(), "1".into());
        let error = config.asker().err().expect("refused").to_string();
        assert!(error.starts_with("kafka client for localhost:1: "), "{error}");
        assert!(error.contains("fetch.wait.maximum"), "{error}");
    }
}
