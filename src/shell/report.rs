//! `report`: services and SLOs from the published rollups alone.
//!
//! Invariant: it reads nothing but Parquet files, and only of the dates asked for; it changes nothing. The
//! same files give the same report, whatever the number of threads.
//!
//! Counts come from the rows of slices alone, also over weeks. Those of hours and days add up to the same where they exist, but only
//! slices know which of them an exclusion takes out, are good or bad by themselves, or lie within a range or a period that ends
//! between two hours; and what was read of them, `quality_`, has no coarser rows, so that a third of the files is opened anyway.

mod csv;
mod excluded;
mod figures;
mod latencies;
mod nines;
mod print;
mod quality;
mod standing;
mod sums;
mod told;
mod units;
mod what_if;

pub(super) use standing::{Standing, Standings, shown, standings};

use super::args::{OtherReport, ReportArgs, ReportOutput};
use super::cli::Terminal;
use super::exit::{CommandError, Exit};
use super::pipeline::Pipeline;
use super::run::spawn;
use crate::core::budgeting;
use crate::core::settings::{Exclusion, ServiceRule, Slo};
use crate::core::time::{SliceLength, Time};
use crate::edges::sink::parquet::read::{self, ReadError, TableFile};
use excluded::Excluded;
use figures::Report;
use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use sums::{Question, Sums};
use told::Told;

/// How far back to look where neither the rows nor a pipeline name a window: 30 days.
const LOOKBACK_S: u64 = 30 * 86_400;
/// Fewer files than this are read by one thread.
const FILES_PER_THREAD_MIN: usize = 32;

/// `ninetail report`.
///
/// # Errors
/// If the pipeline is invalid, the folder holds no rollups of it, a file cannot be read, or the output fails.
pub fn command(args: &ReportArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let text = match &args.other {
        Some(OtherReport::Nines(args)) => nines::text(args),
        Some(OtherReport::WhatIf(args)) => what_if::text(args)?,
        None => {
            let report = Request::new(args)?.report()?;
            match args.output {
                ReportOutput::Table => print::table(&report, terminal.stdout_color),
                ReportOutput::Json => format!("{:#}\n", print::json(&report)),
                ReportOutput::Csv => csv::text(&report),
            }
        }
    };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Exit::Done)
}

/// What is asked for.
struct Request {
    rollups: PathBuf,
    /// Only files of this pipeline.
    name: Option<String>,
    /// Only tables of these slices.
    slice: Option<SliceLength>,
    slos: Arc<[Slo]>,
    /// Whether a pipeline file says what the SLOs are.
    configured: bool,
    /// The pipeline's exclusions; None: the rows' own columns decide.
    exclusions: Option<Vec<Exclusion>>,
    /// What each SLO is to say: its name and services, and the prose.
    specifications: Vec<(String, String)>,
    rules: Vec<ServiceRule>,
    since: Option<Time>,
    until: Option<Time>,
    /// A window in place of each SLO's, seconds.
    window_s: Option<u64>,
    /// Whether the counts of single slices are asked for.
    series: bool,
}

impl Request {
    fn new(args: &ReportArgs) -> Result<Request, CommandError> {
        let pipeline = args.pipeline.as_deref().map(Pipeline::load).transpose()?;
        Request::of(pipeline, args.rollups.as_deref(), args.since, args.until)
    }

    /// What is asked of a pipeline's rollups, or of those in a folder.
    fn of(
        pipeline: Option<Pipeline>,
        rollups: Option<&Path>,
        since: Option<Time>,
        until: Option<Time>,
    ) -> Result<Request, CommandError> {
        if let (Some(since), Some(until)) = (since, until)
            && since >= until
        {
            return Err(CommandError::Usage(format!("--since {since} is not before --until {until}")));
        }
        let rollups =
            rollups.map(Path::to_owned).or_else(|| pipeline.as_ref().map(|p| p.sinks.rollups.clone()));
        let rollups = rollups.ok_or_else(|| CommandError::Usage("name a pipeline or --rollups".into()))?;
        let specified = pipeline.iter().flat_map(|p| p.specified());
        let named = |slo: &Slo| format!("{} of {}", slo.name, slo.services.join(", "));
        let specifications =
            specified.filter_map(|(slo, text)| Some((named(slo), text?.to_owned()))).collect();
        let settings = pipeline.map(|p| p.settings);
        Ok(Request {
            rollups,
            name: settings.as_ref().map(|s| s.name.clone()),
            slice: settings.as_ref().map(|s| s.slice),
            rules: settings.as_ref().map(|s| s.services.clone()).unwrap_or_default(),
            configured: settings.is_some(),
            exclusions: settings.as_ref().map(|s| s.exclusions.clone()),
            slos: settings.map(|s| s.slos).unwrap_or_default().into(),
            specifications,
            since,
            until,
            window_s: None,
            series: false,
        })
    }

    fn report(&self) -> Result<Report, CommandError> {
        let (pipeline, question, sums) = self.sums()?;
        let mut report = Report::new(&pipeline, &question, &sums, &self.rules);
        if !self.configured && question.told.is_empty() && !report.slos.is_empty() {
            report.notes.push(
                "neither a pipeline file nor budget_1h says what the SLOs are: windows are taken as rolling, budgets as weighed by requests; name the pipeline file if they are not"
                    .into(),
            );
        }
        Ok(Report { specifications: self.specifications.clone(), ..report })
    }

    /// The pipeline's name, what was asked in full, and the sums.
    fn sums(&self) -> Result<(String, Question, Sums), CommandError> {
        let (pipeline, slice, mut files) = choose(&self.rollups, self.name.as_deref(), self.slice)?;
        let dir = self.rollups.display();
        if let Some(until) = self.until {
            files.retain(|file| file.day < until);
        }
        let end = newest_end(&files, slice, self.until)?.ok_or_else(|| {
            let before = self.until.map_or(String::new(), |until| format!(" that ends by {until}"));
            CommandError::failed(format!("no slice of pipeline `{pipeline}`{before} in {dir}"))
        })?;
        let since = match self.since {
            Some(since) => align_up(slice, since),
            None => end.plus_seconds(-i64::try_from(self.lookback_s(&files)?).unwrap_or(i64::MAX)),
        };
        if since >= end {
            return Err(CommandError::failed(format!(
                "nothing since {since}: the rollups of pipeline `{pipeline}` in {dir} end at {end}"
            )));
        }
        files.retain(|file| file.day < end && file.day_end() > since);
        let told = match self.configured {
            true => Told::default(),
            false => Told::read(&self.rollups, &pipeline, end).map_err(failed)?,
        };
        // only where an empty slice counts it matters who was there before the range
        let before = match self.slos.iter().any(|slo| budgeting::empty(slo).is_some()) {
            true => Told::read(&self.rollups, &pipeline, since).map_err(failed)?,
            false => Told::default(),
        };
        let question = Question {
            slice,
            since,
            until: end,
            slos: self.slos.clone(),
            excluded: self.exclusions.as_ref().map(|all| Excluded::new(all, since, end).into()),
            window_override_s: self.window_s,
            series: self.series,
            told: Arc::new(told),
            before: Arc::new(before),
        };
        let sums = add_up(files, &question)?;
        Ok((pipeline, question, sums))
    }

    /// The longest window: the one asked for, else the pipeline's and those of the newest two dates' rows.
    fn lookback_s(&self, files: &[TableFile]) -> Result<u64, CommandError> {
        if let Some(window_s) = self.window_s {
            return Ok(window_s);
        }
        let longest_s = |slo: &Slo| slo.calendar.as_ref().map_or(slo.window_s, |c| c.unit.longest_s());
        let mut longest = self.slos.iter().map(longest_s).max().unwrap_or(0);
        let slis: Vec<&TableFile> = files.iter().filter(|file| file.table == "sli").collect();
        let days: BTreeSet<Time> = slis.iter().map(|file| file.day).collect();
        let newest: BTreeSet<Time> = days.into_iter().rev().take(2).collect();
        for file in slis.into_iter().filter(|file| newest.contains(&file.day)) {
            read::windows(&file.path, |window_s| longest = longest.max(window_s)).map_err(failed)?;
        }
        Ok(if longest == 0 { LOOKBACK_S } else { longest })
    }
}

fn failed(error: ReadError) -> CommandError {
    CommandError::failed(error)
}

/// The files of one pipeline and one length of slices: those named, else the only ones there are.
///
/// # Errors
/// If there are none, or if several pipelines or lengths could be meant.
pub(super) fn choose(
    rollups: &Path,
    name: Option<&str>,
    slice: Option<SliceLength>,
) -> Result<(String, SliceLength, Vec<TableFile>), CommandError> {
    let dir = rollups.display();
    let mut files = read::files(rollups).map_err(failed)?;
    if files.is_empty() {
        return Err(CommandError::failed(format!(
            "no rollups in {dir}: `ninetail run` and `ninetail backfill` write them; is it the right folder?"
        )));
    }
    let list = |names: BTreeSet<String>| names.into_iter().collect::<Vec<_>>().join(", ");
    let pipelines: BTreeSet<String> = files.iter().map(|file| file.pipeline.clone()).collect();
    let pipeline = match name {
        Some(name) if pipelines.contains(name) => name.to_owned(),
        Some(name) => {
            let there = list(pipelines);
            return Err(CommandError::failed(format!(
                "no rollups of pipeline `{name}` in {dir}; it holds those of: {there}"
            )));
        }
        None if pipelines.len() > 1 => {
            let there = list(pipelines);
            return Err(CommandError::Usage(format!(
                "{dir} holds rollups of several pipelines ({there}): name the pipeline file too"
            )));
        }
        None => files[0].pipeline.clone(),
    };
    files.retain(|file| file.pipeline == pipeline);
    let suffixes: BTreeSet<String> = files.iter().map(|file| file.slice.suffix()).collect();
    let slice = match slice {
        Some(slice) if suffixes.contains(&slice.suffix()) => slice,
        Some(slice) => {
            return Err(CommandError::failed(format!(
                "no rollups of pipeline `{pipeline}` with slices of {} in {dir}; there are those of: {}",
                slice.suffix(),
                list(suffixes)
            )));
        }
        None if suffixes.len() > 1 => {
            return Err(CommandError::Usage(format!(
                "{dir} holds slices of several lengths ({}): name the pipeline file too",
                list(suffixes)
            )));
        }
        None => files[0].slice,
    };
    files.retain(|file| file.slice == slice);
    Ok((pipeline, slice, files))
}

/// The end of the newest slice that ends by `until`. What was read tells it, where there is an account.
fn newest_end(
    files: &[TableFile],
    length: SliceLength,
    until: Option<Time>,
) -> Result<Option<Time>, CommandError> {
    let bound = until.map(|until| length.start(length.slice(until)));
    for table in ["quality", "requests", "sli"] {
        let days: BTreeSet<Time> = files.iter().filter(|f| f.table == table).map(|f| f.day).collect();
        for day in days.into_iter().rev() {
            let mut newest: Option<Time> = None;
            let mut see = |start: Time, slices: u64| {
                let slices = i64::try_from(slices.max(1)).unwrap_or(i64::MAX);
                let end = start.plus_seconds(slices.saturating_mul(i64::from(length.0)));
                // a row of many empty slices counts up to the bound
                let end = bound.map_or(end, |bound| end.min(bound));
                newest = newest.max((end > start).then_some(end));
            };
            for file in files.iter().filter(|file| file.table == table && file.day == day) {
                read::spans(file, &mut see).map_err(failed)?;
            }
            if newest.is_some() {
                return Ok(newest);
            }
        }
    }
    Ok(None)
}

fn align_up(length: SliceLength, time: Time) -> Time {
    let start = length.start(length.slice(time));
    if start == time { start } else { length.end(length.slice(time)) }
}

/// Reads all files, with as many threads as there are processors.
fn add_up(files: Vec<TableFile>, question: &Question) -> Result<Sums, CommandError> {
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let threads = processors.min(files.len() / FILES_PER_THREAD_MIN).max(1);
    let (files, next) = (Arc::new(files), Arc::new(AtomicUsize::new(0)));
    let (done, ended) = channel::<Result<Sums, ReadError>>();
    for thread in 0..threads {
        let (files, next, question, done) = (files.clone(), next.clone(), question.clone(), done.clone());
        let read = move || {
            // nobody listens any more only if another thread failed
            let _ = done.send(add_files(&files, &next, &question));
        };
        spawn(&format!("report-{thread}"), read).map_err(CommandError::failed)?;
    }
    drop(done);
    let mut sums = Sums::default();
    let mut heard = 0;
    for part in ended {
        sums.merge(part.map_err(failed)?);
        heard += 1;
    }
    if heard < threads {
        return Err(CommandError::failed("a reading thread ended early: the sums are not whole"));
    }
    Ok(sums)
}

/// Reads one file after the other until none is left.
fn add_files(files: &[TableFile], next: &AtomicUsize, question: &Question) -> Result<Sums, ReadError> {
    let mut sums = Sums::default();
    while let Some(file) = files.get(next.fetch_add(1, Ordering::Relaxed)) {
        add_file(file, question, &mut sums)?;
    }
    Ok(sums)
}

fn add_file(file: &TableFile, question: &Question, sums: &mut Sums) -> Result<(), ReadError> {
    match file.table.as_str() {
        "requests" => read::requests(&file.path, |row| sums.requests(question, &row)),
        "sli" => read::slis(&file.path, |row| sums.sli(question, &row)),
        "quality" => read::quality(&file.path, |row| sums.quality(question, &row)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
