//! Short byte strings of variable-length integers, held inline while they are short.
//!
//! An open slice of ten thousand services holds hundreds of thousands of small lists; as vectors of words
//! they would not fit. Invariant: the same numbers always give the same bytes, so equal bytes are equal lists.

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

/// Bytes that fit beside the tag and the length.
const INLINE_BYTES: usize = 22;

/// A byte string; 24 bytes, and nothing on the heap up to 22 of content.
#[derive(Clone)]
pub(crate) enum Packed {
    /// Short: length and bytes.
    Inline(u8, [u8; INLINE_BYTES]),
    /// Long.
    Boxed(Box<[u8]>),
}

impl Packed {
    /// The bytes.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Packed::Inline(len, bytes) => &bytes[..*len as usize],
            Packed::Boxed(bytes) => bytes,
        }
    }

    /// Bytes on the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        match self {
            Packed::Inline(..) => 0,
            Packed::Boxed(bytes) => bytes.len(),
        }
    }
}

impl Default for Packed {
    fn default() -> Packed {
        Packed::Inline(0, [0; INLINE_BYTES])
    }
}

impl From<&[u8]> for Packed {
    fn from(bytes: &[u8]) -> Packed {
        if bytes.len() > INLINE_BYTES {
            return Packed::Boxed(bytes.into());
        }
        let mut inline = [0; INLINE_BYTES];
        inline[..bytes.len()].copy_from_slice(bytes);
        Packed::Inline(bytes.len() as u8, inline)
    }
}

impl From<Vec<u8>> for Packed {
    fn from(bytes: Vec<u8>) -> Packed {
        if bytes.len() > INLINE_BYTES { Packed::Boxed(bytes.into()) } else { Packed::from(&bytes[..]) }
    }
}

impl PartialEq for Packed {
    fn eq(&self, other: &Packed) -> bool {
        self.bytes() == other.bytes()
    }
}

impl Eq for Packed {}

impl Serialize for Packed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.bytes())
    }
}

impl<'de> Deserialize<'de> for Packed {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Packed, D::Error> {
        struct Bytes;
        impl<'de> Visitor<'de> for Bytes {
            type Value = Packed;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Packed, E> {
                Ok(bytes.into())
            }

            // formats without a type for bytes (JSON) write a list of numbers
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Packed, A::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = list.next_element::<u8>()? {
                    bytes.push(byte);
                }
                Ok(bytes.into())
            }
        }
        deserializer.deserialize_bytes(Bytes)
    }
}

/// Appends an integer: seven bits a byte, least significant first, the high bit says that more follows.
#[inline]
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Takes the integer at the front. None at the end, and for what [`put`] never wrote.
#[inline]
pub(crate) fn take(bytes: &mut &[u8]) -> Option<u64> {
    let (&first, rest) = bytes.split_first()?;
    *bytes = rest;
    if first < 0x80 {
        return Some(first as u64);
    }
    let mut value = (first & 0x7f) as u64;
    for shift in (7..64).step_by(7) {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        let part = (byte & 0x7f) as u64;
        // one way only to write a number: no bits beyond 64, no empty last byte
        if part << shift >> shift != part || byte == 0 {
            return None;
        }
        value |= part << shift;
        if byte < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_come_back() {
        let cases = [0, 1, 127, 128, 16_383, 16_384, u32::MAX as u64, 1 << 62, u64::MAX - 1, u64::MAX];
        let mut bytes = Vec::new();
        cases.iter().for_each(|v| put(&mut bytes, *v));
        let mut rest = &bytes[..];
        for want in cases {
            assert_eq!(take(&mut rest), Some(want));
        }
        assert_eq!(take(&mut rest), None);
    }

    #[test]
    fn what_was_never_written_is_refused() {
        for bad in
            [&[0x80][..], &[0x80, 0], &[0xff; 11], &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2]]
        {
            assert_eq!(take(&mut &bad[..]), None, "{bad:?}");
        }
    }

    #[test]
    fn bytes_travel_inline_and_boxed() {
        assert_eq!(size_of::<Packed>(), 24);
        for len in [0, 1, 22, 23, 300] {
            let packed = Packed::from(vec![7u8; len]);
            assert_eq!(packed.bytes(), vec![7u8; len]);
            assert_eq!(packed.heap_bytes() > 0, len > 22);
            let wire = postcard::to_stdvec(&packed).unwrap();
            assert!(postcard::from_bytes::<Packed>(&wire).unwrap() == packed);
            let json = serde_json::to_string(&packed).unwrap();
            assert!(serde_json::from_str::<Packed>(&json).unwrap() == packed);
        }
    }
}
