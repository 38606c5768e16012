//! JSON lines to records: which member is which field, and how it is written. What all JSON formats share.
//!
//! A format is a table of members. A site may declare further ones, or others for the same field
//! ([`Layout::Mapped`]); where it does, the table's members for that field are not looked at.
//!
//! Invariant: of a field's paths the first with a value counts; nothing, `-`, `null` and negative numbers are no
//! value. A value that a record needs and that is neither is a [`Reason`]; any other is absent.

mod common;
mod value;

use crate::core::format::instant::Form;
use crate::core::format::units::Unit;
pub(super) use common::{COMMON, NGINX};

use crate::core::format::{LayoutError, request};
use crate::core::json::{Malformed, Raw, Walker};
use crate::core::record::{Field, Fields, Kind, Labels, Reason, Record, Value};
use crate::core::settings::{Format, Layout, Mapping};
use crate::core::time::{SECOND_US, Time};

/// How a member is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum As {
    /// Text as it stands, or a number's.
    Text,
    /// A status code.
    Status,
    /// Status codes of all that were tried; the last one counts.
    Statuses,
    /// A number.
    Count,
    /// A duration in that unit, unless it writes one itself (`12ms`). None: only then.
    Duration(Option<Unit>),
    /// Durations of all upstreams that were tried: their sum, the last one, and the list.
    Durations(Option<Unit>),
    /// When the request ended, or an instant.
    Time(Form),
    /// When the request began.
    Start(Form),
    /// `GET /a?b HTTP/1.1`.
    Request,
    /// `/a?b`, or a whole URL.
    Uri,
    /// `host:port`.
    Authority,
    /// `address:port`, or the address alone.
    Address,
    /// The last of a list of servers.
    Last,
    /// True or false.
    Flag,
}

/// A line of a format's table: the field, how it is written, the paths where it may lie.
pub(super) type Member = (Field, As, &'static [&'static str]);

impl Facts {
    /// What most formats say.
    pub(super) const USUAL: Facts = Facts {
        format: Format::Json,
        members: &[],
        unit: None,
        gone: &[499],
        from_start: false,
        guesses: false,
        no_status: false,
        within: "",
        others: &[],
    };
}

/// What a format tells of itself beside its table.
pub(super) struct Facts {
    /// The format.
    pub(super) format: Format,
    /// Its members.
    pub(super) members: &'static [&'static [Member]],
    /// Unit of durations that a site declares without one.
    pub(super) unit: Option<Unit>,
    /// Status codes that say that the client went away.
    pub(super) gone: &'static [u16],
    /// The begin plus the duration is the end, even if the line has an end of its own.
    pub(super) from_start: bool,
    /// Members are guesses: one that cannot be read is absent, not a reason.
    pub(super) guesses: bool,
    /// A line without a status may be a request.
    pub(super) no_status: bool,
    /// Where paths that begin with a dot lie; they are looked for at the top too.
    pub(super) within: &'static str,
    /// Further paths, for the format itself.
    pub(super) others: &'static [&'static str],
}

#[derive(Debug)]
struct Rule {
    field: Field,
    read: As,
    paths: Vec<u16>,
    guess: bool,
    /// It fills its own field and no other that a later rule may add to.
    is_one_field: bool,
    /// Any text is a value of it.
    takes_any_text: bool,
    fills: Fields,
}

/// What lines with these members are read by. The lines of one source mostly have the same, in the same order.
#[derive(Debug, Default)]
struct Order {
    wanted: Option<Fields>,
    present: Vec<u16>,
    /// The rules that are needed and that have a path there.
    steps: Vec<Step>,
    /// Their paths that are there, those of the labels that are wanted, and the format's own.
    paths: Vec<u16>,
}

/// A rule in its turn.
#[derive(Debug)]
struct Step {
    rule: u16,
    /// How many of the order's paths are its.
    paths: u16,
    /// An earlier one may have filled its field.
    is_again: bool,
}

/// Reads lines by a table.
#[derive(Debug)]
pub(super) struct Members {
    /// Finds the paths that are looked at where `order.wanted` is wanted.
    walker: Walker,
    paths: Vec<String>,
    rules: Vec<Rule>,
    labels: Vec<(Field, u16)>,
    /// The number of the first of the format's further paths, which are the last.
    others: usize,
    gone: &'static [u16],
    from_start: bool,
    no_status: bool,
    order: Order,
    repaired: u64,
    repair: Option<&'static str>,
}

/// What some rules fill beside their field.
const REQUEST: Fields =
    Fields::of(&[Field::Method, Field::Host, Field::Port, Field::Path, Field::Query, Field::Protocol]);
const URI: Fields = Fields::of(&[Field::Host, Field::Port, Field::Path, Field::Query, Field::Scheme]);
const AUTHORITY: Fields = Fields::of(&[Field::Host, Field::Port]);
const ADDRESS: Fields = Fields::of(&[Field::Client, Field::ClientPort]);

/// What is filled whether it is wanted or not.
const ALWAYS: Fields = Fields::of(&[
    Field::Time,
    Field::Status,
    Field::ClientLatency,
    Field::UpstreamLatency,
    Field::BytesReceived,
    Field::BytesSent,
    Field::ClientGone,
    Field::Websocket,
]);

impl Rule {
    fn new(field: Field, read: As, paths: Vec<u16>, guess: bool) -> Rule {
        let is_one_field =
            !matches!(read, As::Request | As::Uri | As::Authority | As::Address | As::Flag | As::Start(_));
        let fills = match read {
            As::Request => REQUEST,
            As::Uri => URI,
            As::Authority => AUTHORITY,
            As::Address => ADDRESS,
            As::Start(_) => ALWAYS,
            As::Durations(_) => Fields::of(&[field, Field::UpstreamLatencyLast, Field::UpstreamLatencyList]),
            _ => Fields::NONE.with(field),
        };
        let takes_any_text = matches!(read, As::Text | As::Request | As::Uri | As::Authority | As::Address);
        Rule { field, read, paths, guess, is_one_field, takes_any_text, fills }
    }
}

impl Members {
    /// Compiles the format's table and what the site declares.
    pub(super) fn new(facts: &Facts, layout: &Layout, labels: &Labels) -> Result<Members, LayoutError> {
        let declared: &[Mapping] = match layout {
            Layout::Usual => &[],
            Layout::Mapped { pattern: None, separator: None, columns, fields } if columns.is_empty() => {
                fields
            }
            Layout::Mapped { .. } => {
                return Err(LayoutError {
                    message: "JSON lines have no pattern, separator or columns".into(),
                    hint: Some("declare `fields`, by path".into()),
                    item: 0,
                    span: 0..0,
                });
            }
            _ => return Err(LayoutError::not_taken(facts.format)),
        };
        let mut paths: Vec<String> = Vec::new();
        let mut rules = Vec::new();
        for (item, mapping) in declared.iter().enumerate() {
            let Some(field) = Field::by_name(&mapping.name) else {
                no_unit(mapping, item)?;
                continue;
            };
            let read = declared_as(field, mapping, item, facts)?;
            let paths = from(mapping, item)?.map(|path| number(&mut paths, path)).collect();
            rules.push(Rule::new(field, read, paths, false));
        }
        for (field, read, from) in facts.members.iter().flat_map(|members| *members) {
            if declared.iter().any(|m| m.name == field.name()) {
                continue;
            }
            let mut own = Vec::new();
            for path in *from {
                match path.strip_prefix('.') {
                    Some(top) => {
                        own.push(number(&mut paths, &format!("{}{path}", facts.within)));
                        own.push(number(&mut paths, top));
                    }
                    None => own.push(number(&mut paths, path)),
                }
            }
            rules.push(Rule::new(*field, *read, own, facts.guesses));
        }
        let mut asked = Vec::new();
        for (name, field) in labels.iter() {
            match declared.iter().enumerate().find(|(_, m)| m.name == name) {
                Some((item, mapping)) => {
                    asked.extend(from(mapping, item)?.map(|path| (field, number(&mut paths, path))));
                }
                None => asked.push((field, number(&mut paths, name))),
            }
        }
        let others = paths.len();
        paths.extend(facts.others.iter().map(|path| (*path).to_owned()));
        Ok(Members {
            walker: Walker::new(paths.iter().map(String::as_str)),
            paths,
            rules,
            labels: asked,
            others,
            gone: facts.gone,
            from_start: facts.from_start,
            no_status: facts.no_status,
            order: Order::default(),
            repaired: 0,
            repair: None,
        })
    }

    /// Finds the line's members, and decodes those that are looked at where these fields are wanted.
    #[inline]
    pub(super) fn find(&mut self, line: &[u8], wanted: Fields) -> Result<(), Reason> {
        self.repair = None;
        if self.order.wanted != Some(wanted) {
            self.want(wanted);
        }
        if let Err(error) = self.walker.walk(line) {
            self.find_again(line, error)?;
        }
        if self.order.present != self.walker.present() {
            self.put_in_order(wanted);
        }
        if self.walker.has_escapes() {
            self.decode(line);
        }
        Ok(())
    }

    /// Decodes the texts that are looked at: of a rule that takes any text only the first with a value is.
    #[cold]
    fn decode(&mut self, line: &[u8]) {
        let Members { walker, order, rules, .. } = self;
        let mut later = &order.paths[..];
        for step in &order.steps {
            let (paths, rest) = later.split_at(usize::from(step.paths));
            later = rest;
            let one_is_enough = paths.len() > 1 && rules[usize::from(step.rule)].takes_any_text;
            for path in paths.iter().map(|path| usize::from(*path)) {
                walker.decode(line, path);
                if one_is_enough && walker.text(line, path).and_then(request::value).is_some() {
                    break;
                }
            }
        }
        later.iter().for_each(|path| walker.decode(line, usize::from(*path)));
    }

    /// From now on these fields are wanted.
    #[cold]
    fn want(&mut self, wanted: Fields) {
        let needed = wanted.union(ALWAYS);
        let mut is_needed = vec![false; self.paths.len()];
        let of_rules = self.rules.iter().filter(|rule| needed.any(rule.fills)).flat_map(|rule| &rule.paths);
        let of_labels = self.labels.iter().filter(|(field, _)| wanted.has(*field)).map(|(_, path)| path);
        of_rules.chain(of_labels).for_each(|path| is_needed[usize::from(*path)] = true);
        is_needed[self.others..].fill(true);
        let paths = self.paths.iter().zip(is_needed);
        self.walker = Walker::of_some(paths.map(|(path, needed)| needed.then_some(path.as_str())));
        self.order = Order { wanted: Some(wanted), ..Order::default() };
    }

    /// Works out what lines with the present members are read by.
    #[cold]
    fn put_in_order(&mut self, wanted: Fields) {
        let needed = wanted.union(ALWAYS);
        let Order { present, steps, paths, .. } = &mut self.order;
        present.clear();
        present.extend_from_slice(self.walker.present());
        steps.clear();
        paths.clear();
        let has = |path: &u16| self.walker.has(usize::from(*path));
        let mut filled = Fields::NONE;
        for (i, rule) in self.rules.iter().enumerate().filter(|(_, rule)| needed.any(rule.fills)) {
            let start = paths.len();
            paths.extend(rule.paths.iter().copied().filter(has));
            if paths.len() > start {
                let is_again = rule.is_one_field && filled.has(rule.field);
                steps.push(Step { rule: i as u16, paths: (paths.len() - start) as u16, is_again });
                filled = filled.union(rule.fills);
            }
        }
        let of_labels = self.labels.iter().filter(|(field, _)| wanted.has(*field)).map(|(_, path)| *path);
        paths.extend(of_labels.filter(has));
        paths.extend((self.others as u16..).take(self.paths.len() - self.others).filter(has));
    }

    #[cold]
    fn find_again(&mut self, line: &[u8], error: Malformed) -> Result<(), Reason> {
        let error = match error {
            Malformed::Broken(_) => match self.walker.repair(line) {
                Ok(repairs) => {
                    self.repaired += 1;
                    self.repair = repairs.name();
                    return Ok(());
                }
                Err(error) => error,
            },
            error => error,
        };
        Err(rejected(error, line))
    }

    /// How many lines were repaired.
    pub(super) fn repaired(&self) -> u64 {
        self.repaired
    }

    /// One of the format's further paths.
    #[inline]
    pub(super) fn raw<'a>(&'a self, line: &'a [u8], other: usize) -> Option<Raw<'a>> {
        self.walker.get(line, self.others + other)
    }

    /// The same as text; absent where there is no value.
    #[inline]
    pub(super) fn text<'a>(&'a self, line: &'a [u8], other: usize) -> Option<&'a [u8]> {
        self.plain(line, (self.others + other) as u16)
    }

    #[inline]
    fn plain<'a>(&'a self, line: &'a [u8], path: u16) -> Option<&'a [u8]> {
        let (bytes, place) = self.walker.written(line, path.into())?;
        bytes.get(place).and_then(request::value)
    }

    /// Fills the record, which is empty, with what was found.
    ///
    /// # Errors
    /// The reason to reject the line; the record holds nothing but its time then.
    #[inline]
    pub(super) fn fill<'a>(
        &'a self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<(), Reason> {
        let filled = self.fill_all(line, wanted, record);
        if filled.is_err() {
            let time = record.time;
            record.clear();
            record.time = time;
        }
        filled
    }

    fn fill_all<'a>(&'a self, line: &'a [u8], wanted: Fields, record: &mut Record<'a>) -> Result<(), Reason> {
        let mut reading = value::Reading { wanted, start: None, has_status: false, refused: None };
        let mut later = &self.order.paths[..];
        for step in &self.order.steps {
            let (paths, rest) = later.split_at(usize::from(step.paths));
            later = rest;
            let rule = &self.rules[usize::from(step.rule)];
            if step.is_again && record.has(rule.field) {
                continue;
            }
            let mut refused = None;
            for &path in paths {
                reading.has_status |= rule.field == Field::Status;
                let Some((bytes, place)) = self.walker.written(line, usize::from(path)) else { continue };
                match value::read(rule, bytes, place, &mut reading, record) {
                    Ok(true) => {
                        refused = None;
                        break;
                    }
                    Ok(false) => {}
                    Err(reason) => refused = refused.or(Some(reason)),
                }
            }
            // What was only guessed to be a number is none; times and statuses are.
            if refused.is_some_and(|reason| !rule.guess || reason != Reason::BadNumber) {
                // Times before statuses before numbers, in whatever order they are read.
                reading.refused = reading.refused.into_iter().chain(refused).min();
            }
        }
        for &(field, path) in self.labels.iter().filter(|(field, _)| wanted.has(*field)) {
            if !record.has(field)
                && let Some(text) = self.plain(line, path)
            {
                record.set(field, Value::Text(text));
            }
        }
        if wanted.has(Field::Repair)
            && let Some(repair) = self.repair
        {
            record.set(Field::Repair, Value::Text(repair.as_bytes()));
        }
        self.finish(&reading, record)
    }

    #[inline]
    fn finish(&self, reading: &value::Reading, record: &mut Record<'_>) -> Result<(), Reason> {
        if let Some(start) = reading.start {
            if record.time == Record::NO_TIME || self.from_start {
                let duration = i64::try_from(record.client_latency_us.unwrap_or(0)).unwrap_or(i64::MAX);
                record.time = Time(start.0.saturating_add(duration));
            } else if record.client_latency_us.is_none()
                && (start.0 % SECOND_US != 0 || record.time.0 % SECOND_US != 0)
            {
                // Two times of whole seconds tell no latency.
                record.client_latency_us =
                    record.time.0.checked_sub(start.0).and_then(|d| u64::try_from(d).ok());
            }
        }
        if let Some(reason) = reading.refused {
            return Err(reason);
        }
        if record.time == Record::NO_TIME {
            return Err(if reading.has_status { Reason::BadTime } else { Reason::NotThisFormat });
        }
        if let Some(status) = record.status {
            record.websocket |= status == 101;
            record.client_gone |= self.gone.contains(&status);
        }
        if reading.has_status || self.no_status { Ok(()) } else { Err(Reason::NotThisFormat) }
    }
}

/// Why a line that is no object is rejected.
#[cold]
pub(super) fn rejected(error: Malformed, line: &[u8]) -> Reason {
    match error {
        Malformed::NoObject if line.trim_ascii().is_empty() => Reason::Empty,
        Malformed::NoObject => Reason::NotThisFormat,
        Malformed::Cut => Reason::Truncated,
        Malformed::Broken(_) => Reason::BrokenJson,
    }
}

/// The number of a path, given if it is new.
fn number(paths: &mut Vec<String>, path: &str) -> u16 {
    let known = paths.iter().position(|p| p == path);
    known.unwrap_or_else(|| {
        paths.push(path.to_owned());
        paths.len() - 1
    }) as u16
}

/// The paths of a declared field.
fn from(mapping: &Mapping, item: usize) -> Result<impl Iterator<Item = &str>, LayoutError> {
    if mapping.from.iter().any(|path| path.is_empty() || path.split('.').any(str::is_empty)) {
        return Err(LayoutError {
            message: format!("`{}` is read from a path with an empty part", mapping.name),
            hint: Some("a path is keys joined by dots: `http.response.status_code`".into()),
            item,
            span: 0..0,
        });
    }
    let own = mapping.from.is_empty().then_some(mapping.name.as_str());
    Ok(own.into_iter().chain(mapping.from.iter().map(String::as_str)))
}

/// How a declared field is written.
fn declared_as(field: Field, mapping: &Mapping, item: usize, facts: &Facts) -> Result<As, LayoutError> {
    let form = || match &mapping.unit {
        None => Ok(Form::Any),
        Some(unit) => Form::by_name(unit).ok_or_else(|| bad_unit(mapping, item, Form::NAMES)),
    };
    let unit = || match &mapping.unit {
        None if facts.unit.is_none() => Err(LayoutError {
            message: format!("`{}` is a duration without a unit", mapping.name),
            hint: Some("add `unit:`, one of s, ms, us, ns".into()),
            item,
            span: 0..0,
        }),
        None => Ok(facts.unit),
        Some(unit) => Unit::by_name(unit).map(Some).ok_or_else(|| bad_unit(mapping, item, Unit::NAMES)),
    };
    let read = match field {
        Field::Time => return form().map(As::Time),
        Field::RequestCreation => return form().map(As::Start),
        Field::UpstreamLatency => return unit().map(As::Durations),
        Field::Status => As::Status,
        Field::UpstreamStatus => As::Statuses,
        Field::Host => As::Authority,
        Field::Path => As::Uri,
        Field::Client => As::Address,
        Field::UpstreamServer => As::Last,
        other => match other.kind() {
            Kind::Text => As::Text,
            Kind::Integer => As::Count,
            Kind::Boolean => As::Flag,
            Kind::Duration => return unit().map(As::Duration),
            Kind::Timestamp => return form().map(As::Time),
        },
    };
    no_unit(mapping, item).map(|()| read)
}

fn no_unit(mapping: &Mapping, item: usize) -> Result<(), LayoutError> {
    match &mapping.unit {
        None => Ok(()),
        Some(unit) => Err(LayoutError {
            message: format!("`{}` is neither a duration nor a time: it has no unit", mapping.name),
            hint: None,
            item,
            span: 0..unit.len(),
        }),
    }
}

fn bad_unit(mapping: &Mapping, item: usize, names: &str) -> LayoutError {
    let unit = mapping.unit.as_deref().unwrap_or_default();
    LayoutError {
        message: format!("`{unit}` is no unit of `{}`", mapping.name),
        hint: Some(format!("one of: {names}")),
        item,
        span: 0..unit.len(),
    }
}

#[cfg(test)]
mod tests;
