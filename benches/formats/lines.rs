//! A line of every format, as its server writes it, with what a client sends in it: usual, and as nasty as it can be made.

use ninetail::core::settings::{Format, Input, Layout};

/// Lines of one kind. In the template `@` is a number that changes, `{path}` and `{agent}` are what the client sends.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) input: Input,
    /// Whether they are JSON.
    pub(crate) json: bool,
    template: &'static str,
    /// What the server writes for a quote; nothing where it escapes none.
    escape: &'static str,
}

/// How many bytes of lines are read in one turn.
const BYTES: usize = 2 << 20;
const PATH: &str = "/shop/item/@";
const AGENT: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/122.0.0.0 Safari/537.36";

impl Sample {
    /// Lines of usual requests.
    pub(crate) fn log(&self) -> Vec<u8> {
        self.of(PATH, &self.agent(AGENT))
    }

    /// Lines of requests that are meant to be slow to read, by what is done.
    pub(crate) fn hostile(&self) -> Vec<(&'static str, Vec<u8>)> {
        let escapes = |bytes: usize| self.escape.repeat(bytes / self.escape.len().max(1));
        let blanks = self.agent(&"a b ".repeat(AGENT.len() / 4));
        let long = format!("/{}", "a".repeat(3000));
        let mut hostile = vec![
            ("blanks", self.of(PATH, &blanks)),
            ("long path", self.of(&long, &self.agent(AGENT))),
            ("long agent", self.of(PATH, &self.agent(&"ab c".repeat(750)))),
        ];
        if self.escape.is_empty() {
            hostile.push(("quotes", self.of(PATH, &"\" ".repeat(AGENT.len() / 2))));
        } else {
            hostile.push(("escapes", self.of(&format!("/{}", escapes(PATH.len())), &escapes(AGENT.len()))));
            hostile.push(("many escapes", self.of(&format!("/{}", escapes(1000)), &escapes(1000))));
            let mixed = format!("ab{}", self.escape).repeat(200);
            hostile.push(("mixed escapes", self.of(&format!("/{mixed}"), &mixed)));
            let parted = format!("{} ", self.escape).repeat(AGENT.len() / (self.escape.len() + 1));
            hostile.push(("escapes and blanks", self.of(PATH, &self.agent(&parted))));
        }
        if let Some(open) = self.template.strip_suffix('}').filter(|_| self.json) {
            let deep = format!("{open},\"x\":{}1{}}}", "[".repeat(100), "]".repeat(100));
            hostile.push(("deep", Sample::lines(&deep, PATH, AGENT)));
        }
        hostile
    }

    /// The user agent as the server writes it.
    fn agent(&self, agent: &str) -> String {
        match self.input.format {
            Format::Cloudfront => agent.replace(' ', "%20"),
            Format::Iis | Format::W3c => agent.replace(' ', "+"),
            _ => agent.to_owned(),
        }
    }

    fn of(&self, path: &str, agent: &str) -> Vec<u8> {
        Sample::lines(self.template, path, agent)
    }

    fn lines(template: &str, path: &str, agent: &str) -> Vec<u8> {
        let line = template.replace("{path}", path).replace("{agent}", agent) + "\n";
        let mut log = Vec::new();
        for i in 0.. {
            if log.len() >= BYTES {
                break;
            }
            log.extend_from_slice(line.replace('@', &(100 + i % 900).to_string()).as_bytes());
        }
        log
    }
}

const COMBINED: &str = r#"203.0.113.9 - - [04/Mar/2024:10:00:12 +0000] "GET {path} HTTP/1.1" 200 @ "https://shop.example.com/cart" "{agent}""#;
const NGINX_JSON: &str = r#"{"time_iso8601":"2024-03-04T10:00:12+00:00","msec":"1709546412.@","remote_addr":"203.0.113.9","remote_user":"","request_method":"GET","request_uri":"{path}","server_protocol":"HTTP/1.1","status":"200","body_bytes_sent":"@","request_length":"@","request_time":"0.@","upstream_addr":"10.0.0.1:8080","upstream_status":"200","upstream_response_time":"0.@","http_host":"shop.example.com","http_referer":"https://shop.example.com/","http_user_agent":"{agent}","http_x_forwarded_for":"203.0.113.9","request_id":"4f1c@4f1c@"}"#;
const IIS: &str = "2024-01-02 03:04:05 10.0.0.1 GET {path} id=@ 443 - 192.0.2.7 {agent} https://shop.example.com/ 200 0 0 @";

/// One of every format, and of some more than one.
pub(crate) fn samples() -> Vec<Sample> {
    let mut all = columns();
    all.extend(text());
    all.extend(json());
    all
}

fn sample(name: &'static str, input: Input, escape: &'static str, template: &'static str) -> Sample {
    Sample { name, input, json: template.starts_with('{'), template, escape }
}

fn columns() -> Vec<Sample> {
    let columns = |text: &str| Layout::Columns(text.split(' ').map(str::to_owned).collect());
    let iis = "date time s-ip cs-method cs-uri-stem cs-uri-query s-port cs-username c-ip cs(User-Agent) cs(Referer) \
               sc-status sc-substatus sc-win32-status time-taken";
    let delimited = Layout::Mapped {
        pattern: None,
        separator: Some("|".into()),
        columns: "time status client_latency_ms host path client user_agent bytes_sent"
            .split(' ')
            .map(str::to_owned)
            .collect(),
        fields: Vec::new(),
    };
    vec![
        sample(
            "aws_alb",
            Format::AwsAlb.into(),
            "\\x22",
            r#"https 2024-03-04T10:00:12.500000Z app/edge/0123456789abcdef 203.0.113.9:4711 10.0.0.1:8080 0.001 0.@ 0.000 200 200 120 @ "GET https://shop.example.com:443{path} HTTP/1.1" "{agent}" TLS_AES_128_GCM_SHA256 TLSv1.3 arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/checkout-tg/0123456789abcdef "Root=1-65e59a4c-0123456789abcdef01234567" "shop.example.com" "session-reused" 10 2024-03-04T10:00:12.470000Z "forward" "-" "-" "10.0.0.1:8080" "200" "-" "-" TID_0123456789abcdef0123456789abcdef"#,
        ),
        sample(
            "aws_clb",
            Format::AwsClb.into(),
            "",
            r#"2015-05-13T23:39:43.945958Z my-loadbalancer 192.168.131.39:2817 10.0.0.1:80 0.000@ 0.@ 0.000057 200 200 0 @ "GET http://www.example.com:80{path} HTTP/1.1" "{agent}" - -"#,
        ),
        sample(
            "aws_nlb_tls",
            Format::AwsNlbTls.into(),
            "%22",
            r#"tls 2.0 2020-04-01T08:51:42 net/my-network-loadbalancer/c6e77e28c25b2234 g3d4b5e8bb8464cd 72.21.218.154:51341 172.100.100.185:443 @ 2 98 @ - arn:aws:acm:us-east-2:671290407336:certificate/2a108f19 - ECDHE-RSA-AES128-SHA tlsv12 - my-network-loadbalancer.elb.us-east-2.amazonaws.com h2 h2 "h2","http/1.1" 2020-04-01T08:51:20"#,
        ),
        sample(
            "cloudfront",
            Format::Cloudfront.into(),
            "%2522",
            "2019-12-04\t21:02:31\tLAX1\t@\t192.0.2.7\tGET\td111111abcdef8.cloudfront.net\t{path}\t200\t-\t{agent}\t-\t-\tHit\tSOX4xwn4XV6Q4rgb7XiVGOHms_BGlTAC4KyHmureZmBNrjGdRLiNIQ==\twww.example.com\thttps\t23\t0.@\t-\tTLSv1.2\tECDHE-RSA-AES128-GCM-SHA256\tHit\tHTTP/2.0\t-\t-\t11040\t0.001\tHit\ttext/html\t78\t-\t-",
        ),
        sample("iis", Input { layout: columns(iis), ..Format::Iis.into() }, "%22", IIS),
        sample("w3c", Input { layout: columns(iis), ..Format::W3c.into() }, "%22", IIS),
        sample(
            "delimited",
            Input { layout: delimited, ..Format::Delimited.into() },
            "%22",
            "2024-01-02T03:04:05.123456Z|200|@|www.example.com|{path}|192.0.2.7|{agent}|@",
        ),
    ]
}

fn text() -> Vec<Sample> {
    let declared = Layout::Text(
        "$remote_addr - $remote_user [$time_local] \"$request\" $status $body_bytes_sent \"$http_referer\" \"$http_user_agent\" \
         $request_time $upstream_response_time"
            .into(),
    );
    let pattern = r#"^\[(?<time>[^\]]+)\] (?<instance>\S+) "(?<request>[^"]*)" (?<status>\d+) (?<client_latency_s>[\d.]+) "(?<user_agent>[^"]*)"$"#;
    let regex = Layout::Mapped {
        pattern: Some(pattern.into()),
        separator: None,
        columns: Vec::new(),
        fields: Vec::new(),
    };
    let with_times = r#"203.0.113.9 - - [04/Mar/2024:10:00:12 +0000] "GET {path} HTTP/1.1" 200 @ "https://shop.example.com/cart" "{agent}" 0.@ 0.@"#;
    vec![
        sample("nginx", Format::Nginx.into(), "\\x22", COMBINED),
        sample("nginx, times", Format::Nginx.into(), "\\x22", with_times),
        sample("nginx, declared", Input { layout: declared, ..Format::Nginx.into() }, "\\x22", with_times),
        sample(
            "ingress_nginx",
            Format::IngressNginx.into(),
            "\\x22",
            r#"203.0.113.9 - - [04/Mar/2024:10:00:12 +0000] "GET {path} HTTP/1.1" 200 @ "https://shop.example.com/cart" "{agent}" 345 0.@ [shop-cart-80] [] 10.1.2.3:8080 612 0.@ 200 3db73c6c673c4256ade033a6ce08c2ab"#,
        ),
        sample("apache", Format::Apache.into(), "\\\"", COMBINED),
        sample(
            "haproxy",
            Format::Haproxy.into(),
            "#22",
            r#"haproxy[14389]: 10.0.0.9:4711 [04/Mar/2024:10:00:12.@] http-in shop/srv1 0/0/1/@/@ 200 @ - - ---- 9/8/1/1/0 0/0 {shop.example.com|{agent}} "GET {path} HTTP/1.1""#,
        ),
        sample(
            "envoy",
            Format::Envoy.into(),
            "",
            r#"[2016-04-15T20:17:00.310Z] "POST {path} HTTP/2" 204 - 154 @ @ 100 "10.0.35.28" "{agent}" "cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2" "locations" "10.0.2.1:80""#,
        ),
        sample(
            "istio",
            Format::Istio.into(),
            "",
            r#"[2022-09-01T13:08:55.358Z] "GET {path} HTTP/1.1" 200 - via_upstream - "-" 0 @ @ 22 "10.128.0.60" "{agent}" "2dc64af2-bd13-9962-819e-0b72064e7909" "shop.example.com" "10.124.1.6:9080" outbound|9080||reviews.default.svc.cluster.local 127.0.0.6:38601 10.124.1.6:9080 10.128.0.60:0 - default"#,
        ),
        sample(
            "traefik",
            Format::Traefik.into(),
            "",
            r#"172.17.1.2 - - [24/Nov/2024:13:38:04 +0000] "GET {path} HTTP/2" 200 @ "-" "{agent}" @ "web-docker" "http://172.17.0.3:80" @ms"#,
        ),
        sample(
            "fastly",
            Format::Fastly.into(),
            "",
            r#"203.0.113.9 - - [04/Mar/2024:10:00:12 +0000] "GET {path} HTTP/1.1" 200 @ "https://shop.example.com/cart" "{agent}""#,
        ),
        sample(
            "regex",
            Input { layout: regex, ..Format::Regex.into() },
            "%22",
            r#"[10/Oct/2000:13:55:36 -0700] web1 "GET {path} HTTP/1.1" 200 0.@ "{agent}""#,
        ),
    ]
}

fn json() -> Vec<Sample> {
    let escape = "\\\"";
    vec![
        sample(
            "cloudfront, json",
            Format::Cloudfront.into(),
            escape,
            r#"{"date":"2019-12-04","time":"21:02:31","x-edge-location":"LAX1","sc-bytes":"@","c-ip":"192.0.2.7","cs-method":"GET","cs(Host)":"d111111abcdef8.cloudfront.net","cs-uri-stem":"{path}","sc-status":"200","cs(Referer)":"-","cs(User-Agent)":"{agent}","x-edge-result-type":"Hit","x-host-header":"www.example.com","cs-protocol":"https","cs-bytes":"23","time-taken":"0.@"}"#,
        ),
        sample("nginx_json", Format::NginxJson.into(), escape, NGINX_JSON),
        sample("json", Format::Json.into(), escape, NGINX_JSON),
        sample(
            "envoy_json",
            Format::EnvoyJson.into(),
            escape,
            r#"{"start_time":"2024-03-04T10:00:12.@Z","method":"POST","x-envoy-origin-path":"{path}","protocol":"HTTP/2","response_code":204,"response_flags":"-","response_code_details":"via_upstream","connection_termination_details":null,"upstream_transport_failure_reason":null,"bytes_received":@,"bytes_sent":@,"duration":@,"x-envoy-upstream-service-time":"@","x-forwarded-for":"10.0.35.28","user-agent":"{agent}","x-request-id":"cc21d9b0-cf5c-432b-8c7e-98aeb7988cd2",":authority":"locations","upstream_host":"10.0.2.1:80","upstream_cluster":"httproute/default/backend/rule/0","downstream_local_address":"10.0.2.9:10080","downstream_remote_address":"10.0.35.28:50718","route_name":"route"}"#,
        ),
        sample(
            "istio_json",
            Format::IstioJson.into(),
            escape,
            r#"{"authority":"shop.example.com","bytes_received":0,"bytes_sent":@,"connection_termination_details":null,"downstream_local_address":"10.124.1.6:9080","downstream_remote_address":"10.128.0.60:0","duration":@,"method":"GET","path":"{path}","protocol":"HTTP/1.1","request_id":"2dc64af2-bd13-9962-819e-0b72064e7909","requested_server_name":"outbound_.9080_._.productpage.default.svc.cluster.local","response_code":200,"response_code_details":"via_upstream","response_flags":"-","route_name":"default","start_time":"2022-09-01T13:08:55.@Z","upstream_cluster":"inbound|9080||","upstream_host":"10.124.1.6:9080","upstream_local_address":"127.0.0.6:38601","upstream_service_time":"@","upstream_transport_failure_reason":null,"user_agent":"{agent}","x_forwarded_for":"10.128.0.60"}"#,
        ),
        sample(
            "gcp_lb",
            Format::GcpLb.into(),
            escape,
            r#"{"httpRequest":{"latency":"0.005@s","protocol":"HTTP/1.1","referer":"https://r.example/","remoteIp":"81.2.69.142:52710","requestMethod":"GET","requestSize":"577","requestUrl":"https://shop.example.com{path}","responseSize":"@","serverIp":"10.0.0.1:80","status":200,"userAgent":"{agent}"},"insertId":"1abc@","jsonPayload":{"kind":"type.googleapis.com/google.cloud.loadbalancing.type.LoadBalancerLogEntry","statusDetails":"response_sent_by_backend"},"logName":"projects/p/logs/requests","receiveTimestamp":"2024-03-04T10:00:13.123456789Z","resource":{"labels":{"backend_service_name":"web-backend","forwarding_rule_name":"fr","project_id":"p","target_proxy_name":"tp","url_map_name":"um","zone":"global"},"type":"http_load_balancer"},"severity":"INFO","timestamp":"2024-03-04T10:00:12.500@Z","trace":"projects/p/traces/t1","spanId":"s"}"#,
        ),
        sample(
            "azure_appgw",
            Format::AzureAppgw.into(),
            escape,
            r#"{"timeStamp":"2021-10-14T22:17:11+00:00","resourceId":"/SUBSCRIPTIONS/S/RESOURCEGROUPS/R/PROVIDERS/MICROSOFT.NETWORK/APPLICATIONGATEWAYS/GW1","listenerName":"HTTP-Listener","ruleName":"Storage-Static-Rule","backendPoolName":"Static","operationName":"ApplicationGatewayAccess","category":"ApplicationGatewayAccessLog","properties":{"instanceId":"appgw_2","clientIP":"185.42.129.24","clientPort":45057,"httpMethod":"GET","originalRequestUriWithArgs":"{path}","requestUri":"{path}","requestQuery":"","userAgent":"{agent}","httpStatus":200,"httpVersion":"HTTP/1.1","receivedBytes":184,"sentBytes":@,"clientResponseTime":0,"timeTaken":0.@,"transactionId":"592d1649f75a8d480a3c4dc6a975309d","sslEnabled":"on","serverRouted":"52.239.221.65:443","serverStatus":"200","serverResponseLatency":"0.@","originalHost":"shop.example.com","host":"20.110.30.194"}}"#,
        ),
        sample(
            "azure_frontdoor",
            Format::AzureFrontdoor.into(),
            escape,
            r#"{"time":"2024-03-04T10:00:12.5000@Z","resourceId":"/S/P","category":"FrontDoorAccessLog","operationName":"Microsoft.Cdn/Profiles/AccessLog/Write","properties":{"trackingReference":"0abc@","httpMethod":"GET","httpVersion":"1.1.0.0","requestUri":"https://www.example.com:443{path}","sni":"www.example.com","requestBytes":"1325","responseBytes":"@","userAgent":"{agent}","clientIp":"1.2.3.4","clientPort":"52710","socketIp":"1.2.3.4","timeToFirstByte":"0.@","timeTaken":"0.@","requestProtocol":"HTTPS","securityProtocol":"TLS 1.2","endpoint":"ep.z01.azurefd.net","httpStatusCode":"200","pop":"FRA","cacheStatus":"CACHE_NOCONFIG","errorInfo":"NoError","result":"N/A","hostName":"www.example.com","originName":"o.example:443"}}"#,
        ),
        sample(
            "traefik, json",
            Format::Traefik.into(),
            escape,
            r#"{"ClientAddr":"10.0.0.9:52710","ClientHost":"10.0.0.9","ClientPort":"52710","ClientUsername":"-","DownstreamContentSize":@,"DownstreamStatus":200,"Duration":3500@,"OriginContentSize":15,"OriginDuration":3000@,"OriginStatus":200,"Overhead":500000,"RequestAddr":"www.example.com","RequestContentSize":3,"RequestCount":@,"RequestHost":"www.example.com","RequestMethod":"GET","RequestPath":"{path}","RequestPort":"-","RequestProtocol":"HTTP/1.1","RequestScheme":"https","RetryAttempts":0,"RouterName":"web-docker","ServiceAddr":"172.18.0.3:80","ServiceName":"web-docker","ServiceURL":"http://172.18.0.3:80","StartLocal":"2024-03-04T11:00:12.5+01:00","StartUTC":"2024-03-04T10:00:12.500000@Z","entryPointName":"websecure","level":"info","msg":"","request_User-Agent":"{agent}","time":"2024-03-04T10:00:13Z"}"#,
        ),
        sample(
            "caddy",
            Format::Caddy.into(),
            escape,
            r#"{"level":"info","ts":1709546412.500@,"logger":"http.log.access","msg":"handled request","request":{"remote_ip":"203.0.113.9","remote_port":"41342","client_ip":"203.0.113.9","proto":"HTTP/2.0","method":"GET","host":"example.com","uri":"{path}","headers":{"User-Agent":["{agent}"],"Accept":["*/*"],"Accept-Encoding":["gzip, br"]},"tls":{"resumed":false,"version":772,"cipher_suite":4865,"proto":"h2","server_name":"example.com"}},"bytes_read":0,"user_id":"","duration":0.000@,"size":@,"status":200,"resp_headers":{"Server":["Caddy"],"Content-Type":["text/html; charset=utf-8"]}}"#,
        ),
        sample(
            "cloudflare",
            Format::Cloudflare.into(),
            escape,
            r#"{"ClientIP":"203.0.113.9","ClientRequestHost":"www.example.com","ClientRequestMethod":"GET","ClientRequestURI":"{path}","EdgeEndTimestamp":"2022-05-25T13:25:26Z","EdgeResponseBytes":@,"EdgeResponseStatus":200,"EdgeStartTimestamp":"2022-05-25T13:25:25Z","RayID":"710e98d9@","CacheCacheStatus":"dynamic","ClientCountry":"de","EdgeTimeToFirstByteMs":@,"OriginResponseDurationMs":@,"OriginResponseStatus":200,"ClientRequestBytes":@,"ClientRequestUserAgent":"{agent}","ZoneName":"example.com","WorkerSubrequest":false}"#,
        ),
        sample(
            "fastly, json",
            Format::Fastly.into(),
            escape,
            r#"{"timestamp":"2021-11-12T16:59:45+0000","client_ip":"203.0.113.9","geo_country":"germany","geo_city":"x","host":"www.example.com","url":"{path}","request_method":"GET","request_protocol":"HTTP/2","request_referer":"","request_user_agent":"{agent}","response_state":"MISS-CLUSTER","response_status":404,"response_reason":"Not Found","response_body_size":@,"time_elapsed":@,"fastly_server":"cache-fra19120-FRA","fastly_is_edge":true}"#,
        ),
        sample(
            "external",
            Format::External.into(),
            escape,
            r#"{"time":"2024-03-04T10:00:12.5Z","service":"checkout","slo":"correctness","good":@,"total":1000,"path":"{path}","by":"{agent}"}"#,
        ),
    ]
}
