//! The id that a cluster gave a topic: a topic deleted and made anew has another. With `kafka_batch` the only `unsafe`
//! under `source`: rust-rdkafka wraps neither DescribeTopics nor topic ids.
//!
//! Invariant: everything made here is given back here, also on the way out by an error.

use super::config::Logged;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafkaErrorCode, RDKafkaRespErr};
use std::ffi::{CStr, CString};
use std::ptr::null_mut;
use std::time::Duration;

/// Gives something back to librdkafka when it goes out of scope.
struct Given<T>(*mut T, unsafe extern "C" fn(*mut T));

impl<T> Drop for Given<T> {
    fn drop(&mut self) {
        if !self.0.is_null() {
            // SAFETY: made by librdkafka, owned by us, given back once, by the function that belongs to it.
            unsafe { (self.1)(self.0) };
        }
    }
}

/// The topic's id as `kafka-topics --describe` shows it. None if there is no such topic or the broker has no ids (before 2.8).
pub(super) fn topic_id(
    client: &BaseConsumer<Logged>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<String>> {
    let name = CString::new(topic)?;
    let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
    let native = client.client().native_ptr();
    // SAFETY: the handle is live as long as `client`; every pointer passed on is checked or may be null; `names` and
    // `name` outlive the calls that read them; results are borrowed from `event` and copied before it is given back.
    unsafe {
        let queue = Given(sys::rd_kafka_queue_new(native), sys::rd_kafka_queue_destroy);
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let options = Given(sys::rd_kafka_AdminOptions_new(native, op), sys::rd_kafka_AdminOptions_destroy);
        sys::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout_ms, null_mut(), 0);
        let mut names = [name.as_ptr()];
        let collection = Given(
            sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            sys::rd_kafka_TopicCollection_destroy,
        );
        sys::rd_kafka_DescribeTopics(native, collection.0, options.0, queue.0);
        // the request gives up at its timeout and says so in an event; a little later nobody will
        let event = Given(
            sys::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(1000)),
            sys::rd_kafka_event_destroy,
        );
        if event.0.is_null() {
            return Err(KafkaError::MetadataFetch(RDKafkaErrorCode::OperationTimedOut));
        }
        let failed = sys::rd_kafka_event_error(event.0);
        if failed != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
            return Err(KafkaError::MetadataFetch(failed.into()));
        }
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Ok(None);
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        if topics.is_null() || count == 0 || (*topics).is_null() {
            return Ok(None);
        }
        let id = sys::rd_kafka_TopicDescription_topic_id(*topics);
        if id.is_null() {
            return Ok(None);
        }
        let zero = sys::rd_kafka_Uuid_most_significant_bits(id) == 0
            && sys::rd_kafka_Uuid_least_significant_bits(id) == 0;
        let text = sys::rd_kafka_Uuid_base64str(id);
        if zero || text.is_null() {
            return Ok(None);
        }
        Ok(Some(CStr::from_ptr(text).to_string_lossy().into_owned()))
    }
}
