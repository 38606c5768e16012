//! A consumer that reads what it is assigned.
//!
//! Invariant: it is a member of no group, so it has nobody to wait for when it ends.

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use std::ops::Deref;
use std::time::Duration;

/// Between two looks whether the consumer is closed.
const LOOK: Duration = Duration::from_millis(1);

/// A [`BaseConsumer`] that ends at once: of itself it looks only every 100 ms whether it is closed.
pub(in crate::edges) struct AssignConsumer<C: ConsumerContext>(BaseConsumer<C>);

impl<C: ConsumerContext> AssignConsumer<C> {
    /// Makes the consumer; it does not wait for a broker. Reading needs a `group.id`, which is never joined.
    ///
    /// # Errors
    /// If librdkafka refuses a setting.
    pub(in crate::edges) fn new(config: &ClientConfig, context: C) -> KafkaResult<AssignConsumer<C>> {
        config.create_with_context(context).map(AssignConsumer)
    }
}

impl<C: ConsumerContext> Deref for AssignConsumer<C> {
    type Target = BaseConsumer<C>;

    fn deref(&self) -> &BaseConsumer<C> {
        &self.0
    }
}

impl<C: ConsumerContext> Drop for AssignConsumer<C> {
    fn drop(&mut self) {
        if self.0.close_queue().is_ok() {
            while !self.0.closed() {
                self.0.poll(LOOK);
            }
        }
    }
}
