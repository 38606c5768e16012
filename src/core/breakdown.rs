//! The combinations of dimension values that the engine keeps apart, service by service.
//!
//! Invariant: at most `dimension_values_max` combinations of a service are kept apart at a time, whoever comes
//! first in the journal; the rest are counted as `__other__`. One that no record of a day had gives its place
//! to another. Sums over combinations are the service's own, whatever was folded.

use crate::core::roster::ServiceId;
use crate::core::service::Combination;
use crate::core::time::Slice;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How long a combination without a record keeps its place, seconds.
pub const KEPT_S: i64 = 86_400;

/// See the module's text.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct Breakdown {
    /// The latest slice of each combination.
    kept: BTreeMap<ServiceId, BTreeMap<Combination, Slice>>,
    folded: u64,
}

impl Breakdown {
    /// The combination that so many requests of the slice are counted under: their own or `__other__`.
    pub fn place(
        &mut self,
        service: ServiceId,
        combination: &Combination,
        (slice, requests): (Slice, u64),
        values_max: u32,
    ) -> Combination {
        let kept = self.kept.entry(service).or_default();
        let known = kept.get_key_value(combination).map(|(known, latest)| (known.clone(), *latest));
        let placed = match known {
            Some((known, latest)) => {
                if slice > latest {
                    kept.insert(known.clone(), slice);
                }
                known
            }
            None if !combination.is_other() && kept.len() < values_max as usize => {
                kept.insert(combination.clone(), slice);
                combination.clone()
            }
            None => Combination::other(combination.values().len()),
        };
        if placed.is_other() {
            self.folded += requests;
        }
        placed
    }

    /// Forgets combinations without a record since that slice, and services that are no more.
    pub fn forget(&mut self, before: Slice, services: impl FnOnce() -> BTreeSet<ServiceId>) {
        if self.kept.is_empty() {
            return;
        }
        let services = services();
        self.kept.retain(|service, kept| {
            kept.retain(|_, latest| *latest >= before);
            !kept.is_empty() && services.contains(service)
        });
    }

    /// Requests that were counted under `__other__` so far.
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::partial::ServiceName;
    use crate::core::roster::Roster;

    fn of(route: &str) -> Combination {
        Combination::new(vec![Some(route.into()), None])
    }

    #[test]
    fn the_first_are_kept_apart_and_give_their_places_back() {
        let mut roster = Roster::default();
        let mut id = |name: &str| roster.id(&ServiceName { name: name.into(), named: true, rule: None }, 9);
        let (shop, pay) = (id("shop"), id("pay"));
        let mut b = Breakdown::default();
        let other = Combination::other(2);
        let place = |b: &mut Breakdown, s, route: &str, slice| b.place(s, &of(route), (Slice(slice), 5), 2);
        assert_eq!(place(&mut b, shop, "/a", 0), of("/a"));
        assert_eq!(place(&mut b, shop, "/b", 0), of("/b"));
        assert_eq!(place(&mut b, shop, "/c", 0), other);
        assert_eq!(place(&mut b, pay, "/c", 0), of("/c"), "each service has its own places");
        assert_eq!(place(&mut b, shop, "/a", 9), of("/a"));
        assert_eq!(place(&mut b, shop, "/a", 3), of("/a"), "an old slice takes nothing back");
        assert_eq!(b.folded(), 5);
        b.forget(Slice(5), || [shop, pay].into());
        assert_eq!(place(&mut b, shop, "/c", 9), of("/c"), "the place of /b is free");
        assert_eq!(place(&mut b, shop, "/b", 9), other);
        b.forget(Slice(5), || [pay].into());
        assert_eq!(place(&mut b, shop, "/b", 9), of("/b"), "a service that left took its places along");
        assert_eq!(b.place(shop, &other, (Slice(9), 7), 2), other);
        assert_eq!(b.folded(), 17);
    }
}
