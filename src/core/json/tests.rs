//! The walker against a tree of serde_json, and case by case.

use super::*;
use proptest::prelude::*;
use serde_json::Value;

/// The values of the paths as JSON; those that a repair left bare are marked.
fn found(walker: &Walker, line: &[u8], paths: &[&str]) -> Vec<String> {
    let shown = |i: usize| match walker.get(line, i) {
        None => "~".to_owned(),
        Some(Raw::Null) => "null".to_owned(),
        Some(Raw::Boolean(b)) => b.to_string(),
        Some(Raw::Text(text)) => format!("{:?}", String::from_utf8_lossy(text)),
        Some(Raw::Bare(text)) => format!("bare {}", String::from_utf8_lossy(text)),
        Some(Raw::Escaped(text)) => format!("escaped {}", String::from_utf8_lossy(text)),
        Some(Raw::Number(n)) => String::from_utf8_lossy(n).into_owned(),
        Some(Raw::Object(all) | Raw::Array(all)) => String::from_utf8_lossy(all).into_owned(),
    };
    (0..paths.len()).map(shown).collect()
}

fn walked(line: &str, paths: &[&str]) -> Vec<String> {
    let mut walker = Walker::new(paths.iter().copied());
    assert_eq!(walker.walk(line.as_bytes()), Ok(()), "{line}");
    walker.decode_all(line.as_bytes());
    found(&walker, line.as_bytes(), paths)
}

#[test]
fn values_by_path() {
    let cases: &[(&str, &str, &str)] = &[
        (r#"{"a":1}"#, "a", "1"),
        (r#" { "a" : "x" } "#, "a", "\"x\""),
        (r#"{}"#, "a", "~"),
        (r#"{"b":{"a":1}}"#, "a", "~"),
        (r#"{"a":null}"#, "a", "null"),
        (r#"{"a":[1,{"b":true}]}"#, "a[1].b", "true"),
        (r#"{"a":[1,{"b":true}]}"#, "a.1.b", "true"),
        (r#"{"a":{"1":{"b":-1.5e+3}}}"#, "a.1.b", "-1.5e+3"),
        (r#"{"log":{"file":{"path":"/p"}}}"#, "log.file.path", "\"/p\""),
        (r#"{"log":{"file.path":"/p"}}"#, "log.file.path", "\"/p\""),
        (r#"{"log.file":{"path":"/p"}}"#, "log.file.path", "\"/p\""),
        (r#"{"log.file.path":"/p"}"#, "log.file.path", "\"/p\""),
        (r#"{"a":1,"a":2}"#, "a", "1"),
        (r#"{"a.b":1,"a":{"b":2}}"#, "a.b", "1"),
        (r#"{"a":{},"a":{"b":2}}"#, "a.b", "2"),
        (r#"{"\u0061":1}"#, "a", "1"),
        (
            r#"{"a":"\"\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud83d"}"#,
            "a",
            "\"\\\"\\\\/\\u{8}\\u{c}\\n\\r\\té😀\u{fffd}\"",
        ),
        (r#"{"a":"]}","b":"\\"}"#, "b", "\"\\\\\""),
        (r#"{"a":{"b":"}"},"c":[ ]}"#, "a", r#"{"b":"}"}"#),
        (r#"{"a":{"b":"}"},"c":[ ]}"#, "c", "[ ]"),
        (r#"{":authority":"x","@timestamp":1.5}"#, "@timestamp", "1.5"),
        (r#"{"cs(Host)":"x"}"#, "cs(Host)", "\"x\""),
    ];
    for (line, path, expected) in cases {
        assert_eq!(walked(line, &[path]), [*expected], "{line} {path}");
    }
}

#[test]
fn a_path_and_what_lies_below_it_are_both_found() {
    let paths = ["a", "a.b", "a.b.0", "a"];
    let line = r#"{"a":{"b":[1,2]},"a.b":3}"#;
    assert_eq!(walked(line, &paths), [r#"{"b":[1,2]}"#, "[1,2]", "1", r#"{"b":[1,2]}"#]);
}

#[test]
fn what_is_no_object_says_where() {
    use Malformed::{Broken, Cut, NoObject};
    let cases = [
        ("", NoObject),
        ("[1]", NoObject),
        ("x{}", NoObject),
        ("{", Cut),
        (r#"{"a"#, Cut),
        (r#"{"a":"#, Cut),
        (r#"{"a":"\"#, Cut),
        (r#"{"a":"\u00"#, Cut),
        (r#"{"a":tr"#, Cut),
        (r#"{"a":1."#, Cut),
        (r#"{"a":1"#, Cut),
        (r#"{"a":-,"b":1}"#, Broken(6)),
        (r#"{"a":,"b":1}"#, Broken(5)),
        (r#"{"a":0.1, 0.2}"#, Broken(10)),
        (r#"{"a":01}"#, Broken(6)),
        (r#"{"a":"\x22"}"#, Broken(6)),
        (r#"{"a":1,}"#, Broken(7)),
        (r#"{"a":1}x"#, Broken(7)),
        (r#"{"a":[1}"#, Broken(7)),
        (r#"{"a" 1}"#, Broken(5)),
        (r#"{a:1}"#, Broken(1)),
    ];
    for (line, expected) in cases {
        assert_eq!(Walker::new(["a"]).walk(line.as_bytes()), Err(expected), "{line}");
    }
    let deep = |n: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(n), "]".repeat(n));
    assert_eq!(Walker::new(["a"]).walk(deep(126).as_bytes()), Ok(()));
    assert!(Walker::new(["a"]).walk(deep(127).as_bytes()).is_err());
}

#[test]
fn repairs() {
    let cases: &[(&str, &[&str], &str)] = &[
        (r#"{"a":-,"b":1}"#, &["null", "1"], "value"),
        (r#"{"a":,"b":1}"#, &["null", "1"], "value"),
        (r#"{"b":1,"a":}"#, &["null", "1"], "value"),
        (r#"{"b":1,"a": - }"#, &["null", "1"], "value"),
        (r#"{"a":0.1, 0.2,"b":1}"#, &["bare 0.1, 0.2", "1"], "value"),
        (r#"{"a": 0.100, - : 0.2 , "b":1}"#, &["bare 0.100, - : 0.2", "1"], "value"),
        (r#"{"a":10.0.0.1:80, 10.0.0.2:80,"b":1}"#, &["bare 10.0.0.1:80, 10.0.0.2:80", "1"], "value"),
        (r#"{"a":000,"b":1}"#, &["bare 000", "1"], "value"),
        (r#"{"a":NaN,"b":1}"#, &["bare NaN", "1"], "value"),
        (r#"{"a":"\x22\xC3\x88","b":1}"#, &["\"\\\"È\"", "1"], "escape"),
        (r#"{"a":"C:\dir","b":1}"#, &["\"C:\\\\dir\"", "1"], "escape"),
        (r#"{"a":1,"b":2,}"#, &["1", "2"], "comma"),
        (r#"{"a":-,"b":"\x41",}"#, &["null", "\"A\""], "value,escape,comma"),
    ];
    for (line, expected, repaired) in cases {
        let line = line.as_bytes();
        let mut walker = Walker::new(["a", "b"]);
        assert!(walker.walk(line).is_err());
        assert_eq!(walker.repair(line).map(Repairs::name), Ok(Some(*repaired)), "{}", line.escape_ascii());
        walker.decode_all(line);
        assert_eq!(found(&walker, line, &["a", "b"]), *expected, "{}", line.escape_ascii());
    }
    for line in
        [r#"{"a":x"y","b":1}"#, r#"{"a":"x"y","b":1}"#, r#"{"a":[-,1]}"#, r#"{"a":1"#, r#"{"a":1, b}x"#]
    {
        assert!(Walker::new(["a"]).repair(line.as_bytes()).is_err(), "{line}");
    }
}

#[test]
fn elements_of_arrays() {
    let all: Vec<_> = elements(br#"[ 1 ,"a","\n",{"b":[2]},[3], null,true ]"#).collect();
    let object: &[u8] = br#"{"b":[2]}"#;
    let expected = [
        Raw::Number(b"1"),
        Raw::Text(b"a"),
        Raw::Escaped(b"\\n"),
        Raw::Object(object),
        Raw::Array(b"[3]"),
        Raw::Null,
        Raw::Boolean(true),
    ];
    assert_eq!(all, expected);
    assert_eq!(elements(b"{}").count() + elements(b"[]").count() + elements(b"[,]").count(), 0);
    assert_eq!(elements(b"[1,2").count(), 1);
}

/// The value of a path the slow way, in an object without equal keys.
fn slow(value: &Value, parts: &[&str]) -> Vec<Value> {
    if parts.is_empty() {
        return vec![value.clone()];
    }
    let mut all = Vec::new();
    for count in 1..=parts.len() {
        let key = parts[..count].join(".");
        let next = match value {
            Value::Object(object) => object.get(&key),
            Value::Array(array) => key.parse::<usize>().ok().and_then(|i| array.get(i)),
            _ => None,
        };
        all.extend(next.into_iter().flat_map(|next| slow(next, &parts[count..])));
    }
    all
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1e9..1e9).prop_map(|f: f64| Value::from(f)),
        "[ -~é\n\"\\\\]{0,40}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        let key = "(a|b|c|a\\.b|b\\.c|0|1|\"|x{1,70})";
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(key, inner, 0..6).prop_map(|m| m.into_iter().collect()),
        ]
    })
}

const PATHS: [&str; 10] = ["a", "b", "c", "a.b", "b.c", "a.b.c", "a.0", "b.1.a", "0", "c.c.c"];

proptest! {
    #[test]
    fn agrees_with_a_tree(lines in proptest::collection::vec((json(), any::<bool>()), 1..8)) {
        // One walker for all, so that what it remembers is put to the test.
        let mut walker = Walker::new(PATHS);
        for (value, pretty) in lines {
            let line = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) };
            let line = line.unwrap_or_default();
            // As it is read again: a double may become its neighbour on the way.
            let value: Value = serde_json::from_slice(&line).unwrap_or_default();
            prop_assert_eq!(walker.walk(&line).is_ok(), value.is_object());
            walker.decode_all(&line);
            for (i, path) in PATHS.iter().enumerate().filter(|_| value.is_object()) {
                let all = slow(&value, &path.split('.').collect::<Vec<_>>());
                let one = match walker.get(&line, i) {
                    None => { prop_assert!(all.is_empty(), "{}", path); continue; }
                    Some(Raw::Null) => Value::Null,
                    Some(Raw::Boolean(b)) => b.into(),
                    Some(Raw::Text(text)) => String::from_utf8_lossy(text).into(),
                    Some(Raw::Number(raw) | Raw::Object(raw) | Raw::Array(raw)) => serde_json::from_slice(raw).unwrap_or_default(),
                    Some(other) => panic!("{other:?}"),
                };
                prop_assert!(all.contains(&one), "{}: {:?} not in {:?}", path, one, all);
            }
        }
    }

    #[test]
    fn takes_what_serde_takes(line in r#"\{("(a|b|\\u00e9|\\x)": ?(1|-0|01|1\.|1e5|tru|true|null|"(x|\\n|\\u12|\\")*"|\[1,?\]|\{\}),?){0,4}\}?"#) {
        let expected = serde_json::from_str::<Value>(&line).is_ok();
        prop_assert_eq!(Walker::new(["a"]).walk(line.as_bytes()).is_ok(), expected);
        let mut walker = Walker::new(["a", "b"]);
        prop_assert!(!expected || walker.repair(line.as_bytes()) == Ok(Repairs::default()));
    }

    #[test]
    fn never_panics(line in proptest::collection::vec(prop_oneof![
        Just(b'{'), Just(b'}'), Just(b'"'), Just(b'\\'), Just(b':'), Just(b','), Just(b'a'), Just(b'['), Just(b'-'), any::<u8>()
    ], 0..80)) {
        let mut walker = Walker::new(PATHS);
        for line in [line.clone(), [b"{\"a\":".to_vec(), line].concat()] {
            let strict = walker.walk(&line);
            walker.decode_all(&line);
            let strictly = found(&walker, &line, &PATHS);
            let repaired = walker.repair(&line);
            walker.decode_all(&line);
            if strict.is_ok() {
                prop_assert_eq!(repaired, Ok(Repairs::default()));
                prop_assert_eq!(found(&walker, &line, &PATHS), strictly);
            }
            let _ = elements(&line).count();
        }
    }
}
