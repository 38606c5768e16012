//! The commands about objectives as a user meets them: OpenSLO, nines, what-if, the gate, the readiness review.

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn ninetail(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .args(arguments)
        .current_dir(root())
        .env_remove("KAFKA_BROKERS")
        .output()
        .expect("the binary runs")
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

#[track_caller]
fn exits(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

#[track_caller]
fn json(output: &Output, code: i32) -> Value {
    serde_json::from_str(&exits(output, code)).expect("JSON")
}

fn text(path: &Path) -> &str {
    path.to_str().expect("UTF-8")
}

/// The log of the quick start, two services in ten minutes, counted once.
struct Counted {
    _folder: tempfile::TempDir,
    rollups: PathBuf,
}

fn counted() -> Counted {
    let folder = tempfile::tempdir().expect("a folder");
    let out = folder.path().join("out");
    let log = folder.path().join("access.log");
    let incident = "service=checkout,from=40m,for=15m,errors=20%,latency=4x";
    let traffic = ["generate", "traffic", "--lines", "20000", "--for", "2h", "--incident", incident];
    let start = ["--start", "2026-01-01T00:00:00Z", "--output", text(&log)];
    exits(&ninetail(&[&traffic[..], &start].concat()), 0);
    let backfill = ["backfill", "pipelines/quickstart.yaml", "--input", text(&log), "--out", text(&out)];
    exits(&ninetail(&[&backfill[..], &["--no-progress"]].concat()), 0);
    Counted { rollups: out.join("rollups"), _folder: folder }
}

#[test]
fn nines_are_shown_exactly() {
    let shown = exits(&ninetail(&["report", "nines"]), 0);
    for words in ["99.95%", "21.6min", "25.92s", "7.2h", "8.76h", "3.65d"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let shown = exits(&ninetail(&["report", "nines", "99.9"]), 0);
    for words in
        ["burn rate above 14.4 over 1h and 5m", "more than 1.44 % bad", "one failure of 70 requests cannot"]
    {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let all = json(&ninetail(&["report", "nines", "99.9", "90", "--window", "28d", "--output", "json"]), 0);
    assert_eq!(all[0]["budget_seconds"], "2419.2");
    assert_eq!(all[0]["alerts"][0]["factor"], "13.44");
    assert_eq!(all[0]["left_out"].as_array().map(Vec::len), Some(1));
    assert_eq!((&all[1]["burn_rate_max"], &all[1]["alerts"][0]["name"]), (&"10".into(), &"page-6h".into()));
    for wrong in ["100", "0", "-1", "high", "99.9999999"] {
        assert_eq!(ninetail(&["report", "nines", wrong]).status.code(), Some(2), "{wrong}");
    }
}

#[test]
fn other_objectives_judge_the_same_counts() {
    let counted = counted();
    let rollups = text(&counted.rollups);
    let report = json(&ninetail(&["report", "--rollups", rollups, "--output", "json"]), 0);
    let now = report["slos"]
        .as_array()
        .expect("a list")
        .iter()
        .find(|s| s["service"] == "checkout" && s["slo"] == "availability");
    let now = now.expect("checkout is judged");
    let arguments =
        ["report", "what-if", "--rollups", rollups, "--service", "checkout", "--slo", "availability"];
    let other = ["--objective", "99.95", "--objective", "95", "--output", "json"];
    let what_if = json(&ninetail(&[&arguments[..], &other].concat()), 0);
    let [slo] = what_if["slos"].as_array().expect("a list").as_slice() else { panic!("{what_if}") };
    assert_eq!((&slo["bad"], &slo["sli_percent"]), (&now["bad"], &now["sli_percent"]));
    let judged = slo["objectives"].as_array().expect("a list");
    let objectives: Vec<&str> = judged.iter().filter_map(|j| j["objective_percent"].as_str()).collect();
    assert_eq!(objectives, ["95", "99.9", "99.95"]);
    let [loose, in_force, tight] = judged.as_slice() else { panic!("{what_if}") };
    assert_eq!(
        (&in_force["in_force"], &in_force["budget_left_percent"]),
        (&true.into(), &now["budget_left_percent"])
    );
    // a budget half as large is consumed twice as fast
    let number =
        |value: &Value, key: &str| value[key].as_str().and_then(|t| t.parse::<f64>().ok()).expect("a number");
    let (once, twice) =
        (number(in_force, "budget_consumed_percent"), number(tight, "budget_consumed_percent"));
    assert!((twice - 2.0 * once).abs() < 0.001, "{once} {twice}");
    let fired = |judged: &Value| {
        judged["alerts_fired"].as_object().expect("alerts").values().filter_map(Value::as_u64).sum::<u64>()
    };
    assert!(fired(in_force) > 0 && fired(loose) <= fired(in_force), "{what_if}");
    let shown = exits(&ninetail(&[&arguments[..], &["--objective", "99.95"]].concat()), 0);
    assert!(shown.contains("99.9%*") && shown.contains("99.95%"), "{shown}");
    let none =
        ninetail(&["report", "what-if", "--rollups", rollups, "--service", "nobody", "--objective", "99"]);
    exits(&none, 1);
    assert!(stderr(&none).contains("checkout/availability"), "{}", stderr(&none));
}

#[test]
fn the_gate_answers_by_exit_code() {
    let counted = counted();
    let base = ["gate", "pipelines/quickstart.yaml", "--rollups", text(&counted.rollups), "--service"];
    let gate = |more: &[&str]| ninetail(&[&base[..], more].concat());
    let at = ["--at", "2026-01-01T02:30:00Z"];
    // the incident has used up part of the budget of 30 days
    let passed = gate(&[&["checkout"][..], &at].concat());
    assert!(exits(&passed, 0).contains("pass: checkout/availability: "), "{}", stdout(&passed));
    let failed =
        json(&gate(&[&["checkout", "--min-remaining", "99.9%", "--output", "json"][..], &at].concat()), 3);
    assert_eq!((&failed["result"], &failed["min_remaining_percent"]), (&"fail".into(), &"99.9".into()));
    assert!(
        failed["slos"].as_array().is_some_and(|slos| slos.len() == 2 && slos[0]["result"] == "fail"),
        "{failed}"
    );
    // before the incident nothing was consumed
    let before = ["search", "--slo", "availability", "--at", "2026-01-01T00:30:00Z"];
    exits(&gate(&before), 0);
    // too old, never seen, not there
    let stale = json(&gate(&["checkout", "--output", "json"]), 1);
    assert_eq!(stale["result"], "unknown");
    assert!(stale["reason"].as_str().is_some_and(|reason| reason.contains("ago")), "{stale}");
    exits(&gate(&["checkout", "--max-age", "5000d"]), 0);
    let unseen = gate(&[&["nobody"][..], &at].concat());
    assert!(exits(&unseen, 1).contains("no request in its window"), "{}", stdout(&unseen));
    let early = gate(&["checkout", "--at", "2025-01-01T00:00:00Z"]);
    assert!(exits(&early, 1).contains("unknown: no slice"), "{}", stdout(&early));
    let misspelt = gate(&[&["checkout", "--slo", "availabilty"][..], &at].concat());
    exits(&misspelt, 2);
    assert!(stderr(&misspelt).contains("did you mean `availability`?"), "{}", stderr(&misspelt));
    exits(&gate(&["checkout", "--min-remaining", "101%"]), 2);
    let empty = tempfile::tempdir().expect("a folder");
    let nothing =
        ["gate", "pipelines/quickstart.yaml", "--service", "checkout", "--rollups", text(empty.path())];
    assert!(exits(&ninetail(&nothing), 1).contains("unknown: no rollups"));
}

#[test]
fn openslo_goes_out_and_comes_back() {
    let folder = tempfile::tempdir().expect("a folder");
    let written = exits(&ninetail(&["generate", "openslo", "pipelines/quickstart.yaml"]), 0);
    std::fs::write(folder.path().join("slos.yaml"), &written).expect("written");
    let quickstart = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    let (head, rest) = quickstart.split_once("\nslos:\n").expect("SLOs");
    let (_, tail) = rest.split_once("\nalerts:").expect("alerts");
    let pipeline = folder.path().join("p.yaml");
    std::fs::write(&pipeline, format!("{head}\nslos:\n  - openslo: slos.yaml\nalerts:{tail}"))
        .expect("written");
    let printed = |path: &str| {
        let text = exits(&ninetail(&["check", "--offline", "--print", path]), 0);
        let from = text.find("\nslos:").expect("SLOs");
        let to = text.find("\nsinks:").expect("sinks");
        text[from..to].to_string()
    };
    assert_eq!(printed(text(&pipeline)), printed("pipelines/quickstart.yaml"));
    exits(&ninetail(&["test", text(&pipeline)]), 0);
    exits(&ninetail(&["check", "--offline", "--deny-warnings", text(&pipeline)]), 0);
    // what is wrong is shown in the file where it stands, as text and as JSON
    std::fs::write(folder.path().join("slos.yaml"), written.replacen("target: 0.999", "target: 1.5", 1))
        .expect("written");
    let output = ninetail(&["check", "--offline", text(&pipeline)]);
    exits(&output, 78);
    assert!(
        stderr(&output).contains("slos.yaml:") && stderr(&output).contains("not below 1"),
        "{}",
        stderr(&output)
    );
    let object = json(&ninetail(&["check", "--offline", "--output", "json", text(&pipeline)]), 78);
    assert!(object["errors"][0]["file"].as_str().is_some_and(|file| file.ends_with("slos.yaml")), "{object}");
}

/// What an SLO is to say stands beside what decides it, wherever it is shown.
#[test]
fn specifications_and_presets_are_shown() {
    let counted = counted();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let quickstart = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    let specified = quickstart
        .replacen(
            "      good: status < 500",
            "      specification: Shoppers get an answer.\n      good: status < 500",
            1,
        )
        .replacen("\nslos:\n", "\nslos:\n  - preset: web\n    service: web-*\n", 1);
    std::fs::write(&path, specified).expect("written");
    let report = ["report", text(&path), "--rollups", text(&counted.rollups)];
    let shown = exits(&ninetail(&report), 0);
    assert!(shown.contains("availability of *: Shoppers get an answer."), "{shown}");
    let object = json(&ninetail(&[&report[..], &["--output", "json"]].concat()), 0);
    assert_eq!(object["specifications"]["availability of *"], "Shoppers get an answer.");
    let checked = exits(&ninetail(&["check", "--offline", text(&path)]), 0);
    assert!(checked.contains("    Shoppers get an answer.\n    excluded client_gone"), "{checked}");
    // a preset is printed as the plain SLOs that it stands for
    let printed = exits(&ninetail(&["check", "--offline", "--print", text(&path)]), 0);
    assert!(printed.contains("name: latency-slow") && printed.contains("below: 3s"), "{printed}");
    assert!(!printed.contains("preset"), "{printed}");
    let copy = folder.path().join("copy.yaml");
    std::fs::write(&copy, &printed).expect("written");
    let again = exits(&ninetail(&["check", "--offline", "--print", text(&copy)]), 0);
    assert!(
        again.contains("specification: Shoppers get an answer.") && again.contains("name: latency-slow"),
        "{again}"
    );
}

/// What a review finds: nobody to call, nothing to read, no alert, traffic that nobody judges.
#[test]
fn a_review_finds_what_is_missing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let write = |services: &str, slos: &str| {
        let text = format!(
            "version: 1\nname: quickstart\nsources: [{{ name: alb, format: aws_alb }}]\nservices:\n{services}\nslos:\n{slos}\n"
        );
        std::fs::write(&path, text).expect("written");
    };
    let review =
        |more: &[&str]| ninetail(&[&["check", "--offline", "--review", text(&path)][..], more].concat());
    let checkout = "  - { name: checkout, when: 'path.startsWith(\"/checkout\")', tier: 1, owner: payments, runbook_url: https://r.example }";
    let rest = "  - { name: other, tier: 4, owner: web }";
    let slo =
        "  - { name: availability, indicator: { specification: Buyers get an answer., good: status < 500 } }";
    write(&format!("{checkout}\n{rest}"), slo);
    let ready = review(&[]);
    exits(&ready, 0);
    assert!(!stderr(&ready).contains("warning"), "{}", stderr(&ready));
    // tiers gave objectives and alerts; the specification stands beside the predicate
    let shown = stdout(&ready);
    for words in [
        "availability of checkout: 99.99 %",
        "availability of other: 99 %",
        "alerts   none",
        "    Buyers get an answer.\n",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    let printed = exits(&ninetail(&["check", "--offline", "--print", text(&path)]), 0);
    assert!(printed.contains("specification: Buyers get an answer."), "{printed}");

    let cases = [
        (checkout.replace(", owner: payments", ""), slo.to_string(), "service checkout has no owner"),
        (checkout.replace(", runbook_url: https://r.example", ""), slo.to_string(), "no runbook_url"),
        (
            checkout.to_string(),
            slo.replace("availability,", "availability, alerts: none,"),
            "alerts nobody for checkout",
        ),
        (
            checkout.to_string(),
            slo.replace("availability,", "availability, service: checkout,"),
            "service other has no SLO",
        ),
    ];
    for (service, slo, words) in cases {
        write(&format!("{service}\n{rest}"), &slo);
        let found = review(&[]);
        exits(&found, 3);
        assert!(stderr(&found).contains(words), "{words}: {}", stderr(&found));
    }

    // the quick start's rollups hold services that this pipeline's SLO is not for
    let counted = counted();
    write(checkout, &slo.replace("availability,", "availability, service: checkout, objective: 99.9,"));
    let found = review(&["--rollups", text(&counted.rollups)]);
    exits(&found, 3);
    let said = stderr(&found);
    assert!(said.contains("was seen with") && said.contains("and no SLO is for it"), "{said}");
    assert!(!said.contains("service checkout was seen"), "{said}");
    assert!(!said.contains("is missed"), "of a month two hours are little: {said}");
    // its incident is more than a window of three hours allows
    let hours = "availability, service: checkout, objective: 99.9, window: 3h,";
    write(checkout, &slo.replace("availability,", hours));
    let said = stderr(&review(&["--rollups", text(&counted.rollups)]));
    assert!(said.contains("availability of checkout is missed: its budget burns at "), "{said}");
    exits(&review(&["--rollups", text(folder.path())]), 1);
}

/// The quick start with a budget for each route of a service, in a folder of its own.
fn by_route(folder: &Path) -> PathBuf {
    let quickstart = std::fs::read_to_string(root().join("pipelines/quickstart.yaml")).expect("read");
    let text = quickstart.replacen("\nslos:\n", "\nroutes: ids\nslos:\n", 1).replacen(
        "    objective: 99.9          # percent\n",
        "    objective: 99.9\n    per: route\n    groups_max: 500\n",
        1,
    );
    let path = folder.join("routes.yaml");
    std::fs::write(&path, text).expect("written");
    path
}

#[test]
fn budgets_of_groups_are_shown_wherever_budgets_are() {
    let folder = tempfile::tempdir().expect("a folder");
    let pipeline = by_route(folder.path());
    let pipeline = text(&pipeline);
    let log = folder.path().join("access.log");
    let incident = "service=checkout,from=40m,for=15m,errors=20%,latency=4x";
    let traffic = ["generate", "traffic", "--lines", "20000", "--for", "2h", "--incident", incident];
    let start = ["--start", "2026-01-01T00:00:00Z", "--output", text(&log)];
    exits(&ninetail(&[&traffic[..], &start].concat()), 0);
    let out = |pipeline: &str, name: &str| {
        let out = folder.path().join(name);
        let run = ["backfill", pipeline, "--input", text(&log), "--out", text(&out), "--no-progress"];
        exits(&ninetail(&run), 0);
        out.join("rollups")
    };
    let (grouped, plain) = (out(pipeline, "grouped"), out("pipelines/quickstart.yaml", "plain"));
    let report = |rollups: &Path, form: &str| {
        let plain = rollups.parent().is_some_and(|p| p.ends_with("plain"));
        let file = if plain { "pipelines/quickstart.yaml" } else { pipeline };
        ninetail(&["report", file, "--rollups", text(rollups), "--output", form])
    };
    let (of_groups, of_services) = (json(&report(&grouped, "json"), 0), json(&report(&plain, "json"), 0));
    let rows = |report: &Value, service: &str, slo: &str| -> Vec<Value> {
        let all = report["slos"].as_array().expect("a list");
        all.iter().filter(|r| r["service"] == service && r["slo"] == slo).cloned().collect()
    };
    let sum = |rows: &[Value], key: &str| rows.iter().filter_map(|r| r[key].as_u64()).sum::<u64>();
    for service in ["checkout", "search"] {
        let (routes, whole) =
            (rows(&of_groups, service, "availability"), rows(&of_services, service, "availability"));
        assert!(routes.len() > 1 && whole.len() == 1, "{routes:?}");
        assert!(routes.iter().all(|r| r["group"].as_str().is_some_and(|g| g.starts_with('/'))), "{routes:?}");
        for key in ["good", "bad", "excluded"] {
            assert_eq!(sum(&routes, key), sum(&whole, key), "{service} {key}");
        }
        assert_eq!(whole[0]["group"], Value::Null);
        // the other SLO has no groups
        let latency = rows(&of_groups, service, "latency");
        assert_eq!((latency.len(), &latency[0]["group"]), (1, &Value::Null));
        assert_eq!(latency, rows(&of_services, service, "latency"));
    }
    let table = exits(&report(&grouped, "table"), 0);
    assert!(table.lines().next().is_some_and(|head| head.contains("group")), "{table}");
    assert!(!exits(&report(&plain, "table"), 0).contains("group"));
    let csv = exits(&report(&grouped, "csv"), 0);
    let mut lines = csv.lines();
    assert!(lines.next().is_some_and(|head| head.ends_with(",slo_group")), "{csv}");
    let routes = rows(&of_groups, "checkout", "availability");
    for route in routes.iter().filter_map(|r| r["group"].as_str()) {
        assert!(
            csv.lines().any(
                |line| line.starts_with("checkout,availability,") && line.ends_with(&format!(",{route}"))
            ),
            "{csv}"
        );
    }

    // the gate names the worst group, and decides by it
    let at = ["--at", "2026-01-01T02:30:00Z"];
    let base =
        ["gate", pipeline, "--rollups", text(&grouped), "--service", "checkout", "--slo", "availability"];
    let left = |row: &Value| {
        row["budget_left_percent"].as_str().and_then(|t| t.parse::<f64>().ok()).expect("a share")
    };
    let worst = routes.iter().min_by(|a, b| left(a).total_cmp(&left(b))).expect("groups");
    let best = routes.iter().map(left).fold(f64::MIN, f64::max);
    assert!(left(worst) < best, "{routes:?}");
    let name = worst["group"].as_str().expect("a name");
    let gate = json(&ninetail(&[&base[..], &at, &["--output", "json"]].concat()), 0);
    let [verdict] = gate["slos"].as_array().expect("a list").as_slice() else { panic!("{gate}") };
    assert_eq!((&verdict["group"], &verdict["bad"]), (&worst["group"], &worst["bad"]));
    let between = format!("{:.6}", f64::midpoint(left(worst), best));
    let refused = ninetail(&[&base[..], &at, &["--min-remaining", &between]].concat());
    assert!(
        exits(&refused, 3).contains(&format!("fail: checkout/availability {name}: ")),
        "{}",
        stdout(&refused)
    );

    let what_if = ["report", "what-if", pipeline, "--rollups", text(&grouped), "--service", "checkout"];
    let objective = ["--slo", "availability", "--objective", "99", "--output", "json"];
    let judged = json(&ninetail(&[&what_if[..], &objective].concat()), 0);
    assert_eq!(judged["slos"].as_array().map(Vec::len), Some(routes.len()));

    let explain = ["explain", pipeline, "--input", text(&log)];
    let shown = exits(&ninetail(&explain), 0);
    assert!(shown.contains(&format!("good (group {name})")), "{}", &shown[..2_000]);
    let shown = exits(&ninetail(&[&explain[..], &["--output", "json"]].concat()), 0);
    let first: Value = serde_json::from_str(shown.lines().next().expect("a line")).expect("JSON");
    assert_eq!(first["groups"]["availability"], first["record"]["route"]);
    assert_eq!(first["groups"]["latency"], Value::Null);

    let checked = exits(&ninetail(&["check", "--offline", pipeline]), 0);
    assert!(
        checked.contains("per      route: a budget for each value, at most 500 of a service"),
        "{checked}"
    );
    let checked = json(&ninetail(&["check", "--offline", "--output", "json", pipeline]), 0);
    assert_eq!((&checked["slos"][0]["per"], &checked["slos"][1]["per"]), (&"route".into(), &Value::Null));
    let printed = exits(&ninetail(&["check", "--offline", "--print", pipeline]), 0);
    assert!(printed.contains("per: route") && printed.contains("groups_max: 500"), "{printed}");
    let copy = folder.path().join("copy.yaml");
    std::fs::write(&copy, &printed).expect("written");
    let slos = |text: &str| text[text.find("\nslos:").unwrap()..text.find("\nsinks:").unwrap()].to_string();
    let again = exits(&ninetail(&["check", "--offline", "--print", text(&copy)]), 0);
    assert_eq!(slos(&again), slos(&printed));
    // OpenSLO has no word for it: an annotation
    let written = exits(&ninetail(&["generate", "openslo", pipeline]), 0);
    assert!(written.contains("ninetail.dev/per: route"), "{written}");
}

#[test]
fn what_groups_cannot_be_is_said_where_it_stands() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("p.yaml");
    let slo = |more: &str, indicator: &str| {
        format!(
            "version: 1\nname: shop\nsources: [{{ name: alb, format: aws_alb }}]\nslos:\n  - name: up\n    objective: 99\n    {more}\n    indicator: {{ {indicator} }}\n"
        )
    };
    let good = "good: status < 500";
    let cases = [
        (slo("per: metod", good), "7:10", "did you mean"),
        (slo("per: time", good), "7:10", "cannot be what groups are by: it is a time"),
        (slo("per: route", good), "7:10", "turn route templating on"),
        (slo("per: method\n    groups_max: 0", good), "8:17", "out of range: 1 to 10000"),
        (slo("groups_max: 5", good), "7:17", "`groups_max` without `per`"),
        (slo("per: method", "external: true"), "7:10", "an external SLO has no groups"),
    ];
    for (file, place, words) in cases {
        std::fs::write(&path, &file).expect("written");
        let output = ninetail(&["check", "--offline", text(&path)]);
        exits(&output, 78);
        let said = stderr(&output);
        assert!(
            said.contains(&format!("p.yaml:{place}")) && said.contains(words) && said.contains('^'),
            "{words}: {said}"
        );
    }
    std::fs::write(&path, slo("per: request_id", good)).expect("written");
    let doubtful = ninetail(&["check", "--offline", text(&path)]);
    exits(&doubtful, 0);
    assert!(stderr(&doubtful).contains("so many values"), "{}", stderr(&doubtful));
    // throughput can be asked of each group
    std::fs::write(&path, slo("per: method", "throughput: { at_least: 3 }")).expect("written");
    exits(&ninetail(&["check", "--offline", text(&path)]), 0);
}
