//! A range of a plain file, read where it lies.
//!
//! Invariant: a line belongs to the range that its first byte lies in; so ranges that touch share no line and miss none.

use super::FilesError;
use super::block::Buffer;
use super::inputs::read_error;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Bytes read with a range for the end of its last line; where they hold none, each further time twice as many, up to the
/// other.
const TAIL_BYTES: usize = 4 << 10;
const TAIL_BYTES_MAX: usize = 64 << 10;

/// What the kernel copies at a time. A copy to a place that lies a few bytes further in its page than the source does in
/// its own takes four times as long on some processors, so what is read keeps its place in the page.
const PAGE_BYTES: usize = 4 << 10;

/// What a range's lines are: where they lie in the buffer, where the first starts in the file, and the true length of
/// the last one if it was cut.
pub(super) struct Lines {
    pub(super) at: Range<usize>,
    pub(super) offset: u64,
    pub(super) cut: Option<u64>,
}

/// A plain file to be read by ranges. Its size is the one it had when it was opened.
#[derive(Clone, Copy)]
pub(super) struct Plain<'a> {
    pub(super) file: &'a File,
    pub(super) path: &'a Path,
    pub(super) size: u64,
}

impl Plain<'_> {
    /// Reads the lines that start in the range. A last line longer than `keep_max` is cut there.
    pub(super) fn lines(
        &self,
        range: Range<u64>,
        keep_max: usize,
        buffer: &mut Buffer,
    ) -> Result<Lines, FilesError> {
        // the byte before the range tells whether a line starts at its first byte
        let from = range.start.saturating_sub(1);
        let length = usize::try_from(range.end - from).unwrap_or(usize::MAX);
        let mut ahead = self.at_most(TAIL_BYTES, range.end);
        let bytes = &mut buffer.bytes;
        grow(bytes, PAGE_BYTES + length + ahead);
        let start = place_in_page(bytes, from);
        let read_end = start + length;
        self.read(&mut bytes[start..read_end + ahead], from)?;
        let first = match range.start {
            0 => start,
            _ => memchr::memchr(b'\n', &bytes[start..read_end]).map_or(read_end, |at| start + at + 1),
        };
        let offset = from + (first - start) as u64;
        if first == read_end || bytes[read_end - 1] == b'\n' {
            return Ok(Lines { at: first..read_end, offset, cut: None });
        }
        let last = memchr::memrchr(b'\n', &bytes[first..read_end]).map_or(first, |at| first + at + 1);
        let (mut end, mut at) = (read_end, range.end);
        let (mut long, mut step) = (0, TAIL_BYTES);
        while ahead > 0 {
            let newline = memchr::memchr(b'\n', &bytes[end..end + ahead]);
            let taken = newline.map_or(ahead, |at| at + 1);
            at += taken as u64;
            let keep = if end - last >= keep_max { 0 } else { taken };
            end += keep;
            long += taken - keep;
            if newline.is_some() {
                let cut = (long > 0).then(|| (end - last + long - 1) as u64);
                return Ok(Lines { at: first..end, offset, cut });
            }
            step = (2 * step).min(TAIL_BYTES_MAX);
            ahead = self.at_most(step, at);
            grow(bytes, end + ahead);
            self.read(&mut bytes[end..end + ahead], at)?;
        }
        let cut = (long > 0).then_some((end - last + long) as u64);
        Ok(Lines { at: first..end, offset, cut })
    }

    /// So many bytes, or as many as there are from there on.
    fn at_most(&self, count: usize, at: u64) -> usize {
        count.min(usize::try_from(self.size - at).unwrap_or(count))
    }

    fn read(&self, mut buffer: &mut [u8], mut at: u64) -> Result<(), FilesError> {
        while !buffer.is_empty() {
            match self.file.read_at(buffer, at) {
                Ok(0) => return Err(FilesError::Shrunk { path: self.path.to_path_buf(), at }),
                Ok(count) => {
                    at += count as u64;
                    buffer = &mut buffer[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(read_error(self.path, &error)),
            }
        }
        Ok(())
    }
}

/// The first place in the buffer that lies within its page of memory as the offset does within its page of the file.
fn place_in_page(bytes: &[u8], offset: u64) -> usize {
    let wanted = (offset % PAGE_BYTES as u64) as usize;
    (wanted + PAGE_BYTES - bytes.as_ptr().addr() % PAGE_BYTES) % PAGE_BYTES
}

/// Makes room without clearing what is overwritten anyway.
pub(super) fn grow(bytes: &mut Vec<u8>, length: usize) {
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_keeps_its_place_in_the_page() {
        for offset in [0, 1, 4095, 4096, (512 << 10) - 1, 1_345_738_484] {
            for cut in [0, 1, 16, 4095] {
                let room = vec![0; 3 * PAGE_BYTES];
                let bytes = &room[cut..];
                let place = place_in_page(bytes, offset);
                assert!(place < PAGE_BYTES);
                assert_eq!(bytes[place..].as_ptr().addr() % PAGE_BYTES, offset as usize % PAGE_BYTES);
            }
        }
    }
}
