//! The one clock of the process: it never goes back, and the demo's runs faster.

use crate::core::time::Time;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Hands out the time; copies agree.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: Instant,
    zero: Time,
    /// Clock seconds per second.
    scale: u32,
}

impl Clock {
    /// The system's time at the start, carried on by the monotonic clock.
    pub fn system() -> Clock {
        Clock { started: Instant::now(), zero: system_time(), scale: 1 }
    }

    /// A clock that starts at `zero` and runs `scale` times as fast as time does.
    pub fn scaled(zero: Time, scale: u32) -> Clock {
        Clock { started: Instant::now(), zero, scale }
    }

    /// Now.
    pub fn now(&self) -> Time {
        let elapsed_us = self.started.elapsed().as_micros() as i64;
        Time(self.zero.0.saturating_add(elapsed_us.saturating_mul(i64::from(self.scale))))
    }

    /// When the process took its clock.
    pub fn started(&self) -> Instant {
        self.started
    }
}

fn system_time() -> Time {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Time(since.as_micros().min(i64::MAX as u128) as i64)
}
