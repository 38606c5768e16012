//! Named crash points for the reliability tests: the process aborts where the environment says.
//!
//! `NINETAIL_TEST_CRASH_AT=name` (or `name:3` for the third time) is read once. Builds without debug
//! assertions, hence releases, hold none of this.

#[cfg(debug_assertions)]
use std::sync::{
    OnceLock,
    atomic::{AtomicU32, Ordering},
};

/// Every crash point by name, in the order of one commit.
pub const POINTS: [&str; 12] = [
    "flush.before",
    "flush.after",
    "events.before",
    "events.sent",
    "events.after",
    "parquet.before",
    "parquet.staged",
    "parquet.linked",
    "snapshot.before",
    "snapshot.after",
    "trim.before",
    "trim.after",
];

/// Aborts the process if the environment names this point.
#[cfg(debug_assertions)]
pub fn point(name: &str) {
    static ARMED: OnceLock<Option<(String, u32)>> = OnceLock::new();
    static HITS: AtomicU32 = AtomicU32::new(0);
    debug_assert!(POINTS.contains(&name), "unknown crash point {name}");
    let armed = ARMED.get_or_init(|| {
        let value = std::env::var("NINETAIL_TEST_CRASH_AT").ok()?;
        let (name, nth) = value.split_once(':').unwrap_or((&value, "1"));
        Some((name.to_string(), nth.parse().ok()?))
    });
    if let Some((armed, nth)) = armed
        && armed == name
        && HITS.fetch_add(1, Ordering::Relaxed) + 1 == *nth
    {
        eprintln!("crash point {name}");
        std::process::abort();
    }
}

/// Aborts the process if the environment names this point: never in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn point(_name: &str) {}

/// Whether a test asks for the wrong order of commits (`NINETAIL_TEST_BREAK=snapshot_first`): the snapshot
/// before the outputs. It shows that the reliability tests can fail.
#[cfg(debug_assertions)]
pub fn order_is_broken() -> bool {
    static BROKEN: OnceLock<bool> = OnceLock::new();
    *BROKEN.get_or_init(|| std::env::var("NINETAIL_TEST_BREAK").is_ok_and(|v| v == "snapshot_first"))
}

/// Whether a test asks for the wrong order of commits: never in a release build.
#[cfg(not(debug_assertions))]
#[inline(always)]
pub fn order_is_broken() -> bool {
    false
}
