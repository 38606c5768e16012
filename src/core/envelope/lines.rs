//! Several lines in one message, byte order marks, and line ends of both kinds.
//!
//! Invariant: the one line end that closes the message does not belong to it and begins no line; every other one
//! does: an empty line in between is a line.

use memchr::memchr;

/// The line without the one line end that may close it.
#[inline(always)]
pub(super) fn trim(line: &[u8]) -> &[u8] {
    match line {
        [line @ .., b'\r', b'\n'] | [line @ .., b'\n' | b'\r'] => line,
        _ => line,
    }
}

/// Whether there is a line end before the last byte.
#[inline(always)]
pub(super) fn are_several(payload: &[u8]) -> bool {
    memchr(b'\n', payload).is_some_and(|at| at + 1 < payload.len())
}

/// The bytes without a byte order mark.
pub(super) fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// The lines, with their ends.
pub(super) fn lines(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = payload;
    std::iter::from_fn(move || {
        let end = memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let line;
        (line, rest) = rest.split_at(end);
        (!line.is_empty()).then_some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends_close_lines() {
        let cases: &[(&str, &[&str])] = &[
            ("a", &["a"]),
            ("a\n", &["a"]),
            ("a\r\nb", &["a", "b"]),
            ("a\n\nb\r\n", &["a", "", "b"]),
            ("\n", &[""]),
            ("", &[]),
        ];
        for (payload, want) in cases {
            let got: Vec<_> = lines(payload.as_bytes()).map(trim).collect();
            assert_eq!(got, want.iter().map(|l| l.as_bytes()).collect::<Vec<_>>(), "{payload:?}");
            assert_eq!(are_several(payload.as_bytes()), want.len() > 1, "{payload:?}");
        }
    }
}
