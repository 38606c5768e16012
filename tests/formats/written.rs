//! Every format read back from what its server writes: a request is printed as the vendor's grammar has it, and must be read
//! as that request.

#[path = "written/others.rs"]
mod others;
#[path = "written/servers.rs"]
mod servers;
#[path = "written/vendors.rs"]
mod vendors;

use super::slow_text::instant;
use super::{parser, read};
use ninetail::core::format::{ALL, preset};
use ninetail::core::record::Fields;
use ninetail::core::settings::{Format, Input, Layout, Mapping};
use others::{by_others, by_sites};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use servers::{by_envoy, by_servers};
use vendors::{by_amazon, by_clouds};

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

/// Neither a letter nor a sign that can be printed.
fn is_odd(byte: u8) -> bool {
    !(0x20..0x7f).contains(&byte)
}

fn by_nginx(text: &str) -> String {
    escaped(text, |b| (is_odd(b) || matches!(b, b'"' | b'\\')).then(|| format!("\\x{b:02X}")))
}

fn by_alb(text: &str) -> String {
    escaped(text, |b| match b {
        b'"' => Some("\\x22".into()),
        b'\\' => Some("\\x5c".into()),
        _ => is_odd(b).then(|| format!("\\x{b:02x}")),
    })
}

fn by_apache(text: &str) -> String {
    escaped(text, |b| match b {
        b'"' | b'\\' => Some(format!("\\{}", char::from(b))),
        b'\t' => Some("\\t".into()),
        _ => is_odd(b).then(|| format!("\\x{b:02x}")),
    })
}

fn by_haproxy(text: &str) -> String {
    escaped(text, |b| {
        (is_odd(b) || matches!(b, b'"' | b'#' | b'{' | b'|' | b'}')).then(|| format!("#{b:02X}"))
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
