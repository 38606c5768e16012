//! What the Kafka clients of sources and sinks share: a consumer that ends at once, how soon they connect, and questions to
//! brokers that rust-rdkafka does not ask, or not without a client of its own.

mod admin;
mod consumer;

pub(super) use admin::{make_topic, topic_id, topic_setting};
pub(super) use consumer::AssignConsumer;

/// First pause before a client connects again. librdkafka waits half of it, 50 ms by default, before it connects to a second broker of
/// its own accord, also at a start: a broker that was named and the same one as the cluster names it are two.
pub(super) const RECONNECT_BACKOFF: (&str, &str) = ("reconnect.backoff.ms", "20");
