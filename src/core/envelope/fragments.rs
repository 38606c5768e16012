//! Parts of lines that a container's runtime split, waiting for the rest.
//!
//! Invariant: which parts wait is a function of the messages read, in their order, and of nothing else: no clock. They
//! are bounded in number and bytes; what does not fit is handed back to be counted, never dropped silently.

use serde::{Deserialize, Serialize};

/// Streams of one partition whose line may be open at once.
pub const FRAGMENTS_MAX: usize = 256;
/// Bytes of all open lines of one partition.
pub const FRAGMENT_BYTES_MAX: usize = 1 << 20;

/// Which container and stream a part belongs to.
pub(super) type Origin = u128;

/// An open line.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
struct Fragment {
    origin: Origin,
    bytes: Vec<u8>,
    /// The true length: more than there are bytes once the line is longer than any may be.
    length: u64,
}

/// The open lines of one partition, the oldest first.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug, Default)]
pub struct Fragments {
    open: Vec<Fragment>,
    bytes: usize,
    #[serde(skip)]
    changed: bool,
}

/// A line whose parts were joined, or as much of it as was kept.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Joined {
    pub(super) bytes: Vec<u8>,
    pub(super) length: u64,
}

impl Fragments {
    /// Whether no line is open.
    #[inline(always)]
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether they are others than when this was last asked.
    pub(super) fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.changed)
    }

    /// Keeps a part; more of the line follows. Of a line longer than `line_bytes_max` the beginning is kept.
    /// [`give_way`](Self::give_way) is to be asked then.
    pub(super) fn push(&mut self, origin: Origin, part: &[u8], line_bytes_max: usize) {
        self.changed = true;
        let at = self.open.iter().position(|f| f.origin == origin);
        let at = at.unwrap_or_else(|| {
            self.open.push(Fragment { origin, bytes: Vec::new(), length: 0 });
            self.open.len() - 1
        });
        let fragment = &mut self.open[at];
        let room = line_bytes_max.min(FRAGMENT_BYTES_MAX).saturating_sub(fragment.bytes.len());
        let kept = &part[..part.len().min(room)];
        fragment.bytes.extend_from_slice(kept);
        fragment.length += part.len() as u64;
        self.bytes += kept.len();
    }

    /// An older line that has to give way to the one of that origin, as long as there are too many.
    pub(super) fn give_way(&mut self, origin: Origin) -> Option<Joined> {
        let full = self.open.len() > FRAGMENTS_MAX || self.bytes > FRAGMENT_BYTES_MAX;
        let oldest = self.open.iter().position(|f| f.origin != origin).filter(|_| full)?;
        Some(self.remove(oldest))
    }

    /// The open line of that origin, which ends with this part. None if none is open.
    pub(super) fn end(&mut self, origin: Origin, part: &[u8], line_bytes_max: usize) -> Option<Joined> {
        let at = self.open.iter().position(|f| f.origin == origin)?;
        let mut joined = self.remove(at);
        // one byte more than a line may have says that it has too many
        let room = (line_bytes_max + 1).saturating_sub(joined.bytes.len());
        joined.bytes.extend_from_slice(&part[..part.len().min(room)]);
        joined.length += part.len() as u64;
        Some(joined)
    }

    /// Gives up the oldest open line.
    pub(super) fn give_up(&mut self) -> Option<Joined> {
        (!self.open.is_empty()).then(|| self.remove(0))
    }

    fn remove(&mut self, at: usize) -> Joined {
        self.changed = true;
        let Fragment { bytes, length, .. } = self.open.remove(at);
        self.bytes -= bytes.len();
        Joined { bytes, length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_join_by_origin() {
        let mut open = Fragments::default();
        for (origin, part) in [(1, "ab"), (2, "x"), (1, "cd")] {
            open.push(origin, part.as_bytes(), 100);
            assert_eq!(open.give_way(origin), None);
        }
        assert!(open.take_changed() && !open.take_changed());
        assert_eq!(open.end(3, b"", 100), None);
        assert_eq!(open.end(1, b"e", 100), Some(Joined { bytes: b"abcde".to_vec(), length: 5 }));
        assert_eq!(open.end(2, b"", 100), Some(Joined { bytes: b"x".to_vec(), length: 1 }));
        assert!(open.is_empty() && open.bytes == 0 && open.take_changed());
    }

    #[test]
    fn they_are_bounded_in_number_bytes_and_length() {
        let mut open = Fragments::default();
        let mut gone = Vec::new();
        for origin in 0..FRAGMENTS_MAX as u128 + 3 {
            open.push(origin, &[origin as u8], 9);
            gone.extend(std::iter::from_fn(|| open.give_way(origin)).map(|j| j.bytes[0]));
        }
        assert_eq!(gone, [0, 1, 2]);
        assert_eq!(open.open.len(), FRAGMENTS_MAX);

        let mut open = Fragments::default();
        open.push(1, &[1; 10], 4);
        open.push(1, &[1; 10], 4);
        assert_eq!(open.end(1, &[2; 5], 4), Some(Joined { bytes: vec![1, 1, 1, 1, 2], length: 25 }));

        let most = vec![7; FRAGMENT_BYTES_MAX];
        for origin in [1, 2, 3] {
            open.push(origin, b"x", usize::MAX);
            assert_eq!(open.give_way(origin), None);
        }
        open.push(2, &most, usize::MAX);
        let gone: Vec<_> = std::iter::from_fn(|| open.give_way(2)).map(|j| j.bytes.len()).collect();
        assert_eq!(gone, [1, 1], "all others, until it fits; of one line as much is kept as all may have");
        assert_eq!(open.bytes, FRAGMENT_BYTES_MAX);
    }
}
