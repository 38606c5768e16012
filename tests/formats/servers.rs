//! nginx, ingress-nginx, Apache and HAProxy against the slow parsers and against what was written.

use super::mutation::Mutation;
use super::servers_slow::Slow;
use super::{cases, parser, read, sorted};
use ninetail::core::format::{Parsed, Parser, names};
use ninetail::core::record::{Field, Fields, Kind, Labels, Record, Value::Text, to_json};
use ninetail::core::settings::{Format, Input, Layout};
use ninetail::core::time::Time;
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// The parser reads what the slow one reads, and refuses what it refuses; and whatever is wanted, it reads
/// the same.
fn agree(format: Format, slow: impl Fn(&[u8]) -> Option<Map<String, Value>>) {
    let usual = cases(format).into_iter().filter(|case| case.input.layout == Layout::Usual);
    let seeds: Vec<Vec<u8>> = usual.flat_map(|case| case.lines).collect();
    let mut fast = parser(&format.into());
    let mut mutation = Mutation::seeded(11);
    for round in 0..8_000 {
        let line = if round < seeds.len() { seeds[round].clone() } else { mutation.of(&seeds) };
        let expected = slow(&line);
        let place = String::from_utf8_lossy(&line);
        let all = read(&mut fast, &line, Fields::ALL);
        let is_none = all.get("rejected").is_some() || all.get("skipped").is_some();
        match &expected {
            None => assert!(is_none, "{place}: {all}"),
            Some(record) => assert_eq!(sorted(&all), sorted(&Value::Object(record.clone())), "{place}"),
        }
        let wanted: Fields = Field::ALL.iter().copied().filter(|_| mutation.below(4) == 0).collect();
        let some = read(&mut fast, &line, wanted);
        let always = ["rejected", "skipped", "time", "status", "client_latency_us", "upstream_latency_us"];
        let always = always.iter().chain(&["bytes_received", "bytes_sent", "client_gone", "websocket"]);
        let names = wanted.iter().map(|field| match field.kind() {
            Kind::Duration => format!("{}_us", field.name()),
            _ => field.name().to_owned(),
        });
        for key in names.chain(always.map(|key| (*key).to_owned())) {
            assert_eq!(some.get(&key), all.get(&key), "{key} of {wanted:?}: {place}");
        }
    }
}

#[test]
fn nginx_agrees_with_the_slow_parser() {
    let slow = Slow::new();
    agree(Format::Nginx, |line| slow.nginx(line));
}

#[test]
fn ingress_nginx_agrees_with_the_slow_parser() {
    let slow = Slow::new();
    agree(Format::IngressNginx, |line| slow.ingress(line));
}

#[test]
fn apache_agrees_with_the_slow_parser() {
    let slow = Slow::new();
    agree(Format::Apache, |line| slow.apache(line));
}

#[test]
fn haproxy_agrees_with_the_slow_parser() {
    let slow = Slow::new();
    agree(Format::Haproxy, |line| slow.haproxy(line));
}

/// The usual layouts, once more as the site's own format string.
#[test]
fn a_declared_layout_reads_as_the_usual_one() {
    let combined = r#"$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" "$http_user_agent""#;
    let upstreaminfo = format!(
        "{combined} $request_length $request_time [$proxy_upstream_name] [$proxy_alternative_upstream_name] \
         $upstream_addr $upstream_response_length $upstream_response_time $upstream_status $req_id"
    );
    let httplog = "%ci:%cp [%tr] %ft %b/%s %TR/%Tw/%Tc/%Tr/%Ta %ST %B %CC %CS %tsc %ac/%fc/%bc/%sc/%rc %sq/%bq %hr %hs %{+Q}r";
    let common = r#"%h %l %u %t \"%r\" %>s %b \"%{Referer}i\" \"%{User-Agent}i\""#;
    for (format, text, case_name) in [
        (Format::Nginx, combined, "combined"),
        (Format::IngressNginx, &*upstreaminfo, "trap_10_several_upstreams"),
        (Format::Haproxy, httplog, "trap_16_captures_and_cut_requests"),
        (Format::Apache, common, "trap_13_escaped_quotes"),
    ] {
        let layout = Layout::Text(text.to_string());
        let mut declared = parser(&Input { layout, ..format.into() });
        let case = cases(format).into_iter().find(|case| case.name == case_name).expect("a case");
        for (line, expected) in case.lines.iter().zip(&case.expected) {
            let place = String::from_utf8_lossy(line);
            assert_eq!(sorted(&read(&mut declared, line, Fields::ALL)), sorted(expected), "{place}");
        }
    }
}

#[test]
fn a_label_takes_any_variable() {
    let mut labels = Labels::default();
    for name in ["tenant", "x_tenant", "txn.tenant", "status"] {
        labels.intern(name);
    }
    let cases = [
        (Format::Nginx, "$time_iso8601 $status $tenant", "2024-03-04T10:00:12Z 200 blue", Field::L0),
        (Format::Apache, "%t %>s %{X-Tenant}i", "[04/Mar/2024:10:00:12 +0000] 200 blue", Field::L1),
        (Format::Haproxy, "[%tr] %ST %[var(txn.tenant)]", "[04/Mar/2024:10:00:12.000] 200 blue", Field::L2),
        (
            Format::Haproxy,
            "[%tr] %ST %(tenant)[req.hdr(x)]",
            "[04/Mar/2024:10:00:12.000] 200 blue",
            Field::L0,
        ),
    ];
    for (format, text, line, label) in cases {
        let input = Input { layout: Layout::Text(text.to_string()), ..format.into() };
        let name = labels.name(label).unwrap_or_default();
        assert!(names(&input).iter().any(|n| n == name), "{text} declares {name}");
        let mut parser = Parser::new(&input, &labels).unwrap_or_else(|e| panic!("{text}: {e}"));
        let mut record = Record::at(Time::Y2000);
        assert!(parser.parse(line.as_bytes(), Fields::ALL, &mut record).is_ok(), "{line}");
        assert_eq!(record.get(label), Text(b"blue"), "{text}");
    }
}

/// Lines that are anything: a declared layout never panics, reads the same whatever is wanted, and leaves
/// nothing but the time of a line that it rejects.
#[test]
fn declared_layouts_read_any_line() {
    let mut mutation = Mutation::seeded(13);
    let formats = [Format::Nginx, Format::IngressNginx, Format::Apache, Format::Haproxy];
    for case in formats.into_iter().flat_map(cases) {
        let mut fast = parser(&case.input);
        for _ in 0..500 {
            let line = mutation.of(&case.lines);
            let all = read(&mut fast, &line, Fields::ALL);
            let place = String::from_utf8_lossy(&line);
            let wanted: Fields = Field::ALL.iter().copied().filter(|_| mutation.below(3) == 0).collect();
            let some = read(&mut fast, &line, wanted);
            for field in wanted.iter().map(Field::name).chain(["rejected", "skipped", "time", "status"]) {
                assert_eq!(some.get(field), all.get(field), "{field}: {place}");
            }
            let mut record = Record::at(Time::Y2000);
            if !matches!(fast.parse(&line, Fields::ALL, &mut record), Ok(Parsed::Record)) {
                let kept = to_json(&record, Fields::ALL);
                let kept: Vec<_> = kept.as_object().into_iter().flatten().collect();
                let only_time = |(key, value): &(&String, &Value)| {
                    value.is_null() || **value == Value::Bool(false) || *key == "time"
                };
                assert!(kept.iter().all(only_time), "{place}: {kept:?}");
            }
        }
    }
}

/// Milliseconds as seconds with three decimals.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

proptest! {
    #[test]
    fn what_nginx_writes_is_read_back(
        at in 946_684_800_i64..4_000_000_000, status in 100u16..1000, bytes in any::<u64>(),
        path in "/[a-z0-9/._%-]{0,40}", agent in "[A-Za-z][A-Za-z0-9/;:().,_-]{0,20}( [A-Za-z0-9/;:().,_-]{1,20}){0,5}",
        ms in 0u64..10_000_000, peers in proptest::collection::vec(proptest::option::of(0u64..10_000_000), 1..4),
    ) {
        let time = jiff::Timestamp::from_second(at).expect("a time");
        let zoned = time.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string();
        let list: Vec<String> = peers.iter().map(|peer| peer.map_or("-".to_string(), seconds)).collect();
        let list = list.join(", ");
        let line = format!(
            "203.0.113.9 - - [{zoned}] \"GET {path} HTTP/1.1\" {status} {bytes} \"-\" \"{agent}\" {} {list}", seconds(ms)
        );
        let mut expected = json!({
            "time": time.to_string(), "status": status, "bytes_sent": bytes, "client": "203.0.113.9", "method": "GET",
            "path": path, "protocol": "HTTP/1.1", "user_agent": agent, "client_latency_us": ms * 1000,
            "client_gone": status == 499, "websocket": status == 101,
        });
        if peers.iter().any(Option::is_some) {
            expected["upstream_latency_us"] = peers.iter().flatten().map(|ms| ms * 1000).sum::<u64>().into();
            expected["upstream_latency_last_us"] = peers.iter().flatten().last().map(|ms| ms * 1000).into();
        }
        if list != "-" {
            expected["upstream_latency_list"] = list.clone().into();
        }
        let read = read(&mut parser(&Format::Nginx.into()), line.as_bytes(), Fields::ALL);
        prop_assert_eq!(sorted(&read), sorted(&expected), "{}", line);
    }

    #[test]
    fn what_haproxy_writes_is_read_back(
        at in 946_684_800_000_i64..4_000_000_000_000, status in 100u16..1000, bytes in any::<u64>(),
        path in "/[a-z0-9/._%-]{0,40}", timers in proptest::array::uniform3(-1i64..100_000), active in 0u64..100_000,
        state in "[-CSPRILKcs][-RQCHDLTI]--", captured in proptest::sample::select(vec!["", "{} ", "{a b|c} {} "]),
    ) {
        let start = jiff::Timestamp::from_millisecond(at).expect("a time");
        let logged = start.strftime("%d/%b/%Y:%H:%M:%S.%3f").to_string();
        let [queue, connect, server] = timers;
        let line = format!(
            "haproxy[7]: 2001:db8::7:4711 [{logged}] web~ shop/s-1 0/{queue}/{connect}/{server}/{active} {status} {bytes} - - {state} \
             9/8/7/6/+5 0/0 {captured}\"GET {path} HTTP/1.1\""
        );
        let end = jiff::Timestamp::from_millisecond(at + active as i64).expect("a time");
        let end = if end.subsec_nanosecond() == 0 { format!("{end:.0}") } else { format!("{end:.6}") };
        let mut expected = json!({
            "time": end, "status": status, "bytes_sent": bytes, "client": "2001:db8::7", "client_port": 4711, "method": "GET",
            "path": path, "protocol": "HTTP/1.1", "client_latency_us": active * 1000, "frontend": "web", "upstream": "shop",
            "upstream_server": "s-1", "retries": 5, "termination": state, "websocket": status == 101,
            "client_gone": state.starts_with(['C', 'c']),
        });
        for (name, ms) in ["queue_us", "upstream_connect_us", "upstream_latency_us"].iter().zip(timers) {
            if ms >= 0 {
                expected[*name] = (ms * 1000).into();
            }
        }
        let read = read(&mut parser(&Format::Haproxy.into()), line.as_bytes(), Fields::ALL);
        prop_assert_eq!(sorted(&read), sorted(&expected), "{}", line);
    }
}
