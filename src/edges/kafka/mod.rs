//! What the Kafka clients of sources and sinks share: a consumer that ends at once, and questions to brokers that
//! rust-rdkafka does not ask, or not without a client of its own.

mod admin;
mod consumer;

pub(super) use admin::{make_topic, topic_id, topic_setting};
pub(super) use consumer::AssignConsumer;
