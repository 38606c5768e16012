//! The services the engine knows, by number.
//!
//! Invariant: services that the pipeline file names are never folded; of those that templates make, at most
//! `services_max` are kept apart at a time, whoever comes first, and the rest are counted as `__other__`. A
//! number is given to another service only when nothing refers to it any more.

use crate::core::partial::ServiceName;
use crate::core::settings::{OTHER, UNMATCHED};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Number of a service within one engine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Debug)]
pub struct ServiceId(u32);

/// Names to numbers and back.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Roster {
    /// By number; None where the number is free.
    names: Vec<Option<ServiceName>>,
    free: BTreeSet<u32>,
    ids: BTreeMap<Arc<str>, ServiceId>,
    templated: u32,
    folded: u64,
}

impl Roster {
    /// The number of the service; that of `__other__` if it is one too many. The rule is the latest seen.
    pub fn id(&mut self, service: &ServiceName, services_max: u32) -> ServiceId {
        if let Some(id) = self.ids.get(&service.name) {
            if let Some(known) = &mut self.names[id.0 as usize] {
                // a message that names a service itself knows of no rule
                known.rule = service.rule.or(known.rule);
            }
            return *id;
        }
        if is_templated(service) {
            if self.templated >= services_max {
                self.folded += 1;
                return self.id(&ServiceName { name: OTHER.into(), named: false, rule: None }, services_max);
            }
            self.templated += 1;
        }
        let id = ServiceId(self.free.pop_first().unwrap_or(self.names.len() as u32));
        match self.names.get_mut(id.0 as usize) {
            Some(name) => *name = Some(service.clone()),
            None => self.names.push(Some(service.clone())),
        }
        self.ids.insert(service.name.clone(), id);
        id
    }

    /// The service of that number, which must not have been forgotten.
    pub fn service(&self, id: ServiceId) -> &ServiceName {
        self.names[id.0 as usize].as_ref().expect("numbers in use are not free")
    }

    /// All services, in the order of their numbers.
    pub fn iter(&self) -> impl Iterator<Item = (ServiceId, &ServiceName)> {
        (0..).map(ServiceId).zip(&self.names).filter_map(|(id, name)| Some((id, name.as_ref()?)))
    }

    /// All services, in the order of their names.
    pub fn by_name(&self) -> impl Iterator<Item = (ServiceId, &Arc<str>)> {
        self.ids.iter().map(|(name, id)| (*id, name))
    }

    /// Forgets the services made by templates that nothing refers to any more; their places are for others.
    pub fn forget(&mut self, is_in_use: impl Fn(ServiceId, &ServiceName) -> bool) {
        for (number, place) in (0..).zip(&mut self.names) {
            let gone = |name: &mut ServiceName| is_templated(name) && !is_in_use(ServiceId(number), name);
            if let Some(name) = place.take_if(gone) {
                self.ids.remove(&name.name);
                self.free.insert(number);
                self.templated -= 1;
            }
        }
    }

    /// How many services are kept apart.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// How many times a service of a chunk was folded into `__other__`.
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

fn is_templated(service: &ServiceName) -> bool {
    !service.named && !matches!(&*service.name, OTHER | UNMATCHED)
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

    #[test]
    fn a_forgotten_service_gives_its_place_and_number_to_another() {
        let mut roster = Roster::default();
        let [a, b, n] = [("a", false), ("b", false), ("n", true)].map(|(s, n)| roster.id(&service(s, n), 2));
        let other = roster.id(&service("c", false), 2);
        roster.forget(|id, _| id == b);
        assert_eq!(roster.iter().map(|(_, s)| &*s.name).collect::<Vec<_>>(), ["b", "n", OTHER]);
        assert_eq!(roster.len(), 3);
        assert_eq!(roster.id(&service("c", false), 2), a, "the free number");
        assert_eq!(roster.id(&service("a", false), 2), other, "nothing is free now");
        assert_eq!(&*roster.service(n).name, "n");
        roster.forget(|_, _| false);
        assert_eq!(roster.iter().map(|(_, s)| &*s.name).collect::<Vec<_>>(), ["n", OTHER]);
    }
}
