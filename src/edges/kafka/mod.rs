//! What the Kafka clients of sources and sinks share: a consumer that ends at once, and questions to brokers that
//! rust-rdkafka does not ask, or not without a client of its own.

mod consumer;
mod describe;

pub(super) use consumer::AssignConsumer;
pub(super) use describe::{topic_id, topic_setting};
