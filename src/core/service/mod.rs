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
//! for &slo in service.slos.iter() { resolver.verdict(slo, &record) }
//! resolver.trim();                                           // at every flush; true: old ids are void
//! ```

mod bytemap;
mod names;
mod resolver;
mod rule;
mod selector;
mod template;
#[cfg(test)]
mod tests;

pub use resolver::{Service, ServiceId, ServiceResolver};
pub use selector::{is_reserved, selects};

use crate::core::format;
use crate::core::predicate::PredicateError;
use crate::core::record::{Fields, Labels, Record};
use crate::core::settings::{Limits, ServiceRule, Settings};
use crate::core::sli::{Part, Sli, Verdict};
use rule::Rule;
use serde::{Deserialize, Serialize};
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
    /// `slos[i].indicator.good`.
    SloGood(usize),
    /// `slos[i].indicator.exclude`.
    SloExclude(usize),
    /// `slos[i].indicator.latency.of`.
    SloLatency(usize),
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
    /// By rule: the named service it gives.
    fixed: Vec<Option<ServiceId>>,
    slis: Vec<Sli>,
    /// By SLO: its name and selectors.
    selectors: Vec<(Arc<str>, Vec<String>)>,
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
            fixed: Vec::new(),
            slis: Vec::new(),
            selectors: Vec::new(),
            limits: settings.limits,
        };
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
        }
        Ok(classifier)
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
        let number = u16::try_from(index).map_err(|_| whole("too many service rules".into()))?;
        let rule = Rule::compile(index, settings, labels)?;
        let fixed = if rule.is_named() {
            let max = self.limits.service_name_bytes_max as usize;
            if name.is_empty() {
                return Err(whole("a service needs a name".into()));
            }
            if is_reserved(name) {
                return Err(whole(format!(
                    "{name} is reserved: names of the form __x__ are the pipeline's own"
                )));
            }
            if name.chars().any(char::is_control) {
                return Err(whole("a service name has no control characters".into()));
            }
            if name.len() > max {
                return Err(whole(format!("a service name has at most {max} bytes")));
            }
            if self.named_id(name).is_none() {
                self.named.push(ServiceName { name: name.into(), named: true, rule: Some(number) });
            }
            self.named_id(name)
        } else {
            None
        };
        self.rules.push(rule);
        self.fixed.push(fixed);
        Ok(())
    }

    /// The fields that formats must fill for these rules.
    pub fn fields(&self) -> Fields {
        let rules = self.rules.iter().map(Rule::fields);
        rules.chain(self.slis.iter().map(Sli::fields)).fold(Fields::NONE, Fields::union)
    }

    /// The services that the pipeline file names outright, in its order, each once.
    pub fn named(&self) -> impl Iterator<Item = &ServiceName> {
        self.named.iter()
    }

    fn named_id(&self, name: &str) -> Option<ServiceId> {
        let index = self.named.iter().position(|n| &*n.name == name)?;
        Some(ServiceId(ServiceId::NAMED + index as u32))
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
