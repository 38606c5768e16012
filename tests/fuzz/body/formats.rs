//! The first byte chooses the format and what a site declared of it, the second which fields are wanted; the rest are lines.
//!
//! What must hold: every line gives a record, a skip or a reason; a rejected line leaves nothing but its time; what is filled does
//! not depend on what else is wanted; a reader that goes on where another stood reads as that one does.

use ninetail::core::format::{ALL, CARRY_BYTES_MAX, Parsed, Parser, preset};
use ninetail::core::record::{Field, Fields, Labels, Record, Value};
use ninetail::core::settings::{Input, Layout};
use std::sync::LazyLock;

/// Layouts that sites declare: those of the cases.
const DECLARED: &[(&str, &str)] = &[
    ("apache", include_str!("../../formats/apache/declared_best_of_several.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_debian_vhost_combined.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_microseconds.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_milliseconds.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_seconds.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_time_is_the_end.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_time_since_the_epoch.layout.json")),
    ("apache", include_str!("../../formats/apache/declared_times.layout.json")),
    ("cloudfront", include_str!("../../formats/cloudfront/real_time_with_declared_columns.layout.json")),
    ("cloudfront", include_str!("../../formats/cloudfront/v2_plain_with_another_delimiter.layout.json")),
    ("delimited", include_str!("../../formats/delimited/mapped_first_that_is_there.layout.json")),
    ("delimited", include_str!("../../formats/delimited/mapped_first_time_that_is_there.layout.json")),
    ("delimited", include_str!("../../formats/delimited/pipes.layout.json")),
    ("delimited", include_str!("../../formats/delimited/tabs_start_date_and_lists.layout.json")),
    ("envoy", include_str!("../../formats/envoy/custom_format.layout.json")),
    ("haproxy", include_str!("../../formats/haproxy/declared_and_pasted_whole.layout.json")),
    ("haproxy", include_str!("../../formats/haproxy/declared_before_1_7.layout.json")),
    ("haproxy", include_str!("../../formats/haproxy/declared_since_accept.layout.json")),
    ("haproxy", include_str!("../../formats/haproxy/declared_zone.layout.json")),
    ("iis", include_str!("../../formats/iis/trap_22_last_column_dash_and_declared_columns.layout.json")),
    ("ingress_nginx", include_str!("../../formats/ingress_nginx/declared.layout.json")),
    ("istio", include_str!("../../formats/istio/declared_format.layout.json")),
    ("json", include_str!("../../formats/json/declared_paths.layout.json")),
    ("nginx", include_str!("../../formats/nginx/declared_and_pasted_whole.layout.json")),
    ("nginx", include_str!("../../formats/nginx/declared_json_escapes.layout.json")),
    ("nginx", include_str!("../../formats/nginx/declared_uri_and_args.layout.json")),
    ("nginx", include_str!("../../formats/nginx/declared_with_other_variables.layout.json")),
    ("nginx_json", include_str!("../../formats/nginx_json/declared_fields.layout.json")),
    ("regex", include_str!("../../formats/regex/groups_are_fields.layout.json")),
    ("regex", include_str!("../../formats/regex/mapped_groups.layout.json")),
    ("w3c", include_str!("../../formats/w3c/declared_and_mapped.layout.json")),
];

/// Every format by its usual layout, where it has one, and by those declared.
static INPUTS: LazyLock<Vec<Input>> = LazyLock::new(|| {
    let usual = ALL.iter().map(|format| Input::from(*format));
    let usual = usual.filter(|input| Parser::new(input, &Labels::default()).is_ok());
    let declared = DECLARED.iter().map(|(name, layout)| {
        let format = *ALL.iter().find(|format| preset(**format).name == *name).expect("a format");
        let layout: Layout = serde_json::from_str(layout).expect("a layout");
        Input { layout, ..format.into() }
    });
    let mut inputs: Vec<Input> = usual.chain(declared).collect();
    if let Some(name) = super::pinned() {
        inputs.retain(|input| preset(input.format).name == name);
        assert!(!inputs.is_empty(), "no format is named {name}");
    }
    inputs
});

/// How many choices the first byte has.
pub(crate) fn choices() -> u8 {
    INPUTS.len() as u8
}

/// Every few fields, those that belong to the byte.
fn some(byte: u8) -> Fields {
    let every = usize::from(byte % 5) + 1;
    Field::ALL.iter().copied().skip(usize::from(byte / 5) % every).step_by(every).collect()
}

/// Reads the bytes.
pub(crate) fn run(data: &[u8]) {
    let [choice, wanted, lines @ ..] = data else { return };
    let input = &INPUTS[usize::from(*choice) % INPUTS.len()];
    let parser = || Parser::new(input, &Labels::default()).expect("a parser");
    let (mut all, mut few) = (parser(), parser());
    let (nothing, wanted) = (Record::at(Record::NO_TIME), some(*wanted));
    for (number, line) in lines.split(|byte| *byte == b'\n').enumerate() {
        // Another reader goes on in the middle.
        if number == 2 {
            let carry = few.carry().map(<[u8]>::to_vec).unwrap_or_default();
            assert!(carry.len() <= CARRY_BYTES_MAX);
            few = parser();
            few.restore(&carry);
        }
        let (mut whole, mut some) = (Record::at(Record::NO_TIME), Record::at(Record::NO_TIME));
        let read = all.parse(line, Fields::ALL, &mut whole);
        assert_eq!(read, few.parse(line, wanted, &mut some));
        assert_eq!((whole.time, whole.status), (some.time, some.status));
        assert_eq!((whole.client_gone, whole.websocket), (some.client_gone, some.websocket));
        assert_eq!(whole.client_latency_us, some.client_latency_us);
        assert_eq!(whole.upstream_latency_us, some.upstream_latency_us);
        assert_eq!((whole.bytes_received, whole.bytes_sent), (some.bytes_received, some.bytes_sent));
        for field in wanted.iter() {
            assert_eq!(whole.get(field), some.get(field), "{}", field.name());
        }
        match read {
            Ok(Parsed::Record | Parsed::Counters) => assert!(whole.time != Record::NO_TIME),
            Ok(Parsed::Skipped) => {}
            Err(reason) => {
                for &field in Field::ALL.iter().filter(|field| **field != Field::Time) {
                    let left = whole.get(field);
                    assert!(left == nothing.get(field), "{} of {}", field.name(), reason.name());
                }
            }
        }
        let listed = preset(input.format).fields();
        for &field in Field::ALL.iter().filter(|field| !listed.has(**field)) {
            let there = !matches!(whole.get(field), Value::Absent | Value::Boolean(false));
            assert!(!there, "{} is not listed", field.name());
        }
    }
}
