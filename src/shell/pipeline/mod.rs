//! The pipeline as it runs: complete, resolved, checked.
//!
//! Invariant: a `Pipeline` that exists is valid; whatever is wrong with its file was reported at once,
//! with places. Secrets are only paths here: they are read when a connection is made, never printed,
//! and never part of [`Settings`], which the journal keeps.

mod alert_presets;
mod alerts;
mod dimensions;
mod exclusions;
mod indicators;
mod kafka;
mod labels;
mod load;
mod policies;
mod presets;
mod receivers;
mod routes;
mod services;
mod sinks;
mod slos;
mod sources;
mod tests_block;
mod tiers;
mod windows;
mod written;
#[cfg(test)]
mod tests;

pub use alert_presets::workbook;
pub use alerts::burn_max;
pub(crate) use alerts::requests_for_one_failure;
pub use kafka::{Cluster, Sasl, SecretError, Tls};
pub use load::LoadError;
pub use sinks::{DeadLetters, Events, Sinks};
pub use sources::{KafkaSource, Start};
pub use tests_block::{Expect, LineTest};
pub(super) use tiers::{SILENT, pattern};

use super::config::diagnostic::{Level, Problem, render};
use crate::core::settings::{Settings, Slo, Source};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Topic name that archives are counted under.
pub const BACKFILL_TOPIC: &str = "backfill";

/// A checked pipeline.
#[derive(Clone, Debug)]
pub struct Pipeline {
    /// Path of its file.
    pub path: PathBuf,
    /// Text of its file, for messages.
    pub text: String,
    /// All that decides rows and events; the journal keeps it.
    pub settings: Settings,
    /// How to reach each source, in the order of `settings.sources`; None where it names no topics.
    pub sources: Vec<Option<KafkaSource>>,
    /// Where the results go.
    pub sinks: Sinks,
    /// Folder of the journal and the snapshots.
    pub state: PathBuf,
    /// Address of `/metrics`, `/livez` and `/readyz`.
    pub http: Option<SocketAddr>,
    /// Ingest threads.
    pub threads: usize,
    /// Bounds of the process that decide no row.
    pub bounds: Bounds,
    /// How long a stop may take.
    pub shutdown_timeout: Duration,
    /// What each SLO is to say, in prose, in the order of `settings.slos`.
    pub specifications: Vec<Option<String>>,
    /// The file's `tests:`.
    pub tests: Vec<LineTest>,
    /// What deserves a warning.
    pub warnings: Vec<Problem>,
}

/// Bounds on the process's buffers; what decides rows is in `settings.limits`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bounds {
    /// Bytes of a line kept in its dead letter.
    pub dead_letter_bytes_max: usize,
    /// Bytes that consumers may fetch ahead, over all threads.
    pub fetch_bytes_max: usize,
    /// Longest time between two flushes of a thread.
    pub flush_every: Duration,
    /// Size of a partial that is flushed at once, bytes.
    pub flush_bytes_max: usize,
    /// Partials that may wait for the journal.
    pub queue_chunks_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            dead_letter_bytes_max: 512 << 10,
            fetch_bytes_max: 8 << 20,
            flush_every: Duration::from_secs(1),
            flush_bytes_max: 1 << 20,
            queue_chunks_max: 4,
        }
    }
}

impl Pipeline {
    /// Reads and checks a pipeline file; `${NAME}` is filled in from the environment.
    ///
    /// # Errors
    /// If the file cannot be read, or with everything that is wrong in it.
    pub fn load(path: &Path) -> Result<Pipeline, LoadError> {
        load::load(path)
    }

    /// The same from its text; relative paths start at `path`'s folder.
    ///
    /// # Errors
    /// With everything that is wrong in it.
    pub fn parse(
        path: &Path,
        text: &str,
        variables: std::collections::HashMap<String, String>,
    ) -> Result<Pipeline, LoadError> {
        load::parse(path, text, variables)
    }

    /// The settings for archives: one source, named as in the file, with the one topic `backfill`.
    ///
    /// # Errors
    /// If no source has that name, or if there are several and none is named.
    pub fn backfill_settings(&self, source: Option<&str>) -> Result<Settings, String> {
        let sources = &self.settings.sources;
        let names = || sources.iter().map(|s| &*s.name).collect::<Vec<_>>().join(", ");
        let chosen = match source {
            Some(name) => sources
                .iter()
                .find(|s| &*s.name == name)
                .ok_or_else(|| format!("the pipeline has no source `{name}`; it has: {}", names()))?,
            None if sources.len() > 1 && sources.iter().any(|s| s.input != sources[0].input) => {
                return Err(format!("the sources differ in format; name one of them: {}", names()));
            }
            None => &sources[0],
        };
        let topics = vec![Arc::from(BACKFILL_TOPIC)];
        Ok(Settings { sources: vec![Source { topics, ..chosen.clone() }], ..self.settings.clone() })
    }

    /// The SLOs, each with what it is to say, in prose.
    pub fn specified(&self) -> impl Iterator<Item = (&Slo, Option<&str>)> {
        let specifications = self.specifications.iter().map(Option::as_deref).chain(std::iter::repeat(None));
        self.settings.slos.iter().zip(specifications)
    }

    /// The warnings as text, with places.
    pub fn warnings_text(&self, color: bool) -> String {
        let path = self.path.display().to_string();
        self.warnings.iter().map(|w| render(w, Level::Warning, &path, &self.text, color)).collect()
    }
}
