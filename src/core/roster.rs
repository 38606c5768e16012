//! The services the engine knows, by number.
//!
//! Invariant: services that the pipeline file names are never folded; of those that templates make, the
//! first `services_max` are kept apart and the rest are counted as `__other__`.

use crate::core::partial::ServiceName;
use crate::core::settings::{OTHER, UNMATCHED};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Number of a service within one engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct ServiceId(u32);

/// Names to numbers and back.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Roster {
    names: Vec<ServiceName>,
    ids: BTreeMap<Arc<str>, ServiceId>,
    templated: u32,
    folded: u64,
}

impl Roster {
    /// The number of the service; that of `__other__` if it is one too many. The rule is the latest seen.
    pub fn id(&mut self, service: &ServiceName, services_max: u32) -> ServiceId {
        if let Some(id) = self.ids.get(&service.name) {
            self.names[id.0 as usize].rule = service.rule;
            return *id;
        }
        let reserved = matches!(&*service.name, OTHER | UNMATCHED);
        if !service.named && !reserved {
            if self.templated >= services_max {
                self.folded += 1;
                return self.id(&ServiceName { name: OTHER.into(), named: false, rule: None }, services_max);
            }
            self.templated += 1;
        }
        let id = ServiceId(self.names.len() as u32);
        self.names.push(service.clone());
        self.ids.insert(service.name.clone(), id);
        id
    }

    /// The service of that number.
    pub fn service(&self, id: ServiceId) -> &ServiceName {
        &self.names[id.0 as usize]
    }

    /// How many services are kept apart.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// How many times a service of a chunk was folded into `__other__`.
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn service(name: &str, named: bool) -> ServiceName {
        ServiceName { name: name.into(), named, rule: Some(0) }
    }

    #[test]
    fn templates_are_capped_and_names_are_not() {
        let mut roster = Roster::default();
        let a = roster.id(&service("a", false), 2);
        let b = roster.id(&service("b", false), 2);
        let c = roster.id(&service("c", false), 2);
        let named = roster.id(&service("n", true), 2);
        assert_eq!(&*roster.service(c).name, OTHER);
        assert_eq!(&*roster.service(named).name, "n");
        assert_eq!(roster.id(&service("d", false), 2), c);
        assert_eq!((roster.id(&service("a", false), 2), roster.id(&service("b", false), 2)), (a, b));
        assert_eq!(roster.folded(), 2);
    }
}
