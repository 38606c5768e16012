//! Events on stdout, one JSON line each: at least once, for looking at.

use crate::core::event::Event;
use crate::edges::sink::Owner;
use crate::edges::sink::events::{EventError, envelope};
use std::io::Write;
use std::sync::Arc;

/// Writes to stdout.
pub struct StdoutEvents {
    pipeline: Arc<str>,
    journal: Arc<str>,
}

impl StdoutEvents {
    pub(super) fn new(owner: &Owner) -> StdoutEvents {
        StdoutEvents { pipeline: owner.pipeline.clone(), journal: owner.journal.clone() }
    }

    pub(super) fn publish(&mut self, events: &[Event]) -> Result<usize, EventError> {
        let mut lines = Vec::new();
        for event in events {
            lines.extend(envelope::encode(event, &self.pipeline, &self.journal));
            lines.push(b'\n');
        }
        let mut out = std::io::stdout().lock();
        let written = out.write_all(&lines).and_then(|()| out.flush());
        written.map_err(|error| EventError::Io { action: "writing to", path: "stdout".into(), error })?;
        Ok(events.len())
    }
}
