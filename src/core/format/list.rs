//! Lists as nginx writes them of upstreams: `0.100, 0.200 : -`. A comma stands between the peers of one group,
//! a colon where the request went on to another group.
//!
//! Source of the grammar: nginx's documentation of `ngx_http_upstream_module`.
//!
//! Invariant: no item has a space, so a space that stands neither behind a comma nor around a colon ends the
//! list.

use memchr::{memchr, memchr_iter};

/// Where the items of a list lie: `0.1, 0.2 : -`.
pub(super) fn items(text: &[u8]) -> impl Iterator<Item = (usize, usize)> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let rest = text.get(start..)?;
        let (len, gap) = separator(rest).unwrap_or((rest.len(), rest.len() + 1));
        at = start + gap.max(len + 1);
        Some((start, start + len))
    })
}

/// Where the first separator of the list begins and ends.
fn separator(text: &[u8]) -> Option<(usize, usize)> {
    memchr_iter(b' ', text).find_map(|space| {
        if space > 0 && text[space - 1] == b',' {
            return Some((space - 1, space + 1));
        }
        text[space..].starts_with(b" : ").then_some((space, space + 3))
    })
}

/// The last item of a list.
#[inline(always)]
pub(super) fn last_item(text: &[u8]) -> &[u8] {
    if memchr(b' ', text).is_none() {
        return text;
    }
    items(text).last().and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
}

/// Where a list ends that the line goes on behind: at the first space that separates no items.
pub(super) fn list_end(text: &[u8]) -> usize {
    let mut spaces = memchr_iter(b' ', text);
    while let Some(space) = spaces.next() {
        if space > 0 && text[space - 1] == b',' {
            continue;
        }
        if !text[space..].starts_with(b" : ") {
            return space;
        }
        spaces.next();
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str) -> Vec<&str> {
        items(text.as_bytes()).map(|(start, end)| &text[start..end]).collect()
    }

    #[test]
    fn lists() {
        for (text, expected, last) in [
            ("0.1", vec!["0.1"], "0.1"),
            ("-", vec!["-"], "-"),
            ("", vec![""], ""),
            ("0.1, 0.2", vec!["0.1", "0.2"], "0.2"),
            ("0.518 : 0.009", vec!["0.518", "0.009"], "0.009"),
            ("0.001, 0.002 : -", vec!["0.001", "0.002", "-"], "-"),
            ("[::1]:80, unix:/a b : 1", vec!["[::1]:80", "unix:/a b", "1"], "1"),
            ("0.1 : ", vec!["0.1", ""], ""),
        ] {
            assert_eq!(all(text), expected, "{text}");
            assert_eq!(last_item(text.as_bytes()), last.as_bytes(), "{text}");
        }
        for (text, end) in
            [("0.1 x", 3), ("0.1, 0.2 x", 8), ("0.1 : 0.2, - x", 12), ("- - -", 1), ("0.1, ", 5), ("", 0)]
        {
            assert_eq!(list_end(text.as_bytes()), end, "{text}");
        }
    }
}
