//! The demo as a newcomer meets it: the real binary, no broker, the whole path.

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn demo(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_ninetail"))
        .arg("demo")
        .args(arguments)
        .env("NINETAIL_LOG", "warn,librdkafka=error")
        .output()
        .expect("the binary runs")
}

fn files(table: &Path) -> Vec<PathBuf> {
    let list = |dir: &Path| -> Vec<PathBuf> {
        fs::read_dir(dir).expect("listed").map(|entry| entry.expect("listed").path()).collect()
    };
    let mut files: Vec<PathBuf> = list(table).iter().flat_map(|date| list(date)).collect();
    files.sort();
    files
}

/// The sum of a column over all rows of a table.
fn sum(rollups: &Path, table: &str, column: &str) -> u64 {
    let mut total = 0;
    for file in files(&rollups.join(table)) {
        let file = File::open(&file).expect("opens");
        let batches =
            ParquetRecordBatchReaderBuilder::try_new(file).and_then(|b| b.build()).expect("Parquet");
        for batch in batches {
            let batch = batch.expect("read");
            let values =
                batch.column_by_name(column).expect("the column").as_primitive::<Int64Type>().clone();
            total += (0..values.len()).map(|i| values.value(i) as u64).sum::<u64>();
        }
    }
    total
}

/// The number before the word in the text: `1,234 records`.
fn number(said: &str, word: &str) -> u64 {
    let before = said.split(word).next().expect("there").trim_end();
    let digits: String = before.rsplit(' ').next().expect("a number").chars().filter(|c| *c != ',').collect();
    digits.parse().unwrap_or_else(|_| panic!("no number before {word:?} in:\n{said}"))
}

#[test]
fn an_alert_fires_and_resolves_and_every_line_is_counted() {
    let place = tempfile::tempdir().expect("a folder");
    let dir = place.path().join("my demo");
    let output = demo(&["--for", "30s", "--dir", dir.to_str().expect("UTF-8")]);
    let said = String::from_utf8(output.stdout).expect("UTF-8");
    let heard = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(0), "{said}\n{heard}");
    let events: Vec<Value> = fs::read_to_string(dir.join("events.jsonl"))
        .expect("the event file")
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect();
    let times = |kind: &str, rule: &str| -> Vec<&str> {
        let of = events.iter().filter(|e| {
            e["type"] == kind && e["subject"] == "checkout/availability" && e["data"]["burn"]["rule"] == rule
        });
        of.map(|e| e["time"].as_str().expect("a time")).collect()
    };
    let (fired, resolved) =
        (times("slo.burn_rate.firing", "page-1h"), times("slo.burn_rate.resolved", "page-1h"));
    assert_eq!((fired.len(), resolved.len()), (1, 1), "{said}\n{heard}");
    assert!(fired[0] < resolved[0]);
    assert!(heard.contains("FIRING    page-1h    checkout/availability"), "{heard}");
    assert!(events.iter().all(|e| e["type"] != "slo.data.gap"), "no line was lost");
    let (produced, records) = (number(&said, " lines produced"), number(&said, " records"));
    assert!(produced > 10_000, "{said}");
    let rollups = dir.join("rollups");
    assert_eq!(sum(&rollups, "requests_1m", "requests"), records, "{said}");
    assert_eq!(sum(&rollups, "quality_1m", "lines"), produced, "{said}");
    assert_eq!(sum(&rollups, "quality_1m", "records"), records, "{said}");
    let quoted = format!("ninetail report '{}/pipeline.yaml'\n", dir.display());
    assert!(said.contains(&quoted), "{quoted} is not in:\n{said}");
    for word in ["mock cluster", "real Apache Kafka", "duckdb -c", dir.to_str().expect("UTF-8")] {
        assert!(said.contains(word), "{word} is not in:\n{said}");
    }
}

#[test]
fn a_folder_in_use_is_left_alone() {
    let place = tempfile::tempdir().expect("a folder");
    fs::write(place.path().join("mine"), "kept").expect("written");
    let output = demo(&["--for", "1s", "--dir", place.path().to_str().expect("UTF-8")]);
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("is not empty"));
    assert_eq!(fs::read_dir(place.path()).expect("listed").count(), 1);
}
