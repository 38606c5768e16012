//! A message of Confluent's serialisers: a zero byte, the schema's id in four, then the value. Of JSON Schema that is JSON;
//! of an Avro string its length goes in front. Nothing else of Avro or Protobuf is read.

/// What follows the header. None if there is none.
pub(super) fn read(payload: &[u8]) -> Option<&[u8]> {
    let [0, _, _, _, _, value @ ..] = payload else { return None };
    (!value.is_empty()).then(|| avro_string(value).unwrap_or(value))
}

/// An Avro string that takes up all the bytes: a zigzag integer, then so many bytes.
fn avro_string(value: &[u8]) -> Option<&[u8]> {
    let (mut length, mut shift) = (0u64, 0);
    for (i, byte) in value.iter().enumerate().take(5) {
        length |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            let text = &value[i + 1..];
            return (length % 2 == 0 && length / 2 == text.len() as u64).then_some(text);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_and_an_avro_length_are_taken_off() {
        assert_eq!(read(b"\0\0\0\0\x07{\"a\":1}"), Some(&b"{\"a\":1}"[..]));
        assert_eq!(read(b"\0\0\0\0\x07\x06abc"), Some(&b"abc"[..]));
        assert_eq!(read(b"\0\0\0\0\x07\x08abc"), Some(&b"\x08abc"[..]));
        let long = [&b"\0\0\0\0\x07\x90\x03"[..], &[b'x'; 200]].concat();
        assert_eq!(read(&long), Some(&[b'x'; 200][..]));
        for none in [&b"\0\0\0\0\x07"[..], b"\0\0", b"x", b""] {
            assert_eq!(read(none), None);
        }
    }
}
