//! Rollups as Parquet files, exactly once.
//!
//! Invariant: a file's name and rows are functions of the journal. It appears whole or not at all, under a
//! name that is given once; the same name with the same rows is already done, with other rows it is a
//! stop. A published file is never changed.

mod file;
mod outputs;
pub mod read;

pub use outputs::{JournalOutputs, scan};

use crate::core::rollup::{BudgetRow, Cut, QualityRow, RejectsRow, RequestsRow, SliRow};
use crate::core::time::{Grain, Time};
use crate::edges::crash;
use crate::edges::sink::columns::{FileColumn, Table};
use crate::edges::sink::durable::{above, make_dir, publish, sync_dir};
use crate::edges::sink::{Foreign, Owner};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const STAGING: &str = ".staging";
/// Suffix of a file being written.
const STAGED: &str = ".staged";
/// Suffix of a file whose published namesake holds other rows.
const CONFLICT: &str = ".conflict";

/// What can go wrong with rollups.
#[derive(thiserror::Error, Debug)]
pub enum RollupError {
    /// The folder belongs to another journal.
    #[error(transparent)]
    Foreign(#[from] Foreign),
    /// A file could not be read or written. Nothing torn is visible; the cut can be written again.
    #[error("{action} {path}: {error}")]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The rows could not be encoded.
    #[error("encoding {path}: {detail}")]
    Encoding {
        /// The file.
        path: PathBuf,
        /// What was wrong.
        detail: String,
    },
    /// A published file holds other rows than the journal yields.
    #[error(
        "{published} is there with other rows ({found}) than the journal yields ({wanted}); the new ones are kept in {kept}. Compare the two: if the new ones are right, move the published file away and start again; if the published ones are, restore the state folder, or start a new journal that takes over (`--take-over`)"
    )]
    Differs {
        /// The published file.
        published: PathBuf,
        /// Where the new file is kept.
        kept: PathBuf,
        /// Hash of the published rows, or what is wrong with the file.
        found: String,
        /// Hash of the new rows.
        wanted: String,
    },
}

impl RollupError {
    /// Whether trying again may help (space, permissions); otherwise somebody must decide.
    pub fn may_pass(&self) -> bool {
        matches!(self, RollupError::Io { .. })
    }
}

/// What a cut wrote.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Written {
    /// New files.
    pub files: u32,
    /// Files that were there already with the same rows.
    pub already: u32,
    /// Rows of all of them.
    pub rows: u64,
    /// Bytes of the new ones.
    pub bytes: u64,
}

/// Which of a table's grains rows go to.
#[derive(Clone, Copy)]
struct Target<'a> {
    /// The table's suffix: `1m`, `1h`.
    suffix: &'a str,
    /// Columns that its rows are broken down by.
    dimensions: &'a [Arc<str>],
    /// What the grain's rows hold all of, as the footer says it.
    covers: Option<&'a str>,
}

/// Writes cuts under one folder.
pub struct RollupSink {
    dir: PathBuf,
    pipeline: String,
    journal: String,
    /// Folders whose names this process knows to be durable.
    durable: BTreeSet<PathBuf>,
}

impl RollupSink {
    /// Takes the folder for the journal, and removes what an earlier process of it left in staging.
    ///
    /// # Errors
    /// [`RollupError::Foreign`] if the folder holds files of the same pipeline by a journal that this one
    /// did not take over from, or by this one beyond its end.
    pub fn open(dir: &Path, owner: &Owner) -> Result<RollupSink, RollupError> {
        let place = || dir.display().to_string();
        for found in scan(dir, &owner.pipeline).map_err(|e| io_error("listing", dir, e))? {
            if *found.journal == *owner.journal {
                let position = position(&found.path)?;
                if position > owner.end {
                    let journal = found.journal;
                    return Err(Foreign::Beyond { place: place(), journal, position, end: owner.end }.into());
                }
            } else if owner.takeover.as_ref().is_none_or(|t| found.cut_max > t.cut) {
                return Err(Foreign::Other {
                    place: place(),
                    pipeline: owner.pipeline.to_string(),
                    theirs: found.journal,
                    ours: owner.journal.to_string(),
                }
                .into());
            }
        }
        let sink = RollupSink {
            dir: dir.to_owned(),
            pipeline: owner.pipeline.to_string(),
            journal: owner.journal.to_string(),
            durable: BTreeSet::new(),
        };
        sink.sweep()?;
        Ok(sink)
    }

    /// Publishes all rows of a cut: one file per table and date. When it returns they are durable.
    ///
    /// # Errors
    /// As [`RollupError`] says; files already published stay, and writing the cut again goes on from there.
    pub fn write(&mut self, cut: &Cut) -> Result<Written, RollupError> {
        let mut written = Written::default();
        let fine = Target { suffix: &cut.slice.suffix(), dimensions: &cut.dimensions, covers: None };
        let by_service = |r: &RequestsRow| (r.slice_start, (r.service.clone(), r.slice_start));
        let by_slo = |r: &SliRow| (r.slice_start, (r.service.clone(), r.slice_start));
        self.table(cut, fine, &cut.requests, by_service, &mut written)?;
        self.table(cut, fine, &cut.slis, by_slo, &mut written)?;
        let by_partition = |r: &QualityRow| (r.slice_start, (r.partition.clone(), r.slice_start));
        self.table(cut, fine, &cut.quality, by_partition, &mut written)?;
        let by_partition = |r: &RejectsRow| (r.slice_start, (r.partition.clone(), r.slice_start));
        self.table(cut, fine, &cut.rejects, by_partition, &mut written)?;
        for coarse in &cut.coarse {
            let covers = coarse.covers.map(|(from, below)| {
                format!("{}/{below}", from.map_or(String::new(), |from| from.to_string()))
            });
            let (suffix, dimensions) = (coarse.grain.suffix(), &coarse.dimensions[..]);
            let target = Target { suffix, dimensions, covers: covers.as_deref() };
            self.table(cut, target, &coarse.requests, by_service, &mut written)?;
            self.table(cut, target, &coarse.slis, by_slo, &mut written)?;
        }
        let hours = Target { suffix: Grain::Hour.suffix(), dimensions: &[], covers: None };
        let by_budget = |r: &BudgetRow| (r.slice_start, (r.service.clone(), r.slo.clone(), r.slice_start));
        self.table(cut, hours, &cut.budgets, by_budget, &mut written)?;
        Ok(written)
    }

    /// Publishes one table's rows by date; `key` gives a row's slice and what the rows are sorted by.
    fn table<R: Table, K: Ord>(
        &mut self,
        cut: &Cut,
        target: Target<'_>,
        rows: &[R],
        key: impl Fn(&R) -> (Time, K),
        written: &mut Written,
    ) -> Result<(), RollupError> {
        let mut dates = BTreeMap::<i64, Vec<&R>>::new();
        for row in rows {
            dates.entry(key(row).0.seconds().div_euclid(86_400)).or_default().push(row);
        }
        for (day, mut rows) in dates {
            if !rows.is_sorted_by(|a, b| key(a).1 <= key(b).1) {
                rows.sort_by_cached_key(|row| key(row).1);
            }
            let date = Time::from_seconds(day * 86_400).date();
            self.file(cut, target, &date, &rows, written)?;
        }
        Ok(())
    }

    fn file<R: Table>(
        &mut self,
        cut: &Cut,
        target: Target<'_>,
        date: &str,
        rows: &[&R],
        written: &mut Written,
    ) -> Result<(), RollupError> {
        let table = format!("{}_{}", R::NAME, target.suffix);
        let folder = self.dir.join(&table).join(format!("date={date}"));
        let name = outputs::name(&self.pipeline, &self.journal, cut.number, cut.watermark);
        let path = folder.join(&name);
        let dimensions = if R::HAS_DIMENSIONS { target.dimensions } else { &[] };
        let columns = FileColumn::all(dimensions);
        let hash = file::rows_hash(rows, &columns);
        written.rows += rows.len() as u64;
        crash::point("parquet.before");
        self.make_durable(&folder)?;
        let found = published_hash(&path)?;
        if found.as_ref() == Some(&hash) {
            written.already += 1;
            return sync_dir(&folder).map_err(|e| io_error("syncing", &folder, e));
        }
        let staged = self.dir.join(STAGING).join(format!("{table}.{date}.{name}{STAGED}"));
        make_dir(above(&staged)).map_err(|e| io_error("making", above(&staged), e))?;
        let bytes = file::write(&staged, rows, &columns, &self.footer(cut, target, dimensions), &hash)
            .map_err(|error| {
                let _ = fs::remove_file(&staged); // gives its space back on a full disk
                parquet_error("writing", &staged, error)
            })?;
        crash::point("parquet.staged");
        if found.is_some() || !publish(&staged, &path).map_err(|e| io_error("publishing", &path, e))? {
            let kept = staged.with_extension(&CONFLICT[1..]);
            fs::rename(&staged, &kept).map_err(|e| io_error("keeping", &kept, e))?;
            let found = found.unwrap_or_else(|| "just now by another process".into());
            return Err(RollupError::Differs { published: path, kept, found, wanted: hash });
        }
        crash::point("parquet.linked");
        sync_dir(&folder).map_err(|e| io_error("syncing", &folder, e))?;
        written.files += 1;
        written.bytes += bytes;
        Ok(())
    }

    /// Makes a date's folder, and syncs the names of it and of its table once.
    fn make_durable(&mut self, folder: &Path) -> Result<(), RollupError> {
        if self.durable.contains(folder) {
            return Ok(());
        }
        make_dir(folder).map_err(|e| io_error("making", folder, e))?;
        // a process before this one may have made them and died before it synced them
        for dir in [above(folder), self.dir.as_path(), above(&self.dir)] {
            sync_dir(dir).map_err(|e| io_error("syncing", dir, e))?;
        }
        self.durable.insert(folder.to_owned());
        Ok(())
    }

    fn footer(&self, cut: &Cut, target: Target<'_>, dimensions: &[Arc<str>]) -> file::Footer {
        let mut footer = vec![
            ("ninetail.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("ninetail.pipeline", self.pipeline.clone()),
            (file::JOURNAL, self.journal.clone()),
            ("ninetail.cut", cut.number.to_string()),
            ("ninetail.watermark", cut.watermark.to_string()),
            (file::POSITION, cut.position.to_string()),
        ];
        if let Some(covers) = target.covers {
            footer.push((file::COVERS, covers.to_owned()));
        }
        if !dimensions.is_empty() {
            footer.push((file::DIMENSIONS, dimensions.join(",")));
        }
        footer
    }

    /// Removes this journal's own half-written files; conflicts and everybody else's stay.
    fn sweep(&self) -> Result<(), RollupError> {
        let staging = self.dir.join(STAGING);
        let entries = match fs::read_dir(&staging) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|e| io_error("listing", &staging, e))?,
        };
        for entry in entries {
            let entry = entry.map_err(|e| io_error("listing", &staging, e))?;
            let name = entry.file_name();
            let ours = |name: &str| {
                // <table>.<date>.<name>.staged
                let published = name.strip_suffix(STAGED)?.splitn(3, '.').nth(2)?;
                let (pipeline, journal, ..) = outputs::parse(published)?;
                Some(pipeline == self.pipeline && journal == self.journal)
            };
            if name.to_str().and_then(ours) == Some(true) {
                fs::remove_file(entry.path()).map_err(|e| io_error("removing", &entry.path(), e))?;
            }
        }
        Ok(())
    }
}

/// The hash in a published file's footer, or what is wrong with it; None if there is no such file.
fn published_hash(path: &Path) -> Result<Option<String>, RollupError> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        Err(error) => Err(io_error("opening", path, error)),
        Ok(true) => Ok(Some(match file::footer(path) {
            Ok(mut pairs) => pairs.remove(file::ROWS_HASH).unwrap_or_else(|| "no hash".into()),
            Err(error) => format!("unreadable: {error}"),
        })),
    }
}

/// The journal position that a published file comes from.
fn position(path: &Path) -> Result<u64, RollupError> {
    let pairs = file::footer(path).map_err(|e| parquet_error("reading", path, e))?;
    let encoding = |detail: &str| RollupError::Encoding { path: path.to_owned(), detail: detail.to_owned() };
    let text = pairs.get(file::POSITION).ok_or_else(|| encoding("its footer names no position"))?;
    text.parse().map_err(|_| encoding("its footer's position is no number"))
}

fn io_error(action: &'static str, path: &Path, error: io::Error) -> RollupError {
    RollupError::Io { action, path: path.to_owned(), error }
}

fn parquet_error(action: &'static str, path: &Path, error: parquet::errors::ParquetError) -> RollupError {
    let path = path.to_owned();
    match error {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<io::Error>() {
            Ok(error) => RollupError::Io { action, path, error: *error },
            Err(other) => RollupError::Encoding { path, detail: other.to_string() },
        },
        other => RollupError::Encoding { path, detail: other.to_string() },
    }
}

#[cfg(test)]
mod tests;
