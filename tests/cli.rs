//! The command line as a user meets it: the real binary, its output and exit codes.

#[cfg(target_os = "linux")]
#[path = "cli/memory.rs"]
mod memory;
#[path = "cli/schemas.rs"]
mod schemas;

use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ninetail(arguments: &[&str]) -> Output {
    ninetail_with(arguments, b"")
}

fn ninetail_with(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .args(arguments)
        .current_dir(root())
        .env_remove("KAFKA_BROKERS")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    // A command that reads no input may have closed it.
    let _ = child.stdin.take().expect("piped").write_all(input);
    child.wait_with_output().expect("the binary ends")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[track_caller]
fn done(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    stdout(output)
}

/// Every pipeline in the repository.
fn pipelines() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = std::fs::read_dir(root().join("pipelines"))
        .expect("listed")
        .map(|entry| entry.expect("listed").path())
        .filter(|path| path.extension().is_some_and(|e| e == "yaml") && !path.ends_with("compose.yaml"))
        .collect();
    found.sort();
    assert!(found.len() >= 2);
    found
}

#[test]
fn every_pipeline_is_valid_and_passes_its_tests() {
    for path in pipelines() {
        let path = path.to_str().expect("UTF-8");
        let checked = ninetail(&["check", "--offline", "--deny-warnings", path]);
        assert!(done(&checked).contains(": valid"), "{path}");
        let tested = done(&ninetail(&["test", path]));
        assert!(tested.contains(" tests passed") && !tested.contains(" 0 tests"), "{path}: {tested}");
    }
}

#[test]
fn an_invalid_pipeline_exits_with_78_and_shows_where() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let good = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    std::fs::write(&path, good.replace("objective: 99.9 ", "objective: 100 ")).expect("written");
    let path = path.to_str().expect("UTF-8");
    for arguments in [vec!["check", "--offline", path], vec!["explain", path], vec!["test", path]] {
        let output = ninetail(&arguments);
        assert_eq!(output.status.code(), Some(78), "{arguments:?}: {}", stderr(&output));
        let said = stderr(&output);
        for words in ["error: ", "p.yaml:", "objective: 100 ", "^^^", "hint: "] {
            assert!(said.contains(words), "{words}: {said}");
        }
        assert!(stdout(&output).is_empty());
    }
}

#[test]
fn exit_codes_tell_what_happened() {
    let cases: [(&[&str], i32); 7] = [
        (&["--version"], 0),
        (&["frobnicate"], 2),
        (&["explain"], 2),
        (&["explain", "--format", "nginx_kombined"], 2),
        (&["formats", "nginx_kombined"], 2),
        (&["test", "pipelines/absent.yaml"], 1),
        (&["check", "pipelines/quickstart.yaml", "--offline", "--review", "--deny-warnings"], 3),
    ];
    for (arguments, code) in cases {
        let output = ninetail(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    }
}

const LINE: &str = "http 2018-07-02T22:23:00.186641Z app/my-loadbalancer/50dc6c495c0c9188 192.168.131.39:2817 10.0.0.1:80 0.000 0.001 0.000 200 200 34 366 \"GET http://www.example.com:80/ HTTP/1.1\" \"curl/7.46.0\" - - arn:aws:elasticloadbalancing:us-east-2:123456789012:targetgroup/my-targets/73e2d6bc24d8a067 \"Root=1-58337262-36d228ad5d99923122bbe354\" \"-\" \"-\" 0 2018-07-02T22:22:48.364000Z \"forward\" \"-\" \"-\" \"10.0.0.1:80\" \"200\" \"-\" \"-\"";

#[test]
fn explain_prints_one_object_a_line() {
    let input = format!("{LINE}\n\nnonsense\r\n");
    let output =
        ninetail_with(&["explain", "pipelines/quickstart.yaml", "--output", "json"], input.as_bytes());
    let objects: Vec<Value> =
        done(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(objects.len(), 3);
    let first = &objects[0];
    let keys: Vec<&String> = first.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["outcome", "reason", "format", "envelope", "record", "service", "slice", "slis"]);
    assert_eq!(first["outcome"], "record");
    assert_eq!(first["format"], "aws_alb");
    assert_eq!(first["record"]["client_latency_us"], 11_822_641);
    assert_eq!(first["record"]["upstream_latency_us"], 1_000);
    assert_eq!(first["record"]["error_reason"], Value::Null);
    assert_eq!(first["service"], "my-targets");
    assert_eq!(first["slice"], "2018-07-02T22:23:00Z");
    assert_eq!(first["slis"], serde_json::json!({ "availability": "good", "latency": "bad" }));
    assert_eq!((&objects[1]["outcome"], &objects[1]["reason"]), (&"rejected".into(), &"empty".into()));
    assert_eq!((&objects[2]["reason"], &objects[2]["record"]), (&"not_this_format".into(), &Value::Null));
    let text = done(&ninetail_with(&["explain", "pipelines/quickstart.yaml"], input.as_bytes()));
    for words in ["line 1: record", "my-targets", "line 3: rejected, not_this_format"] {
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn explain_shows_route_dimensions_and_the_service_of_a_table() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let pipeline = "version: 1
name: edge
sources: [{ name: alb, format: aws_alb, duplicates: estimate }]
routes: [{ match: '^/u/[^/]+$', route: '/u/{name}' }]
services:
  - map: { field: host, values: { shop.example.com: shop } }
  - name: rest
slos:
  - { name: availability, objective: 99.9, indicator: { good: status < 500, exclude: 'route == \"/u/{name}\"' } }
sinks: { rollups: { dimensions: [route, method, rule_priority] } }
tests:
  - name: an id is taken out
    line: LINE
    expect: { service: shop, slis: { availability: good }, record: { route: '/cart/{id}' } }
";
    let line = |path: &str| {
        format!(
            "https 2025-03-04T10:00:00.000001Z app/prod/0123456789abcdef 203.0.113.7:51234 10.0.0.1:8080 0.001 0.010 0.000 200 200 \
             120 4300 \"GET https://shop.example.com:443{path} HTTP/2.0\" \"curl/8.5.0\" TLS_AES_128_GCM_SHA256 TLSv1.3 - \
             \"Root=1-67c6d0a0-000000000000000000000001\" \"shop.example.com\" \"session-reused\" - 2025-03-04T09:59:59.980000Z \
             \"forward\" \"-\" \"-\" \"10.0.0.1:8080\" \"200\" \"-\" \"-\"\n"
        )
    };
    let text = pipeline.replace("LINE", &format!("'{}'", line("/cart/17").trim_end()));
    std::fs::write(&path, text).expect("written");
    let path = path.to_str().expect("UTF-8");
    assert!(done(&ninetail(&["test", path])).contains("1 of 1 tests passed"));
    let input = [line("/cart/17?x=1"), line("/u/anna")].concat();
    let printed = done(&ninetail_with(&["explain", path, "--output", "json"], input.as_bytes()));
    let said: Vec<Value> = printed.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
    assert_eq!(said[0]["service"], "shop");
    assert_eq!(
        (&said[0]["record"]["route"], &said[1]["record"]["route"]),
        (&"/cart/{id}".into(), &"/u/{name}".into())
    );
    let dimensions = serde_json::json!({ "route": "/cart/{id}", "method": "GET", "rule_priority": null });
    assert_eq!(said[0]["dimensions"], dimensions);
    let verdicts = [&said[0]["slis"]["availability"], &said[1]["slis"]["availability"]];
    assert_eq!(verdicts, ["good", "excluded"]);
    let text = done(&ninetail_with(&["explain", path], input.as_bytes()));
    assert!(
        text.contains("→ by route") && text.contains("/u/{name}") && text.contains("(rule 1: {map})"),
        "{text}"
    );
}

#[test]
fn explain_shows_the_facts_of_a_format() {
    let text = done(&ninetail(&["explain", "--format", "aws_alb"]));
    assert!(text.contains("request_creation_time") && text.contains("lateness"), "{text}");
    let json: Value =
        serde_json::from_str(&done(&ninetail(&["explain", "--format", "aws_alb", "--output", "json"])))
            .expect("JSON");
    assert_eq!(json["lateness_s"], 600);
}

/// The pipeline of the quickstart, changed.
fn changed(from: &str, to: &str) -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let text = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    assert!(text.contains(from), "{from}");
    std::fs::write(&path, text.replacen(from, to, 1)).expect("written");
    let path = path.to_str().expect("UTF-8").to_string();
    (folder, path)
}

/// A message as Filebeat sends it.
fn filebeat(message: &str) -> String {
    serde_json::json!({
        "@timestamp": "2020-12-03T11:41:57.000Z",
        "@metadata": { "beat": "filebeat" },
        "message": message,
        "fields": { "service": "edge" },
    })
    .to_string()
}

#[test]
fn explain_takes_messages_as_shippers_send_them() {
    let cri = |tag: &str, text: &str| format!("2025-12-31T17:37:40.4930+01:00 stdout {tag} {text}");
    let (start, end) = LINE.split_at(200);
    let input = [filebeat(&cri("F", LINE)), cri("P", start), cri("F", end), cri("P", "open"), filebeat("x")]
        .join("\n");
    let (_folder, path) = changed("services:\n", "services:\n  - name: \"{fields.service}\"\n");
    let output = ninetail_with(&["explain", &path, "--output", "json"], input.as_bytes());
    let objects: Vec<Value> =
        done(&output).lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let said: Vec<String> = objects
        .iter()
        .map(|o| {
            format!("{} {} {} {}", o["outcome"], o["envelope"], o["service"], o["reason"]).replace('"', "")
        })
        .collect();
    let wanted = [
        "record [filebeat,cri] edge null",
        "partial [] null null",
        "record [cri] my-targets null",
        "partial [] null null",
        "rejected [filebeat] null not_this_format",
        "rejected [] null torn_line",
    ];
    assert_eq!(said, wanted);
    assert_eq!(objects[0]["labels"], serde_json::json!({ "fields.service": "edge" }));
    let text = done(&ninetail_with(&["explain", &path], input.as_bytes()));
    assert!(text.contains("(filebeat › cri › aws_alb)"), "{text}");
}

#[test]
fn check_counts_the_outcomes_of_a_sample_by_envelope() {
    let folder = tempfile::tempdir().expect("a folder");
    let sample = folder.path().join("sample");
    std::fs::write(&sample, [filebeat(LINE), LINE.to_string(), filebeat(""), "x".into()].join("\n"))
        .expect("written");
    let sample = sample.to_str().expect("UTF-8");
    let arguments = ["check", "pipelines/quickstart.yaml", "--offline", "--sample", sample];
    let text = done(&ninetail(&arguments));
    for words in
        ["sample: 4 lines = 2 records + 0 skipped + 2 rejected", "filebeat", "not_this_format", "empty"]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let json: Value =
        serde_json::from_str(&done(&ninetail(&[&arguments[..], &["--output", "json"]].concat())))
            .expect("JSON");
    let wanted = serde_json::json!({
        "none": { "records": 1, "skipped": 0, "rejects": { "not_this_format": 1 } },
        "filebeat": { "records": 1, "skipped": 0, "rejects": { "empty": 1 } },
    });
    assert_eq!(json["sample"]["envelopes"], wanted);
}

#[test]
fn a_wrong_envelope_is_said_with_its_place() {
    let format = "format: aws_alb";
    let cases = [
        ("[filebeat, crri]", "unknown envelope `crri`", "did you mean `cri`?"),
        ("[auto, cri]", "unknown envelope `auto`", "it stands alone"),
        ("[]", "no envelope is named", "write `none`"),
    ];
    for (written, error, hint) in cases {
        let (_folder, path) = changed(format, &format!("{format}\n    envelope: {written}"));
        let output = ninetail(&["check", "--offline", &path]);
        assert_eq!(output.status.code(), Some(78), "{written}");
        let said = stderr(&output);
        assert!(said.contains(error) && said.contains(hint), "{said}");
    }
    for written in ["auto", "none", "cri", "[filebeat, cri]"] {
        let (folder, path) = changed(format, &format!("{format}\n    envelope: {written}"));
        done(&ninetail(&["check", "--offline", &path]));
        let print = |path: &str| done(&ninetail(&["check", "--offline", "--print", path]));
        let (printed, copy) = (print(&path), folder.path().join("copy.yaml"));
        assert!(
            printed.contains("envelope")
                && printed.contains(written.trim_matches(['[', ']']).split(',').next().expect("one")),
            "{printed}"
        );
        std::fs::write(&copy, &printed).expect("written");
        assert_eq!(print(copy.to_str().expect("UTF-8")), printed);
    }
}

#[test]
fn formats_are_listed_from_their_presets() {
    let text = done(&ninetail(&["formats"]));
    assert!(text.contains("aws_alb") && text.contains("filebeat"), "{text}");
    let json: Value = serde_json::from_str(&done(&ninetail(&["formats", "--output", "json"]))).expect("JSON");
    let formats = json["formats"].as_array().expect("a list");
    assert!(formats.len() > 20 && json["envelopes"].as_array().is_some_and(|e| e.len() > 10));
    let alb = formats.iter().find(|f| f["name"] == "aws_alb").expect("ALB");
    // Every format states all its choices, in both forms.
    const FACTS: [&str; 10] = [
        "time",
        "client_latency",
        "upstream_latency",
        "client_gone",
        "websocket",
        "service",
        "absent",
        "skipped",
        "rejected",
        "lateness_why",
    ];
    for format in formats {
        let name = format["name"].as_str().expect("a name");
        let text = done(&ninetail(&["formats", name]));
        for fact in FACTS {
            let stated = format[fact].as_str().unwrap_or_default();
            assert!(!stated.is_empty() && text.contains(stated), "{name}: {fact}: {stated:?} in\n{text}");
        }
        assert!(format["lateness_s"].as_u64().is_some_and(|s| s > 0), "{name}: lateness");
        let fields = format["fields"].as_array().expect("fields");
        assert!(fields.iter().any(|f| f["name"] == "time"), "{name}: fields");
        for field in fields {
            let unit = if field["type"] == "duration" { Some("us") } else { field["unit"].as_str() };
            assert_eq!(field["unit"].as_str(), unit, "{name}: unit of {}", field["name"]);
        }
    }
    let unit = |name: &str| alb["fields"].as_array()?.iter().find(|f| f["name"] == name)?["unit"].as_str();
    assert_eq!((unit("client_latency"), unit("bytes_sent"), unit("host")), (Some("us"), Some("bytes"), None));
    assert!(done(&ninetail(&["formats", "aws_alb"])).contains("request_creation_time"));
}

/// Lines in parts stay whole wherever a block of the archive ends, however many threads read.
#[test]
fn a_backfill_of_lines_in_parts_loses_none() {
    let folder = tempfile::tempdir().expect("a folder");
    let log = std::fs::read_to_string(root().join("pipelines/quickstart.log")).expect("read");
    for (file, turns) in [("a.log", 9), ("b.log", 1)] {
        let mut text = String::new();
        for (i, line) in (0..turns).flat_map(|_| log.lines()).enumerate() {
            let (start, end) = line.split_at(line.len().min(30 + i % 300));
            let filler = "x".repeat(if i % 7 == 0 { 2000 } else { 0 });
            text +=
                &format!("2025-12-31T17:37:40Z stdout P {start}\n2025-12-31T17:37:40Z stderr F {filler}\n");
            text += &format!("2025-12-31T17:37:40Z stdout F {end}\n");
        }
        text += "2025-12-31T17:37:40Z stdout P never ends\n";
        std::fs::write(folder.path().join(file), text).expect("written");
    }
    let (out, input) = (folder.path().join("out"), folder.path().join("*.log"));
    let (out, input) = (out.to_str().expect("UTF-8"), input.to_str().expect("UTF-8"));
    let whole = folder.path().join("whole.json");
    std::fs::write(&whole, log.lines().map(|l| format!("{l}\n")).collect::<String>()).expect("written");
    let sample = ["check", "pipelines/quickstart.yaml", "--offline", "--output", "json", "--sample"];
    let sample: Value =
        serde_json::from_str(&done(&ninetail(&[&sample[..], &[whole.to_str().expect("UTF-8")]].concat())))
            .expect("JSON");
    let records = sample["sample"]["records"].as_u64().expect("records");
    let output =
        ninetail(&["backfill", "pipelines/quickstart.yaml", "--input", input, "--out", out, "--no-progress"]);
    done(&output);
    let lines = 10 * log.lines().count() as u64;
    // each line, the line of stderr beside it, and one torn line in each file
    let wanted = format!("{} lines, {} rejected", 2 * lines + 2, lines + 10 * (lines / 10 - records) + 2);
    assert!(stderr(&output).contains(&wanted), "{wanted}: {}", stderr(&output));
}

/// What cannot be read leaves nothing that the next try into the same folder would find.
#[test]
fn a_backfill_of_nothing_readable_leaves_no_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_string();
    std::fs::create_dir(at("empty")).expect("made");
    std::fs::write(at("packed.log"), b"PAR1, and columns").expect("written");
    std::fs::write(at("torn.gz"), [0x1f, 0x8b, 8]).expect("written");
    let out = at("out");
    let backfill = |input: &str| {
        ninetail(&["backfill", "pipelines/quickstart.yaml", "--input", input, "--out", &out, "--no-progress"])
    };
    for (input, words) in [
        ("missing", "no file at"),
        ("empty", "no file at"),
        ("packed.log", "a parquet file"),
        ("torn.gz", "torn.gz"),
    ] {
        let output = backfill(&at(input));
        assert_eq!(output.status.code(), Some(1), "{input}: {}", stderr(&output));
        assert!(stderr(&output).contains(words), "{input}: {}", stderr(&output));
        assert!(!Path::new(&out).exists(), "{input} left {out}");
    }
    done(&backfill("pipelines/quickstart.log"));
}

#[test]
fn check_shows_budgets_and_samples() {
    let arguments =
        ["check", "pipelines/quickstart.yaml", "--offline", "--sample", "pipelines/quickstart.log"];
    let text = done(&ninetail(&arguments));
    for words in
        ["1000 bad requests in a million, or 43.2 minutes", "burn rate above 14.4", "sample: 300 lines = "]
    {
        assert!(text.contains(words), "{words}: {text}");
    }
    let mut arguments = arguments.to_vec();
    arguments.extend(["--output", "json"]);
    let json: Value = serde_json::from_str(&done(&ninetail(&arguments))).expect("JSON");
    assert_eq!(json["slos"][0]["budget"]["outage_minutes"], "43.2");
    let sample = &json["sample"];
    let rejected: u64 =
        sample["rejects"].as_object().expect("counts").values().filter_map(Value::as_u64).sum();
    let number = |key: &str| sample[key].as_u64().expect("a count");
    assert_eq!(number("lines"), number("records") + number("skipped") + rejected);
}

#[test]
fn what_check_prints_is_a_pipeline_of_the_same_meaning() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in pipelines() {
        let name = path.to_str().expect("UTF-8");
        let printed = done(&ninetail(&["check", "--offline", "--print", name]));
        let copy = folder.path().join("copy.yaml");
        std::fs::write(&copy, &printed).expect("written");
        let again = done(&ninetail(&["check", "--offline", "--print", copy.to_str().expect("UTF-8")]));
        let paths = |text: &str| -> Vec<String> {
            text.lines().filter(|l| !l.contains("/data/")).map(str::to_string).collect()
        };
        assert_eq!(paths(&printed), paths(&again));
    }
}

/// Labels and objectives of service tiers are those of services and SLOs then.
#[test]
fn what_tiers_give_is_printed_with_the_services() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, copy) = (folder.path().join("p.yaml"), folder.path().join("copy.yaml"));
    let text = "version: 1
name: shop
sources: [{ name: alb, format: aws_alb }]
service_tiers: [{ tier: 1, objective: 99.5, labels: { pager: primary, channel: sre } }]
services: [{ name: checkout, tier: 1, labels: { channel: payments, pager: '' } }]
slos: [{ name: a, service: checkout, indicator: { good: status < 500 } }]
";
    std::fs::write(&path, text).expect("written");
    let print =
        |path: &Path| done(&ninetail(&["check", "--offline", "--print", path.to_str().expect("UTF-8")]));
    let printed = print(&path);
    assert!(printed.contains("  labels:\n    channel: payments\n"), "{printed}");
    assert!(printed.contains("99.5") && !printed.contains("pager"), "{printed}");
    std::fs::write(&copy, &printed).expect("written");
    assert_eq!(print(&copy), printed);
}

/// A factor with more than six places is printed as the share of the budget that it stands for.
#[test]
fn odd_factors_survive_printing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let text = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    let tiers = "alerts: [{ severity: page, budget: 7%, long: 11h, short: 1h }, { severity: page, factor: 3.5, long: 6h, short: 30m }]\n#";
    std::fs::write(&path, text.replacen("alerts: workbook", tiers, 1)).expect("written");
    let printed = done(&ninetail(&["check", "--offline", "--print", path.to_str().expect("UTF-8")]));
    for words in ["7%", "3.5", "page-11h"] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
}

#[test]
fn receivers_survive_printing_and_their_secrets_stay_in_their_files() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    let sinks = "sinks:
  alertmanager:
    - { url: \"https://a.example.com\", labels: { cluster: eu-1 }, tls: { ca_file: ca.pem }, auth: { bearer_token_file: token } }
    - { url: \"https://b.example.com/am/\", resend_every: 30s }
  webhook: { url: \"https://c.example.com/x\", mode: binary, headers: { X-A: b }, types: [slo.data.gap], replay: true, auth: { username: u, password_file: password } }
";
    for secret in ["token", "password"] {
        std::fs::write(folder.path().join(secret), "hunter2").expect("written");
    }
    let (path, copy) = (folder.path().join("p.yaml"), folder.path().join("copy.yaml"));
    std::fs::write(&path, text.replacen("sinks:\n", sinks, 1)).expect("written");
    let print =
        |path: &Path| done(&ninetail(&["check", "--offline", "--print", path.to_str().expect("UTF-8")]));
    let printed = print(&path);
    std::fs::write(&copy, &printed).expect("written");
    assert_eq!(printed, print(&copy));
    for words in [
        "https://b.example.com/am\n",
        "alertmanager-2",
        "eu-1",
        "slo.data.gap",
        "binary",
        "username: u",
        "ca.pem",
    ] {
        assert!(printed.contains(words), "{words}: {printed}");
    }
    assert!(!printed.contains("hunter2"));
}

#[test]
fn an_unreachable_broker_is_said_and_fails() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let text = std::fs::read_to_string(root().join("pipelines/aws-alb-kafka.yaml")).expect("read");
    std::fs::write(&path, text.replace("${KAFKA_BROKERS:-localhost:9092}", "127.0.0.1:1")).expect("written");
    let output = ninetail(&["check", path.to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let said = stdout(&output);
    assert!(said.contains("failed  kafka 127.0.0.1:1"), "{said}");
    assert!(said.contains("ok      state"), "{said}");
    assert_eq!(std::fs::read_dir(folder.path()).expect("listed").count(), 1, "nothing is left behind");
}

#[test]
fn completions_and_manuals_are_written() {
    for shell in ["bash", "zsh", "fish"] {
        assert!(done(&ninetail(&["generate", "completions", shell])).contains("ninetail"));
    }
    assert!(done(&ninetail(&["generate", "man"])).contains(".TH ninetail"));
    let folder = tempfile::tempdir().expect("a folder");
    done(&ninetail(&["generate", "man", "--dir", folder.path().to_str().expect("UTF-8")]));
    assert!(folder.path().join("ninetail-check.1").exists());
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .args(["generate", "completions", "bash"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the binary ends");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stderr(&output).is_empty());
}

#[test]
fn reports_name_the_folder_that_holds_no_rollups() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().to_str().expect("UTF-8");
    for arguments in [&["report", "--rollups", path][..], &["generate", "sql", "duckdb", "--rollups", path]] {
        let output = ninetail(arguments);
        assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
        assert!(stderr(&output).contains(&format!("no rollups in {path}")), "{}", stderr(&output));
    }
    for arguments in [&["report"][..], &["generate", "sql", "duckdb"], &["generate", "sql", "oracle"]] {
        assert_eq!(ninetail(arguments).status.code(), Some(2), "{arguments:?}");
    }
    let times = ["--since", "2026-01-02T00:00:00Z", "--until", "2026-01-01T00:00:00Z"];
    let output = ninetail(&[&["report", "--rollups", path][..], &times].concat());
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
}

/// An archive, its backfill and the report in every form.
#[test]
fn a_backfill_is_reported() {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let rollups = out.join("rollups");
    let (out, rollups) = (out.to_str().expect("UTF-8"), rollups.to_str().expect("UTF-8"));
    let (pipeline, log) = ("pipelines/quickstart.yaml", "pipelines/quickstart.log");
    done(&ninetail(&["backfill", pipeline, "--input", log, "--out", out, "--no-progress"]));
    let table = done(&ninetail(&["report", "--rollups", rollups]));
    assert!(table.contains("budget left") && table.contains("availability"), "{table}");
    // The pipeline gives the names and the SLOs, the folder is another.
    let json = done(&ninetail(&["report", pipeline, "--rollups", rollups, "--output", "json"]));
    let report: Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!(report["pipeline"], "quickstart");
    assert!(report["slos"].as_array().is_some_and(|slos| slos.iter().any(|s| s["service"] == "checkout")));
    let csv = done(&ninetail(&["report", "--rollups", rollups, "--output", "csv"]));
    assert!(csv.starts_with("service,slo,objective_percent,"), "{csv}");
    let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert!(widths.len() > 2 && widths.iter().all(|width| *width == widths[0]), "{csv}");
}
