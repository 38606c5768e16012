//! What one thread counts apart where there are dimensions: services by combinations of values.
//!
//! Invariant: one number for one (service, combination) until [`Groups::trim`] says otherwise, and no
//! allocation once a combination is known. At most twice `ingest_services_max` numbers are held, and those of
//! `__other__`, one for each service.

use super::bytemap::ByteMap;
use super::template::{append, clean, raw_bytes_max};
use super::{Classifier, Combination, PerField, ServiceId, is_reserved};
use crate::core::record::{Field, Record, Value};
use crate::core::settings::{Limits, OTHER};
use hashbrown::HashMap;

/// A thread's number for a service and a combination; where there are no dimensions that of the service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(in crate::core) struct GroupId(pub(in crate::core) u32);

impl GroupId {
    /// No group has such a number.
    const WHOLE: u32 = 1 << 31;

    /// A service as a whole, beside its groups: what is not of one request has no values to be broken down by.
    pub(in crate::core) fn whole(service: ServiceId) -> GroupId {
        GroupId(service.0 | GroupId::WHOLE)
    }

    /// Whether it is a service as a whole.
    pub(in crate::core) fn is_whole(self) -> bool {
        self.0 & GroupId::WHOLE != 0
    }
}

/// See the module's text.
#[derive(Debug)]
pub(in crate::core) struct Groups {
    fields: Box<[Field]>,
    groups: Vec<Group>,
    /// By service and the raw bytes of its values.
    ids: ByteMap,
    numbers: HashMap<(ServiceId, Combination), GroupId>,
    /// By service: the span in which combinations were last met, and how many.
    met: Vec<(u64, u32)>,
    key: Vec<u8>,
    other: Combination,
    value_bytes_max: usize,
    combinations_max: u32,
    groups_max: usize,
}

#[derive(Debug)]
struct Group {
    service: ServiceId,
    combination: Combination,
    /// The span in which it was last met.
    met: u64,
}

impl Groups {
    /// None where the rules have no dimensions.
    pub(in crate::core) fn new(classifier: &Classifier) -> Option<Groups> {
        let (fields, limits) = (classifier.dimensions(), &classifier.limits);
        (!fields.is_empty()).then(|| Groups::by(fields, limits.ingest_dimension_values_max, limits))
    }

    /// Those of SLOs with groups: one for each field that any is by, as [`Classifier::per`] numbers them.
    pub(in crate::core) fn per(classifier: &Classifier) -> Box<[Groups]> {
        let limits = &classifier.limits;
        // wider than what the engine keeps apart, so that the order of lines does not decide
        let values_max =
            |per: &PerField| limits.ingest_dimension_values_max.max(per.groups_max.saturating_mul(2));
        classifier.per().iter().map(|per| Groups::by(&[per.field], values_max(per), limits)).collect()
    }

    fn by(fields: &[Field], combinations_max: u32, limits: &Limits) -> Groups {
        Groups {
            fields: fields.into(),
            groups: Vec::new(),
            ids: ByteMap::new(),
            numbers: HashMap::new(),
            met: Vec::new(),
            key: Vec::new(),
            other: Combination::other(fields.len()),
            value_bytes_max: limits.dimension_value_bytes_max as usize,
            combinations_max,
            groups_max: limits.ingest_services_max as usize,
        }
    }

    /// The group of a record of that service.
    #[inline]
    pub(in crate::core) fn group(&mut self, service: ServiceId, record: &Record<'_>) -> GroupId {
        self.key.clear();
        self.key.extend_from_slice(&service.0.to_le_bytes());
        let bytes_max = raw_bytes_max(self.value_bytes_max);
        for field in &self.fields {
            match record.get(*field) {
                Value::Text(text) => {
                    let text = &text[..text.len().min(bytes_max)];
                    self.key.extend_from_slice(&(text.len() as u32).to_le_bytes());
                    self.key.extend_from_slice(text);
                }
                Value::Integer(n) => self.key.extend_from_slice(&n.to_le_bytes()),
                Value::Boolean(b) => self.key.push(u8::from(b)),
                // no length and no number that fits its field begins like this
                Value::Absent | Value::Timestamp(_) => self.key.extend_from_slice(&[0xFF; 8]),
            }
        }
        match self.ids.get(0, &self.key) {
            Some(id) => GroupId(id),
            None => self.learn(service, record),
        }
    }

    #[cold]
    #[inline(never)]
    fn learn(&mut self, service: ServiceId, record: &Record<'_>) -> GroupId {
        let value = |field: &Field| Some(dimension_value(record, *field, self.value_bytes_max)?.into());
        let combination = Combination::new(self.fields.iter().map(value).collect());
        let id = self.number(service, combination);
        if self.ids.len() < self.groups_max.saturating_mul(2) {
            self.ids.insert(0, &self.key, id.0);
        }
        id
    }

    /// The number of a service and a combination; of `__other__` where there are too many.
    fn number(&mut self, service: ServiceId, combination: Combination) -> GroupId {
        let is_full = self.groups.len() >= self.groups_max.saturating_mul(2);
        let key = (service, combination);
        if let Some(id) = self.numbers.get(&key) {
            return *id;
        }
        let combination = key.1;
        if is_full && combination != self.other {
            return self.number(service, self.other.clone());
        }
        let id = GroupId(self.groups.len() as u32);
        self.groups.push(Group { service, combination: combination.clone(), met: 0 });
        self.numbers.insert((service, combination), id);
        id
    }

    /// The group that a first record of the span is counted in: that of another service where its own was folded, and of
    /// `__other__` where the service has met as many combinations as it may.
    pub(in crate::core) fn admit(&mut self, id: GroupId, service: ServiceId, span: u64) -> GroupId {
        let group = &self.groups[id.0 as usize];
        let id = if group.service == service { id } else { self.number(service, group.combination.clone()) };
        let group = &mut self.groups[id.0 as usize];
        if group.met == span || group.combination == self.other {
            return id;
        }
        let at = service.0 as usize;
        self.met.resize(self.met.len().max(at + 1), (0, 0));
        let (met_in, count) = &mut self.met[at];
        if *met_in != span {
            (*met_in, *count) = (span, 0);
        }
        if *count >= self.combinations_max {
            return self.number(service, self.other.clone());
        }
        *count += 1;
        group.met = span;
        id
    }

    /// The values of a group; None for a service as a whole.
    pub(in crate::core) fn combination(&self, id: GroupId) -> Option<&Combination> {
        (!id.is_whole()).then(|| &self.groups[id.0 as usize].combination)
    }

    /// To be called at a flush: forgets all groups if the services' numbers are void, or if there are too many groups.
    pub(in crate::core) fn trim(&mut self, services_void: bool) {
        if services_void || self.groups.len().max(self.ids.len()) > self.groups_max {
            self.ids.clear();
            self.numbers = HashMap::new();
            self.groups = Vec::new();
            self.met = Vec::new();
        }
    }
}

/// What a record is counted under in a dimension: None where it has no such value.
pub fn dimension_value(record: &Record<'_>, field: Field, bytes_max: usize) -> Option<String> {
    let mut raw = Vec::new();
    if !append(record, field, &mut raw) {
        return None;
    }
    let value = clean(&raw, bytes_max);
    Some(if is_reserved(&value) { OTHER.into() } else { value })
}
