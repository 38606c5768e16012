//! What the targets do with an input, and what must hold; compiled by cargo-fuzz and by `tests/fuzz.rs`.

pub(crate) mod envelopes;
pub(crate) mod formats;

/// The format or envelope that the environment asks for; all of them if it says nothing.
fn pinned() -> Option<String> {
    std::env::var("NINETAIL_FUZZ").ok().filter(|name| !name.is_empty())
}
