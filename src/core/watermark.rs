//! How far event time has come: per partition, and over all that take part.
//!
//! Invariant: a watermark never falls, a partition with lag is never idle, and a few absurd times move
//! nothing. That of alerts is never behind that of everything else. There is no clock here: the only "now" is the one that ingest wrote into its chunks.

use crate::core::partial::{Coverage, Standing};
use crate::core::position::Partition;
use crate::core::settings::Source;
use crate::core::time::Time;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A standing older than this, against the journal's clock, is not believed any more.
const STANDING_FRESH_S: i64 = 10;

/// How event time stands in one partition.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug)]
pub struct Progress {
    /// The largest event times read, descending, at most the quorum and one.
    top: Vec<Time>,
    watermark: Option<Time>,
    /// How far event time has come in it, without lateness. It never falls either.
    reached: Option<Time>,
    hold: Option<Time>,
    standing: Standing,
    /// Clock of the last chunk that spoke of it.
    heard_at: Time,
    /// Clock since when it is read as it is written, and brings no record.
    quiet_since: Option<Time>,
    /// Clock of the last chunk that brought a line; of the first chunk before that.
    brought_at: Time,
    /// Clock since when no broker answers.
    unreachable_since: Option<Time>,
    lateness_s: u32,
    idle_timeout_s: u32,
}

/// Whether and how a partition takes part in the minimum.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    /// It holds the watermark at its own, or back altogether while it has none.
    Active(Option<Time>),
    /// Read as far as it goes, and without a record: follows the others.
    Idle,
    /// Read to the end that was asked for.
    Finished,
    /// Stopped, removed, or without an answer for too long.
    Left,
}

impl Progress {
    fn new(clock: Time, source: &Source) -> Progress {
        Progress {
            top: Vec::new(),
            watermark: None,
            reached: None,
            hold: None,
            standing: Standing::Behind,
            heard_at: clock,
            quiet_since: None,
            brought_at: clock,
            unreachable_since: None,
            lateness_s: source.lateness_s,
            idle_timeout_s: source.idle_timeout_s,
        }
    }

    /// The partition's own watermark.
    pub fn watermark(&self) -> Option<Time> {
        self.watermark
    }

    /// Where it stands towards its end.
    pub fn standing(&self) -> Standing {
        self.standing
    }

    /// The latest event time read that lies no later than the clock.
    pub fn latest(&self, clock: Time) -> Option<Time> {
        self.top.iter().copied().find(|t| *t <= clock)
    }

    /// How long after a slice's end its lines may still come, seconds.
    pub fn lateness_s(&self) -> u32 {
        self.lateness_s
    }

    /// For how long it has been read to its end without a line, seconds; None if it is not at its end.
    pub fn silent_for_s(&self, clock: Time) -> Option<i64> {
        let at_end = self.standing == Standing::AtEnd && self.fresh(clock);
        at_end.then(|| self.brought_s_ago(clock))
    }

    /// How long ago it brought a line, seconds; or began to be read, if it has brought none.
    pub fn brought_s_ago(&self, clock: Time) -> i64 {
        clock.seconds() - self.brought_at.seconds()
    }

    /// For how long no broker has answered, seconds.
    pub fn unreachable_for_s(&self, clock: Time) -> Option<i64> {
        self.unreachable_since.map(|since| clock.seconds() - since.seconds())
    }

    /// Whether it holds nothing up: it has been read as far as it goes for `idle_timeout`, and brought no record.
    pub fn is_idle(&self, clock: Time) -> bool {
        let quiet = |since: Time| clock >= since.plus_seconds(i64::from(self.idle_timeout_s));
        self.is_followed() && self.fresh(clock) && self.quiet_since.is_some_and(quiet)
    }

    /// Whether all that a recent broker answer told of has been read.
    fn is_followed(&self) -> bool {
        matches!(self.standing, Standing::AtEnd | Standing::Following)
    }

    fn fresh(&self, clock: Time) -> bool {
        clock <= self.heard_at.plus_seconds(STANDING_FRESH_S)
    }

    fn hear(&mut self, coverage: &Coverage, clock: Time, quorum: u32) {
        let brought = coverage.quality.iter().any(|(_, q)| q.lines > 0);
        self.top.extend_from_slice(&coverage.top_times);
        self.top.sort_unstable_by(|a, b| b.cmp(a));
        self.top.truncate(quorum as usize + 1);
        self.hold = coverage.hold;
        self.standing = coverage.standing;
        self.heard_at = clock;
        if brought {
            self.brought_at = clock;
        }
        self.quiet_since = match self.is_followed() {
            true if coverage.top_times.is_empty() => self.quiet_since.or(Some(clock)),
            true => Some(clock),
            false => None,
        };
        self.unreachable_since = match self.standing {
            Standing::Unreachable => self.unreachable_since.or(Some(clock)),
            _ => None,
        };
        let believed = match self.standing {
            Standing::AtEnd | Standing::Finished => {
                self.latest(clock).max(self.top.get(quorum as usize).copied())
            }
            _ => self.top.get(quorum as usize).copied(),
        };
        let held = match (believed, self.hold) {
            (Some(t), Some(hold)) => Some(t.min(hold)),
            (t, _) => t,
        };
        self.reached = self.reached.max(held);
        let candidate = held.map(|t| t.plus_seconds(-i64::from(self.lateness_s)));
        self.watermark = self.watermark.max(candidate);
    }

    fn part(&self, clock: Time, silent_after_s: u32) -> Part {
        match self.standing {
            Standing::Finished => Part::Finished,
            Standing::Stopped | Standing::Removed => Part::Left,
            Standing::Unreachable if self.unreachable_for_s(clock) >= Some(i64::from(silent_after_s)) => {
                Part::Left
            }
            _ if self.is_idle(clock) => Part::Idle,
            _ => Part::Active(self.watermark),
        }
    }
}

/// All partitions and the watermark over them.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Watermarks {
    partitions: BTreeMap<Partition, Progress>,
    watermark: Option<Time>,
    early: Option<Time>,
}

impl Watermarks {
    /// The watermark: every slice that ends at or before it may close.
    pub fn watermark(&self) -> Option<Time> {
        self.watermark
    }

    /// The watermark of alerts, where they have one: every slice that ends at or before it has its alerts decided. Never
    /// behind the other.
    pub fn early(&self) -> Option<Time> {
        self.early.max(self.watermark)
    }

    /// All partitions in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Partition, &Progress)> {
        self.partitions.iter()
    }

    /// The partition's progress.
    pub fn get(&self, partition: &Partition) -> Option<&Progress> {
        self.partitions.get(partition)
    }

    /// From now on the partition takes part.
    pub fn add(&mut self, partition: &Partition, clock: Time, source: &Source) {
        self.partitions.entry(partition.clone()).or_insert_with(|| Progress::new(clock, source));
    }

    /// Takes over changed lateness and idle timeouts, and lets go of topics no longer named.
    pub fn configure(&mut self, sources: &[Source]) {
        for (partition, progress) in &mut self.partitions {
            let named =
                sources.iter().find(|s| s.name == partition.source && s.topics.contains(&partition.topic));
            match named {
                Some(source) => {
                    progress.lateness_s = source.lateness_s;
                    progress.idle_timeout_s = source.idle_timeout_s;
                    if progress.standing == Standing::Removed {
                        progress.standing = Standing::Behind;
                    }
                }
                None => progress.standing = Standing::Removed,
            }
        }
    }

    /// Takes in what a chunk says of a partition.
    pub fn hear(&mut self, coverage: &Coverage, clock: Time, quorum: u32) {
        if let Some(progress) = self.partitions.get_mut(&coverage.partition) {
            progress.hear(coverage, clock, quorum);
        }
    }

    /// Moves the watermark to where the partitions allow it: their minimum; the clock minus lateness if
    /// all are idle; the latest of their maxima if all are finished.
    pub fn advance(&mut self, clock: Time, silent_after_s: u32) {
        let parts: Vec<(Part, &Progress)> =
            self.partitions.values().map(|p| (p.part(clock, silent_after_s), p)).collect();
        let active: Vec<Option<Time>> = parts
            .iter()
            .filter_map(|(part, _)| match part {
                Part::Active(watermark) => Some(*watermark),
                _ => None,
            })
            .collect();
        let of = |wanted: Part| parts.iter().filter(move |(part, _)| *part == wanted).map(|(_, p)| *p);
        let late = |t: Time, p: &Progress| t.plus_seconds(-i64::from(p.lateness_s));
        let reached = if !active.is_empty() {
            active.into_iter().min().flatten()
        } else if of(Part::Idle).next().is_some() {
            of(Part::Idle).map(|p| late(clock, p)).min()
        } else {
            of(Part::Finished).filter_map(|p| p.latest(clock).map(|t| late(t, p))).max()
        };
        self.watermark = self.watermark.max(reached);
    }

    /// Moves the watermark of alerts, so far behind the partition that is furthest ahead: one that is read as it is written,
    /// but whose lines come late, does not hold it; one with lag does, for what it says is still to be heard.
    pub fn advance_early(&mut self, lateness_s: u32, clock: Time, silent_after_s: u32) {
        let parts: Vec<(Part, &Progress)> =
            self.partitions.values().map(|p| (p.part(clock, silent_after_s), p)).collect();
        let lags = |p: &Progress| !p.is_followed() || !p.fresh(clock);
        let active = |part: &Part| matches!(part, Part::Active(_));
        let lagging = parts.iter().filter(|(part, p)| active(part) && lags(p)).map(|(_, p)| p.reached);
        let reached = match lagging.min() {
            // one that lags and has said nothing yet
            Some(None) => None,
            slowest => {
                let furthest =
                    parts.iter().filter(|(part, _)| *part != Part::Left).filter_map(|(_, p)| p.reached).max();
                let idle = !parts.is_empty() && parts.iter().all(|(part, _)| *part == Part::Idle);
                let furthest = if idle { Some(clock) } else { furthest.map(|t| t.min(clock)) };
                furthest.map(|t| slowest.flatten().map_or(t, |slowest| t.min(slowest)))
            }
        };
        let early = reached.map(|t| t.plus_seconds(-i64::from(lateness_s)));
        self.early = self.early.max(early);
    }

    /// Moves the watermark by decree: a forced close.
    pub fn force(&mut self, to: Time) {
        self.watermark = self.watermark.max(Some(to));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::partial::Quality;
    use crate::core::position::Span;
    use crate::core::settings::Format;

    const QUORUM: u32 = 2;

    fn source() -> Source {
        Source {
            name: "alb".into(),
            topics: vec!["t".into()],
            input: Format::AwsAlb.into(),
            lateness_s: 30,
            idle_timeout_s: 20,
        }
    }

    fn partition(number: i32) -> Partition {
        Partition { source: "alb".into(), topic: "t".into(), number }
    }

    /// One chunk that speaks of one partition: times in seconds, clock in seconds.
    fn hear(w: &mut Watermarks, number: i32, times: &[i64], standing: Standing, clock: i64) -> Option<i64> {
        let mut top_times: Vec<Time> = times.iter().map(|t| Time::from_seconds(*t)).collect();
        top_times.sort_unstable_by(|a, b| b.cmp(a));
        let lines = Quality { lines: times.len() as u64, ..Quality::default() };
        let coverage = Coverage {
            partition: partition(number),
            span: Span { start: 0, end: 0 },
            first_time: None,
            top_times,
            hold: None,
            standing,
            gaps: vec![],
            replayed: 0,
            quality: vec![(None, lines)],
            carry: None,
        };
        let clock = Time::from_seconds(clock);
        w.add(&partition(number), clock, &source());
        w.hear(&coverage, clock, QUORUM);
        w.advance(clock, 600);
        w.watermark().map(Time::seconds)
    }

    #[test]
    fn the_quorum_guards_against_absurd_leaders() {
        let mut w = Watermarks::default();
        assert_eq!(hear(&mut w, 0, &[1000, 1001], Standing::Behind, 2000), None);
        assert_eq!(hear(&mut w, 0, &[1002, 1900], Standing::Behind, 2000), Some(1001 - 30));
        assert_eq!(
            hear(&mut w, 0, &[], Standing::AtEnd, 2000),
            Some(1900 - 30),
            "at a confirmed end one is enough"
        );
    }

    #[test]
    fn a_leader_after_the_clock_never_counts() {
        let mut w = Watermarks::default();
        assert_eq!(hear(&mut w, 0, &[1000, 5000], Standing::AtEnd, 2000), Some(970));
    }

    #[test]
    fn the_slowest_active_one_rules_and_nothing_falls() {
        let mut w = Watermarks::default();
        w.add(&partition(1), Time::from_seconds(2000), &source());
        assert_eq!(hear(&mut w, 0, &[1500], Standing::AtEnd, 2000), None, "partition 1 has not spoken");
        assert_eq!(hear(&mut w, 1, &[1100], Standing::AtEnd, 2000), Some(1070));
        assert_eq!(hear(&mut w, 1, &[900], Standing::AtEnd, 2001), Some(1070));
    }

    #[test]
    fn alerts_do_not_wait_for_late_lines_but_for_unread_ones() {
        let early = |w: &mut Watermarks, clock: i64| {
            w.advance_early(10, Time::from_seconds(clock), 600);
            w.early().map(Time::seconds)
        };
        let mut w = Watermarks::default();
        hear(&mut w, 0, &[1500, 1501, 1502], Standing::Following, 2000);
        assert_eq!(early(&mut w, 2000), Some(1500 - 10));
        // one that is far behind in event time, though read to its end
        hear(&mut w, 1, &[900, 901, 902], Standing::AtEnd, 2000);
        hear(&mut w, 0, &[1600, 1601, 1602], Standing::Following, 2001);
        assert_eq!(w.watermark(), Some(Time::from_seconds(1470)), "partition 1 came later");
        assert_eq!(early(&mut w, 2001), Some(1600 - 10));
        // with lag it holds, and nothing falls
        hear(&mut w, 1, &[], Standing::Behind, 2002);
        hear(&mut w, 0, &[1700, 1701, 1702], Standing::Following, 2002);
        assert_eq!(early(&mut w, 2002), Some(1590));
        // one that has not spoken for long is not known to be read to its end
        hear(&mut w, 1, &[], Standing::AtEnd, 2003);
        hear(&mut w, 0, &[1702, 1703, 1704], Standing::Following, 2030);
        assert_eq!(early(&mut w, 2030), Some(1590));
        hear(&mut w, 1, &[], Standing::AtEnd, 2031);
        assert_eq!(early(&mut w, 2031), Some(1702 - 10));
    }

    #[test]
    fn with_one_partition_alerts_lateness_is_like_any() {
        for standing in [Standing::Behind, Standing::Following, Standing::AtEnd] {
            let mut w = Watermarks::default();
            for (clock, time) in (2000..2100).zip((1000..).step_by(7)) {
                hear(&mut w, 0, &[time, time + 1, time + 2], standing, clock);
                w.advance_early(30, Time::from_seconds(clock), 600);
                assert_eq!(w.early(), w.watermark());
            }
        }
    }

    #[test]
    fn idle_follows_the_others_but_lag_is_never_idle() {
        let mut w = Watermarks::default();
        hear(&mut w, 0, &[1000], Standing::AtEnd, 2000);
        hear(&mut w, 1, &[1500, 1501, 1502], Standing::Behind, 2000);
        assert_eq!(w.watermark(), Some(Time::from_seconds(970)));
        hear(&mut w, 0, &[], Standing::AtEnd, 2019);
        assert_eq!(w.watermark(), Some(Time::from_seconds(970)), "quiet, not yet for the timeout");
        hear(&mut w, 0, &[], Standing::AtEnd, 2020);
        assert_eq!(w.watermark(), Some(Time::from_seconds(1470)));
        assert_eq!(hear(&mut w, 0, &[], Standing::Behind, 2100), Some(1470), "behind again: it holds");
    }

    #[test]
    fn a_stale_standing_is_not_believed() {
        let mut w = Watermarks::default();
        hear(&mut w, 0, &[1000], Standing::AtEnd, 2000);
        // A day later another thread speaks first: partition 0 must not count as idle.
        assert_eq!(hear(&mut w, 1, &[80_000, 80_001, 80_002], Standing::Behind, 88_400), Some(970));
    }

    #[test]
    fn all_idle_follow_the_clock_and_all_finished_the_latest() {
        let mut w = Watermarks::default();
        hear(&mut w, 0, &[1000], Standing::AtEnd, 2000);
        hear(&mut w, 1, &[1200], Standing::AtEnd, 2000);
        hear(&mut w, 0, &[], Standing::AtEnd, 2030);
        assert_eq!(hear(&mut w, 1, &[], Standing::AtEnd, 2030), Some(2000));
        let mut w = Watermarks::default();
        w.add(&partition(1), Time::from_seconds(2000), &source());
        hear(&mut w, 0, &[1000], Standing::Finished, 2000);
        assert_eq!(hear(&mut w, 1, &[1200], Standing::Finished, 2000), Some(1170));
    }

    #[test]
    fn unreachable_holds_then_leaves() {
        let mut w = Watermarks::default();
        hear(&mut w, 0, &[1000], Standing::AtEnd, 2000);
        hear(&mut w, 1, &[1400, 1401, 1402], Standing::Behind, 2000);
        hear(&mut w, 0, &[], Standing::Unreachable, 2001);
        assert_eq!(hear(&mut w, 1, &[], Standing::Behind, 2600), Some(970));
        assert_eq!(hear(&mut w, 1, &[], Standing::Behind, 2601), Some(1370));
    }
}
