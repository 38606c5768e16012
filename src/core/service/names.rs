//! The services a resolver knows, by number and by the bytes that name them.
//!
//! Invariant: one number for one (name, rule); the reserved and the named services come first, in the order
//! of the file, and are never forgotten. At most twice `ingest_services_max` other entries are held.

use super::template::{clean, raw_bytes_max};
use super::{Classifier, Service, ServiceId, ServiceName, is_reserved};
use crate::core::settings::{OTHER, UNMATCHED};
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Names {
    services: Vec<Service>,
    /// How many of them stay for good.
    lasting: usize,
    table: HashTable<Entry>,
    /// Seeded per process; the order of the table never shows.
    hasher: RandomState,
    name_bytes_max: usize,
    made_max: usize,
}

#[derive(Debug)]
struct Entry {
    hash: u64,
    rule: u16,
    raw: Box<[u8]>,
    id: ServiceId,
}

impl Names {
    /// The reserved services and the named ones.
    pub(super) fn new(classifier: &Classifier) -> Names {
        let reserved = [UNMATCHED, OTHER].map(|n| ServiceName { name: n.into(), named: true, rule: None });
        let services: Vec<Service> = reserved
            .into_iter()
            .chain(classifier.named().cloned())
            .map(|name| Service { slos: classifier.slos_of(&name.name).into(), name })
            .collect();
        Names {
            lasting: services.len(),
            services,
            table: HashTable::new(),
            hasher: RandomState::default(),
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
        let hash = self.hasher.hash_one(raw) ^ u64::from(rule);
        match self.find(hash, rule, raw) {
            Some(id) => Some(id),
            None => self.learn(hash, rule, raw, classifier),
        }
    }

    #[inline]
    fn find(&self, hash: u64, rule: u16, raw: &[u8]) -> Option<ServiceId> {
        self.table.find(hash, |e| e.rule == rule && *e.raw == *raw).map(|e| e.id)
    }

    #[cold]
    fn learn(&mut self, hash: u64, rule: u16, raw: &[u8], classifier: &Classifier) -> Option<ServiceId> {
        let name = clean(raw, self.name_bytes_max);
        if name.is_empty() || is_reserved(&name) {
            return None;
        }
        if let Some(id) = classifier.named_id(&name) {
            return Some(self.remember(hash, rule, raw, id));
        }
        if name.as_bytes() != raw {
            let id = self.made(rule, name.as_bytes(), classifier)?;
            return Some(self.remember(hash, rule, raw, id));
        }
        if self.is_full() {
            return Some(ServiceId::OTHER);
        }
        let id = ServiceId(self.services.len() as u32);
        let slos = classifier.slos_of(&name).into();
        let name = ServiceName { name: name.into(), named: false, rule: Some(rule) };
        self.services.push(Service { name, slos });
        Some(self.remember(hash, rule, raw, id))
    }

    fn remember(&mut self, hash: u64, rule: u16, raw: &[u8], id: ServiceId) -> ServiceId {
        if !self.is_full() {
            self.table.insert_unique(hash, Entry { hash, rule, raw: raw.into(), id }, |e| e.hash);
        }
        id
    }

    fn is_full(&self) -> bool {
        self.table.len() >= self.made_max.saturating_mul(2)
    }

    /// Forgets the made names if there are more than `ingest_services_max`. True: it did.
    pub(super) fn trim(&mut self) -> bool {
        if self.table.len() <= self.made_max {
            return false;
        }
        self.table = HashTable::new();
        self.services.truncate(self.lasting);
        self.services.shrink_to_fit();
        true
    }
}
