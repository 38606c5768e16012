//! Routes: paths with what differs from request to request taken out, `/users/123` as `/users/{id}`.
//!
//! Invariant: a route is a function of the path and the rules alone. It is no longer than the limit and what
//! marks the cut, and making one allocates nothing once the scratch space has grown.

use crate::core::predicate::{PredicateError, regex};
use crate::core::record::{Field, Record, Value};
use crate::core::settings::{Limits, RouteRule};
use memchr::{memchr, memrchr};
use regex::bytes::{CaptureLocations, Regex};

/// Stands for a part of a path that names one thing of many.
const ID: &[u8] = b"{id}";
/// Stands for what is beyond the limit.
const REST: &[u8] = b"/{rest}";
/// Fewest hexadecimal digits that are taken for an id: shorter ones may be words.
const HEX_DIGITS_MIN: usize = 8;

/// Which text of a rule is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// The regular expression.
    Match,
    /// The route.
    Route,
}

/// Names routes; one a thread.
#[derive(Clone, Debug)]
pub struct Router {
    rules: Vec<Rule>,
    bytes_max: usize,
}

#[derive(Clone, Debug)]
struct Rule {
    regex: Regex,
    pieces: Vec<Piece>,
    /// Scratch for the groups; None if the route uses none of them.
    groups: Option<CaptureLocations>,
}

#[derive(Clone, Debug)]
enum Piece {
    Text(Box<[u8]>),
    Group(usize),
}

impl Router {
    /// Compiles the rules.
    ///
    /// # Errors
    /// The number of the first rule that cannot be compiled, and what is wrong with it.
    pub fn compile(rules: &[RouteRule], limits: &Limits) -> Result<Router, (usize, Part, PredicateError)> {
        let rule = |(i, rule): (usize, &RouteRule)| Rule::compile(rule).map_err(|(part, e)| (i, part, e));
        Ok(Router {
            rules: rules.iter().enumerate().map(rule).collect::<Result<_, _>>()?,
            bytes_max: limits.route_bytes_max as usize,
        })
    }

    /// Gives the record its route; `scratch` holds it where it is not a part of the path. Without a path there is none.
    #[inline]
    pub fn fill<'r>(&mut self, record: &mut Record<'r>, scratch: &'r mut Vec<u8>) {
        let route = match record.get(Field::Path) {
            Value::Text(path) => Value::Text(self.route(path, scratch)),
            _ => Value::Absent,
        };
        record.set(Field::Route, route);
    }

    /// The route of a path: by the first rule that matches, else by taking ids out.
    pub fn route<'b>(&mut self, path: &'b [u8], scratch: &'b mut Vec<u8>) -> &'b [u8] {
        scratch.clear();
        match self.rules.iter_mut().find_map(|rule| rule.put(path, scratch)) {
            Some(()) => cut(scratch, self.bytes_max),
            None if !put_without_ids(path, self.bytes_max, scratch) => return path,
            None => {}
        }
        scratch
    }
}

impl Rule {
    fn compile(rule: &RouteRule) -> Result<Rule, (Part, PredicateError)> {
        let (text, route) = (rule.matches.as_str(), rule.route.as_str());
        let regex = regex(text, 0..text.len()).map_err(|e| (Part::Match, e))?;
        if route.is_empty() {
            return Err((Part::Route, PredicateError::new(0..0, "a route is not empty")));
        }
        let mut pieces = Vec::new();
        let mut rest = route;
        while let Some(open) = rest.find('{') {
            let length = rest[open..].find('}').map_or(rest.len() - open, |close| close + 1);
            let name = rest[open..open + length].trim_matches(['{', '}']);
            let group = regex.capture_names().position(|n| n == Some(name));
            let end = if group.is_some() { open } else { open + length };
            if end > 0 {
                pieces.push(Piece::Text(rest.as_bytes()[..end].into()));
            }
            pieces.extend(group.map(Piece::Group));
            rest = &rest[open + length..];
        }
        if !rest.is_empty() {
            pieces.push(Piece::Text(rest.as_bytes().into()));
        }
        let uses_groups = pieces.iter().any(|p| matches!(p, Piece::Group(_)));
        let groups = uses_groups.then(|| regex.capture_locations());
        Ok(Rule { regex, pieces, groups })
    }

    /// Puts the route together, if the rule matches. A group that took no part gives nothing.
    fn put(&mut self, path: &[u8], route: &mut Vec<u8>) -> Option<()> {
        match &mut self.groups {
            Some(groups) => {
                self.regex.captures_read(groups, path)?;
            }
            None if !self.regex.is_match(path) => return None,
            None => {}
        }
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => route.extend_from_slice(text),
                Piece::Group(group) => {
                    let taken = self.groups.as_ref().and_then(|groups| groups.get(*group));
                    route.extend_from_slice(
                        taken.and_then(|(from, to)| path.get(from..to)).unwrap_or_default(),
                    );
                }
            }
        }
        Some(())
    }
}

/// Cuts what is too long before the last slash within the limit.
fn cut(route: &mut Vec<u8>, bytes_max: usize) {
    if route.len() > bytes_max {
        route.truncate(memrchr(b'/', &route[..bytes_max]).unwrap_or(0));
        route.extend_from_slice(REST);
    }
}

/// Puts the path without its ids. False: it has none and is short enough, nothing was put.
fn put_without_ids(path: &[u8], bytes_max: usize, route: &mut Vec<u8>) -> bool {
    let long = path.len() > bytes_max;
    let path = if long { &path[..memrchr(b'/', &path[..bytes_max]).unwrap_or(0)] } else { path };
    let (mut copied, mut start) = (0, 0);
    while start < path.len() {
        let end = memchr(b'/', &path[start..]).map_or(path.len(), |length| start + length);
        if is_id(&path[start..end]) {
            route.extend_from_slice(&path[copied..start]);
            route.extend_from_slice(ID);
            copied = end;
        }
        start = end + 1;
    }
    if copied == 0 && !long {
        return false;
    }
    route.extend_from_slice(&path[copied..]);
    if long {
        route.extend_from_slice(REST);
    }
    true
}

/// Whether a part of a path is a number (also a date, an address or a version), a UUID, or hexadecimal digits
/// that no word is made of.
fn is_id(part: &[u8]) -> bool {
    let (mut digits, mut letters, mut marks) = (0, 0, 0);
    for byte in part {
        match byte {
            b'0'..=b'9' => digits += 1,
            b'a'..=b'f' | b'A'..=b'F' => letters += 1,
            b'-' | b'.' | b'_' | b':' | b',' => marks += 1,
            _ => return false,
        }
    }
    match (letters, marks) {
        (0, _) => part.first().is_some_and(u8::is_ascii_digit) && part.last().is_some_and(u8::is_ascii_digit),
        (_, 0) => digits > 0 && part.len() >= HEX_DIGITS_MIN,
        _ => is_uuid(part),
    }
}

/// 8, 4, 4, 4 and 12 hexadecimal digits with hyphens between (RFC 9562, section 4).
fn is_uuid(part: &[u8]) -> bool {
    let hyphen = |i| matches!(i, 8 | 13 | 18 | 23);
    part.len() == 36
        && part.iter().enumerate().all(|(i, b)| if hyphen(i) { *b == b'-' } else { b.is_ascii_hexdigit() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::time::Time;
    use proptest::prelude::*;

    fn router(rules: &[(&str, &str)], bytes_max: u32) -> Router {
        let rule = |(m, r): &(&str, &str)| RouteRule { matches: m.to_string(), route: r.to_string() };
        let rules: Vec<RouteRule> = rules.iter().map(rule).collect();
        Router::compile(&rules, &Limits { route_bytes_max: bytes_max, ..Limits::default() })
            .expect("compiles")
    }

    fn route(router: &mut Router, path: &str) -> String {
        String::from_utf8(router.route(path.as_bytes(), &mut Vec::new()).to_vec()).expect("text")
    }

    #[test]
    fn ids_are_taken_out_and_words_are_not() {
        let cases = [
            ("/users/123", "/users/{id}"),
            ("/users/123/orders/9/", "/users/{id}/orders/{id}/"),
            ("/a/123e4567-e89b-12d3-a456-426614174000/b", "/a/{id}/b"),
            ("/a/123E4567-E89B-12D3-A456-426614174000", "/a/{id}"),
            ("/o/507f1f77bcf86cd799439011", "/o/{id}"),
            ("/days/2025-03-04", "/days/{id}"),
            ("/hosts/10.0.0.1/x", "/hosts/{id}/x"),
            ("7", "{id}"),
            ("/", "/"),
            ("", ""),
            ("//", "//"),
            ("/cart/checkout", "/cart/checkout"),
            ("/facade/decade/deadbeef", "/facade/decade/deadbeef"),
            ("/a1/b2c3d4", "/a1/b2c3d4"),
            ("/v1/x", "/v1/x"),
            ("/-/1-/.5/..", "/-/1-/.5/.."),
            ("/123e4567-e89b-12d3-a456-42661417400", "/123e4567-e89b-12d3-a456-42661417400"),
            ("/123e4567_e89b-12d3-a456-426614174000", "/123e4567_e89b-12d3-a456-426614174000"),
            ("/größe/1", "/größe/{id}"),
        ];
        let mut router = router(&[], 256);
        for (path, want) in cases {
            assert_eq!(route(&mut router, path), want);
        }
    }

    #[test]
    fn own_rules_go_first_and_fill_their_groups_in() {
        let mut router = router(
            &[
                (r"^/u/[^/]+$", "/u/{name}"),
                (r"^/(?<app>[a-z]+)/static/", "/{app}/static/{file}"),
                (r"^/x(?<y>y)?", "/x{y}{"),
                (r"^/u/1", "never"),
            ],
            18,
        );
        let cases = [
            ("/u/anna", "/u/{name}"),
            ("/u/1", "/u/{name}"),
            ("/shop/static/a/b.css", "/shop/static/{rest}"),
            ("/s/static/b.css", "/s/static/{file}"),
            ("/xy", "/xy{"),
            ("/x", "/x{"),
            ("/other/5", "/other/{id}"),
        ];
        for (path, want) in cases {
            assert_eq!(route(&mut router, path), want);
        }
        let bad = |m: &str, r: &str| {
            let rules = [RouteRule { matches: m.into(), route: r.into() }];
            Router::compile(&rules, &Limits::default()).map(|_| ()).map_err(|e| (e.0, e.1))
        };
        assert_eq!(bad("(", "/x"), Err((0, Part::Match)));
        assert_eq!(bad("x", ""), Err((0, Part::Route)));
    }

    #[test]
    fn long_paths_are_cut_at_a_slash() {
        let mut router = router(&[], 8);
        for (path, want) in [
            ("/abc/def", "/abc/def"),
            ("/abc/defg", "/abc/{rest}"),
            ("/12/3456789", "/{id}/{rest}"),
            ("abcdefghi", "/{rest}"),
        ] {
            assert_eq!(route(&mut router, path), want);
        }
    }

    #[test]
    fn a_record_without_a_path_has_no_route() {
        let (mut router, mut scratch) = (router(&[], 256), Vec::new());
        let mut record = Record::at(Time(1));
        router.fill(&mut record, &mut scratch);
        assert_eq!(record.get(Field::Route), Value::Absent);
        record.set(Field::Path, Value::Text(b"/a/1"));
        let mut scratch = Vec::new();
        router.fill(&mut record, &mut scratch);
        assert_eq!(record.get(Field::Route), Value::Text(b"/a/{id}"));
    }

    proptest! {
        #[test]
        fn any_path_has_a_bounded_route_and_a_route_is_its_own(path in "[a-z0-9/{}.-]{0,60}", max in 1u32..40) {
            let mut router = router(&[], max);
            let once = route(&mut router, &path);
            let parts = path.split('/').count();
            prop_assert!(once.len() <= path.len().min(max as usize) + parts * ID.len() + REST.len());
            let mut wide = self::router(&[], 1000);
            prop_assert_eq!(route(&mut wide, &once), once);
        }
    }
}
