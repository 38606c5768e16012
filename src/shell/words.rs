//! How numbers are said to people.

/// A number of seconds as `30s`, `5m`, `1h30m`, `30d`.
pub fn duration(seconds: u64) -> String {
    let mut rest = seconds;
    let mut text = String::new();
    for (unit, length) in [("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1)] {
        if rest / length > 0 {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    if text.is_empty() { "0s".into() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_as_people_write_them() {
        for (seconds, text) in [(0, "0s"), (30, "30s"), (300, "5m"), (5_400, "1h30m"), (2_592_000, "30d")] {
            assert_eq!(duration(seconds), text);
        }
    }
}
