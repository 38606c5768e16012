//! What servers write for bytes that would break their lines, and those bytes again.
//!
//! Sources of the grammars: `ngx_http_log_escape` and `escape=` of nginx's `log_format`; "Security considerations" of
//! Apache's mod_log_config; HAProxy's configuration manual, 8.6; access logs of the Application Load Balancer.
//!
//! Invariant: a line is split first, and what its parts stand for is worked out after that, for the texts that are wanted
//! and for no others. An escape that the server does not write stands as it is. Percent signs of URLs are the client's,
//! and stand.

use super::nginx_layout;
use crate::core::record::{Field, Fields, Record, Value};
use crate::core::scan::{Replacing, first_of, hex_byte, names};
use crate::core::settings::{Format, Input, Layout};

/// How a server writes bytes that it cannot write as they are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Escapes {
    /// As `\x22`, in either case.
    Hex,
    /// As in C: `\"`, `\\`, `\n`, `\x0b`.
    C,
    /// As in JSON: `\"`, `\\`, `\n`, `\u001F`.
    Json,
    /// As `#22`.
    Hash,
}

/// Texts that are a client's, or may hold what a client sent.
const SENT: Fields = {
    let mut sent = Fields::of(&[
        Field::Method,
        Field::Host,
        Field::Path,
        Field::Query,
        Field::Protocol,
        Field::RequestId,
        Field::UserAgent,
        Field::DomainName,
        Field::RedirectUrl,
        Field::TransformedHost,
        Field::TransformedUri,
        Field::User,
        Field::Referer,
        Field::ForwardedFor,
        Field::ContentType,
        Field::Sni,
    ]);
    let mut i = 0;
    while i < Field::LABELS.len() {
        sent = sent.with(Field::LABELS[i]);
        i += 1;
    }
    sent
};

/// The texts of one line that had escapes, without them.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    bytes: Vec<u8>,
    places: Vec<(Field, usize)>,
}

impl Escapes {
    /// Those of a source's lines; None where its format has none, or knows its own.
    pub(super) fn of(input: &Input) -> Option<Escapes> {
        match (input.format, &input.layout) {
            (Format::Nginx | Format::IngressNginx, Layout::Text(text)) => nginx_layout::escapes(text),
            (Format::Nginx | Format::IngressNginx | Format::AwsAlb, _) => Some(Escapes::Hex),
            (Format::Apache, _) => Some(Escapes::C),
            (Format::Haproxy, _) => Some(Escapes::Hash),
            _ => None,
        }
    }

    /// What an escape begins with.
    const fn sign(self) -> u8 {
        match self {
            Escapes::Hex | Escapes::C | Escapes::Json => b'\\',
            Escapes::Hash => b'#',
        }
    }

    /// Takes the escapes out of the record's texts, so far as they are wanted.
    #[inline(always)]
    pub(super) fn take_out<'a>(self, decoded: &'a mut Decoded, wanted: Fields, record: &mut Record<'a>) {
        let sign = [self.sign()];
        let has = |field: &Field| record.text(*field).is_some_and(|text| first_of(text, 0, sign).is_some());
        let escaped: Fields = wanted.intersection(SENT).iter().filter(has).collect();
        if escaped != Fields::NONE {
            self.decode(decoded, escaped, record);
        }
    }

    #[cold]
    fn decode<'a>(self, decoded: &'a mut Decoded, escaped: Fields, record: &mut Record<'a>) {
        let Decoded { bytes, places } = decoded;
        bytes.clear();
        places.clear();
        for field in escaped.iter() {
            self.append(record.text(field).unwrap_or_default(), bytes);
            places.push((field, bytes.len()));
        }
        let bytes: &'a [u8] = bytes;
        let mut start = 0;
        for &(field, end) in places.iter() {
            record.set(field, Value::Text(&bytes[start..end]));
            start = end;
        }
    }

    /// Appends what the text stands for.
    fn append(self, text: &[u8], out: &mut Vec<u8>) {
        let sign = self.sign();
        match self {
            Escapes::Hex => {
                let meaning = |text: &[u8], room: &mut [u8]| byte(x(text), 4, sign, room);
                Replacing { sign, names: &NONE, quotes: false, hex: true, meaning }.append(text, out);
            }
            Escapes::Hash => {
                let meaning = |text: &[u8], room: &mut [u8]| byte(hex_byte(&text[1..]), 3, sign, room);
                Replacing { sign, names: &NONE, quotes: false, hex: false, meaning }.append(text, out);
            }
            Escapes::C => {
                let meaning = |text: &[u8], room: &mut [u8]| byte(x(text), 4, sign, room);
                Replacing { sign, names: &C, quotes: true, hex: true, meaning }.append(text, out);
            }
            Escapes::Json => {
                let meaning = |text: &[u8], room: &mut [u8]| match code(text) {
                    Some(char) => (6, char.encode_utf8(room).len()),
                    None => byte(None, 0, sign, room),
                };
                Replacing { sign, names: &JSON, quotes: true, hex: false, meaning }.append(text, out);
            }
        }
    }
}

/// Writes the byte that so many bytes mean, or the sign where they mean none; how much was read and written.
#[inline(always)]
fn byte(meaning: Option<u8>, len: usize, sign: u8, room: &mut [u8]) -> (usize, usize) {
    match meaning {
        Some(byte) => {
            room[0] = byte;
            (len, 1)
        }
        None => itself(sign, room),
    }
}

/// Out of line, so that how far to go is guessed by a branch and need not wait for the digits.
#[cold]
#[inline(never)]
fn itself(sign: u8, room: &mut [u8]) -> (usize, usize) {
    room[0] = sign;
    (1, 1)
}

/// `\x22`.
#[inline(always)]
fn x(text: &[u8]) -> Option<u8> {
    let [_, b'x', digits @ ..] = text.first_chunk::<4>()? else { return None };
    hex_byte(digits)
}

/// `\u001F`, but for halves of a surrogate pair.
#[inline(always)]
fn code(text: &[u8]) -> Option<char> {
    let digits = text.get(1..6)?.strip_prefix(b"u")?;
    let (high, low) = (hex_byte(digits)?, hex_byte(&digits[2..])?);
    char::from_u32(u32::from(high) << 8 | u32::from(low))
}

/// Where no letter means anything.
static NONE: [u8; 256] = names(b"", b"");

/// Apache's, but for `\xhh`.
static C: [u8; 256] = names(b"\"\\bnrtvf", b"\"\\\x08\n\r\t\x0b\x0c");

/// JSON's, but for `\uhhhh`.
static JSON: [u8; 256] = names(b"\"\\/bfnrt", b"\"\\/\x08\x0c\n\r\t");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_server_escapes_is_that_again_and_nothing_else_is() {
        use Escapes::{C, Hash, Hex, Json};
        let cases: [(Escapes, &[u8], &[u8]); 22] = [
            (Hex, br"a\x22b\x5C", br#"a"b\"#),
            (Hex, br"\xC3\x88\xf0\x9f\x98\x80", "È😀".as_bytes()),
            (Hex, br"\xe4", b"\xe4"),
            (Hex, br#"\"\\\n\x2\x2g\"#, br#"\"\\\n\x2\x2g\"#),
            (Hex, b"", b""),
            (C, br#"say \"hi\" \\ \x0b"#, b"say \"hi\" \\ \x0b"),
            (C, br"\t\n\r\v\f\b", b"\t\n\r\x0b\x0c\x08"),
            (C, br"\\x22", br"\x22"),
            (C, br"\q\x", br"\q\x"),
            (C, br"\", br"\"),
            (Json, br#"\"\\\/\n"#, b"\"\\/\n"),
            (Json, br"\u001F\u00e9\u4e2d", "\u{1f}é中".as_bytes()),
            (Json, br"\ud83d\u12", br"\ud83d\u12"),
            (Json, br"\\u0041", br"\u0041"),
            (Json, br"\x22", br"\x22"),
            (Json, b"\xff\\n", b"\xff\n"),
            (Hash, b"/a#22b#23c", b"/a\"b#c"),
            (Hash, b"#7B#7C#7d", b"{|}"),
            (Hash, b"#E4#B8#AD", "中".as_bytes()),
            (Hash, b"#", b"#"),
            (Hash, b"#2", b"#2"),
            (Hash, b"#g0##41", b"#g0#A"),
        ];
        for (escapes, text, expected) in cases {
            let mut out = Vec::new();
            escapes.append(text, &mut out);
            assert_eq!(out.escape_ascii().to_string(), expected.escape_ascii().to_string(), "{escapes:?}");
        }
    }

    #[test]
    fn a_sites_log_format_says_how_it_escapes() {
        let of =
            |text: &str| Escapes::of(&Input { layout: Layout::Text(text.into()), ..Format::Nginx.into() });
        assert_eq!(of("$time_local $status"), Some(Escapes::Hex));
        assert_eq!(of("log_format x '$time_local $status';"), Some(Escapes::Hex));
        assert_eq!(of("log_format x escape=default '$time_local $status';"), Some(Escapes::Hex));
        assert_eq!(of("log_format x escape=json '$time_local $status';"), Some(Escapes::Json));
        assert_eq!(of("log_format x escape=none '$time_local $status';"), None);
    }

    #[test]
    fn only_texts_that_are_wanted_are_decoded() {
        let mut decoded = Decoded::default();
        let mut record = Record::at(crate::core::time::Time::Y2000);
        for field in [Field::Path, Field::Referer, Field::UserAgent] {
            record.set(field, Value::Text(br"\x41"));
        }
        Escapes::Hex.take_out(&mut decoded, Fields::of(&[Field::Path, Field::UserAgent]), &mut record);
        assert_eq!(record.get(Field::Path), Value::Text(b"A"));
        assert_eq!(record.get(Field::UserAgent), Value::Text(b"A"));
        assert_eq!(record.get(Field::Referer), Value::Text(br"\x41"));
    }
}
