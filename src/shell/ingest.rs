//! One ingest thread: from Kafka messages to chunks.
//!
//! Invariant: a chunk leaves only after the dead letters of its lines are acknowledged, and what it covers is
//! exactly what was counted. No lock, no clock and no allocation per record.

use crate::core::accumulator::{Accumulator, Slot};
use crate::core::envelope::Message;
use crate::core::partial::{Chunk, Gap, Standing};
use crate::core::position::{Partition, Span};
use crate::core::reader::Carry;
use crate::core::settings::Input;
use crate::edges::metrics::{Metrics, PartitionLabels, SinkLabel};
use crate::edges::sink::Control;
use crate::edges::sink::dead_letters::{Letter, LetterWriter};
use crate::edges::source::kafka::{Assignment, Delivery, KafkaConsumer, Stop, StopReason};
use crate::edges::source::{Ends, KafkaConfig};
use crate::shell::clock::Clock;
use crate::shell::error::RunError;
use crate::shell::samples::Samples;
use crate::shell::watch::Sighting;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError};
use std::time::{Duration, Instant};

/// How long one poll waits for a message: also how late an order from the engine is seen.
const POLL: Duration = Duration::from_millis(10);
/// `--until-end`: how soon after a flush a thread to which nothing comes looks whether it is at the end.
const END_LOOK: Duration = Duration::from_millis(50);
/// Pause between two attempts to get dead letters acknowledged.
const RETRY: Duration = Duration::from_secs(1);

/// What the engine's side tells an ingest thread.
pub enum Order {
    /// Read this partition from that offset on.
    Assign {
        /// Index of the cluster.
        cluster: usize,
        /// The partition.
        partition: Partition,
        /// What its messages hold.
        input: Input,
        /// First offset.
        offset: i64,
        /// What a reader carried when it stood there.
        carry: Vec<u8>,
    },
    /// Fetch nothing from it for now: it is far ahead of the slowest.
    Pause(Partition),
    /// Fetch again.
    Resume(Partition),
    /// Read it no more until it is repaired.
    Stop {
        /// The partition.
        partition: Partition,
        /// Why.
        reason: StopReason,
    },
}

/// What ingest and watch threads tell the engine's side.
pub enum Report {
    /// What a watch has seen.
    Seen(Sighting),
    /// A chunk, or nothing new but where partitions stand.
    Chunk(Box<Chunk>),
    /// `--until-end`: all partitions of this thread are at the end they had.
    Finished {
        /// The thread.
        thread: usize,
        /// How many partitions it has finished.
        partitions: usize,
    },
    /// The thread has stopped; its last chunk went before this.
    Stopped(Result<(), RunError>),
}

/// What an ingest thread is made of.
pub struct Ingest {
    /// Its number.
    pub thread: usize,
    /// The clusters that it may read from, and the last answers of their brokers.
    pub clusters: Vec<(KafkaConfig, Ends)>,
    /// What counts.
    pub accumulator: Accumulator,
    /// Where dead letters go.
    pub letters: LetterWriter,
    /// Orders.
    pub orders: Receiver<Order>,
    /// Chunks.
    pub reports: SyncSender<Report>,
    /// Longest time between two flushes.
    pub flush_every: Duration,
    /// Size of a partial that is flushed at once.
    pub flush_bytes_max: usize,
    /// Stop at the end that the topics had at the start.
    pub until_end: bool,
    /// Stop flag and log.
    pub control: Control,
    /// Rejected lines for the log.
    pub samples: Arc<Samples>,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
    /// A dead letter could not be kept before the stop: what was counted since the last flush is dropped.
    pub torn: bool,
}

struct Lane {
    slot: Slot,
    cluster: usize,
    labels: PartitionLabels,
    /// `--until-end`: the offset that it reads to, once known.
    end: Option<i64>,
    finished: bool,
    /// `--until-end`: it is stopped, nothing more is waited for.
    stopped: bool,
    /// How many repaired lines the metric has of it.
    repaired: Cell<u64>,
}

/// A hole that a poll told of: counted between two flushes, so that the slices around it are known.
struct Lost {
    slot: Slot,
    span: Span,
    reason: &'static str,
}

impl Ingest {
    /// Runs until it is told to stop, or has nobody to report to.
    pub fn run(mut self) {
        let ended = self.turn_until_stopped();
        // Nobody listens any more if the engine's side has ended first.
        let _ = self.reports.send(Report::Stopped(ended));
    }

    fn turn_until_stopped(&mut self) -> Result<(), RunError> {
        let mut consumers: Vec<Option<KafkaConsumer<Slot>>> = self.clusters.iter().map(|_| None).collect();
        let mut lanes: BTreeMap<Partition, Lane> = BTreeMap::new();
        let mut flushed = Instant::now();
        let mut finished = 0;
        loop {
            self.take_orders(&mut consumers, &mut lanes)?;
            let stop = self.control.stop.load(Ordering::Relaxed);
            let quiet = !stop && self.poll(&mut consumers, &lanes) == 0;
            let at_end = self.until_end
                && quiet
                && flushed.elapsed() >= END_LOOK
                && lanes.values().any(|lane| !lane.finished && !lane.stopped);
            if stop
                || at_end
                || flushed.elapsed() >= self.flush_every
                || self.accumulator.bytes() >= self.flush_bytes_max
            {
                self.finish_lanes(&mut consumers, &mut lanes)?;
                if !self.flush(&mut consumers, &lanes) || stop {
                    return Ok(());
                }
                flushed = Instant::now();
                let done = lanes.values().filter(|l| l.finished || l.stopped).count();
                if self.until_end && done > finished {
                    finished = done;
                    let report = Report::Finished { thread: self.thread, partitions: done };
                    if self.reports.send(report).is_err() {
                        return Ok(());
                    }
                }
            }
        }
    }

    fn take_orders(
        &mut self,
        consumers: &mut [Option<KafkaConsumer<Slot>>],
        lanes: &mut BTreeMap<Partition, Lane>,
    ) -> Result<(), RunError> {
        loop {
            let order = match self.orders.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => return Ok(()),
            };
            match order {
                Order::Assign { cluster, partition, input, offset, carry } => {
                    let carry = Carry::from_bytes(&carry)
                        .map_err(|e| RunError::Restore(format!("what {partition} carries: {e}")))?;
                    let slot = self.accumulator.register(partition.clone(), &input, offset)?;
                    self.accumulator.resume(slot, carry);
                    let consumer = match &mut consumers[cluster] {
                        Some(consumer) => consumer,
                        none => none.insert(KafkaConsumer::open(&self.clusters[cluster].0)?),
                    };
                    let (topic, number) = (partition.topic.clone(), partition.number);
                    consumer.assign(&[Assignment { slot, topic, partition: number, offset }])?;
                    let labels = PartitionLabels {
                        source: partition.source.to_string(),
                        topic: partition.topic.to_string(),
                        partition: number,
                    };
                    lanes.insert(
                        partition,
                        Lane {
                            slot,
                            cluster,
                            labels,
                            end: None,
                            finished: false,
                            stopped: false,
                            repaired: Cell::new(0),
                        },
                    );
                }
                Order::Pause(partition) => {
                    if let Some(lane) = lanes.get(&partition)
                        && let Some(consumer) = &mut consumers[lane.cluster]
                    {
                        consumer.pause(lane.slot)?;
                    }
                }
                Order::Resume(partition) => {
                    if let Some(lane) = lanes.get(&partition)
                        && let Some(consumer) = &mut consumers[lane.cluster]
                    {
                        consumer.resume(lane.slot)?;
                    }
                }
                Order::Stop { partition, reason } => {
                    if let Some(lane) = lanes.get(&partition)
                        && let Some(consumer) = &mut consumers[lane.cluster]
                        && let Some(stop) = consumer.stop(lane.slot, reason)?
                    {
                        tell_stopped(&partition, &stop);
                    }
                }
            }
        }
    }

    /// Counts what has come, and says how much that was.
    fn poll(
        &mut self,
        consumers: &mut [Option<KafkaConsumer<Slot>>],
        lanes: &BTreeMap<Partition, Lane>,
    ) -> usize {
        let mut lost: Vec<Lost> = Vec::new();
        let (mut any, mut come) = (false, 0);
        for consumer in consumers.iter_mut().flatten() {
            any = true;
            let now = self.clock.now();
            let (accumulator, letters) = (&mut self.accumulator, &mut self.letters);
            let (control, metrics, torn) = (&self.control, &self.metrics, &mut self.torn);
            let samples = &self.samples;
            come += consumer.poll(POLL, &mut |delivery| match delivery {
                Delivery::Message { slot, offset, payload, key, headers } => {
                    let message = Message {
                        payload: payload.unwrap_or_default(),
                        key,
                        headers: &headers,
                        one_line: false,
                    };
                    accumulator.message(slot, &message, now, &mut |rejected| {
                        samples.take(&rejected, offset, now);
                        let letter = Letter::of(&rejected, offset, now);
                        *torn |= !keep(letters, &letter, control, metrics);
                    });
                    accumulator.advance(slot, offset + 1);
                }
                Delivery::End { slot, offset, .. } => accumulator.advance(slot, offset),
                Delivery::Replayed { slot, .. } => accumulator.replayed(slot, 1),
                Delivery::Lost { slot, from, to, reason } => {
                    lost.push(Lost { slot, span: Span { start: from, end: to }, reason });
                }
                Delivery::Stopped { slot, stop } => tell_stopped(accumulator.partition(slot), &stop),
                Delivery::Trouble { slot, error } => {
                    tracing::warn!(partition = %accumulator.partition(slot), "{error}");
                }
            });
        }
        if !any {
            std::thread::sleep(POLL);
        }
        for hole in lost {
            self.flush(consumers, lanes);
            let Lost { slot, span, reason } = hole;
            tracing::error!(
                partition = %self.accumulator.partition(slot), from = span.start, to = span.end, reason,
                "offsets were lost before they could be read"
            );
            let (now, torn) = (self.clock.now(), &mut self.torn);
            let (letters, control, metrics) = (&mut self.letters, &self.control, &self.metrics);
            // the rest of open lines is lost with the offsets
            self.accumulator.give_up(slot, &mut |rejected| {
                *torn |= !keep(letters, &Letter::of(&rejected, span.start, now), control, metrics);
            });
            self.accumulator.gap(slot, Gap { span, reason: reason.into() });
            self.flush(consumers, lanes);
        }
        come
    }

    /// `--until-end`: finds out where partitions ended at the start, and lets go of those that are there or stopped.
    fn finish_lanes(
        &mut self,
        consumers: &mut [Option<KafkaConsumer<Slot>>],
        lanes: &mut BTreeMap<Partition, Lane>,
    ) -> Result<(), RunError> {
        if !self.until_end {
            return Ok(());
        }
        for lane in lanes.values_mut().filter(|l| !l.finished && !l.stopped) {
            let Some(consumer) = &mut consumers[lane.cluster] else { continue };
            lane.stopped = consumer.is_stopped(lane.slot);
            if lane.stopped {
                continue;
            }
            if lane.end.is_none() {
                match consumer.stable_end(lane.slot) {
                    // an end before our position is none: that the log is another one comes from its broker
                    Ok(end) => lane.end = end.filter(|end| *end >= self.accumulator.next(lane.slot)),
                    Err(error) => tracing::warn!("{error}"),
                }
            }
            if lane.end.is_some_and(|end| self.accumulator.next(lane.slot) >= end) {
                lane.finished = true;
                consumer.unassign(lane.slot)?;
            }
        }
        Ok(())
    }

    /// Hands over a chunk. False: nobody takes it any more.
    fn flush(
        &mut self,
        consumers: &mut [Option<KafkaConsumer<Slot>>],
        lanes: &BTreeMap<Partition, Lane>,
    ) -> bool {
        if lanes.is_empty() {
            return true;
        }
        if self.torn {
            return false;
        }
        let started = Instant::now();
        while let Err(error) = self.letters.flush() {
            self.metrics.sink_errors.get_or_create(&SinkLabel { sink: "dead_letters" }).inc();
            if self.control.stop.load(Ordering::Relaxed) {
                tracing::error!("{error}; the lines since the last flush are read again after the restart");
                return false;
            }
            (self.control.log)(&format!("{error}; trying again until it passes"));
            std::thread::sleep(RETRY);
        }
        for lane in lanes.values() {
            let repaired = self.accumulator.repaired(lane.slot);
            self.metrics.repaired.inc_by(repaired.saturating_sub(lane.repaired.replace(repaired)));
            let Some(consumer) = &mut consumers[lane.cluster] else { continue };
            let ends = &self.clusters[lane.cluster].1;
            let standing =
                if lane.finished { Standing::Finished } else { consumer.standing(lane.slot, ends) };
            self.accumulator.standing(lane.slot, standing);
            if let Some(lag) = consumer.lag(lane.slot, ends) {
                let lag = i64::try_from(lag).unwrap_or(i64::MAX);
                self.metrics.kafka_lag_records.get_or_create(&lane.labels).set(lag);
            }
        }
        let chunk = Box::new(self.accumulator.flush(self.clock.now()));
        self.metrics.flush_duration_seconds.observe(started.elapsed().as_secs_f64());
        self.metrics.queue_chunks.inc();
        self.reports.send(Report::Chunk(chunk)).is_ok()
    }
}

/// Says that a partition is not read any more, and the way out.
fn tell_stopped(partition: &Partition, stop: &Stop) {
    tracing::error!(
        %partition,
        "{stop}; it is not read until it is repaired: run with --restart-at {}/{}=earliest (or =latest, or =OFFSET)",
        partition.topic, partition.number
    );
}

/// Hands a dead letter over; a full disk is waited for, as the line must not be lost. False: told to stop first.
fn keep(letters: &mut LetterWriter, letter: &Letter<'_>, control: &Control, metrics: &Metrics) -> bool {
    while let Err(error) = letters.send(letter) {
        metrics.sink_errors.get_or_create(&SinkLabel { sink: "dead_letters" }).inc();
        if control.stop.load(Ordering::Relaxed) {
            tracing::error!("{error}; the lines since the last flush are read again after the restart");
            return false;
        }
        (control.log)(&format!("{error}; trying again until it passes"));
        std::thread::sleep(RETRY);
    }
    true
}
