//! `backfill`: archives through the same accumulators, journal, engine and sinks, into a folder of their own.
//!
//! Invariant: for the same lines its sums equal the stream's. It never touches the pipeline's state, topics or
//! transactional ids.

use crate::core::accumulator::{Accumulator, Rejected, Slot};
use crate::core::entry::{Entry, ForcedCut, Start};
use crate::core::envelope::Message;
use crate::core::format::{LayoutError, Parsed, header_of};
use crate::core::partial::Standing;
use crate::core::position::Partition;
use crate::core::reader::{self, Carry, Reader};
use crate::core::record::{Fields, Labels};
use crate::core::settings::{Input, Rule, Slo, Step};
use crate::core::time::Time;
use crate::edges::metrics::Metrics;
use crate::edges::sink::Control;
use crate::edges::sink::dead_letters::{DeadLetters, Letter, LetterTarget, LetterWriter};
use crate::edges::sink::events::EventTarget;
use crate::edges::source::files::{Block, Buffer, Dealer, DealerLimits, Look, Next, inputs};
use crate::shell::args::BackfillArgs;
use crate::shell::cli::Terminal;
use crate::shell::clock::Clock;
use crate::shell::commit::{Committer, Setup};
use crate::shell::connect;
use crate::shell::error::RunError;
use crate::shell::exit::{CommandError, Exit};
use crate::shell::gauges;
use crate::shell::pipeline::{BACKFILL_TOPIC, Pipeline};
use crate::shell::progress::Progress;
use crate::shell::run::{self, accumulator, spawn};
use crate::shell::samples::Samples;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Barrier, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of a file that a thread counts at a time.
const BLOCK_BYTES: usize = 512 << 10;
/// How long to wait for a chunk before the progress is shown again.
const TURN: Duration = Duration::from_millis(100);
/// Lines at the beginning of a file that show what it comes wrapped in.
const ENVELOPES_LOOKED_AT: usize = 16;

/// `ninetail backfill`.
///
/// # Errors
/// If the pipeline is invalid, or as [`RunError`] says.
pub fn command(args: &BackfillArgs, terminal: Terminal) -> Result<Exit, CommandError> {
    let pipeline = Pipeline::load(&args.pipeline)?;
    eprint!("{}", pipeline.warnings_text(terminal.stderr_color));
    let is_freshness = |slo: &&Slo| matches!(slo.indicator.rule, Rule::Freshness { .. });
    if let Some(slo) = pipeline.settings.slos.iter().find(is_freshness) {
        eprintln!(
            "SLO {}: archives do not tell when lines reached Kafka; lines that do not say so are excluded",
            slo.name
        );
    }
    let options = Options {
        inputs: args.input.clone(),
        out: args.out.clone(),
        source: args.source.clone(),
        progress: !args.no_progress,
        clock: Clock::system(),
        metrics: Arc::new(Metrics::new()),
        stop: Arc::new(AtomicBool::new(false)),
    };
    let shown = (&options.metrics, options.clock);
    let _attendance =
        run::attend(None, pipeline.shutdown_timeout, &options.stop, shown).map_err(CommandError::failed)?;
    let done = backfill(&pipeline, &options).map_err(CommandError::failed)?;
    let [rollups, events, letters, _] = places(&options.out);
    eprintln!(
        "{} lines, {} rejected, {} cuts\nrollups      {}\nevents       {}\ndead letters {}",
        done.lines,
        done.rejected,
        done.cuts,
        rollups.display(),
        events.display(),
        letters.display(),
    );
    Ok(Exit::Done)
}

/// What to read and where to write.
pub struct Options {
    /// Files, globs, folders, `-`.
    pub inputs: Vec<String>,
    /// The folder, which must hold no journal.
    pub out: PathBuf,
    /// Which source's format and lateness, if the pipeline has several.
    pub source: Option<String>,
    /// Whether to show how far it is.
    pub progress: bool,
    /// The clock.
    pub clock: Clock,
    /// Metrics.
    pub metrics: Arc<Metrics>,
    /// Set to stop.
    pub stop: Arc<AtomicBool>,
}

/// What was done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Lines read.
    pub lines: u64,
    /// Lines rejected.
    pub rejected: u64,
    /// Cuts written.
    pub cuts: u64,
}

/// Where a backfill's results lie under its folder.
pub fn places(out: &std::path::Path) -> [PathBuf; 4] {
    [out.join("rollups"), out.join("events.jsonl"), out.join("dead-letters.jsonl"), out.join("state")]
}

/// Reads all inputs, closes every slice, and ends.
///
/// # Errors
/// As [`RunError`] says; what was written by then is whole, but not all there is.
pub fn backfill(pipeline: &Pipeline, options: &Options) -> Result<Summary, RunError> {
    let settings = pipeline.backfill_settings(options.source.as_deref()).map_err(RunError::Other)?;
    let (source, input) = (settings.sources[0].name.clone(), settings.sources[0].input.clone());
    let line_bytes_max = settings.limits.line_bytes_max as usize;
    let control = connect::control(&options.stop);
    let [rollups, events, letters, state] = places(&options.out);
    let threads = pipeline.threads;
    let limits = DealerLimits { threads, block_bytes: BLOCK_BYTES, line_bytes_max };
    let look = ByReader::new(&input, pipeline.settings.limits.line_bytes_max)?;
    // what is not there or cannot be read leaves no folder behind: the next try would find it taken
    let dealer = Arc::new(Dealer::open(inputs(&options.inputs)?, limits, look)?);
    let mut committer = Committer::open(Setup {
        settings,
        state,
        rollups,
        events: EventTarget::File(events),
        receivers: Vec::new(), // history pages nobody
        backfill: true,
        take_over: false,
        patient: false,
        control: control.clone(),
        metrics: options.metrics.clone(),
        clock: options.clock,
    })?;
    let letters = DeadLetters::open(&LetterTarget::File(letters), &control)?;
    let lines = Arc::new(AtomicU64::new(0));
    let samples = Arc::new(Samples::default());
    let partition =
        |thread| Partition { source: source.clone(), topic: BACKFILL_TOPIC.into(), number: thread as i32 };
    // all are known before any is heard: no slice closes while somebody still holds lines of it
    let start = |thread| Start { partition: partition(thread), offset: 0, had_data: false, topic_id: None };
    committer.commit(&[Entry::Starts((0..threads).map(start).collect())])?;
    let (chunks, taken) = sync_channel(pipeline.bounds.queue_chunks_max);
    let (meeting, leaving) = (Arc::new(Barrier::new(threads)), Arc::new(AtomicBool::new(false)));
    let mut running = Vec::new();
    for thread in 0..threads {
        let mut counting = accumulator(&committer)?;
        let slot = counting.register(partition(thread), &input, 0)?;
        let worker = Worker {
            dealer: dealer.clone(),
            accumulator: counting,
            slot,
            letters: letters.writer(),
            chunks: chunks.clone(),
            meeting: meeting.clone(),
            leaving: leaving.clone(),
            flush_bytes_max: pipeline.bounds.flush_bytes_max,
            lines: lines.clone(),
            last: 0,
            samples: samples.clone(),
            control: control.clone(),
            clock: options.clock,
        };
        running.push(spawn(&format!("backfill-{thread}"), move || worker.run())?);
    }
    drop(chunks);
    let mut summary = Summary::default();
    let mut progress = Progress::start(options.progress);
    let mut paused = Instant::now();
    let outcome = loop {
        if paused.elapsed() >= pipeline.bounds.flush_every {
            dealer.pause();
            paused = Instant::now();
        }
        progress.show(&dealer.progress(), lines.load(Ordering::Relaxed));
        let entry = match taken.recv_timeout(TURN) {
            Ok(Ok(entry)) => entry,
            Ok(Err(error)) => break Err(error),
            Err(RecvTimeoutError::Timeout) => continue,
            Err(RecvTimeoutError::Disconnected) => break Ok(()),
        };
        let entries = [entry];
        gauges::count(&options.metrics, &entries);
        for coverage in entries.iter().filter_map(chunk).flat_map(|c| &c.coverage) {
            summary.lines += coverage.quality.iter().map(|(_, q)| q.lines).sum::<u64>();
            summary.rejected += coverage.quality.iter().map(|(_, q)| q.rejected()).sum::<u64>();
        }
        if let Err(error) = committer.commit(&entries) {
            break Err(error);
        }
        gauges::update(&options.metrics, committer.engine(), options.clock.now());
    };
    if outcome.is_err() {
        options.stop.store(true, Ordering::Relaxed);
    }
    drop(taken);
    for thread in running {
        // As in `run`: a panic has spoken for itself.
        let _ = thread.join();
    }
    outcome?;
    if options.stop.load(Ordering::Relaxed) {
        return Err(RunError::Stopped);
    }
    committer.cut(ForcedCut::All)?;
    committer.snapshot()?;
    summary.cuts = committer.engine().cut_number();
    progress.end(&dealer.progress(), summary.lines);
    Ok(summary)
}

fn chunk(entry: &Entry) -> Option<&crate::core::partial::Chunk> {
    match entry {
        Entry::Chunk(chunk) => Some(chunk),
        _ => None,
    }
}

/// What the dealer must know of lines, by the reader that counts them.
struct ByReader {
    reader: Mutex<Reader>,
    header: Option<&'static [u8]>,
    line_bytes_max: usize,
}

impl ByReader {
    fn new(input: &Input, line_bytes_max: u32) -> Result<ByReader, LayoutError> {
        let reader = Mutex::new(Reader::new(input, BACKFILL_TOPIC, &Labels::default(), line_bytes_max)?);
        Ok(ByReader { reader, header: header_of(input.format), line_bytes_max: line_bytes_max as usize })
    }

    /// Hands over every line until one gives something.
    fn find<T>(
        &self,
        mut lines: &mut dyn Iterator<Item = &[u8]>,
        mut look: impl FnMut(&reader::Line<'_>) -> Option<T>,
    ) -> Option<T> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        reader.resume(Carry::default());
        Iterator::find_map(&mut lines, |line| {
            let mut found = None;
            let message = Message::of(&line[..line.len().min(self.line_bytes_max)]);
            reader.read(&message, Fields::NONE, &mut |line| found = found.take().or_else(|| look(&line)));
            found
        })
    }
}

impl Look for ByReader {
    fn first_time(&self, lines: &mut dyn Iterator<Item = &[u8]>) -> Option<Time> {
        self.find(lines, |line| {
            matches!(line.read, Ok(Parsed::Record | Parsed::Counters)).then_some(line.record.time)
        })
    }

    /// Headers say how the lines after them are to be read; a container's line may go on in another.
    fn in_order(&self, head: &[u8]) -> bool {
        let parts = |steps: &[Step]| steps.contains(&Step::Cri) || steps.contains(&Step::Docker);
        let mut lines = head.split(|byte| *byte == b'\n').take(ENVELOPES_LOOKED_AT);
        self.header.is_some() || self.find(&mut lines, |line| parts(line.envelope).then_some(())).is_some()
    }

    fn is_header(&self, line: &[u8]) -> bool {
        self.header.is_some_and(|begins| line.starts_with(begins))
    }
}

struct Worker {
    dealer: Arc<Dealer>,
    accumulator: Accumulator,
    slot: Slot,
    letters: LetterWriter,
    chunks: SyncSender<Result<Entry, RunError>>,
    meeting: Arc<Barrier>,
    leaving: Arc<AtomicBool>,
    flush_bytes_max: usize,
    lines: Arc<AtomicU64>,
    /// Position of the last line read.
    last: i64,
    samples: Arc<Samples>,
    control: Control,
    clock: Clock,
}

impl Worker {
    fn run(mut self) {
        if let Err(error) = self.count() {
            // The others see the dealer's end; whoever reads the channel stops at this.
            let _ = self.chunks.send(Err(error));
        }
    }

    /// All threads meet at every pause, so that the hold is exact and no thread runs far ahead. They leave
    /// together too: who leaves says so between the two meetings.
    fn count(&mut self) -> Result<(), RunError> {
        let mut buffer = Buffer::default();
        let mut failed: Option<RunError> = None;
        let mut file = None;
        loop {
            match self.dealer.next(&mut buffer)? {
                Next::Block(block) => {
                    if failed.is_none() {
                        if file.replace(block.file) != Some(block.file) {
                            failed = self.begin_file().err();
                        }
                        failed = failed.or_else(|| self.count_block(&block).err());
                    }
                    if failed.is_some() || self.accumulator.bytes() >= self.flush_bytes_max {
                        self.dealer.pause();
                    }
                }
                Next::Pause => {
                    // ended here, where all got it and none is back at the dealer: a thread that came back
                    // before would take the same pause for another, and wait for threads that are gone
                    if self.meeting.wait().is_leader() {
                        self.dealer.resume();
                    }
                    let taken = failed.take().map_or_else(|| self.hand_over(Standing::Behind), Err);
                    if !matches!(taken, Ok(true)) || self.control.stop.load(Ordering::Relaxed) {
                        self.leaving.store(true, Ordering::Relaxed);
                    }
                    self.meeting.wait();
                    if self.leaving.load(Ordering::Relaxed) {
                        return taken.map(drop);
                    }
                }
                Next::End => {
                    failed = failed.or_else(|| self.begin_file().err());
                    return failed.map_or_else(|| self.hand_over(Standing::Finished).map(drop), Err);
                }
            }
        }
    }

    /// False: nobody takes it.
    fn hand_over(&mut self, standing: Standing) -> Result<bool, RunError> {
        self.letters.flush()?;
        self.accumulator.standing(self.slot, standing);
        self.accumulator.hold(self.slot, self.dealer.hold());
        let chunk = self.accumulator.flush(self.clock.now());
        Ok(self.chunks.send(Ok(Entry::Chunk(chunk))).is_ok())
    }

    /// Lets go of what the file before left open.
    fn begin_file(&mut self) -> Result<(), RunError> {
        let (letters, now, mut kept) = (&mut self.letters, self.clock.now(), Ok(()));
        let last = self.last;
        self.accumulator.give_up(self.slot, &mut |rejected| {
            let sent = letters.send(&letter(&rejected, last, now));
            kept = std::mem::replace(&mut kept, Ok(())).and(sent);
        });
        self.accumulator.begin(self.slot, None);
        Ok(kept?)
    }

    fn count_block(&mut self, block: &Block<'_>) -> Result<(), RunError> {
        let (slot, now) = (self.slot, self.clock.now());
        let (letters, accumulator) = (&mut self.letters, &mut self.accumulator);
        let (mut lines, mut kept) = (0, Ok(()));
        for line in block.lines() {
            lines += 1;
            let offset = block.position(&line);
            self.last = offset;
            let mut reject = |rejected: Rejected<'_>| {
                self.samples.take(&rejected, offset, now);
                let sent = letters.send(&letter(&rejected, offset, now));
                kept = std::mem::replace(&mut kept, Ok(())).and(sent);
            };
            if line.length > line.bytes.len() as u64 {
                accumulator.reject_cut(slot, line.bytes, line.length, &mut reject);
            } else {
                accumulator.message(slot, &Message::line(line.bytes), now, &mut reject);
            }
            if kept.is_err() {
                break;
            }
        }
        kept?;
        self.accumulator.advance(slot, self.accumulator.next(slot) + 1);
        self.lines.fetch_add(lines, Ordering::Relaxed);
        Ok(())
    }
}

/// A dead letter of an archive's line: all threads are one partition outside.
fn letter<'l>(rejected: &Rejected<'l>, offset: i64, seen: Time) -> Letter<'l> {
    Letter { topic: BACKFILL_TOPIC, partition: 0, ..Letter::of(rejected, offset, seen) }
}
