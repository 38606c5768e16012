//! Deals blocks to the threads that ask for them.
//!
//! Invariant: between two resumes every thread gets, after its blocks, exactly one of pause, end and error, and all
//! threads the same one. So they can meet at a barrier, and what they counted covers one contiguous span.

use super::FilesError;
use super::block::{Block, Buffer};
use super::inputs::{Input, read_error};
use super::packed::Packed;
use super::plain::{Lines, Plain};
use super::reader::{Kind, Reader};
use crate::core::time::Time;
use std::collections::VecDeque;
use std::fs::File;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// Unpacked bytes looked through for the time of a file's first record.
const HEAD_BYTES: usize = 64 << 10;
/// Lines of a block looked at for its first time.
const HEAD_LINES: usize = 16;

/// Bounds of a dealer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DealerLimits {
    /// Threads that ask: as many compressed files are unpacked at the same time.
    pub threads: usize,
    /// Size of a block, unpacked bytes.
    pub block_bytes: usize,
    /// Longest line; of a longer one the beginning, one byte more than this or more, is handed over.
    pub line_bytes_max: usize,
}

impl Default for DealerLimits {
    fn default() -> DealerLimits {
        DealerLimits { threads: 2, block_bytes: 512 << 10, line_bytes_max: 1 << 20 }
    }
}

/// What a thread is to do next.
#[derive(PartialEq, Eq, Debug)]
pub enum Next<'a> {
    /// Count these lines.
    Block(Block<'a>),
    /// Hand over what was counted and wait for the others.
    Pause,
    /// Everything was read.
    End,
}

/// How far the reading is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// Bytes read, as they lie on the disk.
    pub bytes: u64,
    /// All bytes; None if a pipe is among the inputs.
    pub bytes_total: Option<u64>,
    /// Files read to their end.
    pub files: usize,
    /// All files.
    pub files_total: usize,
}

/// What must be known of lines to deal them.
pub trait Look: Send + Sync {
    /// The time of the first of these lines that has one. They follow one another in a file.
    fn first_time(&self, lines: &mut dyn Iterator<Item = &[u8]>) -> Option<Time>;

    /// Whether lines of a file that begins so depend on lines before them: one thread then reads all of it, in order.
    fn in_order(&self, head: &[u8]) -> bool {
        let _ = head;
        false
    }

    /// Whether the line says how those after it are to be read.
    fn is_header(&self, line: &[u8]) -> bool {
        let _ = line;
        false
    }
}

/// Where each line has its own time.
impl<F: Fn(&[u8]) -> Option<Time> + Send + Sync> Look for F {
    fn first_time(&self, mut lines: &mut dyn Iterator<Item = &[u8]>) -> Option<Time> {
        Iterator::find_map(&mut lines, self)
    }
}

/// Deals the files' blocks. Shared by all threads.
pub struct Dealer {
    files: Vec<Archive>,
    limits: DealerLimits,
    look: Box<dyn Look>,
    state: Mutex<State>,
    changed: Condvar,
    bytes: Arc<AtomicU64>,
    bytes_total: Option<u64>,
}

struct Archive {
    input: Input,
    kind: Kind,
    /// None for a pipe.
    size: Option<u64>,
    first: Option<Time>,
    /// Read by one thread.
    in_order: bool,
    /// The header line that it begins with.
    header: Option<Vec<u8>>,
}

struct State {
    /// Files not yet started, by index, in order.
    waiting: VecDeque<usize>,
    /// Files being read, in order.
    open: Vec<Open>,
    /// Pipes: read a little already, so they cannot be opened again.
    pipes: Vec<(usize, Packed)>,
    /// Unpacked bytes dealt.
    dealt: i64,
    /// Threads that are reading a block.
    reading: usize,
    finished: usize,
    paused: bool,
    failed: Option<FilesError>,
    over: bool,
    /// Threads that were told apart.
    threads: usize,
}

struct Open {
    file: usize,
    /// The thread that reads all of it, once there is one. None: whoever comes.
    owner: Option<Owner>,
    body: Body,
    /// Where the latest block starts, and its first time.
    latest: (u64, Option<Time>),
}

/// Who may read a file whose lines depend on one another.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Owner {
    Nobody,
    Thread(usize),
}

enum Body {
    Plain {
        file: Arc<File>,
        at: u64,
        size: u64,
    },
    /// None while a thread unpacks.
    Packed(Option<Box<Packed>>),
}

/// What became of a piece.
struct Read {
    file: usize,
    start: u64,
    lines: Lines,
    first: Option<Time>,
    from: From,
}

enum From {
    Plain(Range<i64>),
    /// `packed` is None at the file's end.
    Packed {
        packed: Option<Box<Packed>>,
        length: u64,
    },
}

/// A piece of work taken under the lock and done without it.
enum Piece {
    Plain { index: usize, file: Arc<File>, size: u64, range: Range<u64>, span: Range<i64> },
    Packed { index: usize, packed: Box<Packed> },
}

impl Dealer {
    /// Looks at the beginning of every file and sorts them by the time of their first record; those without one come first.
    pub fn open(
        inputs: Vec<Input>,
        limits: DealerLimits,
        look: impl Look + 'static,
    ) -> Result<Dealer, FilesError> {
        let bytes = Arc::new(AtomicU64::new(0));
        let mut looked = Vec::with_capacity(inputs.len());
        for input in inputs {
            looked.push(look_at(input, &bytes, &look)?);
        }
        looked.sort_by(|(a, _), (b, _)| (a.first, &a.input).cmp(&(b.first, &b.input)));
        let (mut files, mut pipes) = (Vec::new(), Vec::new());
        for (index, (archive, pipe)) in looked.into_iter().enumerate() {
            files.push(archive);
            pipes.extend(pipe.map(|packed| (index, packed)));
        }
        let bytes_total = files.iter().map(|file| file.size).sum();
        let state = State {
            waiting: (0..files.len()).collect(),
            open: Vec::new(),
            pipes,
            dealt: 0,
            reading: 0,
            finished: 0,
            paused: false,
            failed: None,
            over: false,
            threads: 0,
        };
        let (state, changed, look) = (Mutex::new(state), Condvar::new(), Box::new(look));
        Ok(Dealer { files, limits, look, state, changed, bytes, bytes_total })
    }

    /// The file of a block.
    pub fn name(&self, file: usize) -> &Input {
        &self.files[file].input
    }

    /// How far the reading is.
    pub fn progress(&self) -> Progress {
        let files = self.lock().finished;
        let bytes = self.bytes.load(Ordering::Relaxed);
        let bytes = self.bytes_total.map_or(bytes, |total| bytes.min(total));
        Progress { bytes, bytes_total: self.bytes_total, files, files_total: self.files.len() }
    }

    /// No line still unread is expected to be earlier: the least of the first times of the files not yet started and the
    /// latest blocks of those being read. None if everything was dealt. Exact while all threads stand at a pause.
    pub fn hold(&self) -> Option<Time> {
        let state = self.lock();
        let waiting = state.waiting.iter().filter_map(|&file| self.files[file].first);
        let open = state.open.iter().filter_map(|open| open.latest.1.or(self.files[open.file].first));
        waiting.chain(open).min()
    }

    /// Lets every thread get [`Next::Pause`] after the block it is at, until [`resume`](Self::resume).
    pub fn pause(&self) {
        self.lock().paused = true;
        self.changed.notify_all();
    }

    /// Ends the pause. To be called once all threads got it.
    pub fn resume(&self) {
        self.lock().paused = false;
        self.changed.notify_all();
    }

    /// The next block, or what to do instead. Waits while the only files left are being unpacked by others.
    pub fn next<'b>(&self, buffer: &'b mut Buffer) -> Result<Next<'b>, FilesError> {
        let mut state = self.lock();
        let thread = *buffer.thread.get_or_insert_with(|| {
            state.threads += 1;
            state.threads
        });
        loop {
            if state.over {
                return state.failed.clone().map_or(Ok(Next::End), Err);
            }
            if state.paused {
                return Ok(Next::Pause);
            }
            let piece = match &state.failed {
                Some(_) => None,
                None => self.take(&mut state, thread).unwrap_or_else(|error| {
                    state.failed = Some(error);
                    None
                }),
            };
            let Some(piece) = piece else {
                if state.reading == 0 && (state.failed.is_some() || state.open.is_empty()) {
                    state.over = true;
                    self.changed.notify_all();
                } else {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
                continue;
            };
            state.reading += 1;
            drop(state);
            let read = self.read(piece, buffer);
            state = self.lock();
            state.reading -= 1;
            self.changed.notify_all();
            match read {
                Ok(mut read) => {
                    let span = state.put_back(&mut read);
                    let Read { file, start, lines, .. } = read;
                    let bytes = &buffer.bytes[lines.at];
                    return Ok(Next::Block(Block {
                        file,
                        span,
                        start,
                        offset: lines.offset,
                        bytes,
                        cut: lines.cut,
                    }));
                }
                Err(error) => {
                    state.failed.get_or_insert(error);
                }
            }
        }
    }

    /// The next piece of the earliest file that is free; starts the next file if all are being unpacked.
    fn take(&self, state: &mut State, thread: usize) -> Result<Option<Piece>, FilesError> {
        loop {
            for at in 0..state.open.len() {
                match &mut state.open[at].owner {
                    None => {}
                    Some(owner) if [Owner::Nobody, Owner::Thread(thread)].contains(owner) => {
                        *owner = Owner::Thread(thread);
                    }
                    Some(_) => continue,
                }
                if let Some(piece) = state.piece(at, self.limits.block_bytes) {
                    return Ok(Some(piece));
                }
            }
            if state.open.len() >= self.limits.threads.max(1) {
                return Ok(None);
            }
            let Some(index) = state.waiting.pop_front() else { return Ok(None) };
            let archive = &self.files[index];
            let body = match (archive.kind, archive.size) {
                (Kind::Plain, Some(0)) => {
                    state.finished += 1;
                    continue;
                }
                (Kind::Plain, Some(size)) => {
                    let path = archive.input.path();
                    let file = File::open(path).map_err(|error| read_error(path, &error))?;
                    Body::Plain { file: Arc::new(file), at: 0, size }
                }
                (_, None) => {
                    let at = state.pipes.iter().position(|(pipe, _)| *pipe == index);
                    Body::Packed(at.map(|at| Box::new(state.pipes.swap_remove(at).1)))
                }
                _ => {
                    let reader = Reader::open(&archive.input, self.bytes.clone())?;
                    Body::Packed(Some(Box::new(Packed::new(reader))))
                }
            };
            let owner = archive.in_order.then_some(Owner::Nobody);
            state.open.push(Open { file: index, owner, body, latest: (0, None) });
        }
    }

    /// Does the piece, without the lock.
    fn read(&self, piece: Piece, buffer: &mut Buffer) -> Result<Read, FilesError> {
        let keep_max = self.limits.line_bytes_max.saturating_add(1);
        let (file, start, lines, from) = match piece {
            Piece::Plain { index, file, size, range, span } => {
                let path = self.files[index].input.path();
                let (start, length) = (range.start, range.end - range.start);
                let lines = Plain { file: &file, path, size }.lines(range, keep_max, buffer)?;
                self.bytes.fetch_add(length, Ordering::Relaxed);
                (index, start, lines, From::Plain(span))
            }
            Piece::Packed { index, mut packed } => {
                let read = packed.lines(self.limits.block_bytes, keep_max, buffer)?;
                let packed = (!read.ended).then_some(packed);
                (index, read.lines.offset, read.lines, From::Packed { packed, length: read.length })
            }
        };
        let block = &buffer.bytes[lines.at.clone()];
        let header = self.files[file].header.as_deref();
        let lines_of = block.split(|&byte| byte == b'\n').take(HEAD_LINES);
        let first = self.look.first_time(&mut header.into_iter().chain(lines_of));
        Ok(Read { file, start, lines, first, from })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Deals `length` unpacked bytes.
    fn deal(&mut self, length: u64) -> Range<i64> {
        let start = self.dealt;
        self.dealt = start.saturating_add_unsigned(length);
        start..self.dealt
    }

    /// A piece of the open file, if nobody has it.
    fn piece(&mut self, at: usize, block_bytes: usize) -> Option<Piece> {
        let index = self.open[at].file;
        match &mut self.open[at].body {
            Body::Packed(packed) => Some(Piece::Packed { index, packed: packed.take()? }),
            Body::Plain { file, at: start, size } => {
                let range = *start..(*start + block_bytes.max(1) as u64).min(*size);
                let (file, size) = (file.clone(), *size);
                *start = range.end;
                if range.end == size {
                    self.close(index);
                }
                let span = self.deal(range.end - range.start);
                Some(Piece::Plain { index, file, size, range, span })
            }
        }
    }

    /// Notes what was read; returns the block's place in the running order.
    fn put_back(&mut self, read: &mut Read) -> Range<i64> {
        if let Some(open) = self.open.iter_mut().find(|open| open.file == read.file)
            && open.latest.0 <= read.lines.offset
            && read.first.is_some()
        {
            open.latest = (read.lines.offset, read.first);
        }
        match &mut read.from {
            From::Plain(span) => span.clone(),
            From::Packed { packed, length } => {
                match packed.take() {
                    None => self.close(read.file),
                    back => {
                        if let Some(open) = self.open.iter_mut().find(|open| open.file == read.file) {
                            open.body = Body::Packed(back);
                        }
                    }
                }
                self.deal(*length)
            }
        }
    }

    fn close(&mut self, file: usize) {
        self.open.retain(|open| open.file != file);
        self.finished += 1;
    }
}

/// Looks at the beginning of a file. A pipe is kept open, with what was read of it.
fn look_at(
    input: Input,
    bytes: &Arc<AtomicU64>,
    look: &dyn Look,
) -> Result<(Archive, Option<Packed>), FilesError> {
    let size = match &input {
        Input::Stdin => None,
        Input::File(path) => {
            let metadata = std::fs::metadata(path).map_err(|error| read_error(path, &error))?;
            metadata.is_file().then_some(metadata.len())
        }
    };
    let count = if size.is_some() { Arc::default() } else { bytes.clone() };
    let reader = Reader::open(&input, count)?;
    let kind = reader.kind();
    let mut packed = Packed::new(reader);
    let head = packed.peek(HEAD_BYTES)?;
    let lines = || head.split(|&byte| byte == b'\n');
    let first = look.first_time(&mut lines());
    let header = lines().find(|line| look.is_header(line)).map(<[u8]>::to_vec);
    let in_order = look.in_order(head);
    Ok((Archive { input, kind, size, first, in_order, header }, size.is_none().then_some(packed)))
}
