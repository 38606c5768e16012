//! What can go wrong between a broker and us, with the place and the way out.

use rdkafka::error::KafkaError;

/// A failed call to Kafka. Everything that concerns one partition while it is read comes as a
/// [`Delivery`](super::kafka::Delivery) instead.
#[derive(thiserror::Error, Debug)]
pub enum SourceError {
    /// The client could not be made: a property that librdkafka does not know or does not take.
    #[error("kafka client for {brokers}: {error}")]
    Client {
        /// The bootstrap servers.
        brokers: String,
        /// What librdkafka said.
        error: Box<KafkaError>,
    },
    /// The cluster did not answer.
    #[error("no answer from kafka at {brokers} about {what}: {error}; is a broker up and reachable?")]
    Query {
        /// The bootstrap servers.
        brokers: String,
        /// What was asked.
        what: String,
        /// What librdkafka said.
        error: Box<KafkaError>,
    },
    /// Partitions could not be assigned, taken away, paused or resumed.
    #[error("cannot {verb} {what}: {error}")]
    Assign {
        /// assign, unassign, pause or resume.
        verb: &'static str,
        /// The partitions.
        what: String,
        /// What librdkafka said.
        error: Box<KafkaError>,
    },
    /// Offsets could not be committed to the group (a hint for lag monitors, nothing hangs on it).
    #[error("cannot commit offsets to group {group}: {error}")]
    Commit {
        /// The consumer group.
        group: String,
        /// What librdkafka said.
        error: Box<KafkaError>,
    },
}
