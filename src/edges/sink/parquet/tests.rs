//! Parquet files: each published once, read back, refused where they are another journal's.

use super::*;
use crate::core::decimal::Decimal;
use crate::core::entry::Takeover;
use crate::core::histogram::Histogram;
use crate::core::position::Partition;
use crate::core::rollup::{QualityRow, RejectsRow, RequestsRow, SliRow};
use crate::core::time::{Slice, SliceLength};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::RowAccessor;
use std::fs::File;

const JOURNAL: &str = "0123456789abcdef";

fn owner() -> Owner {
    Owner {
        pipeline: "my-edge".into(),
        journal: JOURNAL.into(),
        end: 100,
        takeover: None,
        published: None,
        incarnations: Vec::new(),
    }
}

fn time(text: &str) -> Time {
    Time::parse(text).expect("a time")
}

fn requests(service: &str, start: &str) -> RequestsRow {
    let mut latency = Histogram::default();
    for us in [0, 1, 250, 250, 1_000_000] {
        latency.record(us);
    }
    RequestsRow {
        service: service.into(),
        dimensions: Box::default(),
        slice_start: time(start),
        revision: 0,
        requests: 5,
        statuses: [1, 0, 2, 0, 1, 1],
        client_gone: 1,
        bytes_received: 100,
        bytes_sent: 5_000_000_000,
        client_latency: latency,
        upstream_latency: Histogram::default(),
    }
}

fn cut(number: u64, bad: u64) -> Cut {
    let partition = Partition { source: "alb".into(), topic: "alb-logs".into(), number: 3 };
    let start = time("2018-12-31T23:54:00Z");
    Cut {
        number,
        watermark: time("2018-12-31T23:55:00Z"),
        slice: SliceLength(60),
        position: 40 + number,
        dimensions: Vec::new(),
        requests: vec![
            requests("cart", "2018-12-31T23:54:00Z"),
            requests("cart", "2019-01-01T00:00:00Z"),
            requests("checkout", "2018-12-31T23:53:00Z"),
        ],
        slis: vec![SliRow {
            service: "cart".into(),
            slo: "availability".into(),
            group: None,
            slice_start: start,
            revision: 7,
            generation: 1,
            good: 3,
            bad,
            excluded: 1,
            objective: Decimal::parse("99.95").expect("a decimal"),
            window_s: 2_592_000,
        }],
        quality: vec![QualityRow {
            partition: partition.clone(),
            slice_start: start,
            revision: 0,
            slices: 1,
            complete: false,
            reason: Some("gap".into()),
            lines: 9,
            records: 5,
            skipped: 1,
            rejected: 3,
            late: 0,
            replayed: 2,
            gap_offsets: 17,
            dimensions_folded: 0,
            duplicates_estimated: None,
            duplicates_dropped: 0,
        }],
        rejects: vec![RejectsRow {
            partition,
            slice_start: start,
            revision: 0,
            reason: "truncated",
            lines: 3,
        }],
        coarse: Vec::new(),
    }
}

fn files(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for pattern in ["*/*/*", ".staging/*"] {
        for path in glob::glob(&dir.join(pattern).display().to_string()).expect("a pattern").flatten() {
            found.push(path.strip_prefix(dir).expect("inside").display().to_string());
        }
    }
    found.sort();
    found
}

#[test]
fn a_cut_is_published_once_and_reads_back() {
    let dir = tempfile::tempdir().expect("a folder");
    let rollups = dir.path().join("data/rollups");
    let mut sink = RollupSink::open(&rollups, &owner()).expect("opens");
    let written = sink.write(&cut(42, 1)).expect("writes");
    assert_eq!((written.files, written.already, written.rows), (5, 0, 6));
    let name = "my-edge-0123456789abcdef-00000042-20181231T2355Z.parquet";
    let want = [
        format!("quality_1m/date=2018-12-31/{name}"),
        format!("rejects_1m/date=2018-12-31/{name}"),
        format!("requests_1m/date=2018-12-31/{name}"),
        format!("requests_1m/date=2019-01-01/{name}"),
        format!("sli_1m/date=2018-12-31/{name}"),
    ];
    assert_eq!(files(&rollups), want);
    let again = sink.write(&cut(42, 1)).expect("writes again");
    assert_eq!((again.files, again.already), (0, 5));

    let reader =
        SerializedFileReader::new(File::open(rollups.join(&want[2])).expect("opens")).expect("reads");
    let rows: Vec<_> = reader.get_row_iter(None).expect("reads").map(|r| r.expect("a row")).collect();
    let services: Vec<&String> = rows.iter().map(|r| r.get_string(0).expect("text")).collect();
    assert_eq!(services, ["cart", "checkout"]);
    let row = rows[0].to_json_value_of(&[
        "requests",
        "status_none",
        "status_2xx",
        "bytes_sent",
        "client_latency_min_us",
        "client_latency_bucket_index",
        "client_latency_bucket_count",
        "upstream_latency_min_us",
        "upstream_latency_bucket_index",
    ]);
    let buckets: Vec<(i16, u64)> = cut(1, 1).requests[0].client_latency.buckets().collect();
    let list = |values: Vec<String>| format!("[{}]", values.join(","));
    assert_eq!(
        row,
        [
            "5".to_owned(),
            "1".into(),
            "2".into(),
            "5000000000".into(),
            "0".into(),
            list(buckets.iter().map(|b| b.0.to_string()).collect()),
            list(buckets.iter().map(|b| b.1.to_string()).collect()),
            "null".into(),
            "null".into(),
        ]
    );
    let footer = file::footer(&rollups.join(&want[4])).expect("reads");
    let says = |key: &str| footer.get(&format!("ninetail.{key}")).map(String::as_str);
    assert_eq!(says("journal"), Some(JOURNAL));
    assert_eq!(says("cut"), Some("42"));
    assert_eq!(says("position"), Some("82"));
    assert_eq!(says("watermark"), Some("2018-12-31T23:55:00Z"));
    assert_eq!(says("rows_hash").map(str::len), Some(32));
}

#[test]
fn dimensions_are_columns_behind_the_service_and_part_of_the_hash() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut sink = RollupSink::open(dir.path(), &owner()).expect("opens");
    let mut broken_down = cut(42, 1);
    broken_down.dimensions = vec!["route".into(), "method".into()];
    for (row, route) in broken_down.requests.iter_mut().zip(["/a", "/b", "/c"]) {
        row.dimensions = [Some(route.into()), None].into();
    }
    sink.write(&broken_down).expect("writes");
    let files = read::files(dir.path()).expect("lists");
    let path = |table: &str| &files.iter().find(|f| f.table == table).expect("a file").path;
    assert_eq!(read::dimensions(path("requests")).expect("reads"), ["route", "method"]);
    assert_eq!(read::dimensions(path("sli")).expect("reads"), [""; 0]);
    let reader = SerializedFileReader::new(File::open(path("requests")).expect("opens")).expect("reads");
    let columns: Vec<_> = reader.metadata().file_metadata().schema_descr().columns().to_vec();
    let names: Vec<&str> = columns.iter().map(|c| c.name()).take(4).collect();
    assert_eq!(names, ["service", "route", "method", "slice_start"]);
    let rows: Vec<_> = reader.get_row_iter(None).expect("reads").map(|r| r.expect("a row")).collect();
    assert_eq!(
        rows[1].to_json_value_of(&["service", "route", "method", "requests"]),
        ["\"checkout\"", "\"/c\"", "null", "5"]
    );
    // reports read the same file without knowing of dimensions
    let mut requests = 0;
    read::requests(path("requests"), |row| requests += row.requests).expect("reads");
    assert_eq!(requests, 10);
    broken_down.requests[0].dimensions[0] = Some("/z".into());
    assert!(matches!(sink.write(&broken_down), Err(RollupError::Differs { .. })));
}

/// Named columns of a row as text.
trait Pick {
    fn to_json_value_of(&self, names: &[&str]) -> Vec<String>;
}

impl Pick for parquet::record::Row {
    fn to_json_value_of(&self, names: &[&str]) -> Vec<String> {
        use parquet::record::Field;
        let text = |field: &Field| match field {
            Field::ListInternal(list) => {
                let one = |f: &Field| f.to_string();
                format!("[{}]", list.elements().iter().map(one).collect::<Vec<_>>().join(","))
            }
            other => other.to_string(),
        };
        let find =
            |name: &&str| self.get_column_iter().find(|c| c.0 == *name).map_or("?".into(), |c| text(c.1));
        names.iter().map(find).collect()
    }
}

#[test]
fn files_have_the_types_that_the_columns_say() {
    let dir = tempfile::tempdir().expect("a folder");
    RollupSink::open(dir.path(), &owner()).expect("opens").write(&cut(1, 1)).expect("writes");
    let mut seen = 0;
    for path in files(dir.path()) {
        let reader =
            SerializedFileReader::new(File::open(dir.path().join(&path)).expect("opens")).expect("reads");
        let schema = reader.metadata().file_metadata().schema();
        let mut text = Vec::new();
        parquet::schema::printer::print_schema(&mut text, schema);
        let text = String::from_utf8(text).expect("text");
        assert!(!text.contains("UINT") && !text.contains("false)"), "unsigned or zoneless types:\n{text}");
        for (name, want) in [
            ("slice_start", "REQUIRED INT64 slice_start (TIMESTAMP(MICROS,true));"),
            ("objective", "REQUIRED INT32 objective (DECIMAL(9,6));"),
            ("good", "REQUIRED INT64 good;"),
            ("partition", "REQUIRED INT32 partition;"),
            ("service", "REQUIRED BYTE_ARRAY service (STRING);"),
            ("client_latency_min_us", "OPTIONAL INT64 client_latency_min_us;"),
            ("client_latency_bucket_index", "OPTIONAL group client_latency_bucket_index (LIST) {"),
        ] {
            if schema.get_fields().iter().any(|f| f.name() == name) {
                assert!(text.contains(want), "{want} is not in\n{text}");
                seen += 1;
            }
        }
    }
    assert!(seen >= 7);
}

#[test]
fn other_rows_under_a_published_name_are_a_stop() {
    let dir = tempfile::tempdir().expect("a folder");
    let mut sink = RollupSink::open(dir.path(), &owner()).expect("opens");
    sink.write(&cut(1, 1)).expect("writes");
    let published =
        dir.path().join("sli_1m/date=2018-12-31/my-edge-0123456789abcdef-00000001-20181231T2355Z.parquet");
    let bytes = fs::read(&published).expect("reads");
    let error = sink.write(&cut(1, 2)).expect_err("differs");
    let RollupError::Differs { kept, .. } = &error else { panic!("{error}") };
    assert!(!error.may_pass() && kept.exists() && kept.extension().is_some_and(|e| e != "parquet"));
    assert_eq!(fs::read(&published).expect("reads"), bytes, "the published file is as it was");
    // a published file that cannot be read is no proof of anything
    fs::write(&published, b"PAR1 torn").expect("writes");
    assert!(matches!(sink.write(&cut(1, 1)), Err(RollupError::Differs { .. })));
    let kept: Vec<String> = files(dir.path()).into_iter().filter(|f| f.starts_with(".staging")).collect();
    RollupSink::open(dir.path(), &owner()).expect("opens");
    assert!(kept.iter().all(|f| dir.path().join(f).exists()), "conflicts are not swept");
}

#[test]
fn only_our_own_half_written_files_are_swept() {
    let dir = tempfile::tempdir().expect("a folder");
    let staging = dir.path().join(".staging");
    fs::create_dir_all(&staging).expect("makes");
    let name = |pipeline, journal| {
        format!("sli_1m.2018-12-31.{pipeline}-{journal}-00000001-20181231T2355Z.parquet.staged")
    };
    let ours = name("my-edge", JOURNAL);
    let others = [name("edge", JOURNAL), name("my-edge", "ffffffffffffffff"), "note.staged".to_owned()];
    for file in others.iter().chain([&ours]) {
        fs::write(staging.join(file), "half").expect("writes");
    }
    RollupSink::open(dir.path(), &owner()).expect("opens");
    assert!(!staging.join(&ours).exists());
    assert!(others.iter().all(|f| staging.join(f).exists()));
}

#[test]
fn outputs_of_another_journal_or_beyond_our_end_are_refused() {
    let dir = tempfile::tempdir().expect("a folder");
    assert_eq!(scan(&dir.path().join("nothing"), "my-edge").expect("lists"), []);
    RollupSink::open(dir.path(), &owner()).expect("opens").write(&cut(7, 1)).expect("writes");
    let found = scan(dir.path(), "my-edge").expect("lists");
    assert_eq!((found.len(), found[0].cut_max, found[0].watermark_max), (1, 7, time("2018-12-31T23:55:00Z")));
    assert_eq!(scan(dir.path(), "edge").expect("lists"), [], "another pipeline may share the folder");

    let refusal = |owner: &Owner| match RollupSink::open(dir.path(), owner) {
        Err(RollupError::Foreign(foreign)) => foreign,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("opens"),
    };
    let foreign = Owner { journal: "ffffffffffffffff".into(), ..owner() };
    assert!(matches!(refusal(&foreign), Foreign::Other { .. }));
    assert!(matches!(refusal(&Owner { end: 46, ..owner() }), Foreign::Beyond { position: 47, end: 46, .. }));
    RollupSink::open(dir.path(), &Owner { end: 47, ..owner() }).expect("opens");
    let takeover = |cut| Some(Takeover { from: Slice(0), cut, sequences: Default::default() });
    RollupSink::open(dir.path(), &Owner { takeover: takeover(7), ..foreign.clone() }).expect("takes over");
    assert!(matches!(refusal(&Owner { takeover: takeover(6), ..foreign }), Foreign::Other { .. }));
}
