//! From a record to its service, and to the SLOs that apply to it.
//!
//! Invariant: the service of a record and its verdicts are functions of the record and the settings
//! alone, never of the records before it. What is kept between records is only memory of results.
//!
//! How ingest uses it (each thread its own resolver):
//! ```text
//! let classifier = Classifier::compile(&settings, &mut labels)?; // once per epoch, shared
//! let mut resolver = ServiceResolver::new(&classifier);      // once per thread and epoch
//! let id = resolver.resolve(&record);                        // ServiceId: dense from 0
//! let service = resolver.service(id);                        // ServiceName and its SLO indexes, ascending
//! for &slo in service.slos.iter() { resolver.verdict(slo, &record) } // likewise those of service.grouped
//! resolver.trim();                                           // at every flush; true: old ids are void
//! ```

mod bytemap;
mod combination;
mod counters;
mod grouped;
mod groups;
mod names;
mod resolver;
mod rule;
mod selector;
mod template;
#[cfg(test)]
mod tests;

pub use combination::Combination;
pub use counters::Counters;
pub use grouped::Grouped;
pub(in crate::core) use grouped::PerField;
pub use groups::dimension_value;
pub(in crate::core) use groups::{GroupId, Groups};
pub use resolver::{Service, ServiceId, ServiceResolver};
pub use selector::{is_reserved, selects};

use crate::core::format;
use crate::core::predicate::{PredicateError, named_field};
use crate::core::record::{Field, Fields, Kind, Labels, Record};
use crate::core::route::{self, Router};
use crate::core::settings::{Limits, Per, ServiceRule, Settings, Slo};
use crate::core::sli::{Part, Sli, Verdict};
use rule::Rule;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// A service as ingest named it.
///
/// Two template rules may make the same name: then there are two `ServiceName`s that differ in `rule`
/// only, and both are the same service.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct ServiceName {
    /// The name.
    pub name: Arc<str>,
    /// Whether the pipeline file names it outright (never folded into `__other__`).
    pub named: bool,
    /// Index of the service rule in the settings, None for `__unmatched__` and `__other__`.
    pub rule: Option<u16>,
}

/// Where in the settings a rule could not be compiled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// `services[i].name`.
    ServiceName(usize),
    /// `services[i].when`.
    ServiceWhen(usize),
    /// Field name of the `m`-th of `services[i].match`.
    ServiceMatchField(usize, usize),
    /// Regular expression of the `m`-th of `services[i].match`.
    ServiceMatchRegex(usize, usize),
    /// `services[i].map.field`.
    ServiceMapField(usize),
    /// Service of the `m`-th value of `services[i].map`.
    ServiceMapValue(usize, usize),
    /// `routes[i].match`.
    RouteMatch(usize),
    /// `routes[i].route`.
    RouteName(usize),
    /// `sinks.rollups.dimensions[i]`.
    Dimension(usize),
    /// `slos[i].indicator.good`.
    SloGood(usize),
    /// `slos[i].indicator.exclude`.
    SloExclude(usize),
    /// `slos[i].indicator.latency.of`.
    SloLatency(usize),
    /// `slos[i].per`.
    SloPer(usize),
}

/// A rule of the settings that cannot be compiled: where, and what is wrong with the text there.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{error}")]
pub struct CompileError {
    /// Which text.
    pub place: Place,
    /// What is wrong; the span is in bytes of that text.
    pub error: PredicateError,
}

/// Service rules and SLOs, compiled: immutable, shared by threads as `Arc<Classifier>`.
#[derive(Clone, Debug)]
pub struct Classifier {
    rules: Vec<Rule>,
    /// Named services in the order of the file, each once.
    named: Vec<ServiceName>,
    /// Their numbers by name.
    named_ids: BTreeMap<Arc<str>, ServiceId>,
    /// By rule: the named service it gives.
    fixed: Vec<Option<ServiceId>>,
    slis: Vec<Sli>,
    /// By SLO: its name and selectors.
    selectors: Vec<(Arc<str>, Vec<String>)>,
    /// Names routes, if there are to be any.
    router: Option<Router>,
    dimensions: Box<[Field]>,
    /// The fields that SLOs have groups by, each once.
    per: Vec<PerField>,
    /// By SLO: number of the field that its groups are by.
    per_of: Vec<Option<u16>>,
    limits: Limits,
}

impl Classifier {
    /// Compiles the rules of the settings; the labels that they ask for are added to `labels`.
    ///
    /// # Errors
    /// The first text that cannot be compiled.
    pub fn compile(settings: &Settings, labels: &mut Labels) -> Result<Classifier, CompileError> {
        for source in &settings.sources {
            source.input.layout.names().for_each(|name| labels.declare(name));
            format::names(&source.input).iter().for_each(|name| labels.declare(name));
        }
        let mut classifier = Classifier {
            rules: Vec::new(),
            named: Vec::new(),
            named_ids: BTreeMap::new(),
            fixed: Vec::new(),
            slis: Vec::new(),
            selectors: Vec::new(),
            router: None,
            dimensions: Box::default(),
            per: Vec::new(),
            per_of: Vec::new(),
            limits: settings.limits,
        };
        if let Some(rules) = &settings.routes {
            let place = |i, part| match part {
                route::Part::Match => Place::RouteMatch(i),
                route::Part::Route => Place::RouteName(i),
            };
            let fail = |(i, part, error)| CompileError { place: place(i, part), error };
            classifier.router = Some(Router::compile(rules, &settings.limits).map_err(fail)?);
        }
        for (i, settings) in settings.services.iter().enumerate() {
            classifier.add_rule(i, settings, labels)?;
        }
        for (i, slo) in settings.slos.iter().enumerate() {
            if i > usize::from(u16::MAX) {
                return Err(CompileError {
                    place: Place::SloGood(i),
                    error: PredicateError::new(0..0, "too many SLOs"),
                });
            }
            let sli = Sli::compile(&slo.indicator, labels).map_err(|(part, error)| CompileError {
                place: match part {
                    Part::Good => Place::SloGood(i),
                    Part::Exclude => Place::SloExclude(i),
                    Part::Latency => Place::SloLatency(i),
                },
                error,
            })?;
            classifier.slis.push(sli);
            classifier.selectors.push((slo.name.clone(), slo.services.clone()));
            classifier.add_per(i, slo, labels)?;
        }
        let dimension = |(i, name): (usize, &String)| {
            dimension(name, "a dimension", labels)
                .map_err(|error| CompileError { place: Place::Dimension(i), error })
        };
        classifier.dimensions =
            settings.dimensions.iter().enumerate().map(dimension).collect::<Result<_, _>>()?;
        if classifier.router.is_none() {
            classifier.refuse_routes(settings)?;
        }
        Ok(classifier)
    }

    /// No text may name the route where there is none: it would never hold.
    fn refuse_routes(&self, settings: &Settings) -> Result<(), CompileError> {
        let refuse = |place, text: &str| {
            let start = text.find(Field::Route.name()).unwrap_or(0);
            let span = start..(start + Field::Route.name().len()).min(text.len());
            let error = PredicateError::new(span, "no record has a route here")
                .hint("turn route templating on: `routes: ids`, or a list of rules");
            Err(CompileError { place, error })
        };
        for (i, (rule, text)) in self.rules.iter().zip(&settings.services).enumerate() {
            if !rule.fields().has(Field::Route) {
                continue;
            }
            let is_route = |name: &str| name == Field::Route.name();
            return match text.matches.iter().position(|(field, _)| is_route(field)) {
                Some(m) => refuse(Place::ServiceMatchField(i, m), Field::Route.name()),
                None if text.map.as_ref().is_some_and(|map| is_route(&map.field)) => {
                    refuse(Place::ServiceMapField(i), Field::Route.name())
                }
                None if text.name.contains("{route}") => refuse(Place::ServiceName(i), &text.name),
                None => refuse(Place::ServiceWhen(i), text.when.as_deref().unwrap_or_default()),
            };
        }
        for (i, (sli, slo)) in self.slis.iter().zip(&settings.slos).enumerate() {
            if !sli.fields().has(Field::Route) {
                continue;
            }
            return match &slo.indicator.exclude {
                Some(text) if text.contains(Field::Route.name()) => refuse(Place::SloExclude(i), text),
                _ => match &slo.indicator.rule {
                    crate::core::settings::Rule::Good(text) => refuse(Place::SloGood(i), text),
                    _ => refuse(Place::SloLatency(i), ""),
                },
            };
        }
        if let Some(i) = self.dimensions.iter().position(|field| *field == Field::Route) {
            return refuse(Place::Dimension(i), Field::Route.name());
        }
        let by_route =
            |per: &Option<u16>| per.is_some_and(|per| self.per[usize::from(per)].field == Field::Route);
        match self.per_of.iter().position(by_route) {
            Some(i) => refuse(Place::SloPer(i), Field::Route.name()),
            None => Ok(()),
        }
    }

    /// Takes note of the field that the SLO's groups are by.
    fn add_per(&mut self, index: usize, slo: &Slo, labels: &mut Labels) -> Result<(), CompileError> {
        let Some(Per { field, groups_max }) = &slo.per else {
            self.per_of.push(None);
            return Ok(());
        };
        let field = dimension(field, "what groups are by", labels)
            .map_err(|error| CompileError { place: Place::SloPer(index), error })?;
        let number = match self.per.iter().position(|per| per.field == field) {
            Some(known) => known,
            None => {
                self.per.push(PerField { field, groups_max: 0 });
                self.per.len() - 1
            }
        };
        let known = &mut self.per[number];
        known.groups_max = known.groups_max.max(*groups_max);
        self.per_of.push(Some(number as u16));
        Ok(())
    }

    fn add_rule(
        &mut self,
        index: usize,
        settings: &ServiceRule,
        labels: &mut Labels,
    ) -> Result<(), CompileError> {
        let name = settings.name.as_str();
        let whole = |message: String| CompileError {
            place: Place::ServiceName(index),
            error: PredicateError::new(0..name.len(), message),
        };
        let number = u16::try_from(index).ok().filter(|number| *number != names::NO_RULE);
        let number = number.ok_or_else(|| whole("too many service rules".into()))?;
        let rule = Rule::compile(index, settings, labels)?;
        let mut rule = rule;
        let fixed = match &settings.map {
            Some(map) => {
                for (m, (value, service)) in map.values.iter().enumerate() {
                    let name = name.replace(rule::MAP, service);
                    let id = self.add_named(&name, number).map_err(|message| CompileError {
                        place: Place::ServiceMapValue(index, m),
                        error: PredicateError::new(0..service.len(), message),
                    })?;
                    rule.map_value(value, id);
                }
                None
            }
            None if rule.is_named() => Some(self.add_named(name, number).map_err(whole)?),
            None => None,
        };
        self.rules.push(rule);
        self.fixed.push(fixed);
        Ok(())
    }

    /// The number of a named service, which is new or not. Error: what is wrong with the name.
    fn add_named(&mut self, name: &str, rule: u16) -> Result<ServiceId, String> {
        let max = self.limits.service_name_bytes_max as usize;
        if name.is_empty() {
            return Err("a service needs a name".into());
        }
        if is_reserved(name) {
            return Err(format!("{name} is reserved: names of the form __x__ are the pipeline's own"));
        }
        if name.chars().any(char::is_control) {
            return Err("a service name has no control characters".into());
        }
        if name.len() > max {
            return Err(format!("a service name has at most {max} bytes"));
        }
        if let Some(id) = self.named_id(name) {
            return Ok(id);
        }
        let id = ServiceId(ServiceId::NAMED + self.named.len() as u32);
        let name: Arc<str> = name.into();
        self.named.push(ServiceName { name: name.clone(), named: true, rule: Some(rule) });
        self.named_ids.insert(name, id);
        Ok(id)
    }

    /// All fields that these rules, dimensions and groups look at.
    fn used(&self) -> Fields {
        let rules = self.rules.iter().map(Rule::fields);
        let fields = rules.chain(self.slis.iter().map(Sli::fields)).fold(Fields::NONE, Fields::union);
        let per = self.per.iter().fold(Fields::NONE, |all, per| all.with(per.field));
        fields.union(Fields::of(&self.dimensions)).union(per)
    }

    /// The fields that formats must fill for these rules.
    pub fn fields(&self) -> Fields {
        match self.used() {
            used if used.has(Field::Route) => used.without(Field::Route).with(Field::Path),
            used => used,
        }
    }

    /// Names the route of a record before anything looks at it; a copy for each thread. None: nothing does.
    pub fn router(&self) -> Option<Router> {
        self.router.clone().filter(|_| self.used().has(Field::Route))
    }

    /// The same, whether anything looks at routes or not. None where templating is off.
    pub fn router_if_on(&self) -> Option<Router> {
        self.router.clone()
    }

    /// The fields of the dimensions, in their order.
    pub fn dimensions(&self) -> &[Field] {
        &self.dimensions
    }

    /// The services that the pipeline file names outright, in its order, each once.
    pub fn named(&self) -> impl Iterator<Item = &ServiceName> {
        self.named.iter()
    }

    fn named_id(&self, name: &str) -> Option<ServiceId> {
        self.named_ids.get(name).copied()
    }

    /// Indexes into `Settings::slos` that apply to the service, ascending: per SLO name the first whose
    /// selector matches. `*` and patterns do not match reserved names.
    pub fn slos_of(&self, service: &str) -> Vec<u16> {
        let mut chosen: Vec<u16> = Vec::new();
        for (i, (name, selectors)) in self.selectors.iter().enumerate() {
            let taken = chosen.iter().any(|c| self.selectors[*c as usize].0 == *name);
            if !taken && selectors.iter().any(|s| selects(s, service)) {
                chosen.push(i as u16);
            }
        }
        chosen
    }

    /// The verdict of the SLO at that index of `Settings::slos`.
    ///
    /// # Panics
    /// If there is no such SLO.
    #[inline]
    pub fn verdict(&self, slo: u16, record: &Record<'_>) -> Verdict {
        self.slis[slo as usize].verdict(record)
    }
}

/// The field that a dimension, or an SLO with groups, names.
fn dimension(name: &str, role: &str, labels: &mut Labels) -> Result<Field, PredicateError> {
    let field = named_field(name, labels, 0..name.len())?;
    match field.kind() {
        Kind::Text | Kind::Integer | Kind::Boolean => Ok(field),
        Kind::Duration | Kind::Timestamp => {
            let error = PredicateError::new(0..name.len(), format!("{name} cannot be {role}: it is a time"));
            Err(error.hint("use a field of few values, such as route or method"))
        }
    }
}
