//! Lines of further servers, and those that a site declares.

use super::{Request, Written, mapped, seconds, written};
use ninetail::core::settings::{Format, Layout, Mapping};
use serde_json::{Map, Value, json};

pub(super) fn by_others(format: Format, request: &Request) -> Vec<Written> {
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
            let columns = super::super::w3c_slow::IIS.map(str::to_owned).to_vec();
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

pub(super) fn by_sites(format: Format, request: &Request) -> Vec<Written> {
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
