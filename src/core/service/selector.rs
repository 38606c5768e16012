//! Which services an SLO is for: names, or patterns in which `*` stands for any run of characters.
//!
//! Invariant: a pattern never matches a reserved name; only the name itself, written out, does.

/// Whether the name is kept for the pipeline's own use: `__unmatched__`, `__other__` and their like.
pub fn is_reserved(name: &str) -> bool {
    name.len() > 4 && name.starts_with("__") && name.ends_with("__")
}

/// Whether the selector (a name or a pattern) takes in the service.
pub fn selects(selector: &str, service: &str) -> bool {
    if !selector.contains('*') {
        return selector == service;
    }
    if is_reserved(service) {
        return false;
    }
    let mut parts = selector.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = service.strip_prefix(first) else { return false };
    let mut last = "";
    for (i, part) in parts.enumerate() {
        if i > 0 {
            // `last` stood between two stars: its leftmost place leaves the most room
            match rest.find(last) {
                Some(at) => rest = &rest[at + last.len()..],
                None => return false,
            }
        }
        last = part;
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_select() {
        let cases = [
            ("*", "checkout", true),
            ("*", "__unmatched__", false),
            ("__*", "__other__", false),
            ("__other__", "__other__", true),
            ("checkout", "checkout", true),
            ("checkout", "checkout2", false),
            ("team-*", "team-a", true),
            ("team-*", "team-", true),
            ("team-*", "tea", false),
            ("*-api", "x-api", true),
            ("*-api", "x-api2", false),
            ("a*b*c", "abc", true),
            ("a*b*c", "a1b2b3c", true),
            ("a*b*c", "acb", false),
            ("a*a", "a", false),
            ("*-eu-*", "shop-eu-1", true),
            ("team-*", "a-team-a", false),
            ("ab*ba", "aba", false),
            ("**", "", true),
            ("*é*", "café!", true),
        ];
        for (selector, service, want) in cases {
            assert_eq!(selects(selector, service), want, "{selector} {service}");
        }
    }

    #[test]
    fn reserved_names() {
        for name in ["__unmatched__", "__other__", "__x__"] {
            assert!(is_reserved(name), "{name}");
        }
        for name in ["__", "____", "__x", "x__", "_x_", "checkout"] {
            assert!(!is_reserved(name), "{name}");
        }
    }
}
