//! What is to be delivered, in the state folder: events by their position, and how far each receiver has them.
//!
//! Invariant: an event is in the outbox once, however often it is put there, until every receiver has it; what a
//! receiver acknowledged is not given to it again after a restart. More than [`EVENTS_MAX`] never wait: the oldest
//! goes, and whoever lacked it is named.

use crate::core::event::{self, Event};
use crate::core::rollup::OutputPosition;
use crate::edges::sink::delivery::Receiver;
use crate::edges::sink::events::envelope;
use redb::{
    Database, ReadableDatabase, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Events that wait at most; at some 2 KiB each.
const EVENTS_MAX: u64 = 50_000;
/// Memory for the database's pages, bytes.
const CACHE_BYTES: usize = 4 << 20;

/// A position in the journal, and the event's index in it.
type At = (u64, u32);

/// Events as structured CloudEvents.
const EVENTS: TableDefinition<'_, At, &[u8]> = TableDefinition::new("events");
/// The last position that each receiver has.
const TAKEN: TableDefinition<'_, &str, At> = TableDefinition::new("taken");
/// What a receiver's thread keeps, by receiver and name.
const KEPT: TableDefinition<'_, (&str, &str), &[u8]> = TableDefinition::new("kept");
/// The last position that was put, under the journal's id alone: another journal's events are not ours to deliver.
const PUT: TableDefinition<'_, &str, At> = TableDefinition::new("put");
/// Its name in the state folder.
const FILE: &str = "outbox.redb";

/// The outbox cannot be used.
#[derive(thiserror::Error, Debug)]
#[error(
    "{action} {}: {error}; if the file is damaged, move it away: events that wait in it reach no receiver then, their own sink has them", path.display()
)]
pub struct OutboxError {
    /// What was tried.
    pub action: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the database said.
    pub error: Box<redb::Error>,
}

/// An event that waits.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Waiting {
    pub(super) at: OutputPosition,
    pub(super) event: Value,
}

/// The open outbox; one writer puts, each receiver's thread takes.
pub struct Outbox {
    path: PathBuf,
    pipeline: Arc<str>,
    journal: Arc<str>,
    receivers: Vec<Receiver>,
    /// Events that wait at most.
    pub(super) events_max: u64,
    /// None after a failed write, until it is opened again.
    database: Mutex<Option<Database>>,
    puts: Mutex<u64>,
    changed: Condvar,
}

impl Outbox {
    /// Opens the outbox in a state folder, or makes one. None, and nothing of an older one is left, where there
    /// are no receivers. Whoever is no receiver any more is forgotten.
    ///
    /// # Errors
    /// If the file cannot be made or read.
    pub fn open(
        state: &Path,
        pipeline: Arc<str>,
        journal: Arc<str>,
        receivers: Vec<Receiver>,
    ) -> Result<Option<Outbox>, OutboxError> {
        let path = state.join(FILE);
        if receivers.is_empty() {
            return match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    Err(OutboxError { action: "removing", path, error: Box::new(redb::Error::Io(error)) })
                }
                _ => Ok(None),
            };
        }
        let outbox = Outbox {
            path,
            pipeline,
            journal,
            receivers,
            events_max: EVENTS_MAX,
            database: Mutex::new(None),
            puts: Mutex::new(0),
            changed: Condvar::new(),
        };
        outbox.write("opening", |transaction| outbox.begin(transaction))?;
        Ok(Some(outbox))
    }

    /// The receivers.
    pub fn receivers(&self) -> &[Receiver] {
        &self.receivers
    }

    /// Puts the events that some receiver wants and that were not put before; durable when it returns. Returns
    /// how many events each receiver will never get because too many waited.
    ///
    /// # Errors
    /// If the file cannot be written; nothing was put then, and it can be tried again.
    pub fn put(&self, events: &[Event]) -> Result<BTreeMap<String, u64>, OutboxError> {
        let Some(last) = events.last() else { return Ok(BTreeMap::new()) };
        let wanted: Vec<&Event> =
            events.iter().filter(|e| self.receivers.iter().any(|r| r.wants_event(e))).collect();
        if wanted.is_empty() {
            return Ok(BTreeMap::new());
        }
        let lost = self.write("writing", |transaction| {
            let mut put = transaction.open_table(PUT)?;
            let before = put.get(&*self.journal)?.map_or((0, 0), |at| at.value());
            put.insert(&*self.journal, key(last.position))?;
            let mut table = transaction.open_table(EVENTS)?;
            let fresh = |e: &&&Event| key(e.position) > before;
            for event in wanted.iter().filter(fresh) {
                let bytes = envelope::encode(event, &self.pipeline, &self.journal);
                table.insert(key(event.position), bytes.as_slice())?;
            }
            let taken = transaction.open_table(TAKEN)?;
            let mut lost = BTreeMap::new();
            while table.len()? > self.events_max {
                let Some((at, bytes)) = table.pop_first()? else { break };
                let event: Value = serde_json::from_slice(bytes.value()).unwrap_or_default();
                for receiver in self.receivers.iter().filter(|r| wants(r, &event)) {
                    let has = taken.get(&*receiver.name)?.map_or((0, 0), |at| at.value());
                    if at.value() > has {
                        *lost.entry(receiver.name.clone()).or_insert(0) += 1;
                    }
                }
            }
            Ok(lost)
        })?;
        *self.puts.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.changed.notify_all();
        Ok(lost)
    }

    /// How far a receiver has the events.
    pub(super) fn taken(&self, receiver: &Receiver) -> Result<OutputPosition, OutboxError> {
        self.read(|database| {
            let taken = database.begin_read()?.open_table(TAKEN)?.get(&*receiver.name)?;
            Ok(position(taken.map_or((0, 0), |at| at.value())))
        })
    }

    /// The events after a position that the receiver wants, at most so many, and how far was looked.
    pub(super) fn after(
        &self,
        receiver: &Receiver,
        at: OutputPosition,
        max: usize,
    ) -> Result<(Vec<Waiting>, OutputPosition), OutboxError> {
        self.read(|database| {
            let (mut found, mut looked) = (Vec::new(), at);
            let table = database.begin_read()?.open_table(EVENTS)?;
            let next = at.index.checked_add(1).map_or((at.position + 1, 0), |index| (at.position, index));
            for item in table.range(next..)? {
                let (at, bytes) = item?;
                looked = position(at.value());
                // what we wrote is JSON
                let event: Value = serde_json::from_slice(bytes.value()).unwrap_or_default();
                if wants(receiver, &event) {
                    found.push(Waiting { at: looked, event });
                    if found.len() == max {
                        break;
                    }
                }
            }
            Ok((found, looked))
        })
    }

    /// How many events wait for the receiver, those that it does not want among them.
    pub(super) fn waiting(&self, at: OutputPosition) -> Result<usize, OutboxError> {
        self.read(|database| {
            let table = database.begin_read()?.open_table(EVENTS)?;
            Ok(table
                .range(key(at)..)?
                .filter(|item| item.as_ref().is_ok_and(|(k, _)| k.value() > key(at)))
                .count())
        })
    }

    /// Marks that the receiver has all up to there, and keeps or forgets (None) what its thread wants to know
    /// after a restart. Events that every receiver has go.
    pub(super) fn take(
        &self,
        receiver: &Receiver,
        at: OutputPosition,
        kept: &[(String, Option<Vec<u8>>)],
    ) -> Result<(), OutboxError> {
        self.write("writing", |transaction| {
            let mut taken = transaction.open_table(TAKEN)?;
            taken.insert(&*receiver.name, key(at))?;
            let mut least = key(at);
            for item in taken.iter()? {
                least = least.min(item?.1.value());
            }
            transaction.open_table(EVENTS)?.retain_in(..=least, |_, _| false)?;
            let mut table = transaction.open_table(KEPT)?;
            for (name, value) in kept {
                let key = (&*receiver.name, &**name);
                match value {
                    Some(value) => table.insert(key, value.as_slice())?,
                    None => table.remove(key)?,
                };
            }
            Ok(())
        })
    }

    /// What the receiver's thread kept.
    pub(super) fn kept(&self, receiver: &Receiver) -> Result<Vec<(String, Vec<u8>)>, OutboxError> {
        self.read(|database| {
            let mut kept = Vec::new();
            for item in database.begin_read()?.open_table(KEPT)?.range((&*receiver.name, "")..)? {
                let (key, value) = item?;
                let (owner, name) = key.value();
                if owner != receiver.name {
                    break;
                }
                kept.push((name.to_owned(), value.value().to_vec()));
            }
            Ok(kept)
        })
    }

    /// Waits until something is put, at most so long.
    pub(super) fn wait(&self, at_most: Duration) {
        let puts = self.puts.lock().unwrap_or_else(PoisonError::into_inner);
        let before = *puts;
        let _ = self.changed.wait_timeout_while(puts, at_most, |puts| *puts == before);
    }

    /// Makes the tables, drops what another journal left and whoever receives no more.
    fn begin(&self, transaction: &WriteTransaction) -> Result<(), redb::Error> {
        let mut put = transaction.open_table(PUT)?;
        let ours = put.get(&*self.journal)?.is_some();
        let (mut events, mut taken) = (transaction.open_table(EVENTS)?, transaction.open_table(TAKEN)?);
        let mut kept = transaction.open_table(KEPT)?;
        if !ours {
            put.retain(|_, _| false)?;
            put.insert(&*self.journal, (0, 0))?;
            events.retain(|_, _| false)?;
            taken.retain(|_, _| false)?;
        }
        let known = |name: &str| self.receivers.iter().any(|r| r.name == name);
        taken.retain(|name, _| known(name))?;
        kept.retain(|(name, _), _| ours && known(name))?;
        let now = put.get(&*self.journal)?.map_or((0, 0), |at| at.value());
        for receiver in &self.receivers {
            if taken.get(&*receiver.name)?.is_none() {
                taken.insert(&*receiver.name, now)?;
            }
        }
        Ok(())
    }

    fn held(&self) -> Result<MutexGuard<'_, Option<Database>>, OutboxError> {
        let mut held = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            let made = Database::builder().set_cache_size(CACHE_BYTES).create(&self.path);
            *held = Some(made.map_err(|e| self.error("opening", e.into()))?);
        }
        Ok(held)
    }

    fn read<T>(&self, look: impl FnOnce(&Database) -> Result<T, redb::Error>) -> Result<T, OutboxError> {
        let held = self.held()?;
        // it was opened just now if it was not
        let Some(database) = &*held else {
            return Err(self.error("reading", redb::Error::DatabaseAlreadyOpen));
        };
        look(database).map_err(|e| self.error("reading", e))
    }

    /// One durable transaction; if it fails the file is closed, and opened again at the next use.
    fn write<T>(
        &self,
        action: &'static str,
        fill: impl FnOnce(&WriteTransaction) -> Result<T, redb::Error>,
    ) -> Result<T, OutboxError> {
        let mut held = self.held()?;
        let Some(database) = &*held else { return Err(self.error(action, redb::Error::DatabaseAlreadyOpen)) };
        let commit = || {
            let transaction = database.begin_write()?;
            let done = fill(&transaction)?;
            transaction.commit()?;
            Ok::<_, redb::Error>(done)
        };
        let done = commit();
        done.map_err(|error| {
            *held = None;
            self.error(action, error)
        })
    }

    fn error(&self, action: &'static str, error: redb::Error) -> OutboxError {
        OutboxError { action, path: self.path.clone(), error: Box::new(error) }
    }
}

fn wants(receiver: &Receiver, event: &Value) -> bool {
    let kind = event["type"].as_str().and_then(event::kind).map_or("", |kind| kind.name);
    receiver.wants(kind, event["data"]["replay"] == Value::Bool(true))
}

fn key(at: OutputPosition) -> At {
    (at.position, at.index)
}

fn position((position, index): At) -> OutputPosition {
    OutputPosition { position, index }
}
