//! Every format read back from what its server writes: a request is printed as the vendor's grammar has it, and must be read
//! as that request.

use super::slow_text::instant;
use super::{parser, read};
use ninetail::core::format::{ALL, preset};
use ninetail::core::record::Fields;
use ninetail::core::settings::{Format, Input, Layout, Mapping};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// What happened, so far as any server tells of it.
#[derive(Clone, Debug)]
struct Request {
    /// Microseconds since the epoch: the end where a server writes that, else the begin.
    at: i64,
    took_us: u64,
    upstream_us: u64,
    status: u16,
    received: u64,
    sent: u64,
    method: &'static str,
    path: String,
    query: String,
    host: String,
    client: String,
    id: String,
    /// Anything that a client may send.
    agent: String,
    /// The same for servers that escape nothing.
    plain_agent: String,
}

fn request() -> impl Strategy<Value = Request> {
    let numbers = (
        946_700_000_000_000_i64..4_000_000_000_000_000,
        0..3_600_000_000_u64,
        0..3_600_000_000_u64,
        100..1000_u16,
        any::<u32>(),
        0..1_u64 << 50,
    );
    let method = proptest::sample::select(vec!["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"]);
    let texts = (
        method,
        "/[a-zA-Z0-9._~%!$&'()*+,;=:@/-]{0,30}",
        "[a-z][a-z0-9=&%._~/?-]{0,20}",
        "[a-z][a-z0-9-]{0,9}\\.example",
        "(192\\.0\\.2\\.[1-9]|2001:db8::[1-9a-f]{1,4})",
        "[0-9a-f]{32}",
        "[a-zA-Z\"\\\\é中#][ a-zA-Z0-9\"\\\\/;:(),.é中#+\t-]{0,30}[a-zA-Z\"\\\\é]",
        "[a-zA-Z][a-zA-Z0-9/;:(),._-]{0,12}( [a-zA-Z0-9/;:(),._-]{1,12}){0,3}",
    );
    (numbers, texts).prop_map(|((at, took_us, upstream_us, status, received, sent), texts)| {
        let (method, path, query, host, client, id, agent, plain_agent) = texts;
        let received = received.into();
        Request {
            at,
            took_us,
            upstream_us,
            status,
            received,
            sent,
            method,
            path,
            query,
            host,
            client,
            id,
            agent,
            plain_agent,
        }
    })
}

impl Request {
    /// It as a clock of that resolution has it, in microseconds.
    fn at_every(&self, us: i64) -> Request {
        Request { at: self.at - self.at.rem_euclid(us), ..self.clone() }
    }

    /// Its durations in whole such units.
    fn took_every(&self, us: u64) -> Request {
        let whole = |duration: u64| duration - duration % us;
        Request { took_us: whole(self.took_us), upstream_us: whole(self.upstream_us), ..self.clone() }
    }

    fn time(&self, format: &str) -> String {
        jiff::Timestamp::from_microsecond(self.at).expect("a time").strftime(format).to_string()
    }

    fn clf(&self) -> String {
        self.time("%d/%b/%Y:%H:%M:%S +0000")
    }

    fn target(&self) -> String {
        format!("{}?{}", self.path, self.query)
    }

    fn line(&self) -> String {
        format!("{} {} HTTP/1.1", self.method, self.target())
    }

    fn end(&self) -> Value {
        instant(self.at)
    }

    /// Where the begin is written.
    fn end_of_start(&self) -> Value {
        instant(self.at + self.took_us as i64)
    }

    /// What nearly all tell.
    fn told(&self, time: Value) -> Map<String, Value> {
        let told = json!({
            "time": time, "status": self.status, "client_latency_us": self.took_us, "bytes_sent": self.sent,
            "method": self.method, "path": self.path, "query": self.query,
        });
        told.as_object().cloned().unwrap_or_default()
    }
}

/// Seconds with so many decimals.
fn seconds(us: u64, decimals: usize) -> String {
    let fraction = format!("{:06}", us % 1_000_000);
    format!("{}.{}", us / 1_000_000, &fraction[..decimals])
}

/// The text, with some bytes written in another way.
fn escaped(text: &str, escape: impl Fn(u8) -> Option<String>) -> String {
    let mut written = Vec::new();
    for byte in text.bytes() {
        match escape(byte) {
            Some(escape) => written.extend_from_slice(escape.as_bytes()),
            None => written.push(byte),
        }
    }
    String::from_utf8(written).expect("what is not ASCII is escaped, or is whole")
}

fn by_nginx(text: &str) -> String {
    escaped(text, |b| (b < 0x20 || b >= 0x7f || matches!(b, b'"' | b'\\')).then(|| format!("\\x{b:02X}")))
}

fn by_alb(text: &str) -> String {
    escaped(text, |b| match b {
        b'"' => Some("\\x22".into()),
        b'\\' => Some("\\x5c".into()),
        _ => (b < 0x20 || b >= 0x7f).then(|| format!("\\x{b:02x}")),
    })
}

fn by_apache(text: &str) -> String {
    escaped(text, |b| match b {
        b'"' | b'\\' => Some(format!("\\{}", char::from(b))),
        b'\t' => Some("\\t".into()),
        _ => (b < 0x20 || b >= 0x7f).then(|| format!("\\x{b:02x}")),
    })
}

fn by_haproxy(text: &str) -> String {
    escaped(text, |b| {
        (b < 0x20 || b >= 0x7f || matches!(b, b'"' | b'#' | b'{' | b'|' | b'}')).then(|| format!("#{b:02X}"))
    })
}

fn by_cloudfront(text: &str) -> String {
    escaped(text, |b| {
        (!b.is_ascii_alphanumeric() && !b"-._~/():;,".contains(&b)).then(|| format!("%{b:02X}"))
    })
}

/// What is written, by which layout, and what must be read of it.
struct Written {
    layout: Layout,
    line: String,
    expected: Map<String, Value>,
}

fn written(line: String, mut expected: Map<String, Value>, more: Value) -> Written {
    for (name, value) in more.as_object().cloned().unwrap_or_default() {
        if value.is_null() {
            expected.remove(&name)
        } else {
            expected.insert(name, value)
        };
    }
    Written { layout: Layout::Usual, line, expected }
}

fn mapped(pattern: Option<&str>, separator: Option<&str>, columns: &[&str], fields: Vec<Mapping>) -> Layout {
    let columns = columns.iter().map(|column| (*column).to_owned()).collect();
    Layout::Mapped { pattern: pattern.map(Into::into), separator: separator.map(Into::into), columns, fields }
}

/// All ways in which a server of that format writes the request.
fn by(format: Format, request: &Request) -> Vec<Written> {
    match format {
        Format::AwsAlb | Format::AwsClb | Format::AwsNlbTls | Format::Cloudfront => {
            by_amazon(format, request)
        }
        Format::Nginx | Format::NginxJson | Format::IngressNginx | Format::Apache | Format::Haproxy => {
            by_servers(format, request)
        }
        Format::Envoy | Format::EnvoyJson | Format::Istio | Format::IstioJson => by_envoy(format, request),
        Format::Traefik | Format::Caddy | Format::Iis | Format::Fastly => by_others(format, request),
        Format::GcpLb | Format::AzureAppgw | Format::AzureFrontdoor | Format::Cloudflare => {
            by_clouds(format, request)
        }
        Format::Json | Format::Regex | Format::W3c | Format::Delimited | Format::External => {
            by_sites(format, request)
        }
    }
}

fn by_amazon(format: Format, request: &Request) -> Vec<Written> {
    match format {
        Format::AwsAlb => {
            let r = request.took_every(1000);
            let begin = Request { at: r.at - r.took_us as i64, ..r.clone() };
            let iso = "%Y-%m-%dT%H:%M:%S.%6fZ";
            let old = format!(
                "h2 {} app/lb/50dc {}:4711 10.0.0.1:80 0.000 {} 0.000 {} {} {} {} \"{} https://{}:443{} HTTP/2.0\" \"{}\" - - \
                 arn:aws:elasticloadbalancing:eu-west-1:1:targetgroup/shop/73e2 \"Root=1-{}\" \"{}\" \"-\" 7 {} \"forward\" \"-\" \"-\"",
                r.time(iso),
                r.client,
                seconds(r.upstream_us, 3),
                r.status,
                r.status,
                r.received,
                r.sent,
                r.method,
                r.host,
                r.target(),
                by_alb(&r.agent),
                r.id,
                r.host,
                begin.time(iso),
            );
            let more = json!({
                "upstream_latency_us": r.upstream_us, "upstream_status": r.status, "bytes_received": r.received, "host": r.host,
                "port": 443, "user_agent": r.agent, "client": r.client, "request_id": format!("Root=1-{}", r.id),
                "target_group": "shop", "domain_name": r.host, "rule_priority": 7,
            });
            let tails = [
                "",
                " \"10.0.0.1:80\" \"200\" \"-\" \"-\"",
                " \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_1234abcd",
                " \"10.0.0.1:80\" \"200\" \"-\" \"-\" TID_1234abcd \"-\" \"-\" \"-\"",
            ];
            tails.map(|tail| written(format!("{old}{tail}"), r.told(r.end()), more.clone())).into()
        }
        Format::AwsClb => {
            let r = Request { took_us: request.upstream_us + 73, ..request.clone() };
            let old = format!(
                "{} lb {}:4711 10.0.0.1:80 0.000073 {} 0.0 {} {} {} {} \"{} http://{}:80{} HTTP/1.1\"",
                r.time("%Y-%m-%dT%H:%M:%S.%6fZ"),
                r.client,
                seconds(r.upstream_us, 6),
                r.status,
                r.status,
                r.received,
                r.sent,
                r.method,
                r.host,
                r.target(),
            );
            let more = json!({
                "upstream_latency_us": r.upstream_us, "bytes_received": r.received, "host": r.host, "client": r.client,
            });
            let told = r.told(r.end_of_start());
            let with_agent = format!("{old} \"{}\" - -", r.plain_agent);
            let mut newer = written(with_agent, told.clone(), more.clone());
            newer.expected.insert("user_agent".into(), r.plain_agent.clone().into());
            vec![written(old, told, more), newer]
        }
        Format::AwsNlbTls => {
            let r = request.at_every(1_000_000).took_every(1000);
            let line = format!(
                "tls 2.0 {} net/lb/50dc g3d4 {}:4711 10.0.0.1:443 {} {} {} {} - arn - C tlsv12 - {} h2 h2 \"h2\",\"http/1.1\" {}",
                r.time("%Y-%m-%dT%H:%M:%S"),
                r.client,
                r.took_us / 1000,
                r.upstream_us / 1000,
                r.received,
                r.sent,
                r.host,
                r.time("%Y-%m-%dT%H:%M:%S"),
            );
            let expected = json!({
                "time": r.end(), "connection_time_us": r.took_us, "tls_handshake_us": r.upstream_us, "domain_name": r.host,
                "bytes_received": r.received, "bytes_sent": r.sent, "client": r.client,
            });
            vec![written(line, Map::new(), expected)]
        }
        _ => {
            let r = request.at_every(1_000_000).took_every(1000);
            let (day, clock) = (r.time("%Y-%m-%d"), r.time("%H:%M:%S"));
            let (agent, took) = (by_cloudfront(&r.agent), seconds(r.took_us, 3));
            let tabs = format!(
                "{day}\t{clock}\tSEA19-C1\t{}\t{}\t{}\td1.cloudfront.net\t{}\t{}\t-\t{agent}\t{}\t-\tHit\t{}\t{}\thttps\t{}\t{took}",
                r.sent, r.client, r.method, r.path, r.status, r.query, r.id, r.host, r.received,
            );
            let more = json!({ "bytes_received": r.received, "host": r.host, "user_agent": r.agent, "client": r.client });
            let object = json!({
                "date": day, "time": clock, "sc-bytes": r.sent.to_string(), "c-ip": r.client, "cs-method": r.method,
                "cs-uri-stem": r.path, "sc-status": r.status.to_string(), "cs(User-Agent)": agent, "cs-uri-query": r.query,
                "x-host-header": r.host, "cs-bytes": r.received.to_string(), "time-taken": took,
            });
            vec![
                written(tabs, r.told(r.end()), more.clone()),
                written(object.to_string(), r.told(r.end()), more),
            ]
        }
    }
}

fn by_servers(format: Format, request: &Request) -> Vec<Written> {
    let r = &request.at_every(1_000_000).took_every(1000);
    let (took, upstream) = (seconds(r.took_us, 3), seconds(r.upstream_us, 3));
    let combined = |agent: &str| {
        format!("{} - - [{}] \"{}\" {} {} \"-\" \"{agent}\"", r.client, r.clf(), r.line(), r.status, r.sent)
    };
    let who = json!({ "user_agent": r.agent, "client": r.client });
    let sum = json!({ "user_agent": r.agent, "client": r.client, "upstream_latency_us": r.upstream_us });
    let untimed = json!({ "user_agent": r.agent, "client": r.client, "client_latency_us": null });
    match format {
        Format::Nginx => {
            let line = combined(&by_nginx(&r.agent));
            let timed = |tail: String| written(format!("{line} {tail}"), r.told(r.end()), sum.clone());
            let declared = format!(
                "{} {} {} {took} {upstream} \"{}\"",
                r.time("%Y-%m-%dT%H:%M:%S+00:00"),
                r.status,
                r.sent,
                by_nginx(&r.agent),
            );
            let text = "$time_iso8601 $status $bytes_sent $request_time $upstream_response_time \"$http_user_agent\"";
            let mut own = written(declared, r.told(r.end()), sum.clone());
            own.layout = Layout::Text(text.into());
            for of_request in ["method", "path", "query"] {
                own.expected.remove(of_request);
            }
            own.expected.remove("client");
            vec![
                written(line.clone(), r.told(r.end()), untimed),
                timed(format!("{took} {upstream}")),
                timed(format!("rt={took} uct=\"0.000\" uht=\"0.001\" urt=\"{upstream}\"")),
                timed(format!("{took} {upstream}, 0.000 : -")),
                own,
            ]
        }
        Format::NginxJson => {
            let object = json!({
                "time_iso8601": r.time("%Y-%m-%dT%H:%M:%S+00:00"), "remote_addr": r.client, "request": r.line(),
                "status": r.status.to_string(), "body_bytes_sent": r.sent, "request_time": took, "http_user_agent": r.agent,
                "upstream_response_time": format!("{upstream}, -"), "upstream_addr": "10.0.0.1:80, 10.0.0.2:80",
            });
            // As the default escaping has it: no JSON any more.
            let repaired = format!(
                "{{\"time_iso8601\":\"{}\",\"remote_addr\":\"{}\",\"request\":\"{}\",\"status\":{},\"body_bytes_sent\":{},\
                 \"request_time\":{took},\"http_user_agent\":\"{}\",\"upstream_response_time\": {upstream}, -,\"x\":-,\"y\":}}",
                r.time("%Y-%m-%dT%H:%M:%S+00:00"),
                r.client,
                r.line(),
                r.status,
                r.sent,
                by_nginx(&r.agent),
            );
            vec![
                written(object.to_string(), r.told(r.end()), sum.clone()),
                written(repaired, r.told(r.end()), sum),
            ]
        }
        Format::IngressNginx => {
            let line = format!(
                "{} {} {took} [shop-cart-80] [] 10.1.2.3:8080, [2001:db8::1]:80 0, 612 {upstream}, 0.000 502, {} {}",
                combined(&by_nginx(&r.agent)),
                r.received,
                r.status,
                r.id,
            );
            let mut written = written(line, r.told(r.end()), sum);
            let more = json!({
                "bytes_received": r.received, "upstream": "shop-cart-80", "upstream_status": r.status, "request_id": r.id,
            });
            written.expected.extend(more.as_object().cloned().unwrap_or_default());
            vec![written]
        }
        Format::Apache => {
            let line = combined(&by_apache(&r.agent));
            let timed = |variable: &str, text: String, us: u64| {
                let r = r.took_every(us);
                let mut written = written(format!("{line} {text}"), r.told(r.end_of_start()), who.clone());
                let text =
                    format!("%h %l %u %t \"%r\" %>s %b \"%{{Referer}}i\" \"%{{User-Agent}}i\" {variable}");
                written.layout = Layout::Text(text);
                written
            };
            vec![
                written(line.clone(), r.told(r.end()), untimed.clone()),
                written(format!("{}:443 {line}", r.host), r.told(r.end()), {
                    let mut more = untimed;
                    more["host"] = r.host.clone().into();
                    more
                }),
                timed("%D", r.took_us.to_string(), 1),
                timed("%{ms}T", (r.took_us / 1000).to_string(), 1000),
                timed("%T", (r.took_us / 1_000_000).to_string(), 1_000_000),
            ]
        }
        _ => {
            let r = request.at_every(1000).took_every(1000);
            let (took, server) = (r.took_us / 1000, r.upstream_us / 1000);
            let http = |request: &str, tail: &str| {
                format!(
                    "haproxy[7]: {}:4711 [{}] web~ shop/s1 0/1/2/{server}/{took} {} {} - - ---- 9/8/7/6/0 0/0 {{{}|}} \
                     \"{request}\"{tail}",
                    r.client,
                    r.time("%d/%b/%Y:%H:%M:%S.%3f"),
                    r.status,
                    r.sent,
                    by_haproxy(&r.agent),
                )
            };
            let more = json!({
                "client": r.client, "upstream_latency_us": r.upstream_us, "upstream": "shop", "upstream_server": "s1",
                "frontend": "web", "queue_us": 1000, "upstream_connect_us": 2000,
            });
            // A path of bytes that HAProxy does not print.
            let odd = format!("/{}", r.agent.replace([' ', '?', '\t'], "_"));
            let mut of_odd = written(
                http(&format!("{} {} HTTP/2.0", r.method, by_haproxy(&odd)), ""),
                r.told(r.end_of_start()),
                more.clone(),
            );
            of_odd.expected.insert("path".into(), odd.into());
            of_odd.expected.remove("query");
            let whole_second = r.at_every(1_000_000);
            let clf = format!(
                "{} - - [{}] \"{}\" {} {} \"\" \"\" 4711 655 \"web~\" \"shop\" \"s1\" 0 1 2 {server} {took} ---- 1 1 1 1 0 0 0",
                r.client,
                whole_second.clf(),
                r.line(),
                r.status,
                r.sent,
            );
            vec![
                written(http(&r.line(), ""), r.told(r.end_of_start()), more.clone()),
                written(
                    http(&r.line(), " 0/0/0/0/0 a.example/TLSv1.3/X"),
                    r.told(r.end_of_start()),
                    more.clone(),
                ),
                of_odd,
                written(clf, whole_second.told(whole_second.end_of_start()), more),
            ]
        }
    }
}

fn by_envoy(format: Format, request: &Request) -> Vec<Written> {
    let r = request.at_every(1000).took_every(1000);
    let (begin, took, upstream) = (r.time("%Y-%m-%dT%H:%M:%S.%3fZ"), r.took_us / 1000, r.upstream_us / 1000);
    let more = |agent: &str| {
        json!({
            "upstream_latency_us": r.upstream_us, "bytes_received": r.received, "host": r.host, "user_agent": agent, "request_id": r.id,
        })
    };
    let told = r.told(r.end_of_start());
    match format {
        Format::Envoy => {
            let line = format!(
                "[{begin}] \"{}\" {} - {} {} {took} {upstream} \"{}\" \"{}\" \"{}\" \"{}\" \"10.0.0.1:80\"",
                r.line(),
                r.status,
                r.received,
                r.sent,
                r.client,
                r.plain_agent,
                r.id,
                r.host,
            );
            vec![written(line, told, more(&r.plain_agent))]
        }
        Format::Istio => {
            let behind = format!(
                "{} {} {took} {upstream} \"{}\" \"{}\" \"{}\" \"{}\" \"10.0.0.1:80\" inbound|80|| 10.0.0.2:3 10.0.0.1:80 {}:0 - default",
                r.received, r.sent, r.client, r.plain_agent, r.id, r.host, r.client,
            );
            let now = format!("[{begin}] \"{}\" {} - via_upstream - \"-\" {behind}", r.line(), r.status);
            let before = format!("[{begin}] \"{}\" {} - \"-\" {behind}", r.line(), r.status);
            let mut more = more(&r.plain_agent);
            more["upstream"] = "inbound|80||".into();
            vec![written(now, told.clone(), more.clone()), written(before, told, more)]
        }
        Format::EnvoyJson => {
            let object = json!({
                "start_time": begin, "method": r.method, "x-envoy-origin-path": r.target(), "protocol": "HTTP/1.1",
                "response_code": r.status, "response_flags": "-", "bytes_received": r.received, "bytes_sent": r.sent,
                "duration": took, "x-envoy-upstream-service-time": upstream.to_string(), "user-agent": r.agent,
                "x-request-id": r.id, ":authority": r.host, "upstream_host": null, "upstream_cluster": "c",
            });
            vec![written(object.to_string(), told, more(&r.agent))]
        }
        _ => {
            let object = json!({
                "start_time": begin, "method": r.method, "path": r.target(), "protocol": "HTTP/1.1", "response_code": r.status,
                "response_flags": "-", "bytes_received": r.received, "bytes_sent": r.sent, "duration": took,
                "upstream_service_time": upstream.to_string(), "user_agent": r.agent, "request_id": r.id, "authority": r.host,
                "upstream_cluster": "inbound|80||",
            });
            vec![written(object.to_string(), told, more(&r.agent))]
        }
    }
}

fn by_others(format: Format, request: &Request) -> Vec<Written> {
    match format {
        Format::Traefik => {
            let whole = request.at_every(1_000_000).took_every(1000);
            let r = &whole;
            let text = format!(
                "{} - - [{}] \"{}\" {} {} \"-\" \"{}\" 244 \"web@docker\" \"http://172.17.0.3:80\" {}ms",
                r.client,
                r.clf(),
                r.line(),
                r.status,
                r.sent,
                r.plain_agent,
                r.took_us / 1000,
            );
            let text = written(
                text,
                r.told(r.end_of_start()),
                json!({ "client": r.client, "user_agent": r.plain_agent, "route_name": "web@docker" }),
            );
            let r = request;
            let object = json!({
                "StartUTC": r.time("%Y-%m-%dT%H:%M:%S.%9fZ"), "time": r.time("%Y-%m-%dT%H:%M:%SZ"), "ClientHost": r.client,
                "DownstreamStatus": r.status, "DownstreamContentSize": r.sent, "Duration": r.took_us * 1000,
                "OriginDuration": r.upstream_us * 1000, "RequestMethod": r.method, "RequestPath": r.target(),
                "RequestHost": r.host, "RequestContentSize": r.received, "ServiceName": "web@docker",
                "request_User-Agent": r.agent,
            });
            let more = json!({
                "client": r.client, "user_agent": r.agent, "host": r.host, "bytes_received": r.received, "upstream": "web@docker",
                "upstream_latency_us": r.upstream_us,
            });
            vec![text, written(object.to_string(), r.told(r.end_of_start()), more)]
        }
        Format::Caddy => {
            // A double has no more than this at such times.
            let r = request.at_every(1000);
            let object = json!({
                "level": "info", "ts": r.at as f64 / 1e6, "logger": "http.log.access.log0", "msg": "handled request",
                "request": {
                    "remote_ip": r.client, "proto": "HTTP/1.1", "method": r.method, "host": r.host, "uri": r.target(),
                    "headers": { "User-Agent": [r.agent] },
                },
                "bytes_read": r.received, "duration": r.took_us as f64 / 1e6, "size": r.sent, "status": r.status,
            });
            let more = json!({ "client": r.client, "user_agent": r.agent, "host": r.host, "bytes_received": r.received });
            let plain = written(object.to_string(), r.told(r.end()), more.clone());
            let composed = written(format!("caddy-1  | {object}"), r.told(r.end()), more);
            vec![plain, composed]
        }
        Format::Iis => {
            let r = request.at_every(1_000_000).took_every(1000);
            let agent = r.plain_agent.replace('+', "-");
            let line = format!(
                "{} 10.0.0.1 {} {} {} 443 - {} {} - {} 0 0 {}",
                r.time("%Y-%m-%d %H:%M:%S"),
                r.method,
                r.path.replace('+', "-"),
                r.query,
                r.client,
                agent.replace(' ', "+"),
                r.status,
                r.took_us / 1000,
            );
            let more = json!({
                "client": r.client, "user_agent": agent, "path": r.path.replace('+', "-"), "bytes_sent": null, "port": 443,
            });
            let columns = super::w3c_slow::IIS.map(str::to_owned).to_vec();
            vec![Written { layout: Layout::Columns(columns), ..written(line, r.told(r.end()), more) }]
        }
        _ => {
            let r = request.at_every(1_000_000);
            let text = format!("{} - - [{}] \"{}\" {} {}", r.client, r.clf(), r.line(), r.status, r.sent);
            let object = json!({
                "time_start": r.time("%Y-%m-%dT%H:%M:%S+0000"), "time_elapsed": r.took_us, "client_ip": r.client, "host": r.host,
                "url": r.target(), "request_method": r.method, "request_user_agent": r.agent, "response_status": r.status,
                "resp_bytes_written": r.sent, "req_bytes_read": r.received,
            });
            let more = json!({ "client": r.client, "host": r.host, "user_agent": r.agent, "bytes_received": r.received });
            vec![
                written(text, r.told(r.end()), json!({ "client": r.client, "client_latency_us": null })),
                written(object.to_string(), r.told(r.end_of_start()), more.clone()),
                written(
                    format!("2021-11-12T16:59:46.613304+00:00 1.1.1.1  {object}"),
                    r.told(r.end_of_start()),
                    more,
                ),
            ]
        }
    }
}

fn by_clouds(format: Format, request: &Request) -> Vec<Written> {
    match format {
        Format::GcpLb => {
            let r = request;
            let object = json!({
                "httpRequest": {
                    "latency": format!("{}s", seconds(r.took_us, 6)), "protocol": "HTTP/1.1", "remoteIp": r.client,
                    "requestMethod": r.method, "requestSize": r.received.to_string(), "responseSize": r.sent.to_string(),
                    "requestUrl": format!("https://{}{}", r.host, r.target()), "status": r.status, "userAgent": r.agent,
                },
                "insertId": "1", "resource": { "labels": { "backend_service_name": "web" }, "type": "http_load_balancer" },
                "timestamp": r.time("%Y-%m-%dT%H:%M:%S.%6fZ"), "trace": r.id,
            });
            let more = json!({
                "client": r.client, "host": r.host, "user_agent": r.agent, "bytes_received": r.received, "upstream": "web",
                "request_id": r.id,
            });
            vec![written(object.to_string(), r.told(r.end_of_start()), more)]
        }
        Format::AzureAppgw => {
            let r = request.took_every(1000);
            let more = |upstream: Value| {
                json!({
                    "client": r.client, "host": r.host, "user_agent": r.agent, "bytes_received": r.received,
                    "upstream_latency_us": upstream,
                })
            };
            let object = |instance: &str, took: Value| {
                json!({
                    "timeStamp": r.time("%Y-%m-%dT%H:%M:%S.%7fZ"), "category": "ApplicationGatewayAccessLog",
                    "operationName": "ApplicationGatewayAccess", "properties": {
                        "instanceId": instance, "clientIP": r.client, "httpMethod": r.method, "requestUri": r.path,
                        "requestQuery": r.query, "userAgent": r.agent, "httpStatus": r.status, "httpVersion": "HTTP/1.1",
                        "receivedBytes": r.received, "sentBytes": r.sent, "timeTaken": took, "host": r.host,
                    },
                })
            };
            let first = object("ApplicationGatewayRole_IN_0", (r.took_us / 1000).into());
            let mut second = object("appgw_1", seconds(r.took_us, 3).into());
            second["properties"]["serverResponseLatency"] = seconds(r.upstream_us, 3).into();
            vec![
                written(first.to_string(), r.told(r.end()), more(Value::Null)),
                written(second.to_string(), r.told(r.end()), more(r.upstream_us.into())),
            ]
        }
        Format::AzureFrontdoor => {
            let r = request.took_every(1000);
            let object = json!({
                "time": r.time("%Y-%m-%dT%H:%M:%S.%7fZ"), "category": "FrontDoorAccessLog", "properties": {
                    "trackingReference": r.id, "httpMethod": r.method, "httpVersion": "1.1.0.0", "clientIp": r.client,
                    "requestUri": format!("https://{}:443{}", r.host, r.target()), "requestBytes": r.received.to_string(),
                    "responseBytes": r.sent.to_string(), "userAgent": r.agent, "timeTaken": seconds(r.took_us, 3),
                    "httpStatusCode": r.status.to_string(), "hostName": r.host,
                },
            });
            let more = json!({
                "client": r.client, "host": r.host, "user_agent": r.agent, "bytes_received": r.received, "request_id": r.id,
            });
            vec![written(format!("{object}\r"), r.told(r.end()), more)]
        }
        _ => {
            // Whole seconds at both ends are taken for a coarse clock's.
            let r = &Request { at: request.at | 1, ..request.clone() };
            let begin = r.at - r.took_us as i64;
            let object = |from: Value, to: Value| {
                let object = json!({
                    "EdgeStartTimestamp": from, "EdgeEndTimestamp": to, "ClientIP": r.client, "ClientRequestHost": r.host,
                    "ClientRequestMethod": r.method, "ClientRequestURI": r.target(), "ClientRequestBytes": r.received,
                    "ClientRequestUserAgent": r.agent, "EdgeResponseBytes": r.sent, "EdgeResponseStatus": r.status,
                    "OriginResponseStatus": 200, "OriginResponseDurationMs": r.upstream_us / 1000, "RayID": r.id,
                });
                object.to_string()
            };
            let more = json!({
                "client": r.client, "host": r.host, "user_agent": r.agent, "bytes_received": r.received, "request_id": r.id,
                "upstream_latency_us": r.upstream_us / 1000 * 1000,
            });
            let mut coarse = more.clone();
            coarse["client_latency_us"] = Value::Null;
            let whole = r.at_every(1_000_000);
            let rfc = whole.time("%Y-%m-%dT%H:%M:%SZ");
            vec![
                written(object((begin * 1000).into(), (r.at * 1000).into()), r.told(r.end()), more.clone()),
                written(
                    object((begin * 1000).to_string().into(), (r.at * 1000).to_string().into()),
                    r.told(r.end()),
                    more,
                ),
                written(object(rfc.clone().into(), rfc.into()), whole.told(whole.end()), coarse),
            ]
        }
    }
}

fn by_sites(format: Format, request: &Request) -> Vec<Written> {
    let mapping = |name: &str, from: &str, unit: Option<&str>| Mapping {
        name: name.into(),
        from: vec![from.into()],
        unit: unit.map(Into::into),
    };
    match format {
        Format::Json => {
            let r = request;
            let usual = json!({
                "@timestamp": r.time("%Y-%m-%dT%H:%M:%S.%6fZ"), "status": r.status, "duration_us": r.took_us, "bytes": r.sent,
                "method": r.method, "uri": r.target(), "host": r.host, "user_agent": r.agent, "client_ip": r.client,
            });
            let more = json!({ "host": r.host, "user_agent": r.agent, "client": r.client });
            let own = json!({ "a": { "b": [r.at, { "c": r.took_us * 1000 }] }, "code": r.status.to_string(), "out": r.sent });
            let mut own = written(
                own.to_string(),
                r.told(r.end()),
                json!({ "method": null, "path": null, "query": null }),
            );
            own.layout = mapped(
                None,
                None,
                &[],
                vec![
                    mapping("time", "a.b.0", Some("epoch_us")),
                    mapping("client_latency", "a.b.1.c", Some("ns")),
                    mapping("status", "code", None),
                    mapping("bytes_sent", "out", None),
                ],
            );
            vec![written(usual.to_string(), r.told(r.end()), more), own]
        }
        Format::Regex => {
            let r = request.at_every(1000).took_every(1000);
            let line = format!(
                "[{}] \"{}\" {} {} {} {}",
                r.time("%Y-%m-%dT%H:%M:%S.%3fZ"),
                r.line(),
                r.status,
                r.sent,
                r.took_us / 1000,
                r.host,
            );
            let pattern = r#"^\[(?<time>[^\]]+)\] "(?<request>[^"]*)" (?<status>\d+) (?<bytes_sent>\d+) (?<client_latency_ms>\d+) (?<host>\S+)$"#;
            let layout = mapped(Some(pattern), None, &[], Vec::new());
            vec![Written { layout, ..written(line, r.told(r.end()), json!({ "host": r.host })) }]
        }
        Format::W3c => {
            let r = request.at_every(1_000_000).took_every(1000);
            let columns = [
                "date",
                "time",
                "cs-method",
                "cs-uri-stem",
                "cs-uri-query",
                "sc-status",
                "sc-bytes",
                "time-taken",
            ];
            let line = format!(
                "{} {} {} {} {} {} {}",
                r.time("%Y-%m-%d %H:%M:%S"),
                r.method,
                r.path,
                r.query,
                r.status,
                r.sent,
                seconds(r.took_us, 3),
            );
            let columns = columns.map(str::to_owned).to_vec();
            vec![Written { layout: Layout::Columns(columns), ..written(line, r.told(r.end()), Value::Null) }]
        }
        Format::Delimited => {
            let r = request.at_every(1000);
            let columns = ["time", "request", "status", "bytes_sent", "client_latency_us", "user_agent"];
            let quoted = format!("\"{}\"", r.agent.replace('"', "\"\""));
            let line = format!("{},{},{},{},{},{quoted}", r.at / 1000, r.line(), r.status, r.sent, r.took_us);
            let line = line.replace(&r.line(), &format!("\"{}\"", r.line()));
            let layout = mapped(None, Some(","), &columns, Vec::new());
            vec![Written { layout, ..written(line, r.told(r.end()), json!({ "user_agent": r.agent })) }]
        }
        _ => {
            let r = request;
            let total = r.sent % 1_000_000_000_000;
            let object = json!({
                "time": r.time("%Y-%m-%dT%H:%M:%S.%6fZ"), "service": r.agent, "slo": "correctness", "good": total / 2, "total": total,
            });
            let expected = json!({
                "time": r.end(), "external_service": r.agent, "external_slo": "correctness", "external_good": total / 2,
                "external_total": total,
            });
            vec![written(object.to_string(), Map::new(), expected)]
        }
    }
}

proptest! {
    #[test]
    fn what_the_writer_of_a_format_prints_reads_back(request in request()) {
        for &format in ALL {
            let all = by(format, &request);
            prop_assert!(!all.is_empty());
            for Written { layout, line, expected } in all {
                let found = read(&mut parser(&Input { layout, ..format.into() }), line.as_bytes(), Fields::ALL);
                for (name, value) in &expected {
                    prop_assert_eq!(found.get(name), Some(value), "{} of {}: {}\n{}", name, preset(format).name, line, found);
                }
            }
        }
    }
}
