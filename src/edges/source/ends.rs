//! The last answers of the brokers about where partitions end, shared by the control thread (which asks) and
//! the ingest threads (which compare them with their positions).
//!
//! Invariant: an answer is as old as its question; a position equal to it was the end at that moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// One broker's answer about one partition.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// The high watermark: the offset after the last replicated record, committed or not.
    pub high: i64,
    /// When it was asked.
    pub asked: Instant,
}

/// Answers by topic and partition. Cheap to clone: clones share the answers.
#[derive(Clone, Default, Debug)]
pub struct Ends(Arc<Mutex<Answers>>);

type Answers = HashMap<Arc<str>, HashMap<i32, Answer>>;

impl Ends {
    /// No answers yet.
    pub fn new() -> Ends {
        Ends::default()
    }

    /// Notes an answer; an older question does not replace a newer one.
    pub fn note(&self, topic: &Arc<str>, partition: i32, answer: Answer) {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let partitions = topics.entry(topic.clone()).or_default();
        let known = partitions.entry(partition).or_insert(answer);
        if known.asked <= answer.asked {
            *known = answer;
        }
    }

    /// The last answer about the partition.
    pub fn get(&self, topic: &str, partition: i32) -> Option<Answer> {
        let topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        topics.get(topic)?.get(&partition).copied()
    }

    /// Forgets the partition.
    pub fn forget(&self, topic: &str, partition: i32) {
        let mut topics = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(partitions) = topics.get_mut(topic) {
            partitions.remove(&partition);
        }
    }
}
