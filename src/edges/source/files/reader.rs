//! One file's bytes, whatever they are packed in: told apart by their first bytes, not by the name.
//!
//! Invariant: the end of a file is its end. A compressed file that breaks off is an error, never a short read.

use super::FilesError;
use super::inputs::{Input, read_error};
use flate2::bufread::MultiGzDecoder;
use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bytes read from the file at once.
const READ_BYTES: usize = 256 << 10;
/// Bytes that tell the kind of a file.
const MAGIC_BYTES: usize = 16;

/// What a file's first bytes say it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Plain,
    Gzip,
    Zstd,
    Unsupported { kind: &'static str, hint: &'static str },
}

impl Kind {
    pub(super) fn of(head: &[u8]) -> Kind {
        let unsupported = |kind, hint| Kind::Unsupported { kind, hint };
        match head {
            [0x1f, 0x8b, ..] => Kind::Gzip,
            // a frame, or a skippable frame before it
            [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Kind::Zstd,
            [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, ..] => {
                unsupported("bzip2", "bzip2 -dc FILE | ... --input -")
            }
            [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => unsupported("xz", "xz -dc FILE | ... --input -"),
            [0x04, 0x22, 0x4d, 0x18, ..] => unsupported("lz4", "lz4 -dc FILE | ... --input -"),
            [b'P', b'K', 0x03, 0x04, ..] => unsupported("zip", "unzip -p FILE | ... --input -"),
            [b'7', b'z', 0xbc, 0xaf, 0x27, 0x1c, ..] => unsupported("7z", "7z x -so FILE | ... --input -"),
            [0xff, 0x06, 0, 0, b's', b'N', b'a', b'P', ..] => {
                unsupported("snappy", "snzip -dc FILE | ... --input -")
            }
            [b'P', b'A', b'R', b'1', ..] => {
                unsupported("parquet", "duckdb -c \"copy (...) to '/dev/stdout'\"")
            }
            _ => Kind::Plain,
        }
    }

    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Plain => "plain",
            Kind::Gzip => "gzip",
            Kind::Zstd => "zstd",
            Kind::Unsupported { kind, .. } => kind,
        }
    }
}

/// Counts what passes.
struct Counted<R> {
    inner: R,
    count: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

type Source = BufReader<Chain<Cursor<Vec<u8>>, Counted<Box<dyn Read + Send>>>>;

enum Decoder {
    Plain(Source),
    Gzip(Box<MultiGzDecoder<Source>>),
    Zstd(Box<zstd::Decoder<'static, Source>>),
}

/// Reads a file or stdin from its beginning, unpacked.
pub(super) struct Reader {
    path: PathBuf,
    kind: Kind,
    decoder: Decoder,
    count: Arc<AtomicU64>,
}

impl Reader {
    /// Opens the input; `count` counts the (packed) bytes read.
    pub(super) fn open(input: &Input, count: Arc<AtomicU64>) -> Result<Reader, FilesError> {
        let path = input.path().to_path_buf();
        let inner: Box<dyn Read + Send> = match input {
            Input::File(path) => Box::new(File::open(path).map_err(|error| read_error(path, &error))?),
            Input::Stdin => Box::new(io::stdin()),
        };
        let mut counted = Counted { inner, count: count.clone() };
        let mut head = Vec::with_capacity(MAGIC_BYTES);
        counted
            .by_ref()
            .take(MAGIC_BYTES as u64)
            .read_to_end(&mut head)
            .map_err(|error| read_error(&path, &error))?;
        let kind = Kind::of(&head);
        let source = BufReader::with_capacity(READ_BYTES, Cursor::new(head).chain(counted));
        let decoder = match kind {
            Kind::Plain => Decoder::Plain(source),
            Kind::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(source))),
            Kind::Zstd => {
                let decoder =
                    zstd::Decoder::with_buffer(source).map_err(|error| read_error(&path, &error))?;
                Decoder::Zstd(Box::new(decoder))
            }
            Kind::Unsupported { kind, hint } => return Err(FilesError::Unsupported { path, kind, hint }),
        };
        Ok(Reader { path, kind, decoder, count })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    /// Reads until the buffer is full or the file ends; returns how many bytes that were.
    pub(super) fn fill(&mut self, mut buffer: &mut [u8]) -> Result<usize, FilesError> {
        let full = buffer.len();
        while !buffer.is_empty() {
            let read = match &mut self.decoder {
                Decoder::Plain(source) => source.read(buffer),
                Decoder::Gzip(decoder) => decoder.read(buffer),
                Decoder::Zstd(decoder) => decoder.read(buffer),
            };
            match read {
                Ok(0) => break,
                Ok(count) => buffer = &mut buffer[count..],
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(self.damaged(&error)),
            }
        }
        Ok(full - buffer.len())
    }

    fn damaged(&self, error: &io::Error) -> FilesError {
        if self.kind == Kind::Plain {
            return read_error(&self.path, error);
        }
        let message = match error.kind() {
            io::ErrorKind::UnexpectedEof => "it breaks off".to_string(),
            _ => error.to_string(),
        };
        let buffered = match &self.decoder {
            Decoder::Plain(source) => source.buffer().len(),
            Decoder::Gzip(decoder) => decoder.get_ref().buffer().len(),
            Decoder::Zstd(decoder) => decoder.get_ref().buffer().len(),
        };
        let at = self.count.load(Ordering::Relaxed).saturating_sub(buffered as u64);
        FilesError::Damaged { path: self.path.clone(), at, kind: self.kind.name(), message }
    }
}
