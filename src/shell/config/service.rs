//! The file's `services:` and `service_tiers:` as they are written.

use super::{At, DecimalText, PredicateText};
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A rule that names services.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Service")]
pub struct ServiceFile {
    /// The service's name. `{field}` and `{capture}` are filled in; an absent field = no match. With `map` it may
    /// be left out, or hold `{map}` and text around it.
    pub name: Option<At<String>>,
    /// CEL predicate that must hold; unknown is false.
    pub when: Option<At<PredicateText>>,
    /// Regular expressions by field, all of which must match; named groups become captures.
    #[serde(rename = "match")]
    pub matches: Option<BTreeMap<String, At<String>>>,
    /// A table from the values of a field to services; a value that is not in it = no match.
    pub map: Option<At<ServiceMapFile>>,
    /// Service tier, 1 the most critical. It gives to SLOs that leave them open: tier 1 an objective of 99.99, tier 2
    /// 99.9, tier 3 99.5, tier 4 99; and tier 3 the alerts `tickets`, tier 4 `none` (it is measured and alerts nobody).
    #[schemars(range(min = 1, max = 9))]
    pub tier: Option<At<u8>>,
    /// Team that owns it.
    pub owner: Option<String>,
    /// Where its runbook lies.
    pub runbook_url: Option<String>,
    /// Where its dashboard lies.
    pub dashboard_url: Option<String>,
    /// Labels that its alerts are routed by: in every event about it, and labels of its alerts in an Alertmanager. They
    /// win over those of its tier; an empty one takes it away.
    pub labels: Option<BTreeMap<String, At<String>>>,
}

/// What a tier gives to its services.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ServiceTier")]
pub struct ServiceTierFile {
    /// The tier, 1 the most critical.
    #[schemars(range(min = 1, max = 9))]
    pub tier: At<u8>,
    /// Objective of SLOs that leave it open, percent. Default: 99.99, 99.9, 99.5 and 99 for tiers 1 to 4.
    pub objective: Option<At<DecimalText>>,
    /// Alerts of SLOs that have none of their own, a preset by name, or `none`. Default: `tickets` for tier 3, `none` for
    /// tier 4.
    pub alerts: Option<At<String>>,
    /// Labels that alerts of its services are routed by.
    pub labels: Option<BTreeMap<String, At<String>>>,
}

/// A table from the values of a field to services, which are named services.
#[derive(Clone, Deserialize, JsonSchema, Debug)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "ServiceMap")]
pub struct ServiceMapFile {
    /// The field whose value is looked up, as it stands in the record.
    pub field: At<String>,
    /// Service by value.
    pub values: Option<BTreeMap<String, At<String>>>,
    /// File of more: one `value,service` a line; blank lines and those that begin with `#` are passed over.
    pub file: Option<At<String>>,
}
