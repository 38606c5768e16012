//! From a record to its service, and to the SLOs that apply to it.
//!
//! Invariant: the service of a record and its verdicts are functions of the record and the settings
//! alone, never of the records before it. What is kept between records is only memory of results.
//!
//! How ingest uses it (each thread its own resolver):
//! ```text
//! let classifier = Classifier::compile(&settings)?;          // once per epoch, shared
//! let mut resolver = ServiceResolver::new(&classifier);      // once per thread and epoch
//! let id = resolver.resolve(&record);                        // ServiceId: dense from 0
//! let service = resolver.service(id);                        // ServiceName and its SLO indexes, ascending
//! for &slo in service.slos.iter() { resolver.verdict(slo, &record) }
//! resolver.trim();                                           // at every flush; true: old ids are void
//! ```

mod resolver;

pub use resolver::{Service, ServiceId, ServiceResolver};

use crate::core::predicate::PredicateError;
use crate::core::record::{Fields, Record};
use crate::core::settings::Settings;
use crate::core::sli::Verdict;
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

/// Service rules and SLOs, compiled: immutable, cheap to clone, shared by threads as `Arc<Classifier>`.
#[derive(Clone, Debug)]
pub struct Classifier {}

impl Classifier {
    /// Compiles the rules of the settings.
    ///
    /// # Errors
    /// The first text that cannot be compiled.
    pub fn compile(settings: &Settings) -> Result<Classifier, CompileError> {
        let _ = settings;
        Ok(Classifier {})
    }

    /// The fields that formats must fill for these rules.
    pub fn fields(&self) -> Fields {
        Fields::ALL
    }

    /// Indexes into `Settings::slos` that apply to the service, ascending: per SLO name the first whose
    /// selector matches. `*` and patterns do not match reserved names.
    pub fn slos_of(&self, service: &str) -> Vec<u16> {
        let _ = service;
        Vec::new()
    }

    /// The verdict of the SLO at that index of `Settings::slos`.
    pub fn verdict(&self, slo: u16, record: &Record<'_>) -> Verdict {
        let _ = (slo, record);
        Verdict::Excluded
    }
}
