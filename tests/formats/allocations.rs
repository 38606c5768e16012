//! Reading a line allocates nothing, whatever its format, and whatever shipper wrapped it.

use super::counting::allocations;
use super::{cases, needs_layout};
use ninetail::core::envelope::Message;
use ninetail::core::format::{ALL, Parser, preset};
use ninetail::core::reader::Reader;
use ninetail::core::record::{Fields, Labels, Record};
use ninetail::core::settings::{Envelope, Format, Input, Layout, Step};
use serde_json::json;

/// Labels that rules may ask for, some of which lines have.
fn labels() -> Labels {
    let mut labels = Labels::default();
    for name in [
        "tenant",
        "kubernetes.namespace_name",
        "fields.service",
        "stream",
        "topic",
        "key",
        "syslog.app_name",
        "syslog.severity",
    ] {
        labels.intern(name);
    }
    labels
}

#[test]
fn reading_a_line_of_any_format_allocates_nothing() {
    for &format in ALL {
        for case in cases(format) {
            let mut parser = Parser::new(&case.input, &labels()).expect("a parser");
            let mut pass = || {
                for line in &case.lines {
                    let mut record = Record::at(Record::NO_TIME);
                    let _ = parser.parse(line, Fields::ALL, &mut record);
                }
            };
            // What a line needs is grown once and kept; a header makes a plan anew, in the same room.
            for _ in 0..3 {
                pass();
            }
            let before = allocations();
            pass();
            assert_eq!(allocations() - before, 0, "{}/{}", preset(format).name, case.name);
        }
    }
}

/// A line as each shipper sends it.
fn wrapped(step: Step, line: &str) -> Vec<u8> {
    let value = match step {
        Step::Filebeat => {
            json!({ "@timestamp": "2020-12-03T11:41:57.000Z", "@metadata": { "beat": "filebeat", "type": "_doc" },
                "message": line, "log": { "offset": 0, "file": { "path": "/a" } }, "fields": { "service": "x" } })
        }
        Step::FluentBit => {
            json!({ "@timestamp": 1599862267.483684, "log": format!("{line}\n"), "stream": "stdout",
                "kubernetes": { "namespace_name": "shop", "pod_name": "p" } })
        }
        Step::Fluentd => json!({ "log": line, "time": "2020-10-10T17:07:36Z", "tag": "kube.a" }),
        Step::Vector => {
            json!({ "file": "/a", "host": "h", "message": line, "source_type": "file", "timestamp": "2020-10-10T17:07:36Z" })
        }
        Step::Logstash => {
            json!({ "@version": "1", "@timestamp": "2021-06-14T20:57:14.230Z", "event": { "original": line } })
        }
        Step::OtlpJson => {
            json!({ "resourceLogs": [{ "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "s" } }] },
                "scopeLogs": [{ "logRecords": [{ "timeUnixNano": "1", "body": { "stringValue": line } }] }] }] })
        }
        Step::Docker => {
            json!({ "log": format!("{line}\n"), "stream": "stdout", "time": "2020-10-10T17:07:36.1Z" })
        }
        Step::Cloudwatch => {
            json!({ "messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "g", "logStream": "s", "subscriptionFilters": ["f"],
                "logEvents": [{ "id": "1", "timestamp": 1600110569039i64, "message": line }, { "id": "2", "timestamp": 1, "message": line }] })
        }
        Step::KafkaConnect => json!({ "schema": { "type": "string", "optional": false }, "payload": line }),
        Step::Cri => {
            return format!("2025-12-31T17:37:40.493035218+01:00 stdout F {line}").into_bytes();
        }
        Step::Syslog => return format!("<134>Feb  6 12:14:14 host app[14389]: {line}").into_bytes(),
        Step::Lines => return format!("{line}\r\n{line}\n").into_bytes(),
        Step::Confluent => return [&[0, 0, 0, 0, 7][..], line.as_bytes()].concat(),
        // Records are lines of JSON themselves, and unpacking needs room of its own for each message.
        Step::AzureRecords | Step::Gzip => return Vec::new(),
    };
    value.to_string().into_bytes()
}

#[test]
fn unwrapping_a_line_allocates_nothing() {
    let line = &cases(Format::AwsAlb)[0].lines[0];
    let line = String::from_utf8(line.clone()).expect("text");
    let inside = String::from_utf8(wrapped(Step::Cri, &line)).expect("text");
    for &step in Step::ALL {
        for (inner, line) in [("bare", &line), ("cri inside", &inside)] {
            let message = wrapped(step, line);
            if message.is_empty() {
                continue;
            }
            for envelope in [Envelope::Auto, Envelope::Steps(vec![step])] {
                if envelope != Envelope::Auto && inner != "bare" {
                    continue;
                }
                let input = Input { envelope: envelope.clone(), ..Format::AwsAlb.into() };
                let mut reader = Reader::new(&input, "logs", &labels(), 1 << 20).expect("a reader");
                let mut records = 0;
                let mut pass = || {
                    for _ in 0..5 {
                        reader.read(&Message::of(&message), Fields::ALL, &mut |line| {
                            records += u64::from(line.read == Ok(ninetail::core::format::Parsed::Record));
                        });
                    }
                };
                for _ in 0..3 {
                    pass();
                }
                let before = allocations();
                pass();
                let allocated = allocations() - before;
                let place = format!("{}, {inner}, {envelope:?}", step.name());
                assert_eq!(allocated, 0, "{place}");
                assert!(records >= 20, "{place}: {records}");
            }
        }
    }
}

#[test]
fn records_of_azure_allocate_nothing() {
    let record = &cases(Format::AzureFrontdoor)[0].lines[0];
    let record: serde_json::Value = serde_json::from_slice(record).expect("JSON");
    let message = json!({ "records": [record, record] }).to_string();
    let input = Input::from(Format::AzureFrontdoor);
    assert!(input.layout == Layout::Usual && !needs_layout(input.format));
    let mut reader = Reader::new(&input, "logs", &labels(), 1 << 20).expect("a reader");
    let mut pass = || {
        let mut lines = 0;
        reader.read(&Message::of(message.as_bytes()), Fields::ALL, &mut |_| lines += 1);
        assert_eq!(lines, 2);
    };
    for _ in 0..3 {
        pass();
    }
    let before = allocations();
    pass();
    assert_eq!(allocations() - before, 0);
}
