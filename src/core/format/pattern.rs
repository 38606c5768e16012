//! A server's format string as a small program that walks a line: literals and variables in turns.
//!
//! Each format knows its own spelling of variables and what they are ([`Reading`]); this walks. A variable
//! runs to the first place where the literal behind it stands.
//!
//! Invariant: a line of which time and status were read is a record. Where the walk ends early, because the
//! line was cut or something stands in it that the format string does not have, the rest is absent.

use crate::core::format::LayoutError;
use crate::core::format::instant::Clf;
use crate::core::format::list::list_end;
use crate::core::format::operators::begins;
use crate::core::format::reading::{Place, Reading, Seen, Written, fill_cut_request};
use crate::core::record::{Field, Fields, Labels, Reason, Record, Value};
use crate::core::scan::{first_of, marks};
use std::ops::Range;

/// How a variable's end is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Extent {
    /// At the literal behind it.
    Plain,
    /// At the literal behind it, but not within a list.
    List,
    /// `{…}`. If it is not there, neither is the space behind it.
    Block,
    /// At a slash, which belongs to the path behind it.
    Slash,
}

/// A variable of a format string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Variable {
    /// Its name, as errors and labels call it.
    pub(super) name: String,
    /// Where it stands in what was declared.
    pub(super) span: Range<usize>,
    /// What it is.
    pub(super) reading: Reading,
    /// Where it ends.
    pub(super) extent: Extent,
    /// Of several variables for one field the one with the lowest number counts.
    pub(super) rank: usize,
}

/// A piece of a format string.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Part {
    Literal(Vec<u8>),
    Variable(Variable),
}

/// The names of the variables among the parts.
pub(super) fn names(parts: &[Part]) -> Vec<String> {
    let name = |part: &Part| match part {
        Part::Variable(variable) => Some(variable.name.clone()),
        Part::Literal(_) => None,
    };
    parts.iter().filter_map(name).collect()
}

/// One variable and the literal behind it.
#[derive(Clone, Debug)]
struct Step {
    reading: Reading,
    extent: Extent,
    label: Option<Field>,
    /// The literal behind it; nothing if it runs to the line's end.
    stop: Box<[u8]>,
    /// Nothing becomes of its text, as far as is wanted.
    is_passed: bool,
    /// How many from this one on are passed and end at one byte each, and the bytes, two at most, that they end at.
    run: usize,
    run_bytes: [u8; 2],
}

/// A compiled format string.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    prefix: Box<[u8]>,
    steps: Box<[Step]>,
    /// A backslash takes a quote's meaning away.
    escapes: bool,
    /// How many steps a record needs.
    needed: usize,
    /// The fields that steps are passed over for.
    wanted: Option<Fields>,
    clf: Clf,
}

impl Pattern {
    /// Compiles the parts. `escapes`: a backslash takes a quote's meaning away.
    ///
    /// # Errors
    /// If a variable's end cannot be told, or there is no time or no status.
    pub(super) fn new(parts: Vec<Part>, escapes: bool, labels: &Labels) -> Result<Pattern, LayoutError> {
        let mut parts = joined(parts);
        without_doubles(&mut parts);
        let mut prefix: Box<[u8]> = Box::default();
        let mut steps: Vec<Step> = Vec::new();
        let mut before: Option<Variable> = None;
        for part in parts {
            match (part, steps.last_mut()) {
                (Part::Literal(text), None) => prefix = text.into(),
                (Part::Literal(text), Some(step)) => {
                    step.stop = text.into();
                    before = None;
                }
                (Part::Variable(variable), last) => {
                    if let (Some(before), Some(last)) = (&before, last) {
                        let path = matches!(variable.reading, Reading::Uri | Reading::Path);
                        if !path || last.extent != Extent::Plain {
                            return Err(touching(before, &variable));
                        }
                        last.extent = Extent::Slash;
                    }
                    steps.push(Step {
                        reading: variable.reading.clone(),
                        extent: variable.extent,
                        label: labels.field(&variable.name),
                        stop: Box::default(),
                        is_passed: false,
                        run: 0,
                        run_bytes: [0; 2],
                    });
                    before = Some(variable);
                }
            }
        }
        let pattern =
            Pattern { prefix, steps: steps.into(), escapes, needed: 0, wanted: None, clf: Clf::new() };
        pattern.check()?;
        Ok(pattern.needing(|reading| match reading {
            Reading::Time(Written::Pieces(format), _) => format.has_date(),
            Reading::Time(Written::Fraction(_), _) => false,
            reading => matches!(reading, Reading::Time(..) | Reading::Status),
        }))
    }

    /// The pattern whose records need these variables too: a line that ends before the last of them is none.
    pub(super) fn needing(mut self, is: impl Fn(&Reading) -> bool) -> Pattern {
        let last = self.steps.iter().rposition(|step| is(&step.reading));
        self.needed = self.needed.max(last.map_or(0, |last| last + 1));
        self
    }

    fn check(&self) -> Result<(), LayoutError> {
        let has = |is: fn(&Reading) -> bool| self.steps.iter().any(|step| is(&step.reading));
        let missing = |what: &str, hint: &str| LayoutError {
            message: format!("the format string has no {what}"),
            hint: Some(hint.to_string()),
            item: 0,
            span: 0..0,
        };
        if !has(|r| matches!(r, Reading::Status)) {
            return Err(missing(
                "status",
                "a request without a status is neither good nor bad; log the status too",
            ));
        }
        if !has(|r| match r {
            Reading::Time(Written::Pieces(format), _) => format.has_date(),
            Reading::Time(Written::Fraction(_), _) => false,
            Reading::Time(..) => true,
            _ => false,
        }) {
            return Err(missing("time", "a request is counted in the slice of its time; log the time too"));
        }
        Ok(())
    }

    /// Whether it has such a variable.
    pub(super) fn has(&self, is: impl Fn(&Reading) -> bool) -> bool {
        self.steps.iter().any(|step| is(&step.reading))
    }

    /// Reads a line into the record, which was cleared. The time is the request's end, as far as it can be
    /// told. On an error the record holds the time as it is logged and nothing else.
    ///
    /// # Errors
    /// If time or status are not there, or a value that a record needs cannot be read.
    #[inline]
    pub(super) fn read<'a>(
        &mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Seen<'a>, Reason> {
        if self.wanted != Some(wanted) {
            self.want(wanted);
        }
        let mut seen = Seen::nothing();
        let walked = self.walk(line, wanted, &mut seen, record);
        if let Err(reason) = walked {
            record.clear();
            record.time = seen.time().unwrap_or(Record::NO_TIME);
            return Err(reason);
        }
        if let Some(end) = seen.end(record.client_latency_us) {
            record.time = end;
        }
        Ok(seen)
    }

    /// From now on these fields are wanted.
    #[cold]
    fn want(&mut self, wanted: Fields) {
        for step in &mut self.steps {
            step.is_passed =
                !step.reading.is_read(wanted) && step.label.is_none_or(|label| !wanted.has(label));
        }
        for i in 0..self.steps.len() {
            let (run, bytes) = run(&self.steps[i..], self.escapes);
            (self.steps[i].run, self.steps[i].run_bytes) = (run, bytes);
        }
        self.wanted = Some(wanted);
    }

    #[inline(always)]
    fn walk<'a>(
        &mut self,
        line: &'a [u8],
        wanted: Fields,
        seen: &mut Seen<'a>,
        record: &mut Record<'a>,
    ) -> Result<(), Reason> {
        if !begins(line, &self.prefix) {
            return Err(if line.is_empty() {
                Reason::Empty
            } else if self.prefix.starts_with(line) {
                Reason::Truncated
            } else {
                Reason::NotThisFormat
            });
        }
        let (mut at, mut next_step) = (self.prefix.len(), 0);
        while let Some(step) = self.steps.get(next_step) {
            let i = next_step;
            if step.run >= RUN_MIN
                && let Some(next) = pass(&self.steps[i..i + step.run], step.run_bytes, line, at)
            {
                (at, next_step) = (next, i + step.run);
                continue;
            }
            next_step += 1;
            let Some((end, next)) = step.ends(line, at, self.escapes) else {
                if i >= self.needed && seen.is_record() {
                    if step.reading == Reading::Request {
                        fill_cut_request(&line[at..], wanted, record);
                    }
                    return Ok(());
                }
                // A word that goes on behind a space was not cut: something else stands there.
                let is_other = i == 0 || step.reading.is_word() && list_end(&line[at..]) < line.len() - at;
                return Err(match () {
                    () if line.is_empty() => Reason::Empty,
                    () if is_other => Reason::NotThisFormat,
                    () => Reason::Truncated,
                });
            };
            if step.is_passed {
                at = next;
                continue;
            }
            let place = Place { line, start: at, end };
            step.reading.read(place, wanted, &mut self.clf, seen, record)?;
            if let Some(label) = step.label.filter(|label| wanted.has(*label)) {
                let text = crate::core::format::request::value(&line[at..end]);
                record.set(label, text.map_or(Value::Absent, Value::Text));
            }
            at = next;
        }
        seen.end_at = at;
        // A status is always among the steps, and so is a time, unless the walk ended before.
        if seen.is_record() { Ok(()) } else { Err(self.why_not(seen)) }
    }

    #[cold]
    fn why_not(&self, seen: &Seen<'_>) -> Reason {
        if seen.time().is_none() { Reason::BadTime } else { Reason::Truncated }
    }
}

/// Fewer steps are not worth a block of bytes.
const RUN_MIN: usize = 3;

/// How many of the steps, from the first on, are passed and end at one byte each, of two different ones at most.
fn run(steps: &[Step], escapes: bool) -> (usize, [u8; 2]) {
    let mut bytes: Option<[u8; 2]> = None;
    let in_run = |step: &&Step| match *step.stop {
        [byte] if step.is_passed && step.extent == Extent::Plain && !(byte == b'"' && escapes) => {
            let [one, other] = bytes.unwrap_or([byte; 2]);
            let known = byte == one || byte == other;
            if !known && one == other || bytes.is_none() {
                bytes = Some([one, byte]);
                return true;
            }
            known
        }
        _ => false,
    };
    (steps.iter().take_while(in_run).count(), bytes.unwrap_or_default())
}

/// Where the step behind these begins, if it is within one block: where the bytes that they end at stand there in that order and
/// no other one of them between, each step ends at its own.
#[inline(always)]
fn pass(steps: &[Step], bytes: [u8; 2], line: &[u8], at: usize) -> Option<usize> {
    let mut ends = marks(line, at, bytes)?;
    let mut next = at;
    for step in steps {
        if ends == 0 {
            return None;
        }
        next = at + ends.trailing_zeros() as usize;
        if line.get(next) != step.stop.first() {
            return None;
        }
        ends &= ends - 1;
    }
    Some(next + 1)
}

impl Step {
    /// Where the variable ends that begins at `at`, and where the next one begins. None if the literal
    /// behind it is nowhere.
    #[inline(always)]
    fn ends(&self, line: &[u8], at: usize, escapes: bool) -> Option<(usize, usize)> {
        let rest = &line[at..];
        let Some(&first) = self.stop.first() else {
            let len = match self.extent {
                Extent::Slash => first_of(rest, 0, *b"/")?,
                _ if self.reading.is_word() => list_end(rest),
                _ => rest.len(),
            };
            return Some((at + len, at + len));
        };
        let from = match self.extent {
            Extent::Plain | Extent::Slash => 0,
            Extent::List => list_end(rest).min(rest.len()),
            Extent::Block => match rest.first() {
                Some(b'{') => first_of(rest, 0, *b"}")? + 1,
                _ => {
                    let stop = self.stop.strip_prefix(b" ").unwrap_or(&self.stop);
                    return rest.starts_with(stop).then_some((at, at + stop.len()));
                }
            },
        };
        // In a list that is quoted or bracketed the literal is looked for as everywhere.
        let from = if first == b' ' || self.extent == Extent::Block { from } else { 0 };
        let len = self.find(first, rest, from, escapes)?;
        Some((at + len, at + len + self.stop.len()))
    }

    #[inline(always)]
    fn find(&self, first: u8, rest: &[u8], from: usize, escapes: bool) -> Option<usize> {
        let mut from = from;
        loop {
            let found = first_of(rest, from, [first])?;
            let escaped =
                first == b'"' && escapes && found > 0 && rest[found - 1] == b'\\' && is_escaped(rest, found);
            if !escaped && begins(&rest[found..], &self.stop) {
                return Some(found);
            }
            from = found + 1;
        }
    }
}

/// Whether an odd number of backslashes stands before that byte.
#[cold]
fn is_escaped(text: &[u8], at: usize) -> bool {
    text[..at].iter().rev().take_while(|b| **b == b'\\').count() % 2 == 1
}

/// Literals side by side become one; a path and what follows it become one URI.
fn joined(parts: Vec<Part>) -> Vec<Part> {
    let mut joined: Vec<Part> = Vec::with_capacity(parts.len());
    for part in parts {
        match (joined.last_mut(), part) {
            (_, Part::Literal(text)) if text.is_empty() => {}
            (Some(Part::Literal(before)), Part::Literal(text)) => before.extend(text),
            (Some(Part::Variable(before)), Part::Variable(variable))
                if before.reading == Reading::Path
                    && matches!(variable.reading, Reading::QuestionMark | Reading::Query) =>
            {
                if variable.reading == Reading::Query {
                    before.reading = Reading::Uri;
                }
                before.span.end = variable.span.end;
            }
            (_, part) => joined.push(part),
        }
        with_port(&mut joined);
    }
    joined
}

/// `address:port` is one variable: it is split at the last colon, as IPv6 addresses have colons too.
fn with_port(parts: &mut Vec<Part>) {
    let [.., Part::Variable(address), Part::Literal(colon), Part::Variable(port)] = &mut parts[..] else {
        return;
    };
    if colon != b":" {
        return;
    }
    let is_pair = match (&address.reading, &port.reading) {
        (Reading::Address(false), Reading::Count(Field::ClientPort)) => {
            address.reading = Reading::Address(true);
            true
        }
        // What is nothing to a record must still not end at the first colon.
        (Reading::Nothing | Reading::Text(Field::Target), Reading::Nothing) => {
            address.name.ends_with('i') && port.name.ends_with('p')
        }
        _ => false,
    };
    if is_pair {
        address.span.end = port.span.end;
        parts.truncate(parts.len() - 2);
    }
}

/// Of several variables for one field only the best is read; the others may still be labels.
fn without_doubles(parts: &mut [Part]) {
    let ranks: Vec<(Field, usize)> = parts
        .iter()
        .filter_map(|part| match part {
            Part::Variable(v) => Some((v.reading.field()?, v.rank)),
            Part::Literal(_) => None,
        })
        .collect();
    for part in parts {
        let Part::Variable(variable) = part else { continue };
        let Some(field) = variable.reading.field() else { continue };
        let best = ranks.iter().filter(|(f, _)| *f == field).map(|(_, rank)| *rank).min();
        if best.is_some_and(|best| best < variable.rank) {
            variable.reading = Reading::Nothing;
        }
    }
}

fn touching(before: &Variable, variable: &Variable) -> LayoutError {
    LayoutError {
        message: format!("nothing stands between `{}` and `{}`", before.name, variable.name),
        hint: Some("where the one ends and the other begins cannot be told; log a space between them".into()),
        item: 0,
        span: before.span.start..variable.span.end,
    }
}
