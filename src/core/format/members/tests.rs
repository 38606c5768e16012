//! What sites declare of JSON lines, labels, and the count of repairs.

use super::*;
use crate::core::format::{Parsed, Parser};
use crate::core::record::to_json;
use crate::core::settings::Input;

fn mapping(name: &str, from: &[&str], unit: Option<&str>) -> Mapping {
    Mapping {
        name: name.into(),
        from: from.iter().map(|f| (*f).to_owned()).collect(),
        unit: unit.map(str::to_owned),
    }
}

fn input(format: Format, fields: Vec<Mapping>) -> Input {
    let layout = Layout::Mapped { pattern: None, separator: None, columns: vec![], fields };
    Input { layout, ..format.into() }
}

#[test]
fn a_wrong_declaration_says_what_and_where() {
    let ok = mapping("status", &["a"], None);
    let cases: [(Mapping, &str, std::ops::Range<usize>); 6] = [
        (mapping("client_latency", &["took"], None), "`client_latency` is a duration without a unit", 0..0),
        (mapping("client_latency", &["took"], Some("min")), "`min` is no unit of `client_latency`", 0..3),
        (mapping("time", &["t"], Some("epoch")), "`epoch` is no unit of `time`", 0..5),
        (
            mapping("path", &["t"], Some("ms")),
            "`path` is neither a duration nor a time: it has no unit",
            0..2,
        ),
        (
            mapping("tenant", &["t"], Some("ms")),
            "`tenant` is neither a duration nor a time: it has no unit",
            0..2,
        ),
        (mapping("path", &["a..b"], None), "`path` is read from a path with an empty part", 0..0),
    ];
    for (wrong, message, span) in cases {
        let error = Parser::new(&input(Format::Json, vec![ok.clone(), wrong]), &Labels::default())
            .err()
            .unwrap_or_else(|| panic!("{message}"));
        assert_eq!((error.message.as_str(), error.item, error.span), (message, 1, span));
    }
    for layout in [Layout::Text("x".into()), Layout::Columns(vec!["x".into()])] {
        let input = Input { layout, ..Format::Caddy.into() };
        assert!(Parser::new(&input, &Labels::default()).is_err());
    }
    let separated =
        Layout::Mapped { pattern: None, separator: Some(",".into()), columns: vec![], fields: vec![] };
    assert!(Parser::new(&Input { layout: separated, ..Format::Json.into() }, &Labels::default()).is_err());
    // nginx's durations are seconds, whatever they are called.
    let took = mapping("client_latency", &["took"], None);
    assert!(Parser::new(&input(Format::NginxJson, vec![took]), &Labels::default()).is_ok());
}

#[test]
fn labels_are_found_by_path_or_as_declared() {
    let mut labels = Labels::default();
    let asked =
        ["tenant", "kubernetes.namespace_name", "absent.here"].map(|name| labels.intern(name).expect("room"));
    let input = input(Format::Json, vec![mapping("tenant", &["who", "labels.tenant"], None)]);
    let mut parser = Parser::new(&input, &labels).expect("a parser");
    let line = br#"{"time":1653485126,"status":200,"labels":{"tenant":"a\u00e9"},"kubernetes":{"namespace_name":"shop"}}"#;
    let mut record = Record::at(Time(0));
    assert_eq!(parser.parse(line, Fields::ALL, &mut record), Ok(Parsed::Record));
    let texts = asked.map(|field| match record.get(field) {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        _ => "~".into(),
    });
    assert_eq!(texts, ["aé", "shop", "~"]);
}

#[test]
fn repairs_are_counted() {
    let mut parser = Parser::new(&Format::NginxJson.into(), &Labels::default()).expect("a parser");
    let mut record = Record::at(Time(0));
    let line = br#"{"msec":1653485126.001,"status":200,"upstream_response_time":-}"#;
    assert_eq!(parser.parse(line, Fields::ALL, &mut record), Ok(Parsed::Record));
    assert_eq!(to_json(&record, Fields::ALL)["repair"], "value");
    assert_eq!(parser.repaired(), 1);
}
