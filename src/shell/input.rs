//! Lines of a file or of standard input, for commands that look at a few: plain, gzip or zstd by content.
//!
//! Invariant: a line's bytes are handed over as they stand, without their line end; no more than
//! `line_bytes_max` and one byte of it are held, so that a longer one shows as too long.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;

/// A reader of lines.
pub struct LineReader {
    source: Box<dyn BufRead>,
    line: Vec<u8>,
    line_bytes_max: usize,
}

impl LineReader {
    /// Opens a path, or standard input where it is `-`.
    ///
    /// # Errors
    /// With the path in the message.
    pub fn open(path: &Path, line_bytes_max: usize) -> io::Result<LineReader> {
        let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
        let mut plain: Box<dyn BufRead> = if path == Path::new("-") {
            Box::new(BufReader::new(io::stdin()))
        } else {
            Box::new(BufReader::with_capacity(1 << 18, File::open(path).map_err(named)?))
        };
        let magic = plain.fill_buf().map_err(named)?;
        let source: Box<dyn BufRead> = match magic {
            [0x1f, 0x8b, ..] => Box::new(BufReader::new(flate2::bufread::MultiGzDecoder::new(plain))),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => {
                Box::new(BufReader::new(zstd::stream::read::Decoder::with_buffer(plain).map_err(named)?))
            }
            _ => plain,
        };
        Ok(LineReader { source, line: Vec::new(), line_bytes_max })
    }

    /// The next line, None at the end.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<&[u8]>> {
        self.line.clear();
        let limit = self.line_bytes_max as u64 + 2;
        if self.source.by_ref().take(limit).read_until(b'\n', &mut self.line)? == 0 {
            return Ok(None);
        }
        if self.line.last() != Some(&b'\n') {
            self.skip_rest()?;
        }
        let line = self.line.strip_suffix(b"\n").unwrap_or(&self.line);
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    fn skip_rest(&mut self) -> io::Result<()> {
        loop {
            let held = self.source.fill_buf()?;
            let (length, done) = match memchr::memchr(b'\n', held) {
                Some(end) => (end + 1, true),
                None => (held.len(), held.is_empty()),
            };
            self.source.consume(length);
            if done {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_come_without_their_ends_and_bounded() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.log");
        let text = b"one\r\n\ntoolongline\nlast";
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, text).expect("packed");
        for bytes in
            [text.to_vec(), packed.finish().expect("packed"), zstd::encode_all(&text[..], 1).expect("packed")]
        {
            std::fs::write(&path, bytes).expect("written");
            let mut lines = LineReader::open(&path, 4).expect("opened");
            let mut seen = Vec::new();
            while let Some(line) = lines.next_line().expect("read") {
                seen.push(String::from_utf8_lossy(line).into_owned());
            }
            assert_eq!(seen, ["one", "", "toolon", "last"]);
        }
    }
}
