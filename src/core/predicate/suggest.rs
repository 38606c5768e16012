//! "Did you mean": the known name nearest to a mistyped one.

/// The candidate nearest to the name, if it is near enough to be what was meant.
///
/// Distance: insertions, deletions, substitutions and swaps of neighbours (optimal string alignment), case
/// ignored, at most a third of the name's length. The first of equally near ones.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted: Vec<char> = name.to_lowercase().chars().collect();
    if wanted.len() > 64 {
        return None;
    }
    let bound = (wanted.len() / 3).max(1);
    candidates
        .into_iter()
        .map(|c| (distance(&wanted, &c.to_lowercase().chars().collect::<Vec<_>>()), c))
        .filter(|(d, _)| *d <= bound)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

fn distance(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn near_names_are_found() {
        let names = ["status", "upstream_status", "host", "path"];
        let cases = [
            ("statsu", Some("status")),
            ("Status", Some("status")),
            ("hots", Some("host")),
            ("upstream_statu", Some("upstream_status")),
            ("latency", None),
            ("", None),
        ];
        for (name, want) in cases {
            assert_eq!(closest(name, names), want, "{name}");
        }
    }
}
