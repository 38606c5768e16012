//! A line of a Kubernetes container log (containerd, CRI-O): `time stream tags content`.
//!
//! The first tag is `P` where the runtime split a long line and more of it follows, else `F`.

/// What the header says, and the content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Cri<'p> {
    pub(super) time: &'p [u8],
    pub(super) stream: &'p [u8],
    pub(super) partial: bool,
    pub(super) content: &'p [u8],
}

/// Whether the bytes begin like a time as containers' runtimes write it: `2025-12-31T17:37:40`.
#[inline]
pub(super) fn begins_with_time(bytes: &[u8]) -> bool {
    matches!(
        bytes,
        [
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'0'..=b'9',
            b'-',
            _,
            _,
            b'-',
            _,
            _,
            b'T',
            _,
            _,
            b':',
            _,
            _,
            b':',
            ..
        ]
    )
}

/// Takes the header off. None if there is none.
pub(super) fn read(line: &[u8]) -> Option<Cri<'_>> {
    if !begins_with_time(line) {
        return None;
    }
    let mut columns = line.splitn(4, |b| *b == b' ');
    let (time, stream, tags) = (columns.next()?, columns.next()?, columns.next()?);
    let content = columns.next().unwrap_or_default();
    let partial = match tags {
        [b'P'] | [b'P', b':', ..] => true,
        [b'F'] | [b'F', b':', ..] => false,
        _ => return None,
    };
    matches!(stream, b"stdout" | b"stderr").then_some(Cri { time, stream, partial, content })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_told_from_lines() {
        let time: &[u8] = b"2025-12-31T17:37:40.493035218+01:00";
        let line = |rest: &str| [time, rest.as_bytes()].concat();
        let read = |rest: &str| {
            read(&line(rest)).map(|c| (c.partial, String::from_utf8_lossy(c.content).into_owned()))
        };
        assert_eq!(read(" stdout F a b"), Some((false, "a b".into())));
        assert_eq!(read(" stderr P  a"), Some((true, " a".into())));
        assert_eq!(read(" stdout F:x:y a"), Some((false, "a".into())));
        assert_eq!(read(" stdout F"), Some((false, String::new())));
        assert_eq!(read(" stdout F "), Some((false, String::new())));
        for none in ["", " stdout", " stdout X a", " other F a", "F a"] {
            assert_eq!(read(none), None, "{none}");
        }
        assert_eq!(super::read(b"127.0.0.1 - - [10/Oct/2000:13:55:36 -0700]"), None);
    }
}
