//! The groups that the engine keeps apart for each SLO with groups, service by service.
//!
//! Invariant: at most `groups_max` groups of one SLO of a service are kept apart at a time, whoever comes first in the
//! journal; the rest are counted as `__other__`. Neither that nor `__none__` takes a place. A group that nothing is
//! counted for any more gives its place to another. Sums over groups are the service's own, whatever was folded.

use crate::core::roster::ServiceId;
use crate::core::settings::{NONE, OTHER, Per};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Whose groups: service, SLO, and the field that they are by.
type Owner = (ServiceId, Arc<str>, Arc<str>);

/// See the module's text.
#[derive(Clone, PartialEq, Serialize, Deserialize, Debug, Default)]
pub struct SloGroups {
    kept: BTreeMap<Owner, BTreeSet<Arc<str>>>,
    folded: u64,
}

impl SloGroups {
    /// The group that so many requests are counted under: their own or `__other__`.
    pub fn place(
        &mut self,
        (service, slo, per): (ServiceId, &Arc<str>, &Per),
        group: &Arc<str>,
        requests: u64,
    ) -> Arc<str> {
        if &**group == NONE {
            return group.clone();
        }
        if &**group != OTHER {
            let kept = self.kept.entry((service, slo.clone(), per.field.clone())).or_default();
            if kept.contains(group) {
                return group.clone();
            }
            if kept.len() < per.groups_max as usize {
                kept.insert(group.clone());
                return group.clone();
            }
        }
        self.folded += requests;
        OTHER.into()
    }

    /// Forgets groups that nothing refers to any more.
    pub fn forget(&mut self, is_in_use: impl Fn(ServiceId, &str, &str) -> bool) {
        self.kept.retain(|(service, slo, _), kept| {
            kept.retain(|group| is_in_use(*service, slo, group));
            !kept.is_empty()
        });
    }

    /// How many groups are kept apart.
    pub fn len(&self) -> usize {
        self.kept.values().map(BTreeSet::len).sum()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Requests that were counted under `__other__` so far, once for each SLO.
    pub fn folded(&self) -> u64 {
        self.folded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::partial::ServiceName;
    use crate::core::roster::Roster;

    #[test]
    fn the_first_are_kept_apart_and_give_their_places_back() {
        let mut roster = Roster::default();
        let mut id = |name: &str| roster.id(&ServiceName { name: name.into(), named: true, rule: None }, 9);
        let (shop, pay) = (id("shop"), id("pay"));
        let mut groups = SloGroups::default();
        let by = |field: &str| Per { field: field.into(), groups_max: 2 };
        let (fast, up): (Arc<str>, Arc<str>) = ("fast".into(), "up".into());
        let place = |g: &mut SloGroups, service, slo: &Arc<str>, field: &str, group: &str| {
            g.place((service, slo, &by(field)), &group.into(), 5).to_string()
        };
        let cases = [
            (shop, &up, "route", "/a", "/a"),
            (shop, &up, "route", "/b", "/b"),
            (shop, &up, "route", NONE, NONE),
            (shop, &up, "route", OTHER, OTHER),
            (shop, &up, "route", "/c", OTHER),
            (shop, &up, "route", "/a", "/a"),
            (shop, &fast, "route", "/c", "/c"),
            (pay, &up, "route", "/c", "/c"),
            (shop, &up, "method", "GET", "GET"),
        ];
        for (service, slo, field, group, want) in cases {
            assert_eq!(place(&mut groups, service, slo, field, group), want, "{slo} {field} {group}");
        }
        assert_eq!((groups.folded(), groups.len()), (10, 5));
        groups.forget(|service, slo, group| service == shop && slo == "up" && group != "/a");
        assert_eq!(groups.len(), 2);
        assert_eq!(place(&mut groups, shop, &up, "route", "/c"), "/c", "the place of /a is free");
        assert_eq!(place(&mut groups, shop, &up, "route", "/a"), OTHER);
        assert_eq!(place(&mut groups, pay, &up, "route", "/d"), "/d", "what left took its places along");
    }
}
