//! Partitions that cannot be read for a while: what is made up for is complete in the end, what is lost never is, and
//! nothing is complete before it was read.

use crate::support::{
    accumulator, configured, goes_on_after_restarts, opening, partition, play, slots, take,
};
use crate::traffic::{START, line, settings};
use ninetail::core::accumulator::{Accumulator, Slot};
use ninetail::core::entry::{Entry, ForcedCut, Start};
use ninetail::core::partial::{Gap, Standing};
use ninetail::core::position::Span;
use ninetail::core::record::Outcome;
use ninetail::core::rollup::Cut;
use ninetail::core::settings::Format;
use ninetail::core::time::Time;
use std::collections::BTreeMap;

/// A chunk every so many seconds.
const TICK_S: i64 = 5;

/// Two partitions, a line a second each; what ingest writes down of it.
struct Feed {
    accumulator: Accumulator,
    slots: Vec<Slot>,
    entries: Vec<Entry>,
    /// Seconds after the start.
    now: i64,
    /// Times of the lines that are in Kafka and not read.
    unread: [Vec<i64>; 2],
    written: u64,
}

impl Feed {
    fn new() -> Feed {
        let configured = configured(&[(0, settings(200_000))]);
        let mut accumulator = accumulator(&configured);
        let slots = slots(&mut accumulator, 2, &Format::AwsAlb.into());
        let entries = opening(&configured, vec![partition(0), partition(1)]);
        Feed { accumulator, slots, entries, now: 0, unread: [Vec::new(), Vec::new()], written: 0 }
    }

    fn clock(&self) -> Time {
        START.plus_seconds(self.now)
    }

    fn flush(&mut self) {
        let chunk = self.accumulator.flush(self.clock());
        self.entries.push(Entry::Chunk(chunk));
    }

    /// So many minutes: how the partitions stand, and to which of them is written.
    fn minutes(&mut self, minutes: i64, standing: [Standing; 2], writes: [bool; 2]) {
        for _ in 0..minutes * 60 / TICK_S {
            self.now += TICK_S;
            for p in 0..2 {
                if writes[p] {
                    self.unread[p].extend(self.now - TICK_S..self.now);
                    self.written += TICK_S as u64;
                }
                if !matches!(standing[p], Standing::Unreachable | Standing::Stopped) {
                    for second in std::mem::take(&mut self.unread[p]) {
                        let line = line(second * 1_000, 1, 200, 10);
                        take(&mut self.accumulator, self.slots[p], &line, START.plus_seconds(self.now));
                    }
                }
                self.accumulator.standing(self.slots[p], standing[p]);
            }
            self.flush();
        }
    }

    /// Retention takes what was not read.
    fn lose(&mut self, p: usize) {
        let lost = std::mem::take(&mut self.unread[p]).len() as i64;
        let start = self.accumulator.next(self.slots[p]);
        let span = Span { start, end: start + lost };
        self.accumulator.gap(self.slots[p], Gap { span, reason: "retention".into() });
        self.flush();
    }

    /// Somebody decides that a stopped partition goes on after what was not read.
    fn repair(&mut self, p: usize) {
        let lost = std::mem::take(&mut self.unread[p]).len() as i64;
        let offset = self.accumulator.next(self.slots[p]) + lost;
        let start = Start { partition: partition(p as i32), offset, had_data: true, topic_id: None };
        self.entries.push(Entry::Starts(vec![start]));
        // the process was restarted: what it knows of the partition begins there
        self.accumulator.advance(self.slots[p], offset);
        drop(self.accumulator.flush(self.clock()));
    }
}

/// By partition and minute, what the rows of the highest revision say: None is complete.
fn quality(cuts: &[Cut]) -> BTreeMap<(i32, i64), Option<String>> {
    let rows = cuts.iter().flat_map(|cut| &cut.quality);
    let minute = |time: Time| (time.seconds() - START.seconds()) / 60;
    rows.map(|row| {
        assert_eq!(row.complete, row.reason.is_none());
        ((row.partition.number, minute(row.slice_start)), row.reason.as_deref().map(str::to_string))
    })
    .collect()
}

fn requests(cuts: &[Cut]) -> u64 {
    cuts.iter().flat_map(|cut| &cut.requests).map(|row| row.requests).sum()
}

#[test]
fn what_is_made_up_for_is_complete_and_what_is_lost_never_is() {
    use Standing::{AtEnd, Following, Stopped, Unreachable};
    const ALL: [bool; 2] = [true; 2];
    const FIRST: [bool; 2] = [true, false];
    struct Case {
        name: &'static str,
        standing: [Standing; 2],
        /// To which of them is written meanwhile, and whether retention takes it.
        writes: [bool; 2],
        lost: bool,
        /// What is said of a minute of that time by partition 1, before it is read again; "-" for nothing.
        before: &'static str,
        after: &'static str,
    }
    let cases = [
        Case {
            name: "the whole cluster: nothing closes, and all is read later",
            standing: [Unreachable; 2],
            writes: ALL,
            lost: false,
            before: "-",
            after: "complete",
        },
        Case {
            name: "the whole cluster, and its topics lose the time",
            standing: [Unreachable; 2],
            writes: ALL,
            lost: true,
            before: "-",
            after: "gap",
        },
        Case {
            name: "the whole cluster, producers as well: read to its end, it brought nothing",
            standing: [Unreachable; 2],
            writes: [false; 2],
            lost: false,
            before: "-",
            after: "silent",
        },
        Case {
            name: "one partition: the other does not wait for it, and it makes up for it",
            standing: [Following, Unreachable],
            writes: ALL,
            lost: false,
            before: "unreachable",
            after: "complete",
        },
        Case {
            name: "one partition, and it loses the time",
            standing: [Following, Unreachable],
            writes: ALL,
            lost: true,
            before: "unreachable",
            after: "gap",
        },
        Case {
            name: "one partition, to which nothing was written",
            standing: [Following, Unreachable],
            writes: FIRST,
            lost: false,
            before: "unreachable",
            after: "complete",
        },
        Case {
            name: "one that was stopped, and goes on behind what it had",
            standing: [Following, Stopped],
            writes: ALL,
            lost: true,
            before: "stopped",
            after: "gap",
        },
    ];
    for Case { name, standing, writes, lost, before, after } in cases {
        let mut feed = Feed::new();
        feed.minutes(20, [Following; 2], ALL);
        feed.minutes(40, standing, writes);
        let until = feed.entries.len();
        let unread = feed.unread.each_ref().map(|lines| lines.len() as u64);
        for p in [0, 1].into_iter().filter(|p| lost && unread[*p] > 0) {
            if standing[p] == Stopped { feed.repair(p) } else { feed.lose(p) }
        }
        feed.minutes(5, [if writes[0] { Following } else { AtEnd }, AtEnd], writes);
        feed.minutes(15, [Following; 2], ALL);
        feed.entries.push(Entry::Cut(ForcedCut::All));

        let said = |cuts: &[Cut], minute| match quality(cuts).get(&(1, minute)) {
            None => "-".to_string(),
            Some(None) => "complete".to_string(),
            Some(Some(reason)) => reason.clone(),
        };
        let cuts = play(&feed.entries[..until]).1.cuts;
        assert_eq!(said(&cuts, 10), "complete", "{name}: before it");
        assert_eq!(said(&cuts, 45), before, "{name}: in it");
        let out = play(&feed.entries).1;
        for (minute, want) in [(10, "complete"), (25, after), (45, after), (58, after), (70, "complete")] {
            assert_eq!(said(&out.cuts, minute), want, "{name}: minute {minute} in the end");
        }
        let lost = if lost { unread.iter().sum() } else { 0 };
        assert_eq!(requests(&out.cuts), feed.written - lost, "{name}");
        // it is told when it begins and when it ends
        let told = |p: usize| {
            let subject = format!("source/alb/logs/{p}");
            let of = out.events.iter().filter(|e| e.kind == "slo.data.gap" && *e.subject == *subject);
            let transitions =
                of.map(|e| crate::support::said(e)["gap"]["transition"].as_str().expect("a word").to_owned());
            transitions.filter(|t| *t != "lost").collect::<Vec<_>>()
        };
        for p in [0, 1].into_iter().filter(|p| standing[*p] != Following) {
            assert_eq!(told(p), ["began", "ended"], "{name}: partition {p}");
        }
        goes_on_after_restarts(&feed.entries, 97, 60);
    }
}

#[test]
fn what_a_quiet_partition_lost_is_not_missing_for_ever() {
    let mut feed = Feed::new();
    feed.minutes(20, [Standing::Following; 2], [true; 2]);
    feed.unread[1].push(feed.now - 1);
    feed.lose(1);
    feed.minutes(40, [Standing::Following, Standing::AtEnd], [true, false]);
    feed.entries.push(Entry::Cut(ForcedCut::All));
    let quality = quality(&play(&feed.entries).1.cuts);
    let of: Vec<_> = (15..40).map(|minute| quality[&(1, minute)].clone()).collect();
    let gap = Some("gap".to_string());
    // from its last record to when the loss was known, and the minute that a clock may be ahead
    assert_eq!(of[..4], [const { None }; 4]);
    assert_eq!(of[4..7], [gap.clone(), gap.clone(), gap]);
    assert_eq!(of[7..], [const { None }; 18]);
}

#[test]
fn what_was_lost_before_the_first_record_makes_its_slices_incomplete() {
    let mut feed = Feed::new();
    feed.minutes(5, [Standing::Following, Standing::Behind], [true, false]);
    feed.unread[1].push(feed.now - 1);
    feed.lose(1);
    feed.minutes(20, [Standing::Following; 2], [true; 2]);
    feed.entries.push(Entry::Cut(ForcedCut::All));
    let out = play(&feed.entries).1;
    let of: Vec<_> =
        quality(&out.cuts).into_iter().filter(|((p, _), _)| *p == 1).map(|(_, why)| why).collect();
    assert!(of[..5].iter().all(|why| why.as_deref() == Some("gap")), "{of:?}");
    assert!(of[7..].iter().all(Option::is_none), "{of:?}");
    assert_eq!(out.cuts.iter().flat_map(|c| &c.quality).map(|row| row.gap_offsets).sum::<u64>(), 1);
}

/// Rows of rejected lines: minute of the slice, revision, lines.
fn rejects(cuts: &[Cut]) -> Vec<(i64, u64, u64)> {
    let rows = cuts.iter().flat_map(|cut| &cut.rejects);
    rows.map(|r| ((r.slice_start.seconds() - START.seconds()) / 60, r.revision, r.lines)).collect()
}

fn garbage(feed: &mut Feed, p: usize) {
    let outcome = feed.accumulator.line(feed.slots[p], b"no line of this format", feed.clock());
    assert!(matches!(outcome, Outcome::Rejected(_)));
    feed.accumulator.advance(feed.slots[p], feed.accumulator.next(feed.slots[p]) + 1);
}

#[test]
fn where_no_line_can_be_read_the_tables_say_so() {
    let mut feed = Feed::new();
    for minute in 0..20 {
        garbage(&mut feed, minute % 2);
        feed.minutes(1, [Standing::Following, Standing::AtEnd], [false; 2]);
    }
    let (engine, out) = play(&feed.entries);
    let told = rejects(&out.cuts);
    assert_eq!(told.iter().map(|r| r.2).sum::<u64>(), 16, "up to the last border: {told:?}");
    assert!(told.iter().all(|(minute, revision, _)| (0..20).contains(minute) && *revision > 0), "{told:?}");
    assert_eq!(engine.next_border(), None, "the first slice is still to come");
    // then somebody writes what can be read, and it all begins
    feed.minutes(10, [Standing::Following; 2], [true; 2]);
    feed.entries.push(Entry::Cut(ForcedCut::All));
    let out = play(&feed.entries).1;
    assert_eq!(rejects(&out.cuts).iter().map(|r| r.2).sum::<u64>(), 20);
    assert_eq!(requests(&out.cuts), feed.written);
    assert!((20..30).all(|minute| quality(&out.cuts).contains_key(&(1, minute))));
    goes_on_after_restarts(&feed.entries, 17, 60);
}

#[test]
fn a_partition_of_which_nothing_can_be_read_holds_nothing_up() {
    let mut feed = Feed::new();
    feed.minutes(5, [Standing::Following; 2], [true; 2]);
    for _ in 0..20 {
        garbage(&mut feed, 1);
        feed.minutes(1, [Standing::Following; 2], [true, false]);
    }
    let out = play(&feed.entries).1;
    let told = rejects(&out.cuts);
    assert!(told.iter().any(|(minute, ..)| *minute > 10), "{told:?}");
    // with lag it may hold anything
    feed.entries.iter_mut().for_each(|entry| {
        if let Entry::Chunk(chunk) = entry {
            chunk.coverage.iter_mut().filter(|c| c.partition.number == 1).for_each(|c| {
                c.standing = Standing::Behind;
            });
        }
    });
    let told = rejects(&play(&feed.entries).1.cuts);
    assert!(told.iter().all(|(minute, ..)| *minute <= 5), "{told:?}");
}

#[test]
fn what_could_not_be_read_at_the_end_is_told_with_the_last_slice() {
    for (forced, minutes) in [(ForcedCut::All, 3), (ForcedCut::All, 0), (ForcedCut::Closed, 0)] {
        let mut feed = Feed::new();
        feed.minutes(minutes, [Standing::Following; 2], [true; 2]);
        feed.entries.push(Entry::Cut(ForcedCut::All));
        garbage(&mut feed, 0);
        feed.flush();
        feed.entries.push(Entry::Cut(forced));
        let told = rejects(&play(&feed.entries).1.cuts);
        assert_eq!(told.len(), 1, "{told:?}");
        assert_eq!((told[0].0, told[0].2), ((minutes - 1).max(0), 1), "{told:?}");
    }
}
