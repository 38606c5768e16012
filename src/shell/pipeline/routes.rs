//! The file's `routes:`.

use super::load::Checker;
use crate::core::settings::RouteRule;
use crate::shell::config::{At, RoutesFile};

/// The rules that go before taking ids out; None where templating is off.
pub(super) fn build(written: Option<&At<RoutesFile>>, checker: &mut Checker) -> Option<Vec<RouteRule>> {
    let written = written?;
    match &written.value {
        RoutesFile::Rules(rules) => {
            let rule = |rule: &At<crate::shell::config::RouteFile>| RouteRule {
                matches: rule.matches.value.clone(),
                route: rule.route.value.clone(),
            };
            Some(rules.iter().map(rule).collect())
        }
        RoutesFile::Preset(name) if name == "ids" => Some(Vec::new()),
        RoutesFile::Preset(name) if name == "none" => None,
        RoutesFile::Preset(name) => {
            let hint =
                "write none, ids, or a list of rules such as { match: '^/u/[^/]+$', route: '/u/{name}' }";
            checker.error_hint(&written.span, format!("`{name}` is no way to name routes"), hint);
            None
        }
    }
}
