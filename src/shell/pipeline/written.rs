//! The SLOs that the entries of `slos:` stand for: those written there, those of OpenSLO files, and those of
//! presets, all in one form.
//!
//! Invariant: an SLO from elsewhere is checked and compiled exactly as one that is written in the pipeline
//! file, and what is wrong with it is shown where it stands.

use super::load::Checker;
use super::{presets, tiers};
use crate::core::settings::ServiceRule;
use crate::shell::config::diagnostic::Included;
use crate::shell::config::{At, PipelineFile, SloEntryFile, SloFile};
use crate::shell::openslo;
use std::sync::Arc;

/// An SLO as it is written somewhere.
pub(super) struct WrittenSlo {
    /// The file that it stands in, where that is not the pipeline file.
    pub(super) file: Option<Arc<Included>>,
    /// The SLO.
    pub(super) slo: At<SloFile>,
}

/// All SLOs, in the order of the entries.
pub(super) fn slos(file: &PipelineFile, services: &[ServiceRule], checker: &mut Checker) -> Vec<WrittenSlo> {
    let library = library(file, checker);
    let mut slos = Vec::new();
    for entry in file.slos.iter() {
        match &entry.value {
            SloEntryFile::Slo(slo) => {
                slos.push(WrittenSlo { file: None, slo: entry.with((**slo).clone()) });
            }
            SloEntryFile::Preset(preset) => {
                let made = presets::expand(entry, preset, checker);
                slos.extend(made.into_iter().map(|slo| WrittenSlo { file: None, slo }));
            }
            SloEntryFile::OpenSlo(openslo) => {
                for path in openslo.openslo.items() {
                    let path = checker.path(&path);
                    slos.extend(
                        library
                            .slos(&path)
                            .map(|(file, slo)| WrittenSlo { file: Some(file.clone()), slo: slo.clone() }),
                    );
                }
            }
        }
    }
    tiers::fill(file, slos, services, checker)
}

/// What all OpenSLO files define: one may refer to another.
fn library(file: &PipelineFile, checker: &mut Checker) -> openslo::Slos {
    let mut files: Vec<Arc<Included>> = Vec::new();
    for entry in file.slos.iter() {
        let SloEntryFile::OpenSlo(openslo) = &entry.value else { continue };
        for written in openslo.openslo.items() {
            let path = checker.path(&written);
            if files.iter().any(|file| file.path == path) {
                checker.error(&written.span, format!("{} is named twice", path.display()));
                continue;
            }
            match std::fs::read_to_string(&path) {
                Ok(text) => files.push(Arc::new(Included { path, text })),
                Err(error) => checker.error_hint(
                    &written.span,
                    format!("cannot read {}: {error}", path.display()),
                    "paths start at the pipeline file's folder",
                ),
            }
        }
    }
    let (slos, findings) = openslo::read(&files);
    checker.problems.extend(findings.problems);
    checker.warnings.extend(findings.warnings);
    slos
}
