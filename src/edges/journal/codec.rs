//! How an entry lies in the journal: a version byte, a codec byte, the body.
//!
//! Configurations are JSON, so that settings of an earlier release read with later defaults; everything
//! else is postcard, compressed where that pays.

use crate::core::entry::Entry;

/// The version written. A reader refuses every other one.
pub(super) const VERSION: u8 = 6;

const POSTCARD: u8 = 0;
const POSTCARD_ZSTD: u8 = 1;
const JSON: u8 = 2;

/// Bodies shorter than this are not worth compressing, bytes.
const COMPRESS_BYTES_MIN: usize = 4096;
/// No entry inflates to more than this, bytes: a chunk is flushed at a few MiB of partials.
const ENTRY_BYTES_MAX: usize = 1 << 30;
const LEVEL: i32 = 1;

/// The entry's bytes.
pub(super) fn encode(entry: &Entry) -> Result<Vec<u8>, String> {
    if let Entry::Configure(_) = entry {
        let mut out = vec![VERSION, JSON];
        serde_json::to_writer(&mut out, entry).map_err(|e| e.to_string())?;
        return Ok(out);
    }
    let plain = postcard::to_extend(entry, vec![VERSION, POSTCARD]).map_err(|e| e.to_string())?;
    if plain.len() < COMPRESS_BYTES_MIN {
        return Ok(plain);
    }
    let body = &plain[2..];
    let packed = zstd::bulk::compress(body, LEVEL).map_err(|e| e.to_string())?;
    let mut out = Vec::with_capacity(packed.len() + 10);
    out.extend([VERSION, POSTCARD_ZSTD]);
    out.extend((body.len() as u64).to_le_bytes());
    out.extend(packed);
    Ok(out)
}

/// What a stored entry may be besides an entry.
#[derive(Debug, PartialEq)]
pub(super) enum Unreadable {
    /// Another release wrote it.
    OtherFormat(u8),
    /// It is not what any release writes.
    Damaged(String),
}

/// The entry of the bytes.
pub(super) fn decode(bytes: &[u8]) -> Result<Entry, Unreadable> {
    let damaged = |e: &dyn std::fmt::Display| Unreadable::Damaged(e.to_string());
    let (version, codec, body) = match bytes {
        [version, codec, body @ ..] => (*version, *codec, body),
        _ => return Err(damaged(&"an entry of less than two bytes")),
    };
    if version != VERSION {
        return Err(Unreadable::OtherFormat(version));
    }
    match codec {
        POSTCARD => postcard::from_bytes(body).map_err(|e| damaged(&e)),
        JSON => serde_json::from_slice(body).map_err(|e| damaged(&e)),
        POSTCARD_ZSTD => {
            let (length, packed) =
                body.split_first_chunk::<8>().ok_or_else(|| damaged(&"an entry cut short"))?;
            let length = u64::from_le_bytes(*length) as usize;
            if length > ENTRY_BYTES_MAX {
                return Err(damaged(&"an entry of an impossible length"));
            }
            let plain = zstd::bulk::decompress(packed, length).map_err(|e| damaged(&e))?;
            postcard::from_bytes(&plain).map_err(|e| damaged(&e))
        }
        other => Err(damaged(&format!("an unknown codec {other}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::entry::{Begin, ForcedCut, Start};
    use crate::core::position::Partition;

    #[test]
    fn entries_come_back() {
        let start = |number| Start {
            partition: Partition { source: "alb".into(), topic: "alb-logs".into(), number },
            offset: 42,
            had_data: true,
            topic_id: None,
        };
        let cases = [
            Entry::Begin(Begin { journal: "00ff".into(), backfill: false, takeover: None }),
            Entry::Cut(ForcedCut::All),
            Entry::Starts(vec![start(0)]),
            Entry::Starts((0..2000).map(start).collect()),
        ];
        for entry in cases {
            let bytes = encode(&entry).expect("encodes");
            assert_eq!(decode(&bytes).as_ref(), Ok(&entry));
        }
    }

    #[test]
    fn what_is_no_entry_is_told_apart() {
        assert!(matches!(decode(&[]), Err(Unreadable::Damaged(_))));
        for other in [VERSION - 1, VERSION + 1] {
            assert!(matches!(decode(&[other, 0, 1]), Err(Unreadable::OtherFormat(_))));
        }
        assert!(matches!(decode(&[VERSION, 9, 1]), Err(Unreadable::Damaged(_))));
        let huge = [&[VERSION, POSTCARD_ZSTD][..], &u64::MAX.to_le_bytes()].concat();
        assert!(matches!(decode(&huge), Err(Unreadable::Damaged(_))));
    }
}
