//! From a log file to Parquet, with the program as it is installed: beside a bare newline scan of the same file, and
//! beside DuckDB's CSV reader if `NINETAIL_BENCH_PYTHON` names a Python that can import it. They take turns.
//!
//! The file is `NINETAIL_BENCH_LOG`, else one of `NINETAIL_BENCH_LINES` (default 1,000,000) made lines. It is read
//! once before anything is timed, so that all find it in the page cache.

mod support;

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use support::{amount, measure};

/// How much is read of the file at a time.
const BLOCK_BYTES: usize = 1 << 20;

/// Requests, 5xx, slow ones and quantiles by minute and target group: about what the rollups hold.
const DUCKDB: &str = r#"
import sys, duckdb
source, out = sys.argv[1:]
duckdb.execute(f"""COPY (
  SELECT substr(c2, 1, 16) AS minute, c17 AS target_group, count(*) AS requests,
    count(*) FILTER (c9 BETWEEN '500' AND '599') AS status_5xx, count(*) FILTER (c7::DOUBLE > 0.2) AS slow,
    approx_quantile(c7::DOUBLE, [0.5, 0.95, 0.99]) AS quantiles
  FROM read_csv('{source}', delim=' ', quote='"', escape='"', header=false, auto_detect=false, null_padding=true,
    max_line_size=1000000, columns={{{", ".join(f"'c{i}': 'VARCHAR'" for i in range(1, 34))}}})
  GROUP BY ALL) TO '{out}'""")
"#;

fn main() {
    let dir = tempfile::tempdir().expect("a folder");
    let file = log_file(dir.path());
    let pipeline = dir.path().join("bench.yaml");
    std::fs::write(&pipeline, support::pipeline(support::BY_TARGET_GROUP)).expect("written");
    let [lines, bytes] = scan(&file);
    println!("{}: {lines} lines, {bytes} bytes", file.display());
    let units = ["lines", "bytes"];
    for round in 0..amount("NINETAIL_BENCH_ROUNDS", 3) {
        measure("newline scan", units, || scan(&file));
        let out = dir.path().join(format!("out-{round}"));
        measure("ninetail backfill", units, || {
            finished(
                Command::new(env!("CARGO_BIN_EXE_ninetail"))
                    .args(["backfill", "--quiet", "--no-progress"])
                    .arg(&pipeline)
                    .arg("--input")
                    .arg(&file)
                    .arg("--out")
                    .arg(&out),
            );
            [lines, bytes]
        });
        std::fs::remove_dir_all(&out).expect("removed");
        if let Some(python) = std::env::var_os("NINETAIL_BENCH_PYTHON") {
            measure("DuckDB read_csv", units, || {
                let out = dir.path().join("duckdb.parquet");
                finished(Command::new(&python).args(["-c", DUCKDB]).arg(&file).arg(out));
                [lines, bytes]
            });
        }
    }
}

fn finished(command: &mut Command) {
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}

/// The file that is named, or a made one in the folder.
fn log_file(dir: &Path) -> PathBuf {
    if let Some(path) = std::env::var_os("NINETAIL_BENCH_LOG") {
        return path.into();
    }
    let path = dir.join("access.log");
    let mut file = std::io::BufWriter::with_capacity(BLOCK_BYTES, File::create(&path).expect("a file"));
    let (mut traffic, mut line) = (support::traffic(support::SERVICES), Vec::new());
    for _ in 0..amount("NINETAIL_BENCH_LINES", 1_000_000) {
        traffic.next_line(&mut line);
        line.push(b'\n');
        file.write_all(&line).expect("written");
    }
    file.flush().expect("written");
    path
}

/// Reads the whole file and counts its lines and bytes.
fn scan(path: &Path) -> [u64; 2] {
    let mut file = File::open(path).expect("opens");
    let mut block = vec![0; BLOCK_BYTES];
    let (mut lines, mut bytes) = (0, 0);
    loop {
        let read = file.read(&mut block).expect("read");
        if read == 0 {
            return [lines, bytes];
        }
        lines += support::newlines(&block[..read]);
        bytes += read as u64;
    }
}
