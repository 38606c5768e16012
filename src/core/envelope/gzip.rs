//! Bytes packed with gzip, and base64 around them.
//!
//! Invariant: no message unpacks to more than [`UNPACKED_BYTES_MAX`].

use super::UNPACKED_BYTES_MAX;
use flate2::bufread::MultiGzDecoder;
use std::io::Read;

/// How gzip begins.
pub(super) const MAGIC: &[u8] = b"\x1f\x8b";
/// How gzip begins in base64.
pub(super) const MAGIC_BASE64: &[u8] = b"H4sI";

/// Unpacks into the buffer. False if it is damaged, breaks off or is too much.
pub(super) fn unpack(packed: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let mut decoder = MultiGzDecoder::new(packed).take(UNPACKED_BYTES_MAX as u64 + 1);
    decoder.read_to_end(out).is_ok_and(|length| length <= UNPACKED_BYTES_MAX)
}

/// Decodes base64 into the buffer, line ends between left out. False if it is none.
pub(super) fn from_base64(text: &[u8], out: &mut Vec<u8>) -> bool {
    out.clear();
    let (mut bits, mut held) = (0u32, 0);
    let text = text.trim_ascii_end();
    let text = text.strip_suffix(b"=").unwrap_or(text);
    let text = text.strip_suffix(b"=").unwrap_or(text);
    for byte in text {
        let digit = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'\r' | b'\n' => continue,
            _ => return false,
        };
        bits = bits << 6 | u32::from(digit);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_comes_back() {
        let mut out = Vec::new();
        for (text, want) in
            [("", ""), ("Zg==", "f"), ("Zm8=", "fo"), ("Zm9v", "foo"), ("Zm9v\nYmFy\n", "foobar")]
        {
            assert!(from_base64(text.as_bytes(), &mut out));
            assert_eq!(out, want.as_bytes());
        }
        assert!(!from_base64(b"Zm 9v", &mut out));
    }

    #[test]
    fn what_breaks_off_is_not_unpacked() {
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut packed, &[b'x'; 1000]).expect("packed");
        let packed = packed.finish().expect("packed");
        let mut out = Vec::new();
        assert!(unpack(&packed, &mut out) && out == [b'x'; 1000]);
        assert!(unpack(&[&packed[..], &packed].concat(), &mut out) && out.len() == 2000);
        assert!(!unpack(&packed[..packed.len() - 9], &mut out));
    }
}
