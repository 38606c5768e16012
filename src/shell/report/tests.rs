//! Reports over files that the real sink wrote.

use super::*;
use crate::core::decimal::Decimal;
use crate::core::entry::Takeover;
use crate::core::histogram::Histogram;
use crate::core::position::Partition;
use crate::core::rollup::{BudgetRow, Cut, QualityRow, RequestsRow, SliRow};
use crate::core::settings::{Budgeting, SliceTest, Slo};
use crate::core::time::Slice;
use crate::edges::sink::Owner;
use crate::edges::sink::parquet::RollupSink;

fn time(text: &str) -> Time {
    Time::parse(text).expect("a time")
}

fn cut(number: u64, start: Time, revision: u64, (good, bad): (u64, u64)) -> Cut {
    let mut latency = Histogram::default();
    (0..good + bad).for_each(|i| latency.record(i * 1_000));
    let partition = Partition { source: "alb".into(), topic: "logs".into(), number: 0 };
    let requests = RequestsRow {
        service: "web".into(),
        dimensions: Box::default(),
        slice_start: start,
        revision,
        requests: good + bad,
        statuses: [0, 0, good, 0, 0, bad],
        client_gone: 0,
        bytes_received: 0,
        bytes_sent: 0,
        client_latency: latency,
        upstream_latency: Histogram::default(),
    };
    let sli = SliRow {
        service: "web".into(),
        slo: "availability".into(),
        group: None,
        slice_start: start,
        revision,
        generation: 1,
        good,
        bad,
        excluded: 0,
        maintenance_good: 0,
        maintenance_bad: 0,
        objective: Decimal::parse("99").expect("a decimal"),
        window_s: 86_400,
    };
    let quality = QualityRow {
        partition,
        slice_start: start,
        revision,
        slices: 1,
        complete: revision == 0,
        reason: (revision > 0).then(|| "gap".into()),
        lines: good + bad,
        records: good + bad,
        skipped: 0,
        rejected: 0,
        late: 0,
        replayed: 0,
        gap_offsets: 0,
        dimensions_folded: 0,
        duplicates_estimated: None,
        duplicates_dropped: 0,
    };
    Cut {
        number,
        watermark: start.plus_seconds(60),
        slice: SliceLength(60),
        position: number,
        dimensions: Vec::new(),
        requests: vec![requests],
        slis: vec![sli],
        quality: vec![quality],
        rejects: Vec::new(),
        coarse: Vec::new(),
        budgets: Vec::new(),
    }
}

fn sink(dir: &Path, pipeline: &str, journal: &str) -> RollupSink {
    let takeover = Some(Takeover { from: Slice(0), cut: 1_000, sequences: Default::default() });
    let owner = Owner {
        pipeline: pipeline.into(),
        journal: journal.into(),
        end: 1_000,
        takeover,
        published: None,
        incarnations: Vec::new(),
    };
    RollupSink::open(dir, &owner).expect("opens")
}

fn request(dir: &Path) -> Request {
    Request {
        rollups: dir.to_owned(),
        name: None,
        slice: None,
        slos: Arc::new([]),
        configured: false,
        exclusions: None,
        specifications: Vec::new(),
        rules: Vec::new(),
        since: None,
        until: None,
        window_s: None,
        series: false,
    }
}

/// Two journals, a revision, a day's border.
fn sample() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let mut first = sink(dir.path(), "edge", "0123456789abcdef");
    for (number, start, revision, counts) in [
        (1, "2026-01-01T00:00:00Z", 0, (1_000, 0)),
        (2, "2026-01-02T23:58:00Z", 0, (98, 2)),
        (3, "2026-01-02T23:58:00Z", 3, (9, 1)),
    ] {
        first.write(&cut(number, time(start), revision, counts)).expect("writes");
    }
    let mut second = sink(dir.path(), "edge", "fedcba9876543210");
    second.write(&cut(1, time("2026-01-03T00:01:00Z"), 0, (90, 0))).expect("writes");
    dir
}

#[test]
fn the_newest_window_over_journals_and_revisions() {
    let dir = sample();
    let report = request(dir.path()).report().expect("a report");
    assert_eq!((report.since, report.until), (time("2026-01-02T23:58:00Z"), time("2026-01-03T00:02:00Z")));
    let [slo] = &report.slos[..] else { panic!("{report:?}") };
    assert_eq!((slo.counts.good, slo.counts.bad, slo.sli.as_deref()), (197, 3, Some("98.50")));
    assert_eq!((slo.met, slo.exhausted), (Some(false), false));
    // 4 of the day's 1,440 slices were seen: 1.5 times the budget of those is 1/240 of the whole
    assert_eq!(slo.left.expect("counted").to_string(), "0.995833");
    assert_eq!(slo.burn[0].expect("counted").to_string(), "0.1");
    let quality = &report.quality;
    assert_eq!((quality.slices, quality.complete, quality.unread, quality.reasons["gap"]), (4, 1, 2, 1));
    let web = &report.services["web"];
    assert_eq!((web.requests, web.status_5xx, web.client.count, web.upstream.count), (200, 3, 200, 0));
    assert_eq!((web.client.min_us, web.upstream.quantiles_us), (Some(0), [None; 3]));
}

/// How a budget stood at the end of an hour, as far as reports look at it.
fn hour(until: Time, slo: &str) -> BudgetRow {
    BudgetRow {
        service: "web".into(),
        slo: slo.into(),
        group: None,
        slice_start: until.plus_seconds(-3_600),
        revision: 0,
        until,
        generation: 1,
        objective: Decimal::parse("99").expect("a decimal"),
        budgeting: Budgeting::default(),
        calendar: None,
        window_start: until.plus_seconds(-86_400),
        window_end: until,
        good: 1,
        bad: 0,
        slices: 1,
        seen: 1,
        read: 1,
        allowed: None,
        consumed: 0,
        remaining: None,
        consumed_ratio: None,
        remaining_ratio: None,
        burns: Box::default(),
        firing: Box::default(),
        exhausted_since: None,
        frozen_since: None,
        policy: None,
    }
}

#[test]
fn slices_without_requests_count_from_the_range_on_where_the_budget_is_older() {
    // three minutes without a request were read, then comes one with ten
    let busy = SliceTest::Requests { at_least: 10, at_most: None };
    let budgeting = Budgeting::Timeslices { slice_s: 60, test: busy };
    let slo = Slo { name: "availability".into(), services: vec!["web".into()], budgeting, ..Slo::default() };
    let since = time("2026-01-05T09:00:00Z");
    for (told, bad, noted) in [
        (vec![], 0, true),
        (vec![hour(since, "availability")], 3, false),
        (vec![hour(since, "latency")], 0, true),
        // it had left before
        (vec![hour(since.plus_seconds(-3_600), "availability")], 0, true),
    ] {
        let dir = tempfile::tempdir().expect("a folder");
        let mut written = sink(dir.path(), "edge", "0123456789abcdef");
        for (number, minute) in (1..).zip(0..4) {
            let mut cut = cut(number, since.plus_seconds(minute * 60), 0, (10, 0));
            if minute < 3 {
                (cut.requests, cut.slis) = (Vec::new(), Vec::new());
            }
            cut.budgets = if minute == 0 { told.clone() } else { Vec::new() };
            written.write(&cut).expect("writes");
        }
        let mut asked = request(dir.path());
        (asked.since, asked.configured, asked.slos) = (Some(since), true, vec![slo.clone()].into());
        let report = asked.report().expect("a report");
        let [figures] = &report.slos[..] else { panic!("{report:?}") };
        let percent = if bad == 3 { "25.00" } else { "100.00" };
        assert_eq!(figures.sli.as_deref(), Some(percent), "{told:?}");
        assert_eq!(
            report.notes.iter().any(|note| note.contains("without requests")),
            noted,
            "{:?}",
            report.notes
        );
    }
}

#[test]
fn a_range_is_kept_to() {
    let dir = sample();
    let mut early = request(dir.path());
    early.until = Some(time("2026-01-02T12:00:30Z"));
    let report = early.report().expect("a report");
    assert_eq!((report.since, report.until), (time("2026-01-01T00:00:00Z"), time("2026-01-01T00:01:00Z")));
    assert_eq!(report.slos[0].counts.good, 1_000);
    let mut late = request(dir.path());
    late.since = Some(time("2026-01-02T23:58:30Z"));
    let report = late.report().expect("a report");
    assert_eq!((report.slos[0].counts.good, report.slos[0].counts.bad), (90, 0));
    late.since = Some(time("2026-02-01T00:00:00Z"));
    assert!(late.report().expect_err("nothing there").to_string().contains("end at 2026-01-03T00:02:00Z"));
    early.until = Some(time("2026-01-01T00:00:30Z"));
    assert!(early.report().expect_err("nothing there").to_string().contains("ends by 2026-01-01T00:00:30Z"));
}

#[test]
fn only_files_of_the_dates_asked_for_are_opened() {
    let dir = sample();
    let spoil = |date: &str| {
        for table in ["requests_1m", "sli_1m", "quality_1m"] {
            let folder = dir.path().join(table).join(format!("date={date}"));
            for file in std::fs::read_dir(folder).expect("the date") {
                std::fs::write(file.expect("listed").path(), "spoilt").expect("written");
            }
        }
    };
    spoil("2026-01-01");
    let mut ranged = request(dir.path());
    ranged.since = Some(time("2026-01-02T00:00:00Z"));
    assert_eq!(ranged.report().expect("a report").slos[0].counts.good, 197);
    spoil("2026-01-03");
    ranged.until = Some(time("2026-01-03T00:00:00Z"));
    assert_eq!(ranged.report().expect("a report").slos[0].counts.good, 107);
    assert!(request(dir.path()).report().expect_err("spoilt").to_string().contains("date=2026-01-03"));
}

#[test]
fn other_folders_are_named_in_errors() {
    let empty = tempfile::tempdir().expect("a folder");
    for dir in [empty.path(), &empty.path().join("none")] {
        let error = request(dir).report().expect_err("empty").to_string();
        assert!(error.contains(&format!("no rollups in {}", dir.display())), "{error}");
    }
    let dir = sample();
    sink(dir.path(), "api", "00000000000000aa")
        .write(&cut(1, time("2026-01-03T00:00:00Z"), 0, (7, 0)))
        .expect("writes");
    let error = request(dir.path()).report().expect_err("two pipelines");
    assert!(error.to_string().contains("(api, edge)") && error.code() == 2, "{error}");
    let named = Request { name: Some("api".into()), ..request(dir.path()) };
    assert_eq!(named.report().expect("a report").slos[0].counts.good, 7);
    let unknown = Request { name: Some("shop".into()), ..request(dir.path()) };
    assert!(unknown.report().expect_err("no such").to_string().contains("it holds those of: api, edge"));
    let torn =
        dir.path().join("sli_1m/date=2026-01-03/edge-fedcba9876543210-00000002-20260103T0003Z.parquet");
    std::fs::write(&torn, "PAR1").expect("written");
    let named = Request { name: Some("edge".into()), ..request(dir.path()) };
    let error = named.report().expect_err("a torn file").to_string();
    assert!(error.contains("00000002-20260103T0003Z.parquet"), "{error}");
}

#[test]
fn every_form_holds_the_same_rows() {
    let dir = sample();
    let report = request(dir.path()).report().expect("a report");
    let table = print::table(&report, false);
    assert!(table.contains("missed") && !table.contains('\x1b'), "{table}");
    let colored = print::table(&report, true);
    assert!(colored.contains("\x1b[33mmissed\x1b[0m"), "{colored}");
    let plain = |text: &str| text.replace("\x1b[33m", "").replace("\x1b[0m", "");
    assert_eq!(plain(&colored), table);
    assert!(table.contains("98.50%") && table.contains("99.5%"), "{table}");
    assert!(table.contains("1 of 4 slices of 1m complete"), "{table}");
    let json = print::json(&report);
    assert_eq!(json["slos"][0]["budget_left_percent"], "99.5833");
    assert_eq!(json["services"]["web"]["client_latency_us"]["count"], 200);
    let csv = csv::text(&report);
    let lines: Vec<&str> = csv.lines().collect();
    assert_eq!(lines.len(), 2, "{csv}");
    assert_eq!(lines[0].split(',').count(), lines[1].split(',').count());
    assert!(
        lines[1].starts_with("web,availability,99,86400,200,197,3,0,98.50,false,99.5833,false,0.1,"),
        "{csv}"
    );
}
