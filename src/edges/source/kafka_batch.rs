//! librdkafka's batch call over a consumer's queue: the one file with `unsafe` under `source`.
//!
//! Measured: one `rd_kafka_consume_batch_queue` for a thousand messages costs about half the cpu of as many
//! `poll`s (which make an event, a lock and an `Arc` each). Why it is sound and safe to use here:
//! - The consumer queue belongs to the consumer, which this type owns; the queue's handle is given back before it.
//! - A message is ours from the batch call to `rd_kafka_message_destroy`; its payload lives as long. It is lent
//!   to the closure for one call and destroyed after it, by a guard, so a panic leaks nothing.
//! - Batch calls on one handle must not run at the same time: `&mut self` sees to that.
//! - rust-rdkafka asks for rebalance *events* and sets no callback, so the batch call would answer a rebalance by
//!   dropping the assignment. There is none: this consumer is assigned, it never subscribes.
//! - The batch call serves librdkafka's log itself, past rust-rdkafka, and errors that concern no partition become log
//!   lines. So the log function is ours.

use super::config::{Logged, logged};
use crate::core::envelope::Headers;
use crate::core::time::Time;
use crate::edges::kafka::AssignConsumer;
use rdkafka::bindings as sys;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::types::RDKafkaRespErr;
use std::ffi::{CStr, CString, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::time::Duration;

/// Messages fetched by one call.
const BATCH: usize = 1000;

/// A consumer read in batches.
pub(super) struct BatchConsumer {
    queue: NonNull<sys::rd_kafka_queue_t>,
    messages: Vec<*mut sys::rd_kafka_message_t>,
    consumer: AssignConsumer<Logged>,
}

// SAFETY: a librdkafka handle and its queues may be used from any thread; the pointers in `messages` are live only
// inside `poll`, which takes `&mut self`.
unsafe impl Send for BatchConsumer {}

/// One message or partition error, lent for one call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Raw<'a> {
    message: NonNull<sys::rd_kafka_message_t>,
    lent: PhantomData<&'a ()>,
}

/// Stands for a topic as long as one of its partitions is assigned.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TopicKey(usize);

impl<'a> Raw<'a> {
    #[inline]
    fn message(&self) -> &'a sys::rd_kafka_message_t {
        // SAFETY: non-null, filled by the batch call, destroyed only after the closure that it is lent to.
        unsafe { self.message.as_ref() }
    }

    /// The topic as a key.
    #[inline]
    pub(super) fn topic_key(&self) -> TopicKey {
        TopicKey(self.message().rkt as usize)
    }

    /// The topic's name. None where librdkafka has none (an error without a topic).
    pub(super) fn topic(&self) -> Option<&'a str> {
        let topic = self.message().rkt;
        if topic.is_null() {
            return None;
        }
        // SAFETY: the message holds a reference to its topic, whose name is a C string as old as the topic.
        unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(topic)) }.to_str().ok()
    }

    /// The partition.
    #[inline]
    pub(super) fn partition(&self) -> i32 {
        self.message().partition
    }

    /// The message's offset, or the one that the error is about.
    #[inline]
    pub(super) fn offset(&self) -> i64 {
        self.message().offset
    }

    /// The error, None for a message.
    #[inline]
    pub(super) fn error(&self) -> Option<RDKafkaRespErr> {
        let err = self.message().err;
        (err != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR).then_some(err)
    }

    /// The message's value, or the error's text. None for a null value.
    #[inline]
    pub(super) fn payload(&self) -> Option<&'a [u8]> {
        let message = self.message();
        // SAFETY: librdkafka gives a null pointer or `len` readable bytes that live as long as the message.
        (!message.payload.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(message.payload as *const u8, message.len) })
    }
}

impl<'a> Raw<'a> {
    /// The message's key.
    #[inline]
    pub(super) fn key(&self) -> Option<&'a [u8]> {
        let message = self.message();
        // SAFETY: as for the payload.
        (!message.key.is_null())
            .then(|| unsafe { std::slice::from_raw_parts(message.key as *const u8, message.key_len) })
    }

    /// The message's headers.
    pub(super) fn headers(&self) -> RecordHeaders<'a> {
        RecordHeaders(*self)
    }
}

/// The headers of a record, looked up where they lie. librdkafka parses them at the first question.
#[derive(Clone, Copy, Debug)]
pub struct RecordHeaders<'a>(Raw<'a>);

impl Headers for RecordHeaders<'_> {
    fn timestamp(&self) -> Option<Time> {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: a live message, and a place to write to.
        let ms = unsafe { sys::rd_kafka_message_timestamp(self.0.message.as_ptr(), &mut kind) };
        let known = kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE && ms >= 0;
        Some(Time(ms.checked_mul(1000).filter(|_| known)?))
    }

    fn get(&self, name: &str) -> Option<&[u8]> {
        let name = CString::new(name).ok()?;
        let mut headers = std::ptr::null_mut();
        let (mut value, mut length) = (std::ptr::null(), 0);
        // SAFETY: a live message that nobody else reads now; what it hands out lives as long as the message.
        unsafe {
            let found = sys::rd_kafka_message_headers(self.0.message.as_ptr(), &mut headers);
            if found != RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR {
                return None;
            }
            let found = sys::rd_kafka_header_get_last(headers, name.as_ptr(), &mut value, &mut length);
            (found == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && !value.is_null())
                .then(|| std::slice::from_raw_parts(value as *const u8, length))
        }
    }
}

/// Destroys what is left of a batch.
struct Batch<'a>(std::slice::Iter<'a, *mut sys::rd_kafka_message_t>);

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        for &message in self.0.by_ref() {
            // SAFETY: ours since the batch call, not destroyed yet: the iterator is past those that are.
            unsafe { sys::rd_kafka_message_destroy(message) };
        }
    }
}

/// Destroys one message after it was lent.
struct Lent(NonNull<sys::rd_kafka_message_t>);

impl Drop for Lent {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: ours since the batch call and taken out of the iterator, so destroyed once.
        unsafe { sys::rd_kafka_message_destroy(self.0.as_ptr()) };
    }
}

impl BatchConsumer {
    /// Takes the consumer over. None without a group id (there is no consumer queue then).
    pub(super) fn new(consumer: AssignConsumer<Logged>) -> Option<BatchConsumer> {
        let native = consumer.client().native_ptr();
        // SAFETY: the handle is live as long as `consumer`, which outlives the queue (see `Drop`); `log` lives for ever.
        let queue = unsafe {
            sys::rd_kafka_set_logger(native, Some(log));
            sys::rd_kafka_queue_get_consumer(native)
        };
        let messages = vec![std::ptr::null_mut(); BATCH];
        Some(BatchConsumer { queue: NonNull::new(queue)?, messages, consumer })
    }

    /// The consumer, for its control calls.
    pub(super) fn consumer(&self) -> &BaseConsumer<Logged> {
        &self.consumer
    }

    /// Hands over what is queued; waits for the first message up to the timeout and never for a full batch.
    /// Returns how many messages and errors there were.
    #[inline]
    pub(super) fn poll(
        &mut self,
        timeout: Duration,
        on: impl FnMut(Raw<'_>, &BaseConsumer<Logged>),
    ) -> usize {
        let timeout_ms = i32::try_from(timeout.as_millis()).unwrap_or(i32::MAX);
        let mut count = self.fetch(0, 0, self.messages.len());
        if count == 0 && timeout_ms > 0 {
            // the batch call returns when the batch is full or the time is over: wait for one, then take the rest
            count = self.fetch(0, timeout_ms, 1);
            if count > 0 {
                count += self.fetch(count, 0, self.messages.len() - count);
            }
        }
        self.lend(count, on);
        count
    }

    #[inline]
    fn fetch(&mut self, at: usize, timeout_ms: i32, limit: usize) -> usize {
        let free = &mut self.messages[at..at + limit];
        // SAFETY: the queue is live and `free` has room for `limit` pointers.
        let count = unsafe {
            sys::rd_kafka_consume_batch_queue(self.queue.as_ptr(), timeout_ms, free.as_mut_ptr(), free.len())
        };
        usize::try_from(count).unwrap_or(0)
    }

    #[inline]
    fn lend(&mut self, count: usize, mut on: impl FnMut(Raw<'_>, &BaseConsumer<Logged>)) {
        let mut batch = Batch(self.messages[..count].iter());
        for &message in batch.0.by_ref() {
            if let Some(message) = NonNull::new(message) {
                let _lent = Lent(message);
                on(Raw { message, lent: PhantomData }, &self.consumer);
            }
        }
    }
}

/// The high watermark in the last fetch response for the partition, without asking anybody. None before the first.
pub(super) fn fetched_high(consumer: &BaseConsumer<Logged>, topic: &str, partition: i32) -> Option<i64> {
    let topic = CString::new(topic).ok()?;
    let (mut low, mut high) = (-1, -1);
    // SAFETY: a live handle, a C string, two places to write to.
    let err = unsafe {
        sys::rd_kafka_get_watermark_offsets(
            consumer.client().native_ptr(),
            topic.as_ptr(),
            partition,
            &mut low,
            &mut high,
        )
    };
    (err == RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR && high >= 0).then_some(high)
}

/// librdkafka's log lines, to `tracing`.
unsafe extern "C" fn log(
    _: *const sys::rd_kafka_t,
    level: c_int,
    facility: *const c_char,
    text: *const c_char,
) {
    let owned = |text: *const c_char| match text.is_null() {
        true => String::new(),
        // SAFETY: not null, and librdkafka passes C strings that live as long as the call.
        false => unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned(),
    };
    logged(level, &owned(facility), &owned(text));
}

impl Drop for BatchConsumer {
    fn drop(&mut self) {
        // SAFETY: our reference to the queue, given back once, before the consumer (a field) is dropped.
        unsafe { sys::rd_kafka_queue_destroy(self.queue.as_ptr()) };
    }
}
