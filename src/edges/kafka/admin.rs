//! What brokers say of topics, and topics made: the id that the cluster gave one, which is another after it was deleted and made
//! anew, and its settings. With `source::kafka_batch` the only `unsafe` around Kafka: rust-rdkafka wraps neither DescribeTopics nor
//! topic ids, and for settings and new topics has a client and a thread of their own, which it waits for at every start.
//!
//! Invariant: everything made here is given back here, also on the way out by an error.

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{KafkaError, KafkaResult};
use rdkafka::types::{RDKafka, RDKafkaErrorCode, RDKafkaRespErr};
use std::ffi::{CStr, CString, c_char};
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
///
/// # Errors
/// If nobody answers within the timeout, or the answer is no.
pub(in crate::edges) fn topic_id<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    timeout: Duration,
) -> KafkaResult<Option<String>> {
    let name = CString::new(topic)?;
    let native = client.native_ptr();
    // SAFETY: `names` and `name` outlive the request that reads them; results are borrowed from `event` and copied before
    // it is given back; every pointer is checked before it is followed.
    unsafe {
        let mut names = [name.as_ptr()];
        let collection = Given(
            sys::rd_kafka_TopicCollection_of_topic_names(names.as_mut_ptr(), names.len()),
            sys::rd_kafka_TopicCollection_destroy,
        );
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS;
        let event = ask(native, op, timeout, |options, queue| {
            sys::rd_kafka_DescribeTopics(native, collection.0, options, queue);
        })?;
        let result = sys::rd_kafka_event_DescribeTopics_result(event.0);
        if result.is_null() {
            return Ok(None);
        }
        let mut count = 0;
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let Some(topic) = first(topics, count) else { return Ok(None) };
        let id = sys::rd_kafka_TopicDescription_topic_id(topic);
        if id.is_null() {
            return Ok(None);
        }
        let zero = sys::rd_kafka_Uuid_most_significant_bits(id) == 0
            && sys::rd_kafka_Uuid_least_significant_bits(id) == 0;
        Ok(if zero { None } else { text(sys::rd_kafka_Uuid_base64str(id)) })
    }
}

/// A topic's setting. None if the broker does not tell it.
///
/// # Errors
/// If nobody answers within the timeout, or the answer is no.
pub(in crate::edges) fn topic_setting<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    setting: &str,
    timeout: Duration,
) -> KafkaResult<Option<String>> {
    let name = CString::new(topic)?;
    let native = client.native_ptr();
    // SAFETY: `name` and `resource` outlive the request that reads them; results are borrowed from `event` and copied
    // before it is given back; every pointer is checked before it is followed.
    unsafe {
        let kind = sys::rd_kafka_ResourceType_t::RD_KAFKA_RESOURCE_TOPIC;
        let resource = Given(
            sys::rd_kafka_ConfigResource_new(kind, name.as_ptr()),
            sys::rd_kafka_ConfigResource_destroy,
        );
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBECONFIGS;
        let event = ask(native, op, timeout, |options, queue| {
            let mut resources = [resource.0];
            sys::rd_kafka_DescribeConfigs(native, resources.as_mut_ptr(), resources.len(), options, queue);
        })?;
        let result = sys::rd_kafka_event_DescribeConfigs_result(event.0);
        if result.is_null() {
            return Ok(None);
        }
        let mut count = 0;
        let resources = sys::rd_kafka_DescribeConfigs_result_resources(result, &mut count);
        let Some(resource) = first(resources, count) else { return Ok(None) };
        refuse(sys::rd_kafka_ConfigResource_error(resource))?;
        let entries = sys::rd_kafka_ConfigResource_configs(resource, &mut count);
        if entries.is_null() || count == 0 {
            return Ok(None);
        }
        let entries = std::slice::from_raw_parts(entries, count);
        let found = entries.iter().filter(|entry| !entry.is_null()).find(|entry| {
            text(sys::rd_kafka_ConfigEntry_name(**entry)).is_some_and(|found| found == setting)
        });
        Ok(found.and_then(|entry| text(sys::rd_kafka_ConfigEntry_value(*entry))))
    }
}

/// Makes a topic with the broker's replication, and its number of partitions where none is given. False if it is there already.
///
/// # Errors
/// If nobody answers within the timeout, or the answer is no.
pub(in crate::edges) fn make_topic<C: ClientContext>(
    client: &Client<C>,
    topic: &str,
    partitions: Option<i32>,
    settings: &[(&str, &str)],
    timeout: Duration,
) -> KafkaResult<bool> {
    let name = CString::new(topic)?;
    let native = client.native_ptr();
    // SAFETY: librdkafka copies names and settings as it is told them, and the topic as the request is sent; the result is borrowed
    // from `event`, and every pointer is checked before it is followed.
    unsafe {
        let new = Given(
            sys::rd_kafka_NewTopic_new(name.as_ptr(), partitions.unwrap_or(-1), -1, null_mut(), 0),
            sys::rd_kafka_NewTopic_destroy,
        );
        if new.0.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::InvalidArgument));
        }
        for (setting, value) in settings {
            let (setting, value) = (CString::new(*setting)?, CString::new(*value)?);
            refuse(sys::rd_kafka_NewTopic_set_config(new.0, setting.as_ptr(), value.as_ptr()))?;
        }
        let op = sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_CREATETOPICS;
        let event = ask(native, op, timeout, |options, queue| {
            // until it can be used, not only until the controller knows of it
            sys::rd_kafka_AdminOptions_set_operation_timeout(options, milliseconds(timeout), null_mut(), 0);
            let mut all = [new.0];
            sys::rd_kafka_CreateTopics(native, all.as_mut_ptr(), all.len(), options, queue);
        })?;
        let result = sys::rd_kafka_event_CreateTopics_result(event.0);
        let mut count = 0;
        let made = if result.is_null() {
            None
        } else {
            first(sys::rd_kafka_CreateTopics_result_topics(result, &mut count), count)
        };
        match made.map(|topic| sys::rd_kafka_topic_result_error(topic)) {
            Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS) => Ok(false),
            Some(error) => refuse(error).map(|()| true),
            None => Err(KafkaError::AdminOp(RDKafkaErrorCode::Fail)),
        }
    }
}

/// Sends a request and waits for the event that answers it.
///
/// # Safety
/// `native` is live, and `send` sends one request of that kind with the options and the queue it is given.
unsafe fn ask(
    native: *mut RDKafka,
    op: sys::rd_kafka_admin_op_t,
    timeout: Duration,
    send: impl FnOnce(*mut sys::rd_kafka_AdminOptions_t, *mut sys::rd_kafka_queue_t),
) -> KafkaResult<Given<sys::rd_kafka_event_t>> {
    let timeout_ms = milliseconds(timeout);
    // SAFETY: the handle is live; options and queue are given back after the request was answered or gave up.
    unsafe {
        let queue = Given(sys::rd_kafka_queue_new(native), sys::rd_kafka_queue_destroy);
        let options = Given(sys::rd_kafka_AdminOptions_new(native, op), sys::rd_kafka_AdminOptions_destroy);
        sys::rd_kafka_AdminOptions_set_request_timeout(options.0, timeout_ms, null_mut(), 0);
        send(options.0, queue.0);
        // the request gives up at its timeout and says so in an event; a little later nobody will
        let event = Given(
            sys::rd_kafka_queue_poll(queue.0, timeout_ms.saturating_add(1000)),
            sys::rd_kafka_event_destroy,
        );
        if event.0.is_null() {
            return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
        }
        refuse(sys::rd_kafka_event_error(event.0))?;
        Ok(event)
    }
}

fn milliseconds(timeout: Duration) -> i32 {
    i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX)
}

/// The first of an answer's results, None if there is none.
///
/// # Safety
/// `all` is null or points to so many pointers.
unsafe fn first<T>(all: *mut *const T, count: usize) -> Option<*const T> {
    if all.is_null() || count == 0 {
        return None;
    }
    // SAFETY: as asked of the caller.
    let first = unsafe { *all };
    (!first.is_null()).then_some(first)
}

fn refuse(error: RDKafkaRespErr) -> KafkaResult<()> {
    match error {
        RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR => Ok(()),
        error => Err(KafkaError::AdminOp(error.into())),
    }
}

/// A copy of librdkafka's text, None if there is none.
///
/// # Safety
/// `text` is null or a live C string.
unsafe fn text(text: *const c_char) -> Option<String> {
    // SAFETY: as asked of the caller.
    if text.is_null() { None } else { Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()) }
}
