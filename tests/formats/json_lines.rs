//! The JSON formats against the slow reader, and against a writer.

use super::json_slow::{OBJECT, Spec, get, has};
use super::mutation::Mutation;
use super::values_slow::quantity;
use super::{cases, parser, read, sorted};
use ninetail::core::record::Fields;
use ninetail::core::settings::{Format, Layout};
use proptest::prelude::*;
use serde_json::{Value, json};

const USUAL: Spec = Spec {
    members: "",
    gone: &[499],
    no_status: false,
    from_start: false,
    guesses: false,
    before: |_| None,
    after: |_, _| {},
};

fn skipped() -> Option<Value> {
    Some(json!({ "skipped": true }))
}

fn refused() -> Option<Value> {
    Some(json!({ "rejected": "not_this_format" }))
}

fn specs() -> Vec<(Format, Spec)> {
    vec![
        (
            Format::NginxJson,
            Spec {
                members: "
                    time end msec time_iso8601 time_local time timestamp @timestamp ts datetime date_time date event_time eventTime
                    request_creation start start_time startTime StartUTC
                    status status status http_status status_code statusCode http_status_code response_status response_code code http.response.status_code http.status_code httpRequest.status response.status res.statusCode
                    upstream_status statuses upstream_status
                    client_latency_us dur:6 request_time responsetime response_time request_duration duration rt
                    upstream_latency_us durs:6 upstream_response_time upstreamtime upstream_time upstream_duration urt
                    bytes_received count request_length bytes_received bytes_in request_size http.request.bytes
                    bytes_sent count bytes_sent body_bytes_sent bytes_out response_size response_bytes http.response.bytes http.response.body.bytes bytes size
                    user_agent text http_user_agent user_agent user_agent.original
                    request_id text request_id
                    user text remote_user",
                ..USUAL
            },
        ),
        (
            Format::EnvoyJson,
            Spec {
                members: "
                    request_creation start start_time
                    status status response_code
                    client_latency_us dur:3 duration
                    upstream_latency_us dur:3 x-envoy-upstream-service-time upstream_service_time
                    bytes_received count bytes_received
                    bytes_sent count bytes_sent
                    method text method
                    protocol text protocol
                    user_agent text user-agent user_agent
                    upstream text upstream_cluster upstream_cluster_name
                    upstream_server text upstream_host
                    termination text response_flags",
                after: |flat, record| {
                    if record.contains_key("status") {
                        return;
                    }
                    if get(flat, "method").or(get(flat, "protocol")).is_none() {
                        record.clear();
                        record.insert("skipped".into(), true.into());
                    } else if get(flat, "response_flags").is_some_and(|f| f.split(',').any(|f| f == "DC")) {
                        record.insert("client_gone".into(), true.into());
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::IstioJson,
            Spec {
                members: "
                    request_creation start start_time
                    status status response_code
                    client_latency_us dur:3 duration
                    upstream_latency_us dur:3 x-envoy-upstream-service-time upstream_service_time
                    bytes_received count bytes_received
                    bytes_sent count bytes_sent
                    method text method
                    path uri x-envoy-origin-path x-envoy-original-path path
                    protocol text protocol
                    host authority :authority authority
                    request_id text x-request-id request_id
                    client address downstream_remote_address
                    user_agent text user-agent user_agent
                    error_reason text response_code_details
                    forwarded_for text x-forwarded-for x_forwarded_for
                    upstream text upstream_cluster upstream_cluster_name
                    upstream_server text upstream_host
                    frontend text downstream_local_address
                    route_name text route_name
                    termination text response_flags
                    sni text requested_server_name",
                after: |flat, record| {
                    if record.contains_key("status") {
                        return;
                    }
                    let given = |path| get(flat, path).is_some();
                    if !given("method") && !given("protocol") {
                        record.clear();
                        record.insert("skipped".into(), true.into());
                    } else if get(flat, "response_flags").unwrap_or_default().split(',').any(|flag| flag == "DC") {
                        record.insert("client_gone".into(), true.into());
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::AzureAppgw,
            Spec {
                members: "
                    time end timeStamp timestamp time TimeGenerated
                    status status properties.httpStatus httpStatus
                    upstream_status statuses properties.serverStatus serverStatus
                    upstream_latency_us dur:6 properties.serverResponseLatency serverResponseLatency
                    bytes_received count properties.receivedBytes receivedBytes
                    bytes_sent count properties.sentBytes sentBytes
                    method text properties.httpMethod httpMethod
                    path uri properties.originalRequestUriWithArgs originalRequestUriWithArgs properties.requestUri requestUri
                    query text properties.requestQuery requestQuery
                    protocol text properties.httpVersion httpVersion
                    host authority properties.originalHost originalHost properties.host host
                    request_id text properties.transactionId transactionId
                    client address properties.clientIP clientIP properties.clientIp clientIp
                    client_port count properties.clientPort clientPort
                    error_reason text properties.error_info error_info properties.errorInfo errorInfo properties.ErrorInfo ErrorInfo
                    upstream text backendPoolName properties.backendPoolName
                    upstream_server text properties.serverRouted serverRouted
                    instance text properties.instanceId instanceId",
                before: |flat| match get(flat, "category") {
                    None | Some("ApplicationGatewayAccessLog") => None,
                    Some(_) => skipped(),
                },
                after: |flat, record| {
                    let either = |name: &str| get(flat, &format!("properties.{name}")).or(get(flat, name));
                    let first = either("instanceId").is_some_and(|name| name.starts_with("ApplicationGatewayRole"));
                    let Some(taken) = either("timeTaken") else { return };
                    match quantity(taken, if first { 3 } else { 6 }, true) {
                        Ok(Some(us)) => drop(record.insert("client_latency_us".into(), us)),
                        Ok(None) => {}
                        Err(()) => {
                            record.clear();
                            record.insert("rejected".into(), "bad_number".into());
                        }
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::Fastly,
            Spec {
                members: "
                    time end time_end
                    request_creation start time_start timestamp
                    status status response_status status resp_status
                    client_latency_us dur:0 time_elapsed time_elapsed_usec elapsed_usec
                    client_latency_us dur:3 time_elapsed_msec elapsed_msec
                    bytes_sent count resp_bytes_written response_body_size resp_body_size resp_body_bytes_written
                    bytes_received count req_bytes_read req_body_size req_body_bytes_read
                    method text request_method
                    protocol text request_protocol
                    host authority host
                    path uri url
                    referer text request_referer
                    user_agent text request_user_agent
                    cache_status text response_state fastly_info_state cache_status
                    edge_location text pop server_datacenter datacenter
                    instance text fastly_server server_identity
                    country text geo_country geo_country_code
                    zone text service_id
                    upstream text backend origin_host
                    path request request",
                guesses: true,
                ..USUAL
            },
        ),
        (
            Format::Json,
            Spec {
                members: "
                    time end msec time_iso8601 time_local time timestamp @timestamp ts datetime date_time date event_time eventTime
                    request_creation start start_time startTime StartUTC
                    status status status http_status status_code statusCode http_status_code response_status response_code code http.response.status_code http.status_code httpRequest.status response.status res.statusCode
                    upstream_status statuses upstream_status
                    client_latency_us dur:6 request_time duration_s duration_seconds latency_s latency_seconds
                    client_latency_us dur:3 duration_ms durationMs latency_ms latencyMs response_time_ms request_time_ms elapsed_ms took_ms
                    client_latency_us dur:0 duration_us latency_us request_time_us response_time_us
                    client_latency_us dur:-3 duration_ns latency_ns event.duration
                    client_latency_us dur_written duration latency elapsed response_time responseTime took httpRequest.latency
                    upstream_latency_us durs:6 upstream_response_time
                    bytes_received count request_length bytes_received bytes_in request_size http.request.bytes
                    bytes_sent count bytes_sent body_bytes_sent bytes_out response_size response_bytes http.response.bytes http.response.body.bytes bytes size
                    method text method request_method http_method requestMethod verb http.request.method http.method httpRequest.requestMethod req.method
                    path uri request_uri uri path url url.original url.full url.path http.target http.url requestUrl httpRequest.requestUrl req.url
                    query text query query_string args url.query
                    protocol text protocol server_protocol http_protocol
                    path request request request_line
                    host authority http_host host server_name vhost authority :authority url.domain http.host
                    request_id text request_id x_request_id requestId req_id http_x_request_id http.request.id trace_id
                    client address remote_addr client_ip clientip clientIp remote_ip remoteIp client.ip client.address source.ip httpRequest.remoteIp client
                    user_agent text http_user_agent user_agent user_agent.original userAgent useragent http.user_agent agent
                    referer text http_referer http_referrer referer referrer http.request.referrer
                    upstream text proxy_upstream_name upstream_name upstream_cluster
                    upstream_server last upstream_addr upstream_host",
                gone: &[499, 460],
                guesses: true,
                ..USUAL
            },
        ),
        (
            Format::GcpLb,
            Spec {
                members: "
                    request_creation start timestamp
                    status status httpRequest.status
                    client_latency_us dur:6 httpRequest.latency
                    bytes_received count httpRequest.requestSize
                    bytes_sent count httpRequest.responseSize
                    method text httpRequest.requestMethod
                    upstream text resource.labels.backend_service_name
                    request_id text trace insertId",
                no_status: true,
                before: |flat| {
                    let first = flat.iter().find(|(path, _)| path == "httpRequest");
                    let is_object = first.is_some_and(|(_, text)| text.as_deref() == Some(OBJECT));
                    match is_object {
                        true => None,
                        false if get(flat, "logName").or(get(flat, "insertId")).is_some() => skipped(),
                        false => refused(),
                    }
                },
                after: |flat, record| {
                    let gone = |path| {
                        get(flat, path).is_some_and(|text| text.contains("client_disconnected_before_any_response"))
                    };
                    if !record.contains_key("status") && (gone("jsonPayload.statusDetails") || gone("jsonPayload.proxyStatus")) {
                        record.insert("client_gone".into(), true.into());
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::AzureFrontdoor,
            Spec {
                members: "
                    time end time timeStamp timestamp TimeGenerated
                    status status properties.httpStatusCode httpStatusCode
                    client_latency_us dur:6 properties.timeTaken timeTaken
                    bytes_received count properties.requestBytes requestBytes
                    bytes_sent count properties.responseBytes responseBytes
                    method text properties.httpMethod httpMethod
                    first_byte_us dur:6 properties.timeToFirstByte timeToFirstByte
                    cache_status text properties.cacheStatus cacheStatus",
                before: |flat| {
                    let from = get(flat, "properties.isReceivedFromClient").or(get(flat, "isReceivedFromClient"));
                    match get(flat, "category") {
                        Some(category) if !category.eq_ignore_ascii_case("frontdooraccesslog") => skipped(),
                        _ if from.is_some_and(|from| from.eq_ignore_ascii_case("false")) => skipped(),
                        _ => None,
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::Traefik,
            Spec {
                members: "
                    request_creation start StartUTC StartLocal
                    time end time
                    status status DownstreamStatus
                    upstream_status statuses OriginStatus
                    client_latency_us dur:-3 Duration
                    upstream_latency_us dur:-3 OriginDuration
                    bytes_received count RequestContentSize
                    bytes_sent count DownstreamContentSize
                    method text RequestMethod
                    upstream text ServiceName
                    user_agent text request_User-Agent
                    retries count RetryAttempts",
                no_status: true,
                from_start: true,
                before: |flat| {
                    if ["DownstreamStatus", "RequestMethod", "Duration"].iter().any(|path| has(flat, path)) {
                        None
                    } else if ["level", "msg", "message"].iter().any(|path| has(flat, path)) {
                        skipped()
                    } else {
                        refused()
                    }
                },
                after: |_, record| {
                    if !record.contains_key("status") {
                        record.insert("client_gone".into(), true.into());
                    }
                },
                ..USUAL
            },
        ),
        (
            Format::Caddy,
            Spec {
                members: "
                    time end ts time
                    status status status
                    client_latency_us dur:6 duration latency
                    bytes_received count bytes_read
                    bytes_sent count size
                    method text request.method
                    protocol text request.proto
                    user_agent text request.headers.User-Agent.0
                    content_type text resp_headers.Content-Type.0
                    user text user_id",
                before: |flat| match (get(flat, "logger"), get(flat, "msg")) {
                    (Some(logger), _) if logger.starts_with("http.log.access") => None,
                    (None, Some("handled request")) => None,
                    (None, None) => refused(),
                    _ => skipped(),
                },
                ..USUAL
            },
        ),
        (
            Format::Cloudflare,
            Spec {
                members: "
                    request_creation start EdgeStartTimestamp
                    time end EdgeEndTimestamp
                    status status EdgeResponseStatus
                    upstream_status statuses OriginResponseStatus
                    upstream_latency_us dur:3 OriginResponseDurationMs
                    upstream_latency_us dur:-3 OriginResponseTime
                    bytes_received count ClientRequestBytes
                    bytes_sent count EdgeResponseBytes
                    method text ClientRequestMethod
                    first_byte_us dur:3 EdgeTimeToFirstByteMs
                    request_id text RayID
                    cache_status text CacheCacheStatus",
                before: |flat| (get(flat, "WorkerSubrequest") == Some("true")).then(|| skipped().unwrap_or_default()),
                after: |flat, record| {
                    if get(flat, "OriginResponseStatus") == Some("0") && record.get("upstream_latency_us") == Some(&json!(0)) {
                        record.remove("upstream_latency_us");
                    }
                },
                ..USUAL
            },
        ),
    ]
}

/// The fields that a line of a table fills.
fn filled(member: &str) -> Vec<&str> {
    let mut words = member.trim().split(' ');
    let field = words.next().unwrap_or_default();
    match words.next() {
        Some("uri") => vec!["path", "query", "host", "port", "scheme"],
        Some("request") => vec!["method", "path", "query", "host", "port", "protocol"],
        Some("authority") => vec!["host", "port"],
        Some("address") => vec!["client", "client_port"],
        Some(_) => vec![field],
        None => Vec::new(),
    }
}

/// Another value in place of one member's.
fn twist(mutation: &mut Mutation, mut line: Vec<u8>) -> Vec<u8> {
    const VALUES: [&[u8]; 34] = [
        b"null",
        b"-",
        b"",
        b"\"\"",
        b"\"-\"",
        b"0",
        b"000",
        b"101",
        b"499",
        b"\"200\"",
        b"200.0",
        b"2e2",
        b"1e-3",
        b"12.345678901",
        b"-1",
        b"99999999999999999999",
        b"true",
        b"{}",
        b"[]",
        b"[1,\"2\"]",
        b"{\"0\":1}",
        b"0.1, 0.2",
        b"\"0.1, - : 0.2\"",
        b"\"12ms\"",
        b"\"1m2.5s\"",
        b"\"2024-03-04T10:00:12.123456789+0100\"",
        b"\"04/Mar/2024:10:00:12 +0100\"",
        b"1709546412",
        b"1709546412500",
        b"1709546412.25",
        b"\"\\u0032\\u00e9\\ud83d\\ude00\\ud800\"",
        b"\"\\x41\\q\"",
        b"nul",
        b"10.0.0.1:80",
    ];
    let colons: Vec<usize> = (1..line.len()).filter(|i| line[*i] == b':' && line[*i - 1] == b'"').collect();
    let Some(&colon) = colons.get(mutation.below(colons.len())) else { return line };
    let end = line[colon..].iter().position(|b| matches!(b, b',' | b'}')).map_or(line.len(), |at| colon + at);
    line.splice(colon + 1..end, VALUES[mutation.below(VALUES.len())].iter().copied());
    line
}

#[test]
fn json_formats_agree_with_the_slow_reader() {
    const CHECKED: [&str; 10] = [
        "rejected",
        "skipped",
        "time",
        "status",
        "client_latency_us",
        "bytes_received",
        "bytes_sent",
        "client_gone",
        "websocket",
        "request_creation",
    ];
    for (format, spec) in specs() {
        let usual = cases(format).into_iter().filter(|case| case.input.layout == Layout::Usual);
        let is_json = |line: &Vec<u8>| line.first() == Some(&b'{');
        let seeds: Vec<Vec<u8>> = usual.flat_map(|case| case.lines).filter(is_json).collect();
        // Those that the writer of a line would write.
        let mut fast = parser(&format.into());
        let mut mutation = Mutation::seeded(11);
        for round in 0..1_500 {
            let mut line = if round < seeds.len() {
                seeds[round].clone()
            } else {
                seeds[mutation.below(seeds.len())].clone()
            };
            if round >= seeds.len() {
                for _ in 0..=mutation.below(3) {
                    line = twist(&mut mutation, line);
                }
                if mutation.below(3) == 0 {
                    line = mutation.of(&[line]);
                }
            }
            if line.first() != Some(&b'{') {
                continue;
            }
            let (found, expected) = (read(&mut fast, &line, Fields::ALL), spec.read(&line));
            let place =
                format!("{format:?} {}\n{}\n\n{}", line.escape_ascii(), sorted(&found), sorted(&expected));
            // Where a broken line breaks first is a matter of taste.
            let unread =
                |value: &Value| matches!(value["rejected"].as_str(), Some("truncated" | "broken_json"));
            if unread(&found) && unread(&expected) {
                continue;
            }
            let own = spec
                .members
                .split_whitespace()
                .filter(|word| found.get(word).is_some() && expected.get(word).is_some());
            for key in CHECKED.into_iter().chain(own) {
                assert_eq!(found.get(key), expected.get(key), "{key} of {place}");
            }
            for field in spec.members.lines().flat_map(filled) {
                assert_eq!(found.get(field), expected.get(field), "{field} of {place}");
            }
        }
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        status in 100u16..1000,
        micros in 946_684_800_000_000_i64..4_000_000_000_000_000,
        latency in 0u64..100_000_000_000,
        sent in any::<u64>(),
        agent in "[ -~é\n\"\\\\]{1,40}",
        path in "/[a-z/\"\\\\é]{0,20}",
        pretty in any::<bool>(),
    ) {
        let time = jiff::Timestamp::from_microsecond(micros).unwrap_or_default();
        let value = json!({
            "time_iso8601": format!("{time:.6}"), "status": status, "request_time": format!("{}.{:06}", latency / 1_000_000, latency % 1_000_000),
            "bytes_sent": sent, "http_user_agent": agent, "request_uri": path, "more": { "status": 1, "list": [1, "}", {}] },
        });
        let line = if pretty { serde_json::to_vec_pretty(&value) } else { serde_json::to_vec(&value) }.unwrap_or_default();
        let found = read(&mut parser(&Format::NginxJson.into()), &line, Fields::ALL);
        prop_assert_eq!(&found["status"], &json!(status));
        prop_assert_eq!(found["time"].as_str().and_then(|t| t.parse::<jiff::Timestamp>().ok()), Some(time));
        prop_assert_eq!(&found["client_latency_us"], &json!(latency));
        prop_assert_eq!(&found["bytes_sent"], &json!(sent));
        prop_assert_eq!(&found["path"], &json!(path));
        let agent = if agent == "-" { Value::Null } else { json!(agent) };
        prop_assert_eq!(found.get("user_agent").unwrap_or(&Value::Null), &agent);
    }
}
