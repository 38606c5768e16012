//! Events in a file, one JSON line each, exactly once.
//!
//! Invariant: the last whole line says how far the events are published. A torn tail is cut, lines up to the
//! last pair are not written again, and a file that ends before what the state knows is refused. One process writes
//! it at a time, and each line names the incarnation of the state folder, so a copy of that is told from it.

use crate::core::event::Event;
use crate::core::rollup::OutputPosition;
use crate::edges::crash;
use crate::edges::sink::Owner;
use crate::edges::sink::durable::{above, make_dir, sync_dir};
use crate::edges::sink::events::envelope::{self, Line};
use crate::edges::sink::events::{EventError, Progress, own};
use std::cmp::Ordering;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, BufWriter, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// First look at the end of a file, bytes; more where a line is longer.
const TAIL_BYTES: u64 = 64 << 10;
/// Lines that are written in one go: an hour of many services is hundreds of megabytes of them.
const BUFFER_BYTES: usize = 64 << 10;

/// Appends to one file.
pub struct FileEvents {
    path: PathBuf,
    file: File,
    /// Length up to the last whole line that is durable.
    length: u64,
    last: Option<OutputPosition>,
    pipeline: Arc<str>,
    journal: Arc<str>,
    incarnation: Option<Arc<str>>,
}

impl FileEvents {
    pub(super) fn open(path: &Path, owner: &Owner) -> Result<(FileEvents, Option<Progress>), EventError> {
        let io = |action| move |error| EventError::Io { action, path: path.to_owned(), error };
        make_dir(above(path)).map_err(io("making the folder of"))?;
        let file =
            OpenOptions::new().read(true).append(true).create(true).open(path).map_err(io("opening"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(EventError::InUse(path.to_owned())),
            Err(TryLockError::Error(error)) => return Err(io("locking")(error)),
        }
        sync_dir(above(path)).map_err(io("syncing the folder of"))?;
        let (length, last) = tail(&file, path)?;
        let progress = last.map(|line| Progress {
            journal: line.journal,
            incarnation: line.incarnation,
            at: line.at,
            cut: 0, // a file does not know: a takeover decides
            sequences: Default::default(),
        });
        let progress = own(&path.display().to_string(), owner, progress)?;
        if length < file.metadata().map_err(io("reading"))?.len() {
            file.set_len(length).map_err(io("cutting the torn end of"))?;
        }
        // what an earlier process wrote and did not sync is now taken for published
        file.sync_all().map_err(io("syncing"))?;
        let last = progress.as_ref().map(|p| p.at);
        let (pipeline, journal) = (owner.pipeline.clone(), owner.journal.clone());
        let incarnation = owner.incarnations.last().cloned();
        let path = path.to_owned();
        Ok((FileEvents { path, file, length, last, pipeline, journal, incarnation }, progress))
    }

    pub(super) fn publish(&mut self, events: &[Event]) -> Result<usize, EventError> {
        let new = &events[events.partition_point(|event| Some(event.position) <= self.last)..];
        let Some(last) = new.last() else { return Ok(0) };
        crash::point("events.before");
        let length = self.append(new).map_err(|error| {
            // nothing torn stays visible; should this fail too, the next append cuts first
            let _ = self.file.set_len(self.length);
            EventError::Io { action: "writing", path: self.path.clone(), error }
        })?;
        (self.length, self.last) = (length, Some(last.position));
        crash::point("events.after");
        Ok(new.len())
    }

    /// Returns the length with the lines.
    fn append(&mut self, events: &[Event]) -> io::Result<u64> {
        match self.file.metadata()?.len().cmp(&self.length) {
            Ordering::Greater => self.file.set_len(self.length)?,
            Ordering::Equal => {}
            Ordering::Less => {
                return Err(io::Error::new(ErrorKind::InvalidData, "somebody cut it while it was in use"));
            }
        }
        let mut length = self.length;
        let mut out = BufWriter::with_capacity(BUFFER_BYTES, &self.file);
        for event in events {
            let line = envelope::line(event, &self.pipeline, &self.journal, self.incarnation.as_ref());
            length += line.len() as u64;
            out.write_all(&line)?;
        }
        out.flush()?;
        crash::point("events.sent");
        self.file.sync_data()?;
        Ok(length)
    }
}

/// Length up to the end of the last whole line, and that line.
fn tail(file: &File, path: &Path) -> Result<(u64, Option<Line>), EventError> {
    let io = |error| EventError::Io { action: "reading", path: path.to_owned(), error };
    let mut length = file.metadata().map_err(io)?.len();
    let mut window = TAIL_BYTES;
    loop {
        let from = length.saturating_sub(window);
        let mut bytes = vec![0; (length - from) as usize];
        file.read_exact_at(&mut bytes, from).map_err(io)?;
        let ends = || memchr::memrchr_iter(b'\n', &bytes);
        let (start, end) = match (ends().next(), ends().nth(1)) {
            (Some(end), Some(before)) => (before + 1, end),
            (Some(end), None) if from == 0 => (0, end),
            // a first line cut short is ours to cut; anything else is not
            (None, _) if from == 0 && matches!(bytes.first(), None | Some(b'{' | 0)) => return Ok((0, None)),
            (None, _) if from == 0 => return Err(EventError::NotEvents(path.to_owned())),
            _ => {
                window *= 4;
                continue;
            }
        };
        let line = &bytes[start..end];
        if let Some(line) = envelope::decode(line) {
            return Ok((from + end as u64 + 1, Some(line)));
        }
        // after a power cut the end of a file may be blocks that were never written
        if !line.contains(&0) {
            return Err(EventError::NotEvents(path.to_owned()));
        }
        length = from + start as u64;
    }
}

/// Reads the whole file: the last line's journal and pair, and the last sequence of every subject.
pub(super) fn peek(path: &Path) -> Result<Option<Progress>, EventError> {
    let io = |error| EventError::Io { action: "reading", path: path.to_owned(), error };
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        other => other.map_err(io)?,
    };
    let (length, _) = tail(&file, path)?;
    let mut progress: Option<Progress> = None;
    let mut lines = BufReader::new(io::Read::take(file, length));
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line).map_err(io)? > 0 {
        let found = envelope::decode(&line).ok_or_else(|| EventError::NotEvents(path.to_owned()))?;
        let progress = progress.get_or_insert_with(Progress::default);
        (progress.journal, progress.at) = (found.journal, found.at);
        progress.sequences.insert(found.subject, found.sequence);
        line.clear();
    }
    Ok(progress)
}
