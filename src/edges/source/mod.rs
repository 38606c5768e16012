//! Where lines come from: Kafka partitions ([`kafka`], with the control side in [`topics`]) and archives ([`files`]).
//!
//! Invariant: what is handed over is in order and without holes that are not named. Kafka positions are ours
//! (the journal's), never the consumer group's; whatever lies below `next` is dropped, whatever was lost is
//! said, and an end mark covers the offsets that carry no record.

pub mod config;
pub mod ends;
pub mod error;
pub mod files;
pub mod kafka;
mod kafka_batch;
pub mod topics;

pub use config::KafkaConfig;
pub use ends::Ends;
pub use error::SourceError;

#[cfg(test)]
mod tests;
