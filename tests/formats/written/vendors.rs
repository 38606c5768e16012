//! Lines of load balancers and networks that are somebody's service.

use super::{Request, Written, by_alb, by_cloudfront, seconds, written};
use ninetail::core::settings::Format;
use serde_json::{Map, Value, json};

pub(super) fn by_amazon(format: Format, request: &Request) -> Vec<Written> {
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

pub(super) fn by_clouds(format: Format, request: &Request) -> Vec<Written> {
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
