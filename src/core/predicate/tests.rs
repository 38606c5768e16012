//! Tables of predicates, values and errors; three-valued logic in full.

use super::*;
use crate::core::record::{Field, Value};
use crate::core::time::Time;

fn compile(text: &str) -> Result<Predicate, PredicateError> {
    Predicate::compile(text, &mut Labels::default())
}

fn record() -> Record<'static> {
    let mut record = Record::at(Time::parse("2024-05-01T12:00:00.5Z").expect("a time"));
    record.status = Some(502);
    record.client_latency_us = Some(150_000);
    record.bytes_sent = Some(u64::MAX);
    record.bytes_received = Some(0);
    record.websocket = true;
    record.set(Field::Host, Value::Text(b"shop.example.com"));
    record.set(Field::Path, Value::Text("/checkout/caf\u{e9}".as_bytes()));
    record.set(Field::Method, Value::Text(b"GET"));
    record.set(Field::UserAgent, Value::Text(b"\xff\xfe"));
    record.set(Field::Port, Value::Integer(443));
    record
        .set(Field::RequestCreation, Value::Timestamp(Time::parse("2024-05-01T12:00:00Z").expect("a time")));
    record
}

#[track_caller]
fn eval(text: &str) -> Option<bool> {
    match compile(text) {
        Ok(predicate) => {
            let result = predicate.eval(&record());
            assert_eq!(predicate.holds(&record()), result == Some(true), "{text}");
            result
        }
        Err(error) => panic!("{text}: {error} at {:?}", error.span),
    }
}

// upstream_status, upstream_latency, query and target_port-like fields are absent in `record()`

#[test]
fn known_values() {
    let cases = [
        ("true", true),
        ("!false", true),
        ("status == 502", true),
        ("status != 502", false),
        ("502 == status", true),
        ("status < 502", false),
        ("status <= 502", true),
        ("500 <= status && status < 600", true),
        ("600 > status", true),
        ("502 < status", false),
        ("status > -1", true),
        ("status < -1", false),
        ("status == -1", false),
        ("status != -1", true),
        ("status >= 0", true),
        ("status < 0x200u", true),
        ("bytes_sent > 9223372036854775807", true),
        ("bytes_sent == 18446744073709551615u", true),
        ("bytes_sent > 18446744073709551615u", false),
        ("bytes_received < 0", false),
        ("bytes_received <= 0", true),
        ("status in [200, 502]", true),
        ("status in [200, 404]", false),
        ("status in []", false),
        ("status / 100 == 5", true),
        ("status % 100 == 2", true),
        ("-status == -502", true),
        ("status * 2 - 4 == 1000", true),
        ("status == port", false),
        ("client_latency < duration('200ms')", true),
        ("client_latency < duration('150ms')", false),
        ("client_latency <= duration('0.15s')", true),
        ("duration(\"1s\") > client_latency", true),
        ("client_latency + duration('50ms') == duration('200ms')", true),
        ("client_latency in [duration('150ms')]", true),
        ("time > timestamp('2024-05-01T12:00:00Z')", true),
        ("time == timestamp('2024-05-01T14:00:00.5+02:00')", true),
        ("time - request_creation == duration('500ms')", true),
        ("request_creation + duration('1s') > time", true),
        ("host == 'shop.example.com'", true),
        ("host != 'shop.example.com'", false),
        ("host < 'z'", true),
        ("'a' >= host", false),
        ("host == b'shop.example.com'", true),
        ("host in ['a', 'shop.example.com']", true),
        ("host in ['a', 'b']", false),
        ("path.startsWith('/checkout')", true),
        ("path.startsWith('checkout')", false),
        ("path.endsWith('café')", true),
        ("host.contains('example')", true),
        ("host.contains(method)", false),
        ("host.matches('^shop\\\\.')", true),
        (r"host.matches(r'^shop\.[a-z]+\.com$')", true),
        ("matches(host, '^x')", false),
        ("path.size() == 14", true),
        ("size(path) == 14", true),
        ("user_agent == b'\\xff\\xfe'", true),
        ("websocket", true),
        ("!client_gone", true),
        ("websocket == true", true),
        ("websocket != true", false),
        ("false == client_gone", true),
        ("websocket == client_gone", false),
        ("websocket != client_gone", true),
        ("status == 502 ? method == 'GET' : false", true),
        ("(websocket ? host : path) == host", true),
        ("(websocket ? status : port) == 502", true),
        ("// comment\nstatus == 502", true),
        ("status == 1 || status == 2 || status == 3 || status == 502", true),
        ("status > 1 && status > 2 && status > 3 && status > 600", false),
    ];
    for (text, want) in cases {
        assert_eq!(eval(text), Some(want), "{text}");
    }
}

#[test]
fn null_is_always_known() {
    let cases = [
        ("query == null", true),
        ("query != null", false),
        ("null == query", true),
        ("null != host", true),
        ("host == null", false),
        ("upstream_latency == null", true),
        ("status == null", false),
        ("client_gone == null", false),
        ("time != null", true),
        ("query == null && status == 502", true),
        ("query != null && query.startsWith('x')", false),
        ("query == null || query.startsWith('x')", true),
    ];
    for (text, want) in cases {
        assert_eq!(eval(text), Some(want), "{text}");
    }
}

#[test]
fn absent_values_are_unknown() {
    let cases = [
        "query == 'x'",
        "query != 'x'",
        "query == host",
        "host == query",
        "query < 'x'",
        "query in ['x']",
        "query in []",
        "query.startsWith('')",
        "query.endsWith('')",
        "query.contains('')",
        "host.contains(query)",
        "query.matches('.*')",
        "size(query) >= 0",
        "upstream_status < 500",
        "upstream_status != 500",
        "upstream_status < -1",
        "upstream_status >= 0",
        "upstream_status in [1]",
        "upstream_latency < duration('1s')",
        "upstream_latency + client_latency > duration('0')",
        "upstream_status == status",
        "upstream_status + 1 > 0",
        "-upstream_status < 0",
        "(query == 'x') == true",
        "(query == 'x') == (query == 'x')",
        "query == 'x' ? true : true",
        "status / 0 == 1",
        "status % 0 == 1",
        "bytes_sent + 1 > 0",
        "status * 9223372036854775807 > 0",
        "(websocket ? query : host) == 'x'",
    ];
    for text in cases {
        assert_eq!(eval(text), None, "{text}");
    }
    assert_eq!(eval("(client_gone ? query : host) == 'x'"), Some(false));
}

/// Kleene's tables for every pair, in both orders, and through longer chains.
#[test]
fn three_valued_logic() {
    let values = [("true", Some(true)), ("false", Some(false)), ("query == 'x'", None)];
    for (a_text, a) in values {
        assert_eq!(eval(&format!("!({a_text})")), a.map(|b: bool| !b));
        for (b_text, b) in values {
            let and = match (a, b) {
                (Some(false), _) | (_, Some(false)) => Some(false),
                (Some(true), Some(true)) => Some(true),
                _ => None,
            };
            let or = match (a, b) {
                (Some(true), _) | (_, Some(true)) => Some(true),
                (Some(false), Some(false)) => Some(false),
                _ => None,
            };
            assert_eq!(eval(&format!("({a_text}) && ({b_text})")), and, "{a_text} && {b_text}");
            assert_eq!(eval(&format!("({a_text}) || ({b_text})")), or, "{a_text} || {b_text}");
            let same = a.and_then(|a| b.map(|b| a == b));
            assert_eq!(eval(&format!("({a_text}) == ({b_text})")), same);
            for (c_text, c) in values {
                let chosen = match c {
                    Some(true) => a,
                    Some(false) => b,
                    None => None,
                };
                assert_eq!(eval(&format!("({c_text}) ? ({a_text}) : ({b_text})")), chosen);
                let all = [a, b, c];
                let and = match () {
                    () if all.contains(&Some(false)) => Some(false),
                    () if all.contains(&None) => None,
                    () => Some(true),
                };
                assert_eq!(eval(&format!("({a_text}) && ({b_text}) && ({c_text})")), and);
                assert_eq!(eval(&format!("!(!({a_text}) || !({b_text}) || !({c_text}))")), and, "De Morgan");
            }
        }
    }
}

#[test]
fn errors_point_at_their_cause() {
    // (text, the part it points at, a piece of the message, a piece of the hint)
    let cases = [
        ("", "", "empty", "status < 500"),
        ("statsu < 500", "statsu", "unknown field statsu", "did you mean status?"),
        ("status < 500 && hots == 'x'", "hots", "unknown field hots", "did you mean host?"),
        ("client_latency_us < 5", "client_latency_us", "unknown field", "without _us: client_latency"),
        ("zzzzzzzz", "zzzzzzzz", "unknown field", "explain"),
        ("status", "status", "this is an integer", "status != null"),
        ("status + 1", "status + 1", "this is an integer", "compare"),
        ("null", "null", "this is null", ""),
        ("host == 5", "host == 5", "text cannot be compared with an integer", "\"5\""),
        ("status == \"500\"", "status == \"500\"", "an integer cannot be compared with text", "500"),
        ("client_latency < '200ms'", "client_latency < '200ms'", "a duration cannot", "duration(\"200ms\")"),
        ("client_latency < 200", "client_latency < 200", "a duration cannot", "duration(\"200ms\")"),
        ("time < '2024'", "time < '2024'", "a timestamp cannot", "timestamp("),
        ("status < 500.0", "500.0", "decimal", "integer"),
        ("status < null", "status < null", "cannot be compared", ""),
        ("client_gone < websocket", "client_gone < websocket", "a boolean has no order", ""),
        ("status && true", "status", "needs to be true or false", "status != null"),
        ("true && !host", "host", "needs to be true or false", "host != null"),
        ("size(host) == null", "size(host)", "only a field", ""),
        ("host + path == 'x'", "host + path", "+ does not take text and text", ""),
        ("client_latency * 2 > duration('1s')", "client_latency * 2", "* does not take a duration", ""),
        ("-host == 'x'", "host", "- needs an integer", ""),
        ("duration('5') < client_latency", "'5'", "not a duration", ""),
        ("client_latency < duration('1ns')", "'1ns'", "finer", ""),
        ("duration(host) < client_latency", "duration(host)", "constant", ""),
        ("time < timestamp('x')", "'x'", "not a timestamp", ""),
        ("host.startWith('x')", "startWith", "unknown function", "did you mean startsWith?"),
        ("startsWith(host, 'x')", "startsWith", "called on a text", "path.startsWith"),
        ("host.startsWith('x', 'y')", "host.startsWith('x', 'y')", "number of arguments", ""),
        ("status.startsWith('5')", "status", "needs to be text", ""),
        ("host.matches('(')", "'('", "bad regular expression", ""),
        ("host.matches(path)", "path", "constant", ""),
        ("host in 'x'", "'x'", "list in square brackets", ""),
        ("'x' in path", "path", "list in square brackets", "path.contains(\"x\")"),
        ("status in [500, '5']", "'5'", "text in a list for an integer", ""),
        ("host in [path]", "path", "constants only", ""),
        ("host == 'x' ? 1 : 'y'", "host == 'x' ? 1 : 'y'", "one type", ""),
        ("record.status < 500", "record.status", "no parts", "status"),
        ("host['x'] == 'y'", "host['x'", "no parts", ""),
        ("[1] == [1]", "[1]", "only after `in`", ""),
        ("{'a': 1} == {'a': 1}", "{'a': 1", "not supported", ""),
        ("[1].exists(x, x == 1)", "(", "not supported", ""),
        ("has(host.x)", "has", "not needed", "x != null"),
        ("has(host)", "has", "not needed", "x != null"),
        ("status = 500", "=", "", "=="),
        ("status == ", "", "ends too early", ""),
        ("(status == 5", "", "ends too early", ""),
        ("status == 5 and host == 'x'", "and", "not CEL", "&&"),
        ("status == 5 & host == 'x'", "&", "not CEL", "&&"),
        ("status == 99999999999999999999", "99999999999999999999", "not CEL", ""),
        ("host == 'é' && statsu == 1", "statsu", "unknown field", "did you mean status?"),
        ("status < 500 &&\n  hots == 'x'", "hots", "unknown field", "host"),
        ("status < 500 &&\n  é == 'x'", "é", "", ""),
    ];
    let mut failures = Vec::new();
    for (text, part, message, hint) in cases {
        match compile(text) {
            Ok(_) => failures.push(format!("{text:?}: compiles")),
            Err(error) => {
                let found = text.get(error.span.clone());
                let has_hint = error.hint.as_deref().unwrap_or_default().contains(hint);
                let part_alike =
                    found.is_some_and(|f| if part.is_empty() { f.trim().is_empty() } else { f == part });
                if !part_alike || !error.message.contains(message) || !has_hint {
                    failures.push(format!("{text:?}: {found:?} {error:?}"));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn fields_and_guards() {
    let predicate =
        compile("host == 'a' && path.startsWith('/x') && (method == 'GET' || status > 1)").expect("ok");
    let names: Vec<_> = Field::ALL.iter().filter(|f| predicate.fields().has(**f)).map(|f| f.name()).collect();
    assert_eq!(names, ["status", "method", "host", "path"]);
    let few = Fields::NONE.with(Field::Host).with(Field::Method).with(Field::Status);
    assert!(!predicate.only_uses(few));
    let guard = predicate.guard(few).expect("two conjuncts");
    assert!(guard.only_uses(few) && guard.fields().has(Field::Host) && guard.fields().has(Field::Status));
    assert!(!guard.holds(&record()));
    assert!(predicate.guard(Fields::NONE.with(Field::Query)).is_none());
}

#[test]
fn hostile_lengths_and_depths_are_errors() {
    for text in [
        "(".repeat(8000),
        "1".to_string() + &"+1".repeat(4000) + " == 1",
        "[".repeat(4000),
        "true ? ".repeat(1000) + "true" + &": false".repeat(1000),
        "host".to_string() + &".x".repeat(4000),
        "status < 500 ".repeat(1_000_000),
        "\"".to_string() + &"é".repeat(4000),
    ] {
        let error = compile(&text).expect_err("too much");
        assert!(error.span.end <= text.len() && text.get(error.span.clone()).is_some());
    }
    let chain = vec!["status == 502"; 400].join(" || ");
    assert_eq!(eval(&chain), Some(true));
}

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config::with_cases(400))]

    #[test]
    fn any_text_compiles_or_is_refused(text in "\\PC{0,40}") {
        if let Err(error) = compile(&text) {
            assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}");
        }
    }

    #[test]
    fn any_tokens_compile_or_are_refused(
        tokens in proptest::collection::vec(
            proptest::sample::select(vec![
                "status", "host", "client_gone", "client_latency", "query", "==", "<", "in", "&&", "||", "!", "?",
                ":", "(", ")", "[", "]", ",", ".", "500", "'x'", "\"", "null", "true", "-", "+", "duration", "size",
                "matches", "has", "é", "\n", "//", "{", "}", "`", "1.5", "5u", "=", "\\",
            ]),
            0..12,
        )
    ) {
        let text = tokens.join(" ");
        match compile(&text) {
            Ok(predicate) => drop(predicate.eval(&record())),
            Err(error) => assert!(text.get(error.span.clone()).is_some(), "{text:?} {error:?}"),
        }
    }

    /// A range check over an integer field says what plain arithmetic says.
    #[test]
    fn ranges_equal_arithmetic(value: u64, constant: i64, swap: bool, op in 0usize..6) {
        let ops = ["==", "!=", "<", "<=", ">", ">="];
        let text = if swap {
            format!("{constant} {} bytes_sent", ops[op])
        } else {
            format!("bytes_sent {} {constant}", ops[op])
        };
        let mut record = Record::at(Time::default());
        for value in [value, constant.unsigned_abs(), constant.unsigned_abs().saturating_add(1)] {
            record.bytes_sent = Some(value);
            let (a, b) = (i128::from(value), i128::from(constant));
            let (a, b) = if swap { (b, a) } else { (a, b) };
            let want = [a == b, a != b, a < b, a <= b, a > b, a >= b][op];
            assert_eq!(compile(&text).expect("ok").eval(&record), Some(want), "{text} {value}");
        }
    }
}
