//! Lines of servers and proxies that a site runs.

use super::{Request, Written, by_apache, by_haproxy, by_nginx, seconds, written};
use ninetail::core::settings::{Format, Layout};
use serde_json::json;

pub(super) fn by_servers(format: Format, request: &Request) -> Vec<Written> {
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

pub(super) fn by_envoy(format: Format, request: &Request) -> Vec<Written> {
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
