//! The allocator, and how soon it gives memory back.
//!
//! librdkafka takes and frees a megabyte for each batch that it fetches, and a cut does for each column. What is free
//! would stay with the process for a second: at full speed a quarter of all that it holds. Thirty milliseconds keep most of
//! that away; ten cost twice the page faults, one part in twenty-five of a full reader's processor time.

use std::ffi::{c_int, c_long};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `mi_option_purge_delay` of mimalloc.h, the same in its versions 2 and 3: how long free memory is kept, milliseconds.
const PURGE_DELAY: c_int = 15;
const PURGE_DELAY_MS: c_long = 30;

unsafe extern "C" {
    fn mi_option_set_default(option: c_int, value: c_long);
}

/// Has free memory returned to the system soon, unless `MIMALLOC_PURGE_DELAY` says when.
pub(crate) fn give_back_soon() {
    // SAFETY: it writes one number, which the allocator reads when it purges; no other thread runs yet
    unsafe { mi_option_set_default(PURGE_DELAY, PURGE_DELAY_MS) }
}
