//! `demo`: the whole path with nothing installed. Librdkafka's mock cluster serves the real protocol within
//! the process, generated traffic with scripted incidents is produced to it, and the real run reads it, on
//! a clock that makes a minute of every second.
//!
//! Invariant: what is shown is what any user could read: `/metrics` as text, and the event file. At the end
//! every line produced was counted, or the demo fails.

mod board;
mod screen;
mod script;
mod story;

use crate::edges::metrics::Metrics;
use crate::shell::args::DemoArgs;
use crate::shell::cli::Terminal;
use crate::shell::clock::Clock;
use crate::shell::error::RunError;
use crate::shell::exit::{CommandError, Exit};
use crate::shell::pipeline::Pipeline;
use crate::shell::run::{self, Options};
use crate::shell::traffic::{self, TrafficError};
use crate::shell::words::{grouped, shell_word};
use board::Board;
use rdkafka::mocking::MockCluster;
use screen::Screen;
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;
use story::Story;

/// The topic that is made on the mock cluster.
const TOPIC: &str = "alb-logs";
/// Its partitions.
const PARTITIONS: i32 = 4;
/// Lines kept in `sample.log`, for `explain`.
const SAMPLE_LINES: u64 = 1_000;
/// Between two looks at how it goes.
const LOOK: Duration = Duration::from_millis(250);
/// The pipeline file, and what stands in it for the brokers.
const PIPELINE: &str = include_str!("../../../pipelines/demo.yaml");
const BROKERS: &str = "${KAFKA_BROKERS:-localhost:9092}";

/// Runs the demo.
///
/// # Errors
/// If its folder is in use, the mock cluster does not start, the run or the traffic fails, or lines were lost.
pub fn command(args: &DemoArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let dir = folder(args.dir.as_deref())?;
    // Lives until the last consumer is gone.
    let cluster = MockCluster::new(1).map_err(CommandError::failed)?;
    cluster.create_topic(TOPIC, PARTITIONS, 1).map_err(CommandError::failed)?;
    let pipeline = pipeline(&dir, &cluster.bootstrap_servers())?;
    let sample = File::create(dir.join("sample.log")).map_err(CommandError::failed)?;
    let stop = Arc::new(AtomicBool::new(false));
    let metrics = Arc::new(Metrics::new());
    let clock = Clock::scaled(traffic::START, script::SCALE);
    let _attendance = run::attend(pipeline.http, pipeline.shutdown_timeout, &stop, (&metrics, clock))
        .map_err(CommandError::failed)?;
    let mut demo = Demo {
        screen: Screen::open(terminal),
        story: Story::of(dir.join("events.jsonl")),
        dir,
        pipeline,
        brokers: cluster.bootstrap_servers(),
        stop,
        metrics,
        clock,
    };
    demo.screen.tell(&format!(
        "ninetail demo: {}x as fast as time, a minute's slice every second; everything lies in {}",
        script::SCALE,
        demo.dir.display()
    ));
    let produced = demo.play(args.length, sample)?;
    demo.finish(produced)
}

/// The folder: made, or found empty.
fn folder(wanted: Option<&Path>) -> Result<PathBuf, CommandError> {
    let dir = match wanted {
        Some(dir) => dir.to_path_buf(),
        None => {
            let id = getrandom::u64().map_err(CommandError::failed)?;
            std::env::temp_dir().join(format!("ninetail-demo-{id:016x}"))
        }
    };
    let failed = |error| CommandError::Failed(format!("cannot make {}: {error}", dir.display()).into());
    fs::create_dir_all(&dir).map_err(failed)?;
    if fs::read_dir(&dir).map_err(failed)?.next().is_some() {
        let message = format!("{} is not empty: give --dir a new or an empty folder", dir.display());
        return Err(CommandError::Failed(message.into()));
    }
    // What is printed works from every other folder too.
    std::path::absolute(&dir).map_err(failed)
}

/// Writes the pipeline file into the folder and loads it from there, as `run` would.
fn pipeline(dir: &Path, brokers: &str) -> Result<Pipeline, CommandError> {
    let path = dir.join("pipeline.yaml");
    // The schema that the first line names lies beside the original only.
    let text = PIPELINE.lines().skip(1).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&path, text.replace(BROKERS, brokers))
        .map_err(|e| CommandError::Failed(format!("cannot write {}: {e}", path.display()).into()))?;
    Ok(Pipeline::load(&path)?)
}

struct Demo {
    dir: PathBuf,
    pipeline: Pipeline,
    brokers: String,
    stop: Arc<AtomicBool>,
    metrics: Arc<Metrics>,
    clock: Clock,
    story: Story,
    screen: Screen,
}

impl Demo {
    /// Produces and runs until the time is over or somebody stops it; returns how many lines were produced.
    fn play(&mut self, length: Duration, sample: File) -> Result<u64, CommandError> {
        let (traffic_stop, traffic_ended) = self.start_traffic(sample)?;
        let (pipeline, options) = (self.pipeline.clone(), self.options(false));
        let (tell, run_ended) = channel();
        let running = run::spawn("demo-run", move || {
            // Whoever asked may be gone.
            let _ = tell.send(run::run(&pipeline, &options));
        })
        .map_err(CommandError::failed)?;
        let mut outcome: Option<Result<(), RunError>> = None;
        let mut produced: Option<Result<u64, TrafficError>> = None;
        while !self.stop.load(Ordering::Relaxed)
            && (length.is_zero() || self.clock.started().elapsed() < length)
            && outcome.is_none()
            && produced.is_none()
        {
            std::thread::sleep(LOOK);
            self.look()?;
            outcome = run_ended.try_recv().ok();
            produced = traffic_ended.try_recv().ok();
        }
        traffic_stop.store(true, Ordering::Relaxed);
        let gone = || CommandError::Failed("a thread of the demo panicked".into());
        let produced = produced.map_or_else(|| traffic_ended.recv(), Ok).map_err(|_| gone())?;
        self.stop.store(true, Ordering::Relaxed);
        let outcome = outcome.map_or_else(|| run_ended.recv(), Ok).map_err(|_| gone())?;
        // It has said its last word.
        let _ = running.join();
        outcome.map_err(CommandError::failed)?;
        produced.map_err(CommandError::failed)
    }

    fn start_traffic(
        &self,
        sample: File,
    ) -> Result<(Arc<AtomicBool>, Receiver<Result<u64, TrafficError>>), CommandError> {
        let stop = Arc::new(AtomicBool::new(false));
        let (told, brokers, clock) = (stop.clone(), self.brokers.clone(), self.clock);
        let (tell, ended) = channel();
        let mut sample = BufWriter::new(sample);
        let mut kept = 0;
        run::spawn("demo-traffic", move || {
            let produced = traffic::produce(script::traffic(), TOPIC, &brokers, clock, &told, |line| {
                if kept < SAMPLE_LINES {
                    kept += 1;
                    // The sample is an extra: without it the demo goes on.
                    let _ = sample.write_all(line).and_then(|()| sample.write_all(b"\n"));
                }
            });
            let _ = tell.send(produced);
        })
        .map_err(CommandError::failed)?;
        Ok((stop, ended))
    }

    fn options(&self, to_the_end: bool) -> Options {
        Options {
            until_end: to_the_end,
            close: to_the_end,
            take_over: false,
            restart_at: Vec::new(),
            topic_ids: false,
            clock: self.clock,
            metrics: self.metrics.clone(),
            stop: self.stop.clone(),
        }
    }

    /// Tells of new alerts, and shows how everything stands.
    fn look(&mut self) -> Result<(), CommandError> {
        for told in self.story.read()? {
            self.screen.tell(&told);
        }
        let board = Board::read(&self.metrics.text());
        self.screen.show(&board, &self.story, self.clock.now());
        Ok(())
    }

    /// Starts again from the state that was left, reads what was still on the way, closes the open slices,
    /// and says what there is.
    fn finish(mut self, produced: u64) -> Result<Exit, CommandError> {
        let ended_at = self.clock.now();
        self.stop.store(false, Ordering::Relaxed);
        let closed = run::run(&self.pipeline, &self.options(true));
        self.look()?;
        self.screen.end();
        match closed {
            Ok(()) => {}
            Err(RunError::Stopped) => {
                println_to_stdout(&format!(
                    "Told to stop again: the open slices were not closed. What there is lies in {}\n",
                    self.dir.display()
                ))?;
                return Ok(Exit::Done);
            }
            Err(error) => return Err(CommandError::failed(error)),
        }
        let board = Board::read(&self.metrics.text());
        let story = &self.story;
        println_to_stdout(&self.summary(&board, produced, ended_at))?;
        if board.lines() != produced || story.gaps > 0 {
            let message = format!(
                "{} lines were produced and {} counted, {} gaps",
                grouped(produced),
                grouped(board.lines()),
                story.gaps
            );
            return Err(CommandError::Failed(message.into()));
        }
        Ok(Exit::Done)
    }

    fn summary(&self, board: &Board, produced: u64, ended_at: crate::core::time::Time) -> String {
        let (dir, story) = (self.dir.display(), &self.story);
        let word = |name: &str| shell_word(&self.dir.join(name).display().to_string());
        let files = self.dir.join("rollups/sli_1m/*/*.parquet").display().to_string().replace('\'', "''");
        let sql = format!(
            "SELECT service, slo, sum(good + bad) AS requests, sum(bad) AS bad, round(100.0 * sum(good) / sum(good + bad), 3) AS sli FROM read_parquet('{files}') GROUP BY ALL ORDER BY sli"
        );
        let told: String = story.told.iter().map(|line| format!("  {line}\n")).collect();
        format!(
            "\n{table}
Alerts
{told}
Counted   {counted} of {produced} lines produced: {records} records, {rejected} rejected, {late} late
Events    {events}: {fired} alerts fired, {resolved} resolved
Rollups   {cuts} cuts of five minutes, up to {until} on the demo's clock; the service was stopped and started
          again with --until-end --close to close the last slices

Everything lies in {dir}
  pipeline.yaml        what ran          rollups/            requests, SLIs, quality, rejects as Parquet
  events.jsonl         CloudEvents       dead-letters.jsonl  lines that could not be read
  sample.log           the first lines   state/              journal and snapshots

Look at it
  ninetail report {pipeline}
  ninetail explain {pipeline} --input {sample} | less
  duckdb -c {sql}

The broker was librdkafka's in-process mock cluster: it speaks the real protocol and keeps nothing. That every line
counts exactly once, whatever is killed on the way, is proven on real Apache Kafka, by `cargo test`.
",
            pipeline = word("pipeline.yaml"),
            sample = word("sample.log"),
            sql = shell_word(&sql),
            table = board.table(story, false),
            told = if told.is_empty() { "  none yet: the first incident begins at 10:04 on the demo's clock\n".into() } else { told },
            counted = grouped(board.lines()),
            produced = grouped(produced),
            records = grouped(board.records),
            rejected = grouped(board.rejected),
            late = grouped(board.late),
            events = grouped(story.events),
            fired = story.fired,
            resolved = story.resolved,
            cuts = board.cuts,
            until = story::hour_minute(&ended_at.to_string()),
        )
    }
}

fn println_to_stdout(text: &str) -> Result<(), CommandError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}
