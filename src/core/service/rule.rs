//! One service rule, compiled: whether it matches a record, and the raw bytes of the name it gives.

use super::template::{self, Piece};
use super::{CompileError, Place, ServiceId};
use crate::core::predicate::{Predicate, PredicateError, named_field, regex};
use crate::core::record::{Field, Fields, Kind, Labels, Record, Value};
use crate::core::settings::ServiceRule;
use hashbrown::HashMap;
use regex::bytes::{CaptureLocations, Regex};

/// Fields that take few values in practice: what they decide is worth remembering.
pub(super) const FEW: Fields = Fields::NONE
    .with(Field::Host)
    .with(Field::TargetGroup)
    .with(Field::TargetGroupArn)
    .with(Field::LoadBalancer)
    .with(Field::DomainName)
    .with(Field::CertificateArn)
    .with(Field::Type)
    .with(Field::Method)
    .with(Field::Protocol)
    .with(Field::Port)
    .with(Field::RulePriority)
    .with(Field::TlsProtocol)
    .with(Field::Status)
    .with(Field::ClientGone)
    .with(Field::Websocket)
    .with(Field::Upstream)
    .with(Field::Frontend)
    .with(Field::RouteName)
    .with(Field::Zone)
    .union(Fields::of(&Field::LABELS));

/// Stands for what a table gives in a rule's name.
pub(super) const MAP: &str = "{map}";

/// A compiled rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    when: Option<Predicate>,
    guard: Option<Predicate>,
    patterns: Vec<Pattern>,
    pieces: Vec<Piece>,
    /// The table that names the services in place of the pieces, and the field that is looked up.
    map: Option<(Field, HashMap<Box<[u8]>, ServiceId>)>,
    fields: Fields,
    settled: bool,
}

#[derive(Clone, Debug)]
struct Pattern {
    field: Field,
    regex: Regex,
    /// Scratch for the groups; None if the name uses none of them.
    groups: Option<CaptureLocations>,
}

/// What a rule says of a record's name.
pub(super) enum Raw<'b> {
    /// The rule does not match, or a piece of its name is absent.
    No,
    /// The raw bytes of the name.
    Name(&'b [u8]),
    /// The table's service.
    Is(ServiceId),
}

impl Rule {
    /// Compiles the `index`-th rule.
    pub(super) fn compile(
        index: usize,
        rule: &ServiceRule,
        labels: &mut Labels,
    ) -> Result<Rule, CompileError> {
        let fail = |place| move |error| CompileError { place, error };
        let when = rule
            .when
            .as_deref()
            .map(|text| Predicate::compile(text, labels))
            .transpose()
            .map_err(fail(Place::ServiceWhen(index)))?;
        let mut patterns = Vec::new();
        let mut captures: Vec<(String, usize, usize)> = Vec::new();
        for (m, (name, text)) in rule.matches.iter().enumerate() {
            let place = Place::ServiceMatchField(index, m);
            let field = named_field(name, labels, 0..name.len()).map_err(fail(place))?;
            if field.kind() != Kind::Text {
                let error = PredicateError::new(0..name.len(), format!("{name} is no text"))
                    .hint("compare it in `when` instead");
                return Err(fail(place)(error));
            }
            let place = Place::ServiceMatchRegex(index, m);
            let regex = regex(text, 0..text.len()).map_err(fail(place))?;
            for (group, name) in regex.capture_names().enumerate().filter_map(|(i, n)| Some((i, n?))) {
                if captures.iter().any(|c| c.0 == name) {
                    let message = format!("capture {name} is defined twice in this rule");
                    return Err(fail(place)(PredicateError::new(0..text.len(), message)));
                }
                captures.push((name.to_string(), m, group));
            }
            patterns.push(Pattern { field, regex, groups: None });
        }
        let mut fields = when.as_ref().map_or(Fields::NONE, Predicate::fields);
        let mut map = None;
        let pieces = match &rule.map {
            None => {
                template::parse(&rule.name, &captures, labels).map_err(fail(Place::ServiceName(index)))?
            }
            Some(table) => {
                check_map_name(&rule.name).map_err(fail(Place::ServiceName(index)))?;
                let field = template::named(&table.field, 0..table.field.len(), labels)
                    .map_err(fail(Place::ServiceMapField(index)))?;
                fields = fields.with(field);
                map = Some((field, HashMap::new()));
                Vec::new()
            }
        };
        for pattern in &patterns {
            fields = fields.with(pattern.field);
        }
        for piece in &pieces {
            match piece {
                Piece::Field(field) => fields = fields.with(*field),
                Piece::Capture { pattern, .. } => {
                    let pattern = &mut patterns[*pattern];
                    pattern.groups = Some(pattern.regex.capture_locations());
                }
                Piece::Literal(_) => {}
            }
        }
        let settled = fields.iter().all(|f| FEW.has(f));
        let guard = when.as_ref().and_then(|w| w.guard(FEW));
        Ok(Rule { when, guard, patterns, pieces, map, fields, settled })
    }

    /// Adds a value to the table; the first of two that are alike stays.
    pub(super) fn map_value(&mut self, value: &str, service: ServiceId) {
        if let Some((_, table)) = &mut self.map {
            table.entry(value.as_bytes().into()).or_insert(service);
        }
    }

    /// Whether the name is fixed: a named service.
    pub(super) fn is_named(&self) -> bool {
        self.map.is_none() && self.pieces.iter().all(|p| matches!(p, Piece::Literal(_)))
    }

    /// Whether fields of few values alone decide it, its name included.
    pub(super) fn is_settled(&self) -> bool {
        self.settled
    }

    /// Whether it is nothing but one field as the name.
    pub(super) fn is_plain(&self) -> bool {
        self.when.is_none() && self.patterns.is_empty() && matches!(self.pieces.as_slice(), [Piece::Field(_)])
    }

    /// The fields it looks at.
    pub(super) fn fields(&self) -> Fields {
        self.fields
    }

    /// Whether what fields of few values say leaves it possible that the rule matches.
    pub(super) fn may_match(&self, record: &Record<'_>) -> bool {
        self.guard.as_ref().is_none_or(|g| g.holds(record))
            && self.patterns.iter().all(|p| {
                !FEW.has(p.field)
                    || matches!(record.get(p.field), Value::Text(text) if p.regex.is_match(text))
            })
    }

    /// Whether it matches, and the raw name; `scratch` is used where the name has to be put together.
    #[inline]
    pub(super) fn raw<'b>(&mut self, record: &Record<'b>, scratch: &'b mut Vec<u8>) -> Raw<'b> {
        if self.when.as_ref().is_some_and(|w| !w.holds(record)) {
            return Raw::No;
        }
        for pattern in &mut self.patterns {
            let Value::Text(text) = record.get(pattern.field) else { return Raw::No };
            let found = match &mut pattern.groups {
                Some(groups) => pattern.regex.captures_read(groups, text).is_some(),
                None => pattern.regex.is_match(text),
            };
            if !found {
                return Raw::No;
            }
        }
        if let Some((field, table)) = &self.map {
            scratch.clear();
            let found = match record.get(*field) {
                Value::Text(text) => table.get(text),
                _ if template::append(record, *field, scratch) => table.get(scratch.as_slice()),
                _ => None,
            };
            return found.map_or(Raw::No, |service| Raw::Is(*service));
        }
        if let [piece] = self.pieces.as_slice() {
            match piece {
                Piece::Field(field) => {
                    if let Value::Text(text) = record.get(*field) {
                        return Raw::Name(text);
                    }
                }
                Piece::Capture { pattern, group } => {
                    return self.capture(record, *pattern, *group).map_or(Raw::No, Raw::Name);
                }
                // a named service: its name is not looked up
                Piece::Literal(_) => return Raw::Name(b""),
            }
        }
        scratch.clear();
        for piece in &self.pieces {
            let there = match piece {
                Piece::Literal(bytes) => {
                    scratch.extend_from_slice(bytes);
                    true
                }
                Piece::Field(field) => template::append(record, *field, scratch),
                Piece::Capture { pattern, group } => match self.capture(record, *pattern, *group) {
                    Some(bytes) => {
                        scratch.extend_from_slice(bytes);
                        true
                    }
                    None => false,
                },
            };
            if !there {
                return Raw::No;
            }
        }
        Raw::Name(scratch)
    }

    /// The bytes of a named group of the patterns just matched; None if it took no part.
    fn capture<'a>(&self, record: &Record<'a>, pattern: usize, group: usize) -> Option<&'a [u8]> {
        let pattern = self.patterns.get(pattern)?;
        let (start, end) = pattern.groups.as_ref()?.get(group)?;
        match record.get(pattern.field) {
            Value::Text(text) => text.get(start..end),
            _ => None,
        }
    }
}

/// The name of a rule with a table: text around what the table gives.
fn check_map_name(name: &str) -> Result<(), PredicateError> {
    let error = |span, message: &str| {
        PredicateError::new(span, message).hint("leave the name out: the table's values are the services")
    };
    if !name.contains(MAP) {
        return Err(error(0..name.len(), "a rule with a table holds {map} in its name"));
    }
    // what is put in place of it keeps the places of what follows
    let rest = name.replace(MAP, "     ");
    match rest.find(['{', '}']) {
        Some(at) => Err(error(at..at + 1, "a rule with a table has no field or capture in its name")),
        None => Ok(()),
    }
}
