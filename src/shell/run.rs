//! `run`: the service. The only file that spawns.
//!
//! The path of a message, entry to exit:
//! ```text
//! consumer.poll(..)                       edges::source   messages, in order, borrowed
//!   accumulator.message(slot, message, …) core            envelope → format → record → service → SLIs → cells
//! accumulator.flush(clock)                core            a chunk: cells and what they cover
//! committer.commit(entries)               shell           journal (durable), then
//!   engine.apply(position, entry, out)    core            watermark → slices → ledger → alerts
//!   events.publish(..), rollups.write(..) edges::sink     one Kafka transaction; Parquet linked into place
//! committer.snapshot()                    shell           after the outputs; then the journal is trimmed
//! ```

use crate::core::accumulator::Accumulator;
use crate::core::entry::{Entry, ForcedCut, Start};
use crate::core::partial::Standing;
use crate::core::position::Partition;
use crate::core::record::Labels;
use crate::core::service::Classifier;
use crate::core::time::Slice;
use crate::edges::http;
use crate::edges::metrics::{Metrics, OutcomeLabel};
use crate::edges::sink::dead_letters::DeadLetters;
use crate::edges::sink::delivery::Delivery;
use crate::edges::source::Ends;
use crate::edges::source::kafka::StopReason;
use crate::edges::source::topics::{StartAt, Topics};
use crate::shell::args::{Restart, RestartPlace, RunArgs};
use crate::shell::cli::Terminal;
use crate::shell::clock::Clock;
use crate::shell::commit::{Committer, Setup};
use crate::shell::connect;
use crate::shell::error::RunError;
use crate::shell::exit::{CommandError, Exit};
use crate::shell::gauges;
use crate::shell::ingest::{Ingest, Order, Report};
use crate::shell::pipeline::Pipeline;
use crate::shell::samples::Samples;
use crate::shell::watch::{FoundPartition, Hint, Sighting, Watch, Watched};
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long the engine waits for a chunk before it looks at other things.
const TURN: Duration = Duration::from_millis(100);
/// Signals so soon after the first mean the same.
const SAME_WISH: Duration = Duration::from_secs(1);
/// Chunks that go into one durable transaction at most: all of them are in memory, each of up to `flush_bytes_max`.
const CHUNKS_AT_ONCE_MAX: usize = 4;

/// How to run.
pub struct Options {
    /// Read what was there at the start, cut what is closed, stop.
    pub until_end: bool,
    /// With `until_end`: close every slice that holds a record.
    pub close: bool,
    /// Begin a new journal beside outputs of an older one.
    pub take_over: bool,
    /// Repair: where stopped partitions go on.
    pub restart_at: Vec<Restart>,
    /// Whether the brokers know topic ids: librdkafka's mock cluster does not answer about them.
    pub topic_ids: bool,
    /// The clock.
    pub clock: Clock,
    /// Metrics, shared with whoever shows them.
    pub metrics: Arc<Metrics>,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

/// `ninetail run`.
///
/// # Errors
/// If the pipeline is invalid, or as [`RunError`] says.
pub fn command(args: &RunArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let pipeline = Pipeline::load(&args.pipeline)?;
    eprint!("{}", pipeline.warnings_text(terminal.stderr_color));
    let options = Options {
        until_end: args.until_end,
        close: args.close,
        take_over: args.take_over,
        restart_at: args.restart_at.clone(),
        topic_ids: true,
        clock: Clock::system(),
        metrics: Arc::new(Metrics::new()),
        stop: Arc::new(AtomicBool::new(false)),
    };
    let _attendance =
        attend(pipeline.http, pipeline.shutdown_timeout, &options.stop, (&options.metrics, options.clock))
            .map_err(CommandError::failed)?;
    run(&pipeline, &options).map_err(CommandError::failed)?;
    if options.until_end {
        let of = |outcome| options.metrics.records.get_or_create(&OutcomeLabel { outcome }).get();
        let [records, skipped, rejected] = ["record", "skipped", "rejected"].map(of);
        let (lines, cuts) = (records + skipped + rejected, options.metrics.cuts.get());
        let rollups = pipeline.sinks.rollups.display();
        eprintln!("{lines} lines, {rejected} rejected, {cuts} cuts\nrollups {rollups}");
    }
    Ok(Exit::Done)
}

/// Runs the pipeline until it is told to stop or, with `until_end`, is done.
///
/// # Errors
/// As [`RunError`] says.
pub fn run(pipeline: &Pipeline, options: &Options) -> Result<(), RunError> {
    let control = connect::control(&options.stop);
    let clusters = connect::clusters(pipeline)?;
    let letters = DeadLetters::open(&connect::letters(pipeline)?, &control)?;
    let mut committer = Committer::open(Setup {
        settings: pipeline.settings.clone(),
        state: pipeline.state.clone(),
        rollups: pipeline.sinks.rollups.clone(),
        events: connect::events(pipeline)?,
        receivers: pipeline.sinks.receivers.clone(),
        backfill: false,
        take_over: options.take_over,
        patient: true,
        control: control.clone(),
        metrics: options.metrics.clone(),
        clock: options.clock,
    })?;
    restart(&mut committer, &clusters, options)?;
    let (reports, told) = sync_channel(pipeline.bounds.queue_chunks_max);
    options.metrics.queue_chunks_max.set(pipeline.bounds.queue_chunks_max as i64);
    let ends: Vec<Ends> = clusters.iter().map(|_| Ends::new()).collect();
    let samples = Arc::new(Samples::default());
    let mut threads = Vec::new();
    let mut orders = Vec::new();
    for thread in 0..pipeline.threads {
        let (order, taken) = channel();
        orders.push(order);
        let configs = clusters.iter().map(|c| c.config.clone()).zip(ends.iter().cloned());
        let ingest = Ingest {
            thread,
            clusters: configs.collect(),
            accumulator: accumulator(&committer)?,
            letters: letters.writer(),
            orders: taken,
            reports: reports.clone(),
            flush_every: pipeline.bounds.flush_every,
            flush_bytes_max: pipeline.bounds.flush_bytes_max,
            until_end: options.until_end,
            control: control.clone(),
            samples: samples.clone(),
            metrics: options.metrics.clone(),
            clock: options.clock,
            torn: false,
        };
        threads.push(spawn(&format!("ingest-{thread}"), move || ingest.run())?);
    }
    let mut hints = Vec::new();
    for (number, cluster) in clusters.iter().enumerate() {
        let (hint, taken) = channel();
        hints.push(hint);
        let watch = Watch {
            cluster: number,
            config: cluster.config.clone(),
            topics: watched(&committer, cluster),
            ids: options.topic_ids,
            ends: ends[number].clone(),
            hints: taken,
            sightings: reports.clone(),
            control: control.clone(),
        };
        threads.push(spawn(&format!("watch-{number}"), move || {
            if let Err(error) = watch.run() {
                tracing::error!("{error}");
            }
        })?);
    }
    drop(reports);
    // receivers are served until the last event was put out, not only until the stop
    let done = Arc::new(AtomicBool::new(false));
    if let Some(outbox) = committer.outbox() {
        for receiver in outbox.receivers() {
            let clock = options.clock;
            let delivery = Delivery {
                receiver: receiver.clone(),
                outbox: outbox.clone(),
                metrics: options.metrics.clone(),
                control: connect::control(&done),
                now: Arc::new(move || clock.now()),
            };
            threads.push(spawn(&format!("deliver-{}", receiver.name), move || delivery.run())?);
        }
    }
    let engine = EngineSide {
        committer,
        told,
        orders,
        hints,
        placed: BTreeMap::new(),
        paused: BTreeSet::new(),
        complete: BTreeSet::new(),
        finished: BTreeMap::new(),
        stopped: 0,
        pipeline,
        options,
        clusters: &clusters,
        letters: &letters,
    };
    let outcome = engine.turn();
    options.stop.store(true, Ordering::Relaxed);
    done.store(true, Ordering::Relaxed);
    for thread in threads {
        // A thread that panicked has aborted the process in a release; in a test build it says so itself.
        let _ = thread.join();
    }
    outcome
}

/// Serves health and metrics and turns signals into the stop flag, until the guard is dropped.
///
/// # Errors
/// If the address cannot be bound or the runtime cannot be made.
pub fn attend(
    http_address: Option<SocketAddr>,
    within: Duration,
    stop: &Arc<AtomicBool>,
    (metrics, clock): (&Arc<Metrics>, Clock),
) -> Result<Attendance, RunError> {
    let other = |what: &str, error: std::io::Error| RunError::Other(format!("{what}: {error}"));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(|e| other("cannot start the runtime", e))?;
    let stop = stop.clone();
    runtime.spawn(async move {
        wait_for_signal().await;
        tracing::info!(within_s = within.as_secs(), "told to stop");
        stop.store(true, Ordering::Relaxed);
        tokio::select! {
            () = tokio::time::sleep(within) => tracing::error!("the stop took too long: leaving as after a crash"),
            () = wait_for_another_signal() => tracing::warn!("told to stop again: leaving at once, as after a crash"),
        }
        std::process::exit(1);
    });
    if let Some(address) = http_address {
        let (metrics, started) = (metrics.clone(), clock.started());
        let listener = runtime
            .block_on(http::bind(address))
            .map_err(|e| other(&format!("cannot listen on {address} (`http:`)"), e))?;
        runtime.spawn(async move {
            if let Err(error) = http::serve(listener, metrics, started).await {
                tracing::error!("the http side ended: {error}");
            }
        });
    }
    Ok(Attendance { _runtime: runtime })
}

/// While it lives, signals and HTTP are attended to.
pub struct Attendance {
    _runtime: tokio::runtime::Runtime,
}

/// A second signal right behind the first is the same wish: a supervisor and its child both pass it on.
async fn wait_for_another_signal() {
    tokio::time::sleep(SAME_WISH).await;
    wait_for_signal().await;
}

async fn wait_for_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let term = signal(SignalKind::terminate());
    let Ok(mut term) = term else { return std::future::pending().await };
    tokio::select! {
        _ = term.recv() => {}
        _ = tokio::signal::ctrl_c() => {}
    }
}

/// A named thread.
///
/// # Errors
/// If the system has none left.
pub fn spawn(name: &str, body: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, RunError> {
    std::thread::Builder::new()
        .name(name.into())
        .spawn(body)
        .map_err(|e| RunError::Other(format!("cannot start thread {name}: {e}")))
}

/// An accumulator with every configuration that the engine knows.
///
/// # Errors
/// If a rule in the journal cannot be compiled any more.
pub fn accumulator(committer: &Committer) -> Result<Accumulator, RunError> {
    let mut labels = Labels::default();
    let mut configurations: Vec<(Option<Slice>, u32, Arc<Classifier>)> = Vec::new();
    for configure in committer.engine().configurations() {
        let classifier = Classifier::compile(&configure.settings, &mut labels)
            .map_err(|e| RunError::Rules(e.to_string()))?;
        configurations.push((configure.from, configure.epoch, Arc::new(classifier)));
    }
    let Some(settings) = committer.engine().configured().map(|c| &c.settings) else {
        return Err(RunError::Other("the journal holds no configuration".into()));
    };
    let mut accumulator =
        Accumulator::new(settings.limits, settings.slice, settings.watermark_quorum, labels);
    accumulator.configure(configurations);
    Ok(accumulator)
}

fn watched(committer: &Committer, cluster: &connect::ClusterOf) -> Vec<Watched> {
    let positions = committer.engine().positions();
    let known = |source: &Arc<str>, topic: &Arc<str>| {
        positions.iter().any(|(p, _)| p.source == *source && p.topic == *topic)
    };
    let watched = cluster.topics.iter().map(|(source, topic, start)| Watched {
        source: source.clone(),
        topic: topic.clone(),
        start: *start,
        known: known(source, topic),
        id: None,
    });
    watched.collect()
}

/// `--restart-at`: writes into the journal where stopped partitions go on.
fn restart(
    committer: &mut Committer,
    clusters: &[connect::ClusterOf],
    options: &Options,
) -> Result<(), RunError> {
    for Restart { topic, partition: number, place: at } in &options.restart_at {
        let place = format!("{topic}/{number}");
        let of = |c: &connect::ClusterOf| {
            let (source, topic, _) = c.topics.iter().find(|(_, t, _)| **t == **topic)?;
            Some((c.config.clone(), source.clone(), topic.clone()))
        };
        let Some((config, source, topic)) = clusters.iter().find_map(of) else {
            return Err(RunError::Other(format!("--restart-at {place}: the pipeline reads no such topic")));
        };
        let topics = Topics::open(&config)?;
        // Asked first: should the topic be made anew meanwhile, it is noticed.
        let topic_id = if options.topic_ids { topics.id(&topic)? } else { None };
        let resolve = |at| -> Result<i64, RunError> {
            let places = [(topic.clone(), *number)];
            let found = topics.resolve_starts(&places, at)?;
            found.first().map(|r| r.offset).ok_or_else(|| RunError::Other(format!("{place} does not exist")))
        };
        let offset = match at {
            RestartPlace::Earliest => resolve(StartAt::Earliest)?,
            RestartPlace::Latest => resolve(StartAt::Latest)?,
            RestartPlace::Offset(offset) => *offset,
        };
        let partition = Partition { source, topic: topic.clone(), number: *number };
        tracing::warn!(%partition, offset, "goes on where it was told to");
        committer.commit(&[Entry::Starts(vec![Start { partition, offset, had_data: true, topic_id }])])?;
    }
    Ok(())
}

struct EngineSide<'a> {
    committer: Committer,
    told: Receiver<Report>,
    orders: Vec<Sender<Order>>,
    hints: Vec<Sender<Hint>>,
    /// Which thread reads what.
    placed: BTreeMap<Partition, usize>,
    paused: BTreeSet<Partition>,
    complete: BTreeSet<usize>,
    /// `--until-end`: partitions finished by thread.
    finished: BTreeMap<usize, usize>,
    stopped: usize,
    pipeline: &'a Pipeline,
    options: &'a Options,
    clusters: &'a [connect::ClusterOf],
    letters: &'a DeadLetters,
}

impl EngineSide<'_> {
    fn turn(mut self) -> Result<(), RunError> {
        let mut hinted = self.committer.snapshot_position();
        let mut closed = None;
        let mut shown = gauges::Shown::default();
        let mut unread = Vec::new();
        loop {
            self.options.metrics.health.turn(self.options.clock.started().elapsed().as_micros() as i64);
            let entries = self.take_reports()?;
            if !entries.is_empty() {
                gauges::count(&self.options.metrics, &entries);
                self.committer.commit(&entries)?;
                self.options.metrics.health.set_ready();
                self.hold_back();
                gauges::update(&self.options.metrics, self.committer.engine(), self.options.clock.now());
                if closed != self.committer.engine().ledger().closed() {
                    closed = self.committer.engine().ledger().closed();
                    gauges::budgets(&self.options.metrics, self.committer.engine(), &mut shown);
                }
                gauges::letters(&self.options.metrics, self.letters.counts());
            }
            if hinted != self.committer.snapshot_position() {
                hinted = self.committer.snapshot_position();
                self.hint();
            }
            if self.options.until_end && self.is_done() {
                let forced = if self.options.close { ForcedCut::All } else { ForcedCut::Closed };
                self.committer.cut(forced)?;
                unread = self.stopped_partitions();
                break;
            }
            if self.stopped == self.orders.len() {
                break;
            }
        }
        self.committer.snapshot()?;
        self.hint();
        let interrupted = self.options.until_end && !self.is_done();
        match () {
            () if interrupted => Err(RunError::Stopped),
            () if !unread.is_empty() => Err(RunError::Unread(unread.join(", "))),
            () => Ok(()),
        }
    }

    /// Partitions that are not read until somebody repairs them.
    fn stopped_partitions(&self) -> Vec<String> {
        let all = self.committer.engine().watermarks().iter();
        let stopped = all.filter(|(_, progress)| progress.standing() == Standing::Stopped);
        stopped.map(|(partition, _)| format!("{}/{}", partition.topic, partition.number)).collect()
    }

    /// Takes what has come, at most so many chunks; waits a little for the first.
    fn take_reports(&mut self) -> Result<Vec<Entry>, RunError> {
        let mut entries = Vec::new();
        let mut report = self.told.recv_timeout(TURN).ok();
        while let Some(taken) = report {
            match taken {
                Report::Seen(sighting) => self.see(sighting)?,
                Report::Chunk(chunk) => {
                    self.options.metrics.queue_chunks.dec();
                    entries.push(Entry::Chunk(*chunk));
                }
                Report::Finished { thread, partitions } => {
                    self.finished.insert(thread, partitions);
                }
                Report::Stopped(ended) => {
                    self.stopped += 1;
                    ended?;
                }
            }
            report = if entries.len() < CHUNKS_AT_ONCE_MAX { self.told.try_recv().ok() } else { None };
        }
        Ok(entries)
    }

    fn see(&mut self, sighting: Sighting) -> Result<(), RunError> {
        match sighting {
            Sighting::Partitions(cluster, found) => self.place(cluster, found)?,
            Sighting::Complete(cluster) => {
                self.complete.insert(cluster);
            }
            Sighting::Recreated { source, topic, id } => {
                let mine = |p: &&Partition| p.source == source && p.topic == topic;
                let partitions: Vec<Partition> = self.placed.keys().filter(mine).cloned().collect();
                partitions.iter().for_each(|partition| self.stop_if_recreated(partition, &id));
            }
            Sighting::Missing { brokers, topic } if self.options.until_end => {
                return Err(RunError::NoTopic { topic: topic.to_string(), brokers });
            }
            Sighting::Missing { .. } => {}
        }
        Ok(())
    }

    /// Gives partitions that were found to threads; where the journal does not know them, their starts are
    /// durable first.
    fn place(&mut self, cluster: usize, found: Vec<FoundPartition>) -> Result<(), RunError> {
        let engine = self.committer.engine();
        let positions = engine.positions();
        let new: Vec<Start> = found
            .iter()
            .filter_map(|f| {
                let (offset, had_data) = match positions.next(&f.partition) {
                    None => f.start,
                    // The id was not told before: from now on it is known.
                    Some(at) if f.topic_id.is_some() && engine.topic_id(&f.partition).is_none() => {
                        (at, false)
                    }
                    Some(_) => return None,
                };
                Some(Start { partition: f.partition.clone(), offset, had_data, topic_id: f.topic_id.clone() })
            })
            .collect();
        if !new.is_empty() {
            self.committer.commit(&[Entry::Starts(new)])?;
        }
        for FoundPartition { partition, topic_id, .. } in found {
            let Some(offset) = self.committer.engine().positions().next(&partition) else { continue };
            let settings = &self.pipeline.settings;
            let Some(source) = settings.sources.iter().find(|s| s.name == partition.source) else { continue };
            let thread = self.placed.len() % self.orders.len();
            tracing::info!(%partition, offset, thread, "reading");
            self.placed.insert(partition.clone(), thread);
            let carry = self.committer.engine().carry(&partition).to_vec();
            let input = source.input.clone();
            let order = Order::Assign { cluster, partition: partition.clone(), input, offset, carry };
            // A thread that is gone has said why, or will.
            let _ = self.orders[thread].send(order);
            if let Some(id) = topic_id {
                self.stop_if_recreated(&partition, &id);
            }
        }
        Ok(())
    }

    /// Stops the partition if the topic of that id is not the one that its position belongs to.
    fn stop_if_recreated(&self, partition: &Partition, id: &Arc<str>) {
        let known = self.committer.engine().topic_id(partition).filter(|known| *known != id);
        if let (Some(known), Some(thread)) = (known, self.placed.get(partition)) {
            let reason = StopReason::Recreated { known: known.clone(), found: id.clone() };
            let _ = self.orders[*thread].send(Order::Stop { partition: partition.clone(), reason });
        }
    }

    fn is_done(&self) -> bool {
        self.complete.len() == self.clusters.len()
            && self.finished.values().sum::<usize>() == self.placed.len()
    }

    /// Pauses partitions whose watermark is far ahead of the slowest: catching up holds memory bounded.
    fn hold_back(&mut self) {
        let ahead = self.committer.engine().far_ahead();
        let orders = &self.orders;
        let tell = |partition: &Partition, order: Order| {
            if let Some(thread) = self.placed.get(partition) {
                let _ = orders[*thread].send(order);
            }
        };
        for partition in ahead.difference(&self.paused) {
            tell(partition, Order::Pause(partition.clone()));
        }
        for partition in self.paused.difference(&ahead) {
            tell(partition, Order::Resume(partition.clone()));
        }
        self.paused = ahead;
    }

    /// Tells the group how far the snapshot is: a hint for lag monitors.
    fn hint(&self) {
        for (cluster, hints) in self.clusters.iter().zip(&self.hints) {
            let of = |p: &Partition| cluster.topics.iter().any(|(s, t, _)| *s == p.source && *t == p.topic);
            let positions = self.committer.engine().positions().iter();
            let hint: Hint =
                positions.filter(|(p, _)| of(p)).map(|(p, next)| (p.topic.clone(), p.number, next)).collect();
            let _ = hints.send(hint);
        }
    }
}
