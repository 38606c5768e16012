//! The same fields of JSON lines, read by serde_json into structs that borrow from the line: what is written as a text stays
//! one, and neither times nor units are worked out, which makes these faster than a reader that would use them.

use ninetail::core::settings::Format;
use serde::Deserialize;
use std::borrow::Cow;
use std::hint::black_box;

/// Reads every line; returns how many could be read.
fn read<'a, T: Deserialize<'a>>(log: &'a [u8]) -> usize {
    let (mut rest, mut lines) = (log, 0);
    while let Some(end) = memchr::memchr(b'\n', rest) {
        let line: Result<T, _> = serde_json::from_slice(&rest[..end]);
        lines += usize::from(black_box(&line).is_ok());
        rest = &rest[end + 1..];
    }
    lines
}

/// The reader of a format's lines; none for lines that say no more than is counted.
pub(crate) fn reader(format: Format) -> Option<fn(&[u8]) -> usize> {
    Some(match format {
        Format::Cloudfront => |log| read::<Cloudfront<'_>>(log),
        Format::NginxJson | Format::Json => |log| read::<Nginx<'_>>(log),
        Format::EnvoyJson => |log| read::<Envoy<'_>>(log),
        Format::IstioJson => |log| read::<Istio<'_>>(log),
        Format::GcpLb => |log| read::<Gcp<'_>>(log),
        Format::AzureAppgw => |log| read::<AppGw<'_>>(log),
        Format::AzureFrontdoor => |log| read::<FrontDoor<'_>>(log),
        Format::Traefik => |log| read::<Traefik<'_>>(log),
        Format::Caddy => |log| read::<Caddy<'_>>(log),
        Format::Cloudflare => |log| read::<Cloudflare<'_>>(log),
        Format::Fastly => |log| read::<Fastly<'_>>(log),
        Format::External => |log| read::<External<'_>>(log),
        _ => return None,
    })
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Cloudfront<'a> {
    date: &'a str,
    time: &'a str,
    #[serde(rename = "sc-status")]
    sc_status: &'a str,
    #[serde(rename = "time-taken")]
    time_taken: &'a str,
    #[serde(rename = "sc-bytes")]
    sc_bytes: &'a str,
    #[serde(rename = "cs-bytes")]
    cs_bytes: &'a str,
    #[serde(rename = "x-host-header", borrow)]
    host: Cow<'a, str>,
    #[serde(rename = "cs-uri-stem", borrow)]
    path: Cow<'a, str>,
    #[serde(rename = "cs-protocol")]
    cs_protocol: &'a str,
    #[serde(rename = "x-edge-result-type")]
    x_edge_result_type: &'a str,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Nginx<'a> {
    msec: &'a str,
    status: &'a str,
    request_time: &'a str,
    upstream_response_time: &'a str,
    request_length: &'a str,
    body_bytes_sent: &'a str,
    #[serde(borrow)]
    request_uri: Cow<'a, str>,
    #[serde(borrow)]
    http_host: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Envoy<'a> {
    start_time: &'a str,
    response_code: u16,
    response_flags: &'a str,
    duration: u64,
    #[serde(rename = "x-envoy-upstream-service-time", borrow)]
    upstream: Option<&'a str>,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(rename = "x-envoy-origin-path", borrow)]
    path: Cow<'a, str>,
    #[serde(rename = ":authority", borrow)]
    authority: Cow<'a, str>,
    #[serde(borrow)]
    upstream_cluster: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Istio<'a> {
    start_time: &'a str,
    response_code: u16,
    response_flags: &'a str,
    duration: u64,
    #[serde(borrow)]
    upstream_service_time: Option<&'a str>,
    bytes_received: u64,
    bytes_sent: u64,
    #[serde(borrow)]
    path: Cow<'a, str>,
    #[serde(borrow)]
    authority: Cow<'a, str>,
    #[serde(borrow)]
    upstream_cluster: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct GcpRequest<'a> {
    latency: &'a str,
    #[serde(rename = "requestSize")]
    received: &'a str,
    #[serde(rename = "responseSize")]
    sent: &'a str,
    status: u16,
    #[serde(rename = "requestUrl", borrow)]
    url: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct GcpLabels<'a> {
    #[serde(borrow)]
    backend_service_name: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct GcpResource<'a> {
    #[serde(borrow)]
    labels: GcpLabels<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Gcp<'a> {
    #[serde(rename = "httpRequest", borrow)]
    request: GcpRequest<'a>,
    timestamp: &'a str,
    #[serde(borrow)]
    resource: GcpResource<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct AppGwProperties<'a> {
    #[serde(rename = "instanceId")]
    instance: &'a str,
    #[serde(rename = "httpStatus")]
    status: u16,
    #[serde(rename = "receivedBytes")]
    received: u64,
    #[serde(rename = "sentBytes")]
    sent: u64,
    #[serde(rename = "timeTaken")]
    taken: f64,
    #[serde(rename = "serverResponseLatency")]
    latency: &'a str,
    #[serde(rename = "originalRequestUriWithArgs", borrow)]
    uri: Cow<'a, str>,
    #[serde(rename = "originalHost", borrow)]
    host: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct AppGw<'a> {
    #[serde(rename = "timeStamp")]
    time: &'a str,
    category: &'a str,
    #[serde(borrow)]
    properties: AppGwProperties<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct FrontDoorProperties<'a> {
    #[serde(rename = "requestUri", borrow)]
    uri: Cow<'a, str>,
    #[serde(rename = "requestBytes")]
    received: &'a str,
    #[serde(rename = "responseBytes")]
    sent: &'a str,
    #[serde(rename = "timeTaken")]
    taken: &'a str,
    #[serde(rename = "httpStatusCode")]
    status: &'a str,
    #[serde(rename = "hostName", borrow)]
    host: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct FrontDoor<'a> {
    time: &'a str,
    category: &'a str,
    #[serde(borrow)]
    properties: FrontDoorProperties<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Traefik<'a> {
    #[serde(rename = "StartUTC")]
    start: &'a str,
    #[serde(rename = "DownstreamStatus")]
    status: u16,
    #[serde(rename = "Duration")]
    duration: u64,
    #[serde(rename = "OriginDuration")]
    origin_duration: u64,
    #[serde(rename = "DownstreamContentSize")]
    sent: u64,
    #[serde(rename = "RequestContentSize")]
    received: u64,
    #[serde(rename = "RequestHost", borrow)]
    host: Cow<'a, str>,
    #[serde(rename = "RequestPath", borrow)]
    path: Cow<'a, str>,
    #[serde(rename = "ServiceName", borrow)]
    service: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct CaddyRequest<'a> {
    #[serde(borrow)]
    host: Cow<'a, str>,
    #[serde(borrow)]
    uri: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Caddy<'a> {
    logger: &'a str,
    ts: f64,
    duration: f64,
    status: u16,
    size: u64,
    bytes_read: u64,
    #[serde(borrow)]
    request: CaddyRequest<'a>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Cloudflare<'a> {
    #[serde(rename = "EdgeStartTimestamp")]
    start: &'a str,
    #[serde(rename = "EdgeEndTimestamp")]
    end: &'a str,
    #[serde(rename = "EdgeResponseStatus")]
    status: u16,
    #[serde(rename = "OriginResponseStatus")]
    origin_status: u16,
    #[serde(rename = "OriginResponseDurationMs")]
    origin_ms: u64,
    #[serde(rename = "ClientRequestBytes")]
    received: u64,
    #[serde(rename = "EdgeResponseBytes")]
    sent: u64,
    #[serde(rename = "ClientRequestHost", borrow)]
    host: Cow<'a, str>,
    #[serde(rename = "ClientRequestURI", borrow)]
    uri: Cow<'a, str>,
    #[serde(rename = "WorkerSubrequest")]
    subrequest: bool,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct Fastly<'a> {
    timestamp: &'a str,
    time_elapsed: u64,
    response_status: u16,
    response_body_size: u64,
    #[serde(borrow)]
    host: Cow<'a, str>,
    #[serde(borrow)]
    url: Cow<'a, str>,
}

#[derive(Deserialize)]
#[expect(dead_code, reason = "only read")]
struct External<'a> {
    time: &'a str,
    #[serde(borrow)]
    service: Cow<'a, str>,
    #[serde(borrow)]
    slo: Cow<'a, str>,
    good: u64,
    total: u64,
}
