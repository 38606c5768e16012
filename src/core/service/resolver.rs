//! Names the service of every record: one resolver a thread, no lock, no allocation once a name is known.
//!
//! Invariant: an id stands for one (name, rule) until [`ServiceResolver::trim`] says otherwise; what is
//! remembered never changes what a record's service is.
//!
//! Rules are tried in order. What fields of few values (host, target group, ..) decide is remembered as a
//! plan: the rules still possible, in order, up to the first that those fields alone settle.

use super::names::Names;
use super::rule::{FEW, Raw, Rule};
use super::{Classifier, ServiceName};
use crate::core::record::{Field, Record, Value};
use crate::core::sli::Verdict;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use std::hash::BuildHasher;

/// A resolver's number for a service: dense from 0, so that it can index a `Vec`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServiceId(pub u32);

impl ServiceId {
    /// No rule matched.
    pub const UNMATCHED: ServiceId = ServiceId(0);
    /// Where ingest folds template-made services beyond `limits.ingest_services_max`.
    pub const OTHER: ServiceId = ServiceId(1);
    /// The first named service; the others follow, then those made by templates.
    pub(super) const NAMED: u32 = 2;
}

/// What a [`ServiceId`] stands for.
#[derive(Clone, Debug)]
pub struct Service {
    /// Its name.
    pub name: ServiceName,
    /// Indexes into `Settings::slos` that apply, ascending.
    pub slos: Box<[u16]>,
}

/// Most plans remembered; when there are more, all are forgotten and made anew.
const PLANS_MAX: usize = 16_384;
/// Longest key of a plan, bytes; a record with a longer one is decided without a plan.
const PLAN_KEY_BYTES_MAX: usize = 1_024;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The rule may match.
    Try(u16),
    /// This is the service.
    Is(ServiceId),
}

#[derive(Debug)]
struct Plan {
    hash: u64,
    key: Box<[u8]>,
    steps: Box<[Step]>,
}

/// Names services; per thread. Holds its own copy of the classifier (regular expressions keep scratch
/// space that threads would otherwise fight for).
#[derive(Debug)]
pub struct ServiceResolver {
    classifier: Classifier,
    rules: Vec<Rule>,
    names: Names,
    scratch: Vec<u8>,
    /// Fields that make up a plan's key; empty: plans are not worth it.
    key_fields: Vec<Field>,
    key: Vec<u8>,
    plans: HashTable<Plan>,
    plans_forgotten: u64,
    hasher: RandomState,
}

impl ServiceResolver {
    /// A resolver that knows the reserved and the named services.
    pub fn new(classifier: &Classifier) -> ServiceResolver {
        let rules = classifier.rules.clone();
        let worth = rules.iter().any(|r| !r.is_plain());
        let used = rules.iter().fold(crate::core::record::Fields::NONE, |all, r| all.union(r.fields()));
        let key_fields =
            Field::ALL.iter().copied().filter(|f| worth && used.has(*f) && FEW.has(*f)).collect();
        ServiceResolver {
            names: Names::new(classifier),
            classifier: classifier.clone(),
            rules,
            scratch: Vec::new(),
            key_fields,
            key: Vec::new(),
            plans: HashTable::new(),
            plans_forgotten: 0,
            hasher: RandomState::default(),
        }
    }

    /// The service of the record; [`ServiceId::UNMATCHED`] where no rule matches.
    ///
    /// It does not apply the ingest cap (the accumulator counts a span's services), but it holds no more
    /// than twice `limits.ingest_services_max` template-made names: further ones are
    /// [`ServiceId::OTHER`] until [`trim`](Self::trim).
    #[inline]
    pub fn resolve(&mut self, record: &Record<'_>) -> ServiceId {
        if self.key_fields.is_empty() { self.try_all(record) } else { self.follow_plan(record) }
    }

    fn try_all(&mut self, record: &Record<'_>) -> ServiceId {
        for rule in 0..self.rules.len() {
            if let Some(id) = self.try_rule(rule, record) {
                return id;
            }
        }
        ServiceId::UNMATCHED
    }

    fn follow_plan(&mut self, record: &Record<'_>) -> ServiceId {
        self.key.clear();
        for field in &self.key_fields {
            match record.get(*field) {
                Value::Text(bytes) => {
                    self.key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                    self.key.extend_from_slice(bytes);
                }
                Value::Integer(v) => self.key.extend_from_slice(&v.to_le_bytes()),
                Value::Boolean(b) => self.key.push(u8::from(b)),
                // no length and no number that fits its field begins like this
                Value::Absent | Value::Timestamp(_) => self.key.extend_from_slice(&[0xFF; 8]),
            }
        }
        if self.key.len() > PLAN_KEY_BYTES_MAX {
            return self.try_all(record);
        }
        let hash = self.hasher.hash_one(self.key.as_slice());
        let Some(plan) = self.plans.find(hash, |p| *p.key == *self.key) else {
            return self.make_plan(hash, record);
        };
        for step in &plan.steps {
            match step {
                Step::Is(id) => return *id,
                Step::Try(rule) => {
                    let made = try_rule(
                        &mut self.rules,
                        *rule as usize,
                        record,
                        &mut self.scratch,
                        &mut self.names,
                        &self.classifier,
                    );
                    if let Some(id) = made {
                        return id;
                    }
                }
            }
        }
        ServiceId::UNMATCHED
    }

    #[cold]
    fn make_plan(&mut self, hash: u64, record: &Record<'_>) -> ServiceId {
        let mut steps = Vec::new();
        for rule in 0..self.rules.len() {
            if self.rules[rule].is_settled() {
                if let Some(id) = self.try_rule(rule, record) {
                    steps.push(Step::Is(id));
                    break;
                }
            } else if self.rules[rule].may_match(record) {
                steps.push(Step::Try(rule as u16));
            }
        }
        if self.plans.len() >= PLANS_MAX {
            self.plans.clear();
            self.plans_forgotten += 1;
        }
        let plan = Plan { hash, key: self.key.as_slice().into(), steps: steps.into() };
        self.plans.insert_unique(hash, plan, |p| p.hash);
        self.try_all(record)
    }

    fn try_rule(&mut self, rule: usize, record: &Record<'_>) -> Option<ServiceId> {
        try_rule(&mut self.rules, rule, record, &mut self.scratch, &mut self.names, &self.classifier)
    }

    /// What the id stands for.
    ///
    /// # Panics
    /// If the id is another resolver's, or from before a `trim` that returned true.
    #[inline]
    pub fn service(&self, id: ServiceId) -> &Service {
        &self.names.services()[id.0 as usize]
    }

    /// How many ids there are: all are below this.
    pub fn len(&self) -> usize {
        self.names.services().len()
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
        let trimmed = self.names.trim();
        if trimmed {
            self.plans.clear();
        }
        trimmed
    }

    /// How often the limit on remembered plans was reached (they were made anew).
    pub fn plans_forgotten(&self) -> u64 {
        self.plans_forgotten
    }
}

#[inline]
fn try_rule(
    rules: &mut [Rule],
    rule: usize,
    record: &Record<'_>,
    scratch: &mut Vec<u8>,
    names: &mut Names,
    classifier: &Classifier,
) -> Option<ServiceId> {
    match rules[rule].raw(record, scratch) {
        Raw::No => None,
        Raw::Name(raw) => match classifier.fixed[rule] {
            Some(id) => Some(id),
            None => names.made(rule as u16, raw, classifier),
        },
    }
}
