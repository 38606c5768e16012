//! The durable step: journal, engine, outputs, snapshot, in that order and nowhere else.
//!
//! Invariant: a snapshot at a position is written only after every output up to it is durable; then, and only
//! then, is the journal trimmed. Whatever is cut short is done again after a restart, and the outputs know by
//! their positions what is there already.

use crate::core::engine::{Engine, Outlet, Outputs};
use crate::core::entry::{Begin, Configure, Entry, ForcedCut, Takeover};
use crate::core::event::Event;
use crate::core::rollup::{Cut, OutputPosition};
use crate::core::settings::Settings;
use crate::core::time::{Slice, Time};
use crate::edges::crash;
use crate::edges::journal::{self, JournalError, LocalJournal, StateLock, incarnations};
use crate::edges::metrics::{Metrics, ReceiverLabel, SinkLabel, TypeLabel};
use crate::edges::sink::delivery::{Outbox, Receiver};
use crate::edges::sink::events::{EventSink, EventTarget};
use crate::edges::sink::parquet::{RollupSink, scan};
use crate::edges::sink::{Control, Foreign, Owner};
use crate::shell::clock::Clock;
use crate::shell::error::RunError;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// A snapshot is taken after a cut, and after so many entries without one.
const SNAPSHOT_ENTRIES_MAX: u64 = 600;
/// After a cut only where the last one took no more than one part in so many of the time since: while months are caught up with, cuts
/// follow one another within a second, and a month's state takes seconds to write. A restart replays what came since.
const SNAPSHOT_SHARE: u32 = 20;
/// Pause between two attempts to write where the disk is full or gone.
const RETRY: Duration = Duration::from_secs(1);

/// What a committer is opened with.
pub struct Setup {
    /// The settings in force from now on.
    pub settings: Settings,
    /// Folder of the journal.
    pub state: PathBuf,
    /// Folder of the tables.
    pub rollups: PathBuf,
    /// Where events go.
    pub events: EventTarget,
    /// Who receives events over HTTP beside that.
    pub receivers: Vec<Receiver>,
    /// Archives: every event is history, and the folder must be new.
    pub backfill: bool,
    /// Begin a new journal beside outputs of an older one.
    pub take_over: bool,
    /// Whether to wait for a full disk to have space again.
    pub patient: bool,
    /// Stop flag and log.
    pub control: Control,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// The clock.
    pub clock: Clock,
}

/// Journal, engine and sinks of one process.
pub struct Committer {
    journal: LocalJournal,
    engine: Engine,
    rollups: RollupSink,
    events: EventSink,
    /// None where nobody receives events over HTTP.
    outbox: Option<Arc<Outbox>>,
    published: Option<OutputPosition>,
    /// Position of the last entry applied.
    position: u64,
    snapshot_at: u64,
    /// When the last snapshot was there, and how long it took.
    snapshot_ended: Instant,
    snapshot_took: Duration,
    patient: bool,
    control: Control,
    metrics: Arc<Metrics>,
    clock: Clock,
}

/// Makes what comes out of the engine durable while it comes.
struct Durable<'a> {
    committer: &'a mut Committer,
    /// Number of the last cut.
    cut: u64,
    took: Duration,
    /// The first failure; nothing is done after it.
    failed: Option<RunError>,
}

impl Durable<'_> {
    fn deliver(&mut self, events: &[Event], cut: Option<&Cut>) -> Result<(), RunError> {
        let committer = &mut *self.committer;
        self.cut = cut.map_or(self.cut, |cut| cut.number);
        let started = Instant::now();
        committer.publish(events, self.cut)?;
        if !events.is_empty() {
            committer.metrics.events_duration_seconds.observe(started.elapsed().as_secs_f64());
            committer.put_out(events)?;
            for event in events {
                committer.metrics.events.get_or_create(&TypeLabel { r#type: event.kind }).inc();
            }
        }
        if let Some(cut) = cut {
            let started = Instant::now();
            committer.persist("rollups", |c| c.rollups.write(cut).map_err(RunError::from))?;
            committer.metrics.rollup_write_duration_seconds.observe(started.elapsed().as_secs_f64());
            committer.metrics.cuts.inc();
        }
        Ok(())
    }
}

impl Outlet for Durable<'_> {
    fn take(&mut self, events: Vec<Event>, cut: Option<Cut>) {
        let started = Instant::now();
        if self.failed.is_none() {
            self.failed = self.deliver(&events, cut.as_ref()).err();
        }
        self.took += started.elapsed();
    }
}

/// What a snapshot holds: how far events are published, and the engine.
type Saved = (Option<OutputPosition>, Engine);

impl Committer {
    /// Opens or begins the journal, refuses outputs that are not its own, restores the engine and replays the
    /// tail, publishing what is not published yet.
    ///
    /// # Errors
    /// As [`RunError`] says; nothing was fenced or written if outputs are foreign.
    pub fn open(setup: Setup) -> Result<Committer, RunError> {
        let lock = StateLock::acquire(&setup.state)?;
        let journal = match LocalJournal::open(&lock, None) {
            Ok(_) if setup.backfill => return Err(RunError::OutputTaken(setup.state)),
            Ok(journal) => journal,
            Err(JournalError::Missing(_)) => LocalJournal::open(&lock, Some(begin(&setup)?))?,
            Err(error) => return Err(error.into()),
        };
        let (snapshot, passed_over) = journal.latest_snapshot()?;
        for why in passed_over {
            (setup.control.log)(&why);
        }
        let (position, published, engine) = match snapshot {
            Some((position, bytes)) => {
                let (published, engine): Saved =
                    postcard::from_bytes(&bytes).map_err(|e| RunError::Restore(e.to_string()))?;
                (position, published, engine)
            }
            None => (0, None, Engine::new()),
        };
        refuse_unchangeable(&engine, &setup.settings)?;
        let owner = Owner {
            pipeline: setup.settings.name.as_str().into(),
            journal: journal.id().into(),
            end: journal.end(),
            takeover: journal.begin().takeover.clone(),
            published,
            incarnations: incarnate(&lock, &setup)?,
        };
        let rollups = RollupSink::open(&setup.rollups, &owner)?;
        let (events, found) = EventSink::open(&setup.events, &owner, &setup.control)?;
        if let Some(found) = found {
            incarnations::forget_before(&lock, &found.incarnation)?;
        }
        let outbox =
            Outbox::open(&setup.state, owner.pipeline.clone(), owner.journal.clone(), setup.receivers)?;
        let mut committer = Committer {
            journal,
            engine,
            rollups,
            events,
            outbox: outbox.map(Arc::new),
            published,
            position,
            snapshot_at: position,
            snapshot_ended: Instant::now(),
            snapshot_took: Duration::ZERO,
            patient: setup.patient,
            control: setup.control,
            metrics: setup.metrics,
            clock: setup.clock,
        };
        committer.replay()?;
        // The journal may begin after the snapshot that named it: only the whole tail tells.
        refuse_unchangeable(&committer.engine, &setup.settings)?;
        committer.configure(setup.settings)?;
        Ok(committer)
    }

    /// The engine as it stands.
    pub fn engine(&self) -> &Engine {
        &self.engine
    }

    /// What waits for receivers over HTTP, if there are any.
    pub fn outbox(&self) -> Option<&Arc<Outbox>> {
        self.outbox.as_ref()
    }

    /// Position of the last snapshot taken.
    pub fn snapshot_position(&self) -> u64 {
        self.snapshot_at
    }

    /// The journal's id.
    pub fn journal_id(&self) -> &str {
        self.journal.id()
    }

    /// Makes the entries durable, applies them, makes their outputs durable.
    ///
    /// # Errors
    /// As [`RunError`] says; the same entries are found in the journal, or not, after a restart.
    pub fn commit(&mut self, entries: &[Entry]) -> Result<(), RunError> {
        self.engine.check(entries)?;
        let started = Instant::now();
        let first = self.append(entries)?;
        self.metrics.journal_duration_seconds.observe(started.elapsed().as_secs_f64());
        for (entry, position) in entries.iter().zip(first..) {
            self.apply(position, entry)?;
        }
        if self.position - self.snapshot_at >= SNAPSHOT_ENTRIES_MAX {
            self.snapshot()?;
        }
        Ok(())
    }

    /// Cuts what is closed, or closes and cuts everything.
    ///
    /// # Errors
    /// As [`Committer::commit`].
    pub fn cut(&mut self, forced: ForcedCut) -> Result<(), RunError> {
        self.commit(&[Entry::Cut(forced)])
    }

    /// Takes a snapshot and trims the journal.
    ///
    /// # Errors
    /// As [`RunError`] says; the state goes on from the snapshots before it.
    pub fn snapshot(&mut self) -> Result<(), RunError> {
        if self.snapshot_at == self.position {
            return Ok(());
        }
        let started = Instant::now();
        self.put_snapshot(self.position)?;
        self.snapshot_at = self.position;
        self.persist("journal", |c| c.journal.trim().map_err(RunError::from))?;
        (self.snapshot_ended, self.snapshot_took) = (Instant::now(), started.elapsed());
        self.metrics.snapshot_duration_seconds.observe(self.snapshot_took.as_secs_f64());
        Ok(())
    }

    fn put_snapshot(&mut self, position: u64) -> Result<(), RunError> {
        self.persist("journal", |c| {
            let state = (&c.published, &c.engine);
            let write =
                |out: &mut dyn Write| postcard::to_io(&state, out).map(drop).map_err(io::Error::other);
            c.journal.put_snapshot(position, &write).map_err(RunError::from)
        })
    }

    fn replay(&mut self) -> Result<(), RunError> {
        for item in self.journal.read(self.position + 1)? {
            let (position, entry) = item?;
            self.apply(position, &entry)?;
        }
        Ok(())
    }

    /// Applies one entry that is durable, and makes what comes out durable as it comes: events, then progress, then files.
    /// After a failure the engine is ahead of its outputs: nothing may be snapshotted any more, a restart replays the entry.
    fn apply(&mut self, position: u64, entry: &Entry) -> Result<(), RunError> {
        let started = Instant::now();
        let mut engine = std::mem::take(&mut self.engine);
        let cut = engine.cut_number();
        let mut durable = Durable { committer: self, cut, took: Duration::ZERO, failed: None };
        let applied = if crash::order_is_broken() {
            let mut out = Outputs::default();
            let applied = engine.apply(position, entry, &mut out);
            durable.committer.engine = engine;
            durable.committer.put_snapshot(position)?;
            durable.take(out.events, None);
            out.cuts.into_iter().for_each(|cut| durable.take(Vec::new(), Some(cut)));
            applied
        } else {
            let applied = engine.apply(position, entry, &mut durable);
            durable.committer.engine = engine;
            applied
        };
        let Durable { took, failed, .. } = durable;
        applied?;
        failed.map_or(Ok(()), Err)?;
        self.metrics.apply_duration_seconds.observe((started.elapsed() - took).as_secs_f64());
        self.position = position;
        if self.engine.cut_number() > cut && snapshot_pays(self.snapshot_ended.elapsed(), self.snapshot_took)
        {
            self.snapshot()?;
        }
        Ok(())
    }

    fn publish(&mut self, events: &[Event], cut: u64) -> Result<(), RunError> {
        let at = events.last().map(|e| e.position).or(self.published);
        let reached = at.unwrap_or_default();
        self.persist("events", |c| c.events.publish(events, reached, cut).map_err(RunError::from))?;
        self.published = at;
        Ok(())
    }

    /// Puts events into the outbox, from where receivers are served at their own pace.
    fn put_out(&mut self, events: &[Event]) -> Result<(), RunError> {
        let Some(outbox) = self.outbox.clone() else { return Ok(()) };
        let lost = self.persist("outbox", |_| outbox.put(events).map_err(RunError::from))?;
        for (receiver, count) in lost {
            (self.control.log)(&format!(
                "{receiver}: {count} events will not reach it: too many waited for it"
            ));
            self.metrics.delivery_dropped.get_or_create(&ReceiverLabel { receiver }).inc_by(count);
        }
        Ok(())
    }

    fn append(&mut self, entries: &[Entry]) -> Result<u64, RunError> {
        self.persist("journal", |c| c.journal.append(entries).map_err(RunError::from))
    }

    /// Puts the new settings into the journal if they differ from those in force.
    fn configure(&mut self, settings: Settings) -> Result<(), RunError> {
        let configured = self.engine.configured();
        if configured.is_some_and(|c| c.settings == settings) {
            return Ok(());
        }
        let epoch = configured.map_or(1, |c| c.epoch + 1);
        let from = configured.and(self.engine.next_border());
        self.commit(&[Entry::Configure(Configure { epoch, from, settings })])
    }

    /// Writes, and while that may pass by itself (a full disk) waits and writes again.
    fn persist<T>(
        &mut self,
        sink: &'static str,
        mut write: impl FnMut(&mut Committer) -> Result<T, RunError>,
    ) -> Result<T, RunError> {
        loop {
            let error = match write(self) {
                Ok(done) => return Ok(done),
                Err(error) => error,
            };
            self.metrics.sink_errors.get_or_create(&SinkLabel { sink }).inc();
            let passes = match &error {
                RunError::Journal(e) => matches!(e, JournalError::Io { .. } | JournalError::Database { .. }),
                RunError::Rollups(e) => e.may_pass(),
                RunError::Events(e) => e.may_pass(),
                RunError::Outbox(_) => true,
                _ => false,
            };
            if !passes || !self.patient || self.control.stop.load(Ordering::Relaxed) {
                return Err(error);
            }
            (self.control.log)(&format!("{error}; trying again until it passes"));
            std::thread::sleep(RETRY);
            self.metrics.health.turn(self.clock.started().elapsed().as_micros() as i64);
        }
    }
}

/// The first entry of a new journal, if nothing speaks against one.
fn begin(setup: &Setup) -> Result<Begin, RunError> {
    let journal = journal::new_id().map_err(|e| RunError::Other(format!("cannot make a journal id: {e}")))?;
    let name = &setup.settings.name;
    let place = || setup.rollups.display().to_string();
    let found =
        scan(&setup.rollups, name).map_err(|e| RunError::Other(format!("cannot list {}: {e}", place())))?;
    let progress = EventSink::peek(&setup.events, name, &setup.control)?;
    let theirs = found.first().map(|o| o.journal.clone()).or(progress.as_ref().map(|p| p.journal.clone()));
    let Some(theirs) = theirs else {
        return Ok(Begin { journal, backfill: setup.backfill, takeover: None });
    };
    if !setup.take_over {
        let place = if found.is_empty() { setup.events.to_string() } else { place() };
        let ours = "none: the state folder is empty".to_string();
        return Err(crate::edges::sink::parquet::RollupError::Foreign(Foreign::Other {
            place,
            pipeline: name.clone(),
            theirs,
            ours,
        })
        .into());
    }
    let cut = found.iter().map(|o| o.cut_max).chain(progress.iter().map(|p| p.cut)).max().unwrap_or(0);
    let published_to = found.iter().map(|o| o.watermark_max).max();
    let from: Slice = setup.settings.slice.slice(published_to.unwrap_or_else(|| border(setup)));
    let sequences = progress.map(|p| p.sequences).unwrap_or_default();
    Ok(Begin { journal, backfill: setup.backfill, takeover: Some(Takeover { from, cut, sequences }) })
}

/// Begins an incarnation of the state folder, where the events' target tells who published; a full disk is waited
/// for.
fn incarnate(lock: &StateLock, setup: &Setup) -> Result<Vec<Arc<str>>, RunError> {
    if !matches!(setup.events, EventTarget::Kafka(_) | EventTarget::File(_)) {
        return Ok(Vec::new());
    }
    loop {
        match incarnations::begin(lock) {
            Ok(ids) => return Ok(ids),
            Err(error) if setup.patient && !setup.control.stop.load(Ordering::Relaxed) => {
                (setup.control.log)(&format!("{error}; trying again until it passes"));
                std::thread::sleep(RETRY);
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Whether a snapshot is due after a cut: so long after the last one, which took so long.
fn snapshot_pays(since: Duration, took: Duration) -> bool {
    since >= took * SNAPSHOT_SHARE
}

/// Without files to tell how far they go, a new journal begins with the slice that runs now.
fn border(setup: &Setup) -> Time {
    setup.clock.now()
}

fn refuse_unchangeable(engine: &Engine, settings: &Settings) -> Result<(), RunError> {
    let Some(configured) = engine.configured().map(|c| &c.settings) else { return Ok(()) };
    if configured.slice != settings.slice {
        return Err(RunError::SliceChanged { now: settings.slice, then: configured.slice });
    }
    if configured.name != settings.name {
        let (now, then) = (settings.name.clone(), configured.name.clone());
        return Err(RunError::NameChanged { now, then });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_take_a_twentieth_of_the_time_at_most() {
        // the first one is due at once; the others by what the last one cost
        for (since_ms, took_ms, pays) in
            [(0, 0, true), (100, 5, true), (99, 5, false), (30_000, 1_500, true), (29_000, 1_500, false)]
        {
            let [since, took] = [since_ms, took_ms].map(Duration::from_millis);
            assert_eq!(snapshot_pays(since, took), pays, "{since:?} after one of {took:?}");
        }
    }
}
