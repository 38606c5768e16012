//! Names the service of every record: one resolver a thread, no lock, no allocation once a name is known.
//!
//! Invariant: an id stands for one (name, rule) until [`ServiceResolver::trim`] says otherwise; what is
//! remembered never changes what a record's service is.
//!
//! Rules are tried in order. What fields of few values (host, target group, ..) decide is remembered as a
//! plan: the rules still possible, in order, up to the first that those fields alone settle.

use super::bytemap::ByteMap;
use super::names::Names;
use super::rule::{FEW, Raw, Rule};
use super::{Classifier, Grouped, ServiceName};
use crate::core::record::{Field, Record, Value};
use crate::core::sli::Verdict;

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
    /// Indexes into `Settings::slos` that apply and that requests decide for the service as a whole, ascending.
    pub slos: Box<[u16]>,
    /// Those that they decide group by group.
    pub grouped: Box<[Grouped]>,
    /// Those that apply and are counted elsewhere, ascending.
    pub external: Box<[u16]>,
}

/// Most plans remembered; when there are more, all are forgotten and made anew.
const PLANS_MAX: usize = 16_384;
/// Longest key of a plan, bytes; a record with a longer one is decided without a plan.
const PLAN_KEY_BYTES_MAX: usize = 1_024;

// what a plan's key is made of
const TEXT: u16 = 0;
const ABSENT: u16 = 1;
const SEVERAL: u16 = 2;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The rule may match.
    Try(u16),
    /// This is the service.
    Is(ServiceId),
}

/// Names services; per thread. Holds its own copy of the classifier (regular expressions keep scratch
/// space that threads would otherwise fight for).
#[derive(Debug)]
pub struct ServiceResolver {
    pub(super) classifier: Classifier,
    rules: Vec<Rule>,
    pub(super) names: Names,
    scratch: Vec<u8>,
    /// Fields that make up a plan's key; empty: plans are not worth it.
    key_fields: Vec<Field>,
    key: Vec<u8>,
    /// By key: a place in `plans`.
    plan_of: ByteMap,
    plans: Vec<Box<[Step]>>,
    plans_forgotten: u64,
}

impl ServiceResolver {
    /// A resolver that knows the reserved and the named services.
    pub fn new(classifier: &Classifier) -> ServiceResolver {
        let rules = classifier.rules.clone();
        let worth = rules.iter().any(|r| !r.is_plain());
        let used = rules.iter().fold(crate::core::record::Fields::NONE, |all, r| all.union(r.fields()));
        let key_fields = used.iter().filter(|f| worth && FEW.has(*f)).collect();
        ServiceResolver {
            names: Names::new(classifier),
            classifier: classifier.clone(),
            rules,
            scratch: Vec::new(),
            key_fields,
            key: Vec::new(),
            plan_of: ByteMap::new(),
            plans: Vec::new(),
            plans_forgotten: 0,
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

    #[inline]
    fn try_all(&mut self, record: &Record<'_>) -> ServiceId {
        for rule in 0..self.rules.len() {
            if let Some(id) = self.try_rule(rule, record) {
                return id;
            }
        }
        ServiceId::UNMATCHED
    }

    fn follow_plan(&mut self, record: &Record<'_>) -> ServiceId {
        let plan = match self.key_fields.as_slice() {
            [field] => match record.get(*field) {
                Value::Text(bytes) if bytes.len() <= PLAN_KEY_BYTES_MAX => self.plan_of.get(TEXT, bytes),
                Value::Absent => self.plan_of.get(ABSENT, &[]),
                // too long, or no text
                _ => return self.try_all(record),
            },
            fields => {
                if !put_key(fields, record, &mut self.key) {
                    return self.try_all(record);
                }
                self.plan_of.get(SEVERAL, &self.key)
            }
        };
        let Some(plan) = plan else { return self.make_plan(record) };
        for step in &self.plans[plan as usize] {
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
    fn make_plan(&mut self, record: &Record<'_>) -> ServiceId {
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
            self.plan_of.clear();
            self.plans.clear();
            self.plans_forgotten += 1;
        }
        let (tag, key) = match (self.key_fields.as_slice(), self.key_fields.first().map(|f| record.get(*f))) {
            ([_], Some(Value::Text(bytes))) => (TEXT, bytes),
            ([_], _) => (ABSENT, &[][..]),
            _ => (SEVERAL, self.key.as_slice()),
        };
        if self.plan_of.insert(tag, key, self.plans.len() as u32) {
            self.plans.push(steps.into());
        }
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

    /// The group of the record for the SLO at that index; None: it has no groups.
    pub fn group_of(&self, slo: u16, record: &Record<'_>) -> Option<String> {
        self.classifier.group_of(slo, record)
    }

    /// To be called at a flush, when no id is held any more: forgets template-made names if there are
    /// more than `limits.ingest_services_max` of them. True: it did, and their ids are void.
    pub fn trim(&mut self) -> bool {
        let trimmed = self.names.trim();
        if trimmed {
            self.plan_of.clear();
            self.plans.clear();
        }
        trimmed
    }

    /// How often the limit on remembered plans was reached (they were made anew).
    pub fn plans_forgotten(&self) -> u64 {
        self.plans_forgotten
    }
}

/// Puts the values of several fields together so that no two lists of values look the same. False: it is
/// longer than `PLAN_KEY_BYTES_MAX`.
fn put_key(fields: &[Field], record: &Record<'_>, key: &mut Vec<u8>) -> bool {
    key.clear();
    for field in fields {
        match record.get(*field) {
            Value::Text(bytes) => {
                if key.len() + bytes.len() > PLAN_KEY_BYTES_MAX {
                    return false;
                }
                key.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
                key.extend_from_slice(bytes);
            }
            Value::Integer(v) => key.extend_from_slice(&v.to_le_bytes()),
            Value::Boolean(b) => key.push(u8::from(b)),
            // no length and no number that fits its field begins like this
            Value::Absent | Value::Timestamp(_) => key.extend_from_slice(&[0xFF; 8]),
        }
    }
    true
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
        Raw::Is(id) => Some(id),
        Raw::Name(raw) => match classifier.fixed[rule] {
            Some(id) => Some(id),
            None => names.made(rule as u16, raw, classifier),
        },
    }
}
