//! What all Kafka sinks share: clients, topics and their settings, which errors pass.

use crate::edges::kafka::{RECONNECT_BACKOFF, make_topic};
use crate::edges::sink::Control;
use rdkafka::ClientConfig;
use rdkafka::client::{Client, ClientContext};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use std::collections::BTreeMap;
use std::thread;
use std::time::Duration;

/// How long one request to a broker may take.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
const BACKOFF_MIN: Duration = Duration::from_millis(100);
const BACKOFF_MAX: Duration = Duration::from_secs(5);

/// A client configuration with the pipeline's connection properties; ours go on top.
pub(super) fn config(properties: &BTreeMap<String, String>) -> ClientConfig {
    let mut config = ClientConfig::new();
    // a broker that comes back is noticed within a second, not ten
    config.set("reconnect.backoff.max.ms", "1000");
    config.set(RECONNECT_BACKOFF.0, RECONNECT_BACKOFF.1);
    for (key, value) in properties {
        config.set(key, value);
    }
    config.set("client.id", "ninetail");
    // a broker that makes topics of itself would give them other settings than they must have
    config.set("allow.auto.create.topics", "false");
    config
}

/// The context of clients whose errors are told by what they return: nothing is said twice.
pub(super) struct Quiet;

impl ClientContext for Quiet {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(target: "librdkafka", %error, "{reason}");
    }
}

impl ConsumerContext for Quiet {}

/// The code inside an error, if librdkafka gave one.
pub(super) fn code(error: &KafkaError) -> Option<RDKafkaErrorCode> {
    error.rdkafka_error_code()
}

/// Whether the broker will refuse again: access, limits, names. Everything else may pass.
pub(super) fn is_refusal(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode as Code;
    matches!(
        code,
        Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
            | Code::TransactionalIdAuthorizationFailed
            | Code::SaslAuthenticationFailed
            | Code::MessageSizeTooLarge
            | Code::InvalidMessageSize
            | Code::InvalidTopic
            | Code::InvalidConfig
            | Code::InvalidReplicationFactor
            | Code::PolicyViolation
            | Code::InvalidRequest
            | Code::InvalidArgument
            | Code::InvalidTransactionTimeout
            | Code::UnsupportedVersion
    )
}

/// Waits longer each time, and tells when the caller wants to stop.
pub(super) struct Backoff {
    wait: Duration,
}

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff { wait: BACKOFF_MIN }
    }

    /// Waits; false if the caller wants to stop.
    pub(super) fn wait(&mut self, control: &Control) -> bool {
        let mut left = self.wait;
        while !left.is_zero() {
            if control.stopped() {
                return false;
            }
            let step = left.min(Duration::from_millis(50));
            thread::sleep(step);
            left -= step;
        }
        self.wait = (self.wait * 2).min(BACKOFF_MAX);
        !control.stopped()
    }
}

/// Partitions of the topic, None if it is not there. Never makes one.
pub(super) fn partitions<C: ClientContext>(client: &Client<C>, topic: &str) -> KafkaResult<Option<Vec<i32>>> {
    let metadata = client.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let Some(found) = metadata.topics().iter().find(|t| t.name() == topic) else { return Ok(None) };
    match found.error().map(RDKafkaErrorCode::from) {
        Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => return Ok(None),
        Some(code) => return Err(KafkaError::MetadataFetch(code)),
        None => {}
    }
    let partitions: Vec<i32> = found.partitions().iter().map(|p| p.id()).collect();
    Ok(if partitions.is_empty() { None } else { Some(partitions) })
}

/// Makes the topic if it is not there, with the broker's replication (and partitions, if None). Returns whether it made it.
pub(super) fn ensure<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partitions: Option<i32>,
    settings: &[(&str, &str)],
) -> KafkaResult<bool> {
    match self::partitions(client, topic)? {
        Some(_) => Ok(false),
        None => make_topic(client, topic, partitions, settings, REQUEST_TIMEOUT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_client_makes_a_topic_by_asking_for_it() {
        let user = BTreeMap::from([("allow.auto.create.topics".to_string(), "true".to_string())]);
        assert_eq!(config(&user).get("allow.auto.create.topics"), Some("false"));
    }
}
