//! The services a resolver knows, by number and by the bytes that name them.
//!
//! Invariant: one number for one (name, rule); the reserved and the named services come first, in the order
//! of the file, and are never forgotten. At most twice `ingest_services_max` other entries are held.

use super::bytemap::ByteMap;
use super::grouped::Applying;
use super::template::{clean, raw_bytes_max};
use super::{Classifier, Service, ServiceId, ServiceName, is_reserved};
use crate::core::settings::{OTHER, UNMATCHED};

/// Stands for a rule where a message names its service itself.
pub(super) const NO_RULE: u16 = u16::MAX;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Names {
    services: Vec<Service>,
    /// How many of them stay for good.
    lasting: usize,
    /// By (rule, raw bytes).
    ids: ByteMap,
    name_bytes_max: usize,
    made_max: usize,
}

impl Names {
    /// The reserved services and the named ones.
    pub(super) fn new(classifier: &Classifier) -> Names {
        let reserved = [UNMATCHED, OTHER].map(|n| ServiceName { name: n.into(), named: true, rule: None });
        let services: Vec<Service> = reserved
            .into_iter()
            .chain(classifier.named().cloned())
            .map(|name| service(name, classifier))
            .collect();
        Names {
            lasting: services.len(),
            services,
            ids: ByteMap::new(),
            name_bytes_max: classifier.limits.service_name_bytes_max as usize,
            made_max: classifier.limits.ingest_services_max as usize,
        }
    }

    /// All services, by number.
    pub(super) fn services(&self) -> &[Service] {
        &self.services
    }

    /// The service of a template's raw bytes. None: such a name is no match.
    #[inline]
    pub(super) fn made(&mut self, rule: u16, raw: &[u8], classifier: &Classifier) -> Option<ServiceId> {
        let raw = &raw[..raw.len().min(raw_bytes_max(self.name_bytes_max))];
        match self.ids.get(rule, raw) {
            Some(id) => Some(ServiceId(id)),
            None => self.learn(rule, raw, classifier),
        }
    }

    /// The service that counters of another system name. None: nothing that is counted elsewhere applies to it.
    pub(super) fn external(&mut self, raw: &[u8], classifier: &Classifier) -> Option<ServiceId> {
        let cut = &raw[..raw.len().min(raw_bytes_max(self.name_bytes_max))];
        if self.ids.get(NO_RULE, cut).is_none() {
            let name = clean(cut, self.name_bytes_max);
            if classifier.applying(&name).external.is_empty() {
                return None;
            }
        }
        self.made(NO_RULE, raw, classifier)
    }

    #[cold]
    fn learn(&mut self, rule: u16, raw: &[u8], classifier: &Classifier) -> Option<ServiceId> {
        let name = clean(raw, self.name_bytes_max);
        if name.is_empty() || is_reserved(&name) {
            return None;
        }
        if let Some(id) = classifier.named_id(&name) {
            return Some(self.remember(rule, raw, id));
        }
        if name.as_bytes() != raw {
            let id = self.made(rule, name.as_bytes(), classifier)?;
            return Some(self.remember(rule, raw, id));
        }
        if self.is_full() {
            return Some(ServiceId::OTHER);
        }
        let id = ServiceId(self.services.len() as u32);
        let rule_or_none = Some(rule).filter(|rule| *rule != NO_RULE);
        let name = ServiceName { name: name.into(), named: false, rule: rule_or_none };
        self.services.push(service(name, classifier));
        Some(self.remember(rule, raw, id))
    }

    fn remember(&mut self, rule: u16, raw: &[u8], id: ServiceId) -> ServiceId {
        if !self.is_full() {
            self.ids.insert(rule, raw, id.0);
        }
        id
    }

    fn is_full(&self) -> bool {
        self.ids.len() >= self.made_max.saturating_mul(2)
    }

    /// Forgets the made names if there are more than `ingest_services_max`. True: it did.
    pub(super) fn trim(&mut self) -> bool {
        if self.ids.len() <= self.made_max {
            return false;
        }
        self.ids.clear();
        self.services.truncate(self.lasting);
        self.services.shrink_to_fit();
        true
    }
}

fn service(name: ServiceName, classifier: &Classifier) -> Service {
    let Applying { whole, grouped, external } = classifier.applying(&name.name);
    Service { name, slos: whole, grouped, external }
}
