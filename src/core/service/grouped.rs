//! SLOs with groups: a budget for each value of a field of the record, in place of one for the service.
//!
//! Invariant: the group of a record is a function of the record and the settings alone. Records without a value, or
//! with an empty one, are one group, and so are those whose value looks like a name of the pipeline's own.

use super::{Classifier, dimension_value};
use crate::core::record::{Field, Record};
use crate::core::settings::NONE;

/// A field that groups are by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::core) struct PerField {
    pub(super) field: Field,
    /// The most groups that any SLO by this field keeps apart for a service.
    pub(super) groups_max: u32,
}

/// The SLOs of a service whose groups are by the same field.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Grouped {
    /// Number of the field: its place among those of [`Classifier::per`].
    pub(in crate::core) per: u16,
    /// Indexes into `Settings::slos`, ascending.
    pub slos: Box<[u16]>,
}

/// The SLOs that apply to a service, by who decides them: indexes into `Settings::slos`, ascending.
pub(super) struct Applying {
    /// Requests, for the service as a whole.
    pub(super) whole: Box<[u16]>,
    /// Requests, group by group.
    pub(super) grouped: Box<[Grouped]>,
    /// Counters of other systems.
    pub(super) external: Box<[u16]>,
}

impl Classifier {
    /// The SLOs that apply to the service.
    pub(super) fn applying(&self, service: &str) -> Applying {
        let (mut whole, mut external) = (Vec::new(), Vec::new());
        let mut grouped: Vec<(u16, Vec<u16>)> = Vec::new();
        for slo in self.slos_of(service) {
            match self.per_of[usize::from(slo)] {
                _ if self.slis[usize::from(slo)].is_external() => external.push(slo),
                None => whole.push(slo),
                Some(per) => match grouped.iter_mut().find(|(known, _)| *known == per) {
                    Some((_, slos)) => slos.push(slo),
                    None => grouped.push((per, vec![slo])),
                },
            }
        }
        let grouped = grouped.into_iter().map(|(per, slos)| Grouped { per, slos: slos.into() });
        Applying { whole: whole.into(), grouped: grouped.collect(), external: external.into() }
    }

    /// The fields that SLOs have groups by, each once.
    pub(in crate::core) fn per(&self) -> &[PerField] {
        &self.per
    }

    /// The group of the record for the SLO at that index of `Settings::slos`; None: it has no groups.
    ///
    /// # Panics
    /// If there is no such SLO.
    pub fn group_of(&self, slo: u16, record: &Record<'_>) -> Option<String> {
        let field = self.per[usize::from(self.per_of[usize::from(slo)]?)].field;
        let value = dimension_value(record, field, self.limits.dimension_value_bytes_max as usize);
        Some(value.filter(|value| !value.is_empty()).unwrap_or_else(|| NONE.to_owned()))
    }
}
