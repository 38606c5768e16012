//! A file that can only be read from its beginning: compressed, or a pipe.
//!
//! Invariant: what a block leaves over (the beginning of a line) starts the next block.

use super::FilesError;
use super::block::Buffer;
use super::plain::{Lines, grow};
use super::reader::Reader;

/// Bytes read at once in search of the end of a line longer than a block.
const TAIL_BYTES: usize = 64 << 10;

/// A file being read.
pub(super) struct Packed {
    reader: Reader,
    /// Read and not yet handed over: less than a line, or what was read to learn the file's first time.
    carry: Vec<u8>,
    /// Where `carry` starts in the unpacked file.
    offset: u64,
    ended: bool,
}

/// A block's lines, how many unpacked bytes they stand for, and whether they are the file's last.
pub(super) struct Inflated {
    pub(super) lines: Lines,
    pub(super) length: u64,
    pub(super) ended: bool,
}

impl Packed {
    pub(super) fn new(reader: Reader) -> Packed {
        Packed { reader, carry: Vec::new(), offset: 0, ended: false }
    }

    /// The first bytes, up to so many; they stay to be read.
    pub(super) fn peek(&mut self, bytes: usize) -> Result<&[u8], FilesError> {
        if self.carry.len() < bytes && !self.ended {
            let have = self.carry.len();
            self.carry.resize(bytes, 0);
            let count = self.reader.fill(&mut self.carry[have..])?;
            self.carry.truncate(have + count);
            self.ended = have + count < bytes;
        }
        Ok(&self.carry)
    }

    /// Unpacks about so many bytes into the buffer and cuts them at the last line end. A line longer than that is a block
    /// of its own, cut at `keep_max`.
    pub(super) fn lines(
        &mut self,
        block_bytes: usize,
        keep_max: usize,
        buffer: &mut Buffer,
    ) -> Result<Inflated, FilesError> {
        let bytes = &mut buffer.bytes;
        let have = self.carry.len();
        let want = block_bytes.max(have);
        grow(bytes, want);
        bytes[..have].copy_from_slice(&self.carry);
        self.carry.clear();
        let mut end = have;
        if !self.ended {
            end += self.reader.fill(&mut bytes[have..want])?;
            self.ended = end < want;
        }
        let offset = self.offset;
        let done = |packed: &mut Packed, end: usize, length: u64, cut: Option<u64>| {
            packed.offset += length;
            let ended = packed.ended && packed.carry.is_empty();
            Ok(Inflated { lines: Lines { at: 0..end, offset, cut }, length, ended })
        };
        if self.ended {
            return done(self, end, end as u64, None);
        }
        if let Some(newline) = memchr::memrchr(b'\n', &bytes[..end]) {
            self.carry.extend_from_slice(&bytes[newline + 1..end]);
            return done(self, newline + 1, newline as u64 + 1, None);
        }
        let mut long = 0;
        loop {
            grow(bytes, end + TAIL_BYTES);
            let count = self.reader.fill(&mut bytes[end..end + TAIL_BYTES])?;
            self.ended = count < TAIL_BYTES;
            let newline = memchr::memchr(b'\n', &bytes[end..end + count]);
            let taken = newline.map_or(count, |at| at + 1);
            self.carry.extend_from_slice(&bytes[end + taken..end + count]);
            let keep = if end >= keep_max { 0 } else { taken };
            end += keep;
            long += taken - keep;
            if newline.is_some() || self.ended {
                let length = (end + long) as u64;
                let cut = (long > 0).then_some(length - u64::from(newline.is_some()));
                return done(self, end, length, cut);
            }
        }
    }
}
