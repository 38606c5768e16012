//! Events to receivers over HTTP, beside the events' own sink: Alertmanagers and webhooks.
//!
//! Invariant: a receiver never holds the pipeline up. What is for receivers is put into the outbox in the durable
//! step; each receiver's thread follows it at its own pace and marks what was acknowledged, so that a restart
//! goes on there. An event comes at least once, its id says whether it came before.

mod alertmanager;
mod http;
mod outbox;
mod webhook;

pub use http::{Auth, HttpTarget};
pub use outbox::{Outbox, OutboxError};

use crate::core::event::{Event, FIRING, RESOLVED};
use crate::core::time::Time;
use crate::edges::metrics::{DeliveryLabels, Metrics, ReceiverLabel};
use crate::edges::sink::Control;
use crate::edges::sink::events::Mode;
use http::{Answer, Http};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The first wait after a failed delivery; each further one doubles it.
const RETRY_MIN: Duration = Duration::from_millis(500);
/// The longest.
const RETRY_MAX: Duration = Duration::from_secs(60);
/// How often a thread without work looks whether the process ends.
const TURN: Duration = Duration::from_millis(100);
/// How long a thread goes on delivering once the process ends.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Who receives events over HTTP.
#[derive(Clone, PartialEq, Debug)]
pub struct Receiver {
    /// Its name: the outbox knows by it what was acknowledged.
    pub name: String,
    /// How to reach it.
    pub http: HttpTarget,
    /// What it speaks.
    pub speaks: Speaks,
}

/// What a receiver speaks.
#[derive(Clone, PartialEq, Debug)]
pub enum Speaks {
    /// Alertmanager's API, version 2.
    Alertmanager {
        /// Time between two reports of an alert that fires.
        resend_every: Duration,
        /// Labels of every alert beside its own.
        labels: BTreeMap<String, String>,
    },
    /// CloudEvents over HTTP, an event a request.
    Webhook {
        /// How an event lies in a request.
        mode: Mode,
        /// Headers of every request.
        headers: BTreeMap<String, String>,
        /// The event types it wants; all if empty.
        types: Vec<String>,
        /// Whether it wants history too.
        replay: bool,
    },
}

impl Receiver {
    /// Whether it needs to know of an event of that type.
    fn wants(&self, kind: &str, is_replay: bool) -> bool {
        match &self.speaks {
            // an alert that resolved in history fires no longer, so its end is needed whenever it was
            Speaks::Alertmanager { .. } => kind == RESOLVED || kind == FIRING && !is_replay,
            Speaks::Webhook { types, replay, .. } => {
                (*replay || !is_replay) && (types.is_empty() || types.iter().any(|t| t == kind))
            }
        }
    }

    fn wants_event(&self, event: &Event) -> bool {
        self.wants(event.kind, event.replay)
    }
}

/// One receiver's thread.
pub struct Delivery {
    /// The receiver.
    pub receiver: Receiver,
    /// What is to be delivered.
    pub outbox: Arc<Outbox>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Stop flag, to be set when nothing more is put into the outbox, and log.
    pub control: Control,
    /// The clock: an Alertmanager is told until when an alert holds.
    pub now: Arc<dyn Fn() -> Time + Send + Sync>,
}

impl Delivery {
    /// Delivers until told to stop, and then what is left as far as the receiver takes it without a failure.
    pub fn run(self) {
        match self.receiver.speaks.clone() {
            Speaks::Alertmanager { resend_every, labels } => alertmanager::run(&self, resend_every, labels),
            Speaks::Webhook { mode, headers, .. } => webhook::run(&self, mode, &headers),
        }
    }

    /// Posts once, and counts it.
    fn post(&self, http: &mut Http, headers: &[(String, String)], body: &[u8]) -> Answer {
        let started = Instant::now();
        let answer = http.post(headers, body);
        self.metrics.delivery_duration_seconds.observe(started.elapsed().as_secs_f64());
        let outcome = match &answer {
            Answer::Taken => "taken",
            Answer::Refused(_) => "refused",
            Answer::Failed(_) => "failed",
        };
        let labels = DeliveryLabels { receiver: self.receiver.name.clone(), outcome };
        self.metrics.deliveries.get_or_create(&labels).inc();
        answer
    }

    fn log(&self, what: &str) {
        (self.control.log)(&format!("{}: {what}", self.receiver.name));
    }

    fn show_waiting(&self, waiting: usize) {
        let label = ReceiverLabel { receiver: self.receiver.name.clone() };
        self.metrics.delivery_waiting.get_or_create(&label).set(i64::try_from(waiting).unwrap_or(i64::MAX));
    }
}

/// When to try again, and how long to go on when the process ends.
struct Retry {
    wait: Duration,
    not_before: Option<Instant>,
    ending: Option<Instant>,
}

impl Retry {
    fn new() -> Retry {
        Retry { wait: RETRY_MIN, not_before: None, ending: None }
    }

    fn is_due(&self) -> bool {
        self.not_before.is_none_or(|at| Instant::now() >= at)
    }

    /// Whether the last attempt failed.
    fn is_failing(&self) -> bool {
        self.not_before.is_some()
    }

    fn failed(&mut self) {
        self.not_before = Some(Instant::now() + self.wait);
        self.wait = (self.wait * 2).min(RETRY_MAX);
    }

    fn succeeded(&mut self) {
        (self.wait, self.not_before) = (RETRY_MIN, None);
    }

    /// Whether it is time to leave: the process ends, and an attempt failed since or they take too long.
    fn gives_up(&mut self, control: &Control) -> bool {
        if !control.stopped() {
            return false;
        }
        if self.ending.is_none() {
            // one more attempt, however long the wait was to be
            self.not_before = None;
        }
        let since = self.ending.get_or_insert_with(Instant::now);
        self.not_before.is_some() || since.elapsed() > LAST_WORDS
    }
}

#[cfg(test)]
mod tests;
