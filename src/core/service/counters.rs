//! Counters of other systems: which SLO of which service they are for.
//!
//! Invariant: that is a function of the names in the message and of the settings. What no external SLO is for is
//! known by nobody, and takes no room.

use super::{Classifier, ServiceId, ServiceResolver};
use crate::core::record::{Field, Record, Value};

/// What a message of counters says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counters {
    /// The service that it names.
    pub service: ServiceId,
    /// Which of the service's external SLOs.
    pub(in crate::core) place: usize,
    /// Index of that SLO in `Settings::slos`.
    pub slo: u16,
    /// How many were good.
    pub good: u64,
    /// How many were not.
    pub bad: u64,
}

impl Classifier {
    /// Whether an external SLO of that name may apply to some service.
    fn has_external(&self, slo: &[u8]) -> bool {
        self.selectors
            .iter()
            .zip(&self.slis)
            .any(|((name, _), sli)| sli.is_external() && name.as_bytes() == slo)
    }
}

impl ServiceResolver {
    /// What the record, one of counters, says. None: no external SLO of that name applies to a service of that name.
    pub fn counters(&mut self, record: &Record<'_>) -> Option<Counters> {
        let text = |field| match record.get(field) {
            Value::Text(text) => Some(text),
            _ => None,
        };
        let (service, slo) = text(Field::ExternalService).zip(text(Field::ExternalSlo))?;
        let (good, total) = record.integer(Field::ExternalGood).zip(record.integer(Field::ExternalTotal))?;
        if !self.classifier.has_external(slo) {
            return None;
        }
        let service = self.names.external(service, &self.classifier)?;
        let classifier = &self.classifier;
        let is_named = |index: &u16| classifier.selectors[*index as usize].0.as_bytes() == slo;
        let external = &self.names.services()[service.0 as usize].external;
        let place = external.iter().position(is_named)?;
        Some(Counters { service, place, slo: external[place], good, bad: total.checked_sub(good)? })
    }
}
