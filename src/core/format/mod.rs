//! Log formats.
