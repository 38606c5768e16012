//! From the file as written to the pipeline as run.
//!
//! Invariant: everything is checked before anything is returned, so that one run of `check` shows every
//! problem. Each part of the file has its own module; this one puts them together.

use super::{
    Bounds, Pipeline, alerts, dimensions, exclusions, indicators, routes, services, sinks, slos, sources,
    tests_block, written,
};
use crate::core::settings::{Limits, Settings};
use crate::core::time::{Grain, SliceLength};
use crate::shell::config::diagnostic::{Included, Invalid, Problem, nearest};
use crate::shell::config::scalar::{duration_us, seconds_text, size_bytes};
use crate::shell::config::{At, DurationText, LimitsFile, PipelineFile, SizeText, read};
use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Why a pipeline could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file cannot be read.
    #[error("cannot read pipeline {}: {error}", path.display())]
    Read {
        /// Its path.
        path: PathBuf,
        /// Why.
        error: std::io::Error,
    },
    /// The file is wrong.
    #[error("{0}")]
    Invalid(Box<Invalid>),
}

/// What the parts of the file share while they are checked.
pub(super) struct Checker {
    /// The pipeline's name.
    pub(super) name: String,
    /// Seconds of the base slice.
    pub(super) slice_s: u64,
    /// Folder that relative paths start at.
    pub(super) folder: PathBuf,
    /// The file's text.
    pub(super) text: String,
    /// What is wrong.
    pub(super) problems: Vec<Problem>,
    /// What is doubtful.
    pub(super) warnings: Vec<Problem>,
    /// The file that is being checked, where it is not the pipeline file itself.
    pub(super) included: Option<Arc<Included>>,
}

impl Checker {
    /// Notes a problem at a place.
    pub(super) fn error(&mut self, span: &Range<usize>, message: impl Into<String>) {
        self.problems.push(Problem::at(span, message).of(self.included.as_ref()));
    }

    /// Notes a problem with a way out.
    pub(super) fn error_hint(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.problems.push(Problem::at(span, message).hint(hint).of(self.included.as_ref()));
    }

    /// Notes a warning with a way out.
    pub(super) fn warn(&mut self, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) {
        self.warnings.push(Problem::at(span, message).hint(hint).of(self.included.as_ref()));
    }

    /// Whole seconds of a duration, or the default.
    pub(super) fn seconds(&mut self, text: Option<&At<DurationText>>, default: u64) -> u64 {
        let Some(text) = text else { return default };
        match self.micros(text) {
            Some(us) if us.is_multiple_of(1_000_000) && us / 1_000_000 <= u64::from(u32::MAX) => {
                us / 1_000_000
            }
            Some(_) => {
                self.error(&text.span, format!("`{}` is not a duration of whole seconds", &***text));
                default
            }
            None => default,
        }
    }

    /// Microseconds of a duration.
    pub(super) fn micros(&mut self, text: &At<DurationText>) -> Option<u64> {
        let read = duration_us(text);
        if read.is_none() {
            self.error_hint(
                &text.span,
                format!("`{}` is not a duration", &***text),
                "write a number and a unit: 200ms, 30s, 5m, 1h30m, 30d",
            );
        }
        read
    }

    fn bytes(&mut self, text: Option<&At<SizeText>>, default: u64, allowed: Range<u64>) -> u64 {
        let Some(text) = text else { return default };
        match size_bytes(text) {
            Some(bytes) if allowed.contains(&bytes) => return bytes,
            Some(_) => self.error(
                &text.span,
                format!("`{}` is out of range: {} to {} bytes", &***text, allowed.start, allowed.end - 1),
            ),
            None => self.error_hint(
                &text.span,
                format!("`{}` is not a size", &***text),
                "write bytes or a number and a unit: 64KiB, 1MiB",
            ),
        }
        default
    }

    /// A number within bounds, or the default.
    pub(super) fn count(
        &mut self,
        number: Option<&At<u32>>,
        default: u32,
        allowed: std::ops::RangeInclusive<u32>,
    ) -> u32 {
        let Some(number) = number else { return default };
        if !allowed.contains(&number.value) {
            let (least, most) = (allowed.start(), allowed.end());
            self.error(&number.span, format!("`{}` is out of range: {least} to {most}", number.value));
            return default;
        }
        number.value
    }

    /// A path of the file, from the file's folder.
    pub(super) fn path(&self, text: &str) -> PathBuf {
        self.folder.join(text.strip_prefix("./").unwrap_or(text))
    }

    /// The part of the file that a place of a scalar's value stands at: for carets inside a predicate.
    /// Where the value does not stand in the file as it is (escapes, folded lines), the whole scalar.
    pub(super) fn inside(&self, scalar: &Range<usize>, value: &str, part: &Range<usize>) -> Range<usize> {
        let text = self.included.as_ref().map_or(&self.text, |file| &file.text);
        let Some(start) = text.get(scalar.clone()).and_then(|written| written.find(value)) else {
            return scalar.clone();
        };
        let base = scalar.start + start;
        base + part.start.min(value.len())..base + part.end.clamp(part.start.min(value.len()), value.len())
    }
}

pub(super) fn load(path: &Path) -> Result<Pipeline, LoadError> {
    let text =
        std::fs::read_to_string(path).map_err(|error| LoadError::Read { path: path.to_path_buf(), error })?;
    let variables = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    parse(path, &text, variables)
}

pub(super) fn parse(
    path: &Path,
    text: &str,
    variables: HashMap<String, String>,
) -> Result<Pipeline, LoadError> {
    let invalid = |mut problems: Vec<Problem>| {
        in_order(&mut problems);
        LoadError::Invalid(Box::new(Invalid { path: path.to_path_buf(), text: text.to_string(), problems }))
    };
    let file = read::parse(text, variables).map_err(|problem| invalid(vec![*problem]))?;
    let mut checker = Checker {
        name: file.name.value.clone(),
        slice_s: 60,
        folder: path.parent().map(Path::to_path_buf).unwrap_or_default(),
        text: text.to_string(),
        problems: Vec::new(),
        warnings: Vec::new(),
        included: None,
    };
    let pipeline = build(path, &file, &mut checker);
    in_order(&mut checker.warnings);
    if !checker.problems.is_empty() {
        return Err(invalid(checker.problems));
    }
    Ok(Pipeline { warnings: checker.warnings, ..pipeline })
}

/// In the order of the file, each once: tiers that several SLOs share are checked for each of them.
fn in_order(problems: &mut Vec<Problem>) {
    problems
        .sort_by_cached_key(|p| (p.file.clone(), p.span.as_ref().map_or(0, |s| s.start), p.message.clone()));
    problems.dedup();
}

/// The whole pipeline; it counts only if the checker has no problem afterwards.
fn build(path: &Path, file: &PipelineFile, checker: &mut Checker) -> Pipeline {
    head(file, checker);
    for span in read::literal_variables(&checker.text) {
        checker.warn(
            &span,
            "a quoted text keeps `${…}` as it is",
            "remove the quotes around the whole value to have the variable filled in",
        );
    }
    let cut_s = cut(file, checker);
    let (core_sources, kafka_sources) = sources::build(file, checker);
    let routes = routes::build(file.routes.as_ref(), checker);
    let services = services::build(file, checker);
    let dimensions = dimensions::build(file, checker);
    let default_alerts = alerts::Choice::of(file.alerts.as_ref(), checker);
    let written = written::slos(file, &services, checker);
    let slos = slos::build(file, &written, &services, &default_alerts, checker);
    let excluded = exclusions::build(file.exclusions.as_deref(), checker);
    exclusions::check_used(file.exclusions.as_deref(), &slos, checker);
    let sinks = sinks::build(file, &kafka_sources, checker);
    let limits_file = file.limits.clone().unwrap_or_default();
    let settings = Settings {
        name: file.name.value.clone(),
        slice: SliceLength(checker.slice_s as u32),
        cut_s,
        watermark_quorum: checker.count(file.watermark_quorum.as_ref(), 16, 0..=1024),
        history_after_s: checker.seconds(file.history_after.as_ref(), 900) as u32,
        silent_after_s: checker.seconds(file.silent_after.as_ref(), 600) as u32,
        alerts_lateness_s: alerts::lateness(file.alerts.as_ref(), &core_sources, checker),
        sources: core_sources,
        routes,
        services,
        slos,
        exclusions: excluded,
        dimensions,
        tiers: tiers(file, checker),
        limits: limits(&limits_file, checker),
    };
    services::compile(file, &written, &settings, checker);
    indicators::check_fed((file, &written), &settings, kafka_sources.iter().any(Option::is_some), checker);
    // an SLO that could not be read from another file is missing to the tests, which is no fault of theirs
    let whole = checker.problems.iter().all(|problem| problem.file.is_none());
    let tests = if whole { tests_block::build(file, &settings, checker) } else { Vec::new() };
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(2) as u32;
    Pipeline {
        path: path.to_path_buf(),
        text: checker.text.clone(),
        sources: kafka_sources,
        sinks,
        state: checker.path(file.state.as_ref().map_or("./data/state", |s| s)),
        http: http(file, checker),
        threads: checker.count(file.threads.as_ref(), threads, 1..=256) as usize,
        bounds: bounds(&limits_file, checker),
        shutdown_timeout: Duration::from_secs(checker.seconds(file.shutdown_timeout.as_ref(), 30)),
        settings,
        specifications: written.iter().map(|w| w.slo.specification()).collect(),
        tests,
        warnings: Vec::new(),
    }
}

/// Version, name, slice.
fn head(file: &PipelineFile, checker: &mut Checker) {
    if file.version.value != 1 {
        checker.error_hint(
            &file.version.span,
            format!("version {} is not known", file.version.value),
            "this ninetail reads version 1",
        );
    }
    let name = &file.name;
    let legal = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.is_empty()
        || name.len() > 63
        || !name.chars().all(legal)
        || name.starts_with('-')
        || name.ends_with('-')
    {
        checker.error_hint(
            &name.span,
            format!("`{}` cannot name a pipeline", name.value),
            "use lower-case letters, digits and hyphens between them, at most 63",
        );
    }
    let slice = checker.seconds(file.slice.as_ref(), 60);
    match &file.slice {
        Some(text) if ![10, 30, 60, 300].contains(&slice) => {
            checker.error_hint(
                &text.span,
                format!("a slice of `{}` is not possible", &***text),
                "choose 10s, 30s, 1m or 5m",
            );
        }
        _ => checker.slice_s = slice,
    }
}

fn cut(file: &PipelineFile, checker: &mut Checker) -> u32 {
    let written = file.sinks.as_ref().and_then(|s| s.rollups.as_ref()).and_then(|r| r.cut.as_ref());
    let cut_s = checker.seconds(written, 300);
    if let Some(text) = written
        && (cut_s == 0 || cut_s > 86_400 || !cut_s.is_multiple_of(checker.slice_s))
    {
        let slice = seconds_text(checker.slice_s);
        checker.error_hint(
            &text.span,
            format!("a cut of `{}` is not a whole number of slices", &***text),
            format!("choose a multiple of the slice ({slice}), at most 1d"),
        );
    }
    cut_s as u32
}

/// The grains of the coarser tables; all of them where the file is silent.
fn tiers(file: &PipelineFile, checker: &mut Checker) -> Vec<Grain> {
    let written = file.sinks.as_ref().and_then(|s| s.rollups.as_ref()).and_then(|r| r.tiers.as_deref());
    let mut chosen = BTreeSet::new();
    for tier in written.unwrap_or_default() {
        if !chosen.insert(Grain::from(tier.value)) {
            checker.error(&tier.span, format!("tier `{}` is named twice", Grain::from(tier.value).suffix()));
        }
    }
    if written.is_none() { Grain::ALL.to_vec() } else { chosen.into_iter().collect() }
}

fn limits(file: &LimitsFile, checker: &mut Checker) -> Limits {
    let default = Limits::default();
    let services_max = checker.count(file.services_max.as_ref(), default.services_max, 1..=1_000_000);
    let wide = default.ingest_services_max.max(services_max.saturating_mul(2));
    let dimension_values_max =
        checker.count(file.dimension_values_max.as_ref(), default.dimension_values_max, 1..=100_000);
    let limits = Limits {
        services_max,
        ingest_services_max: checker.count(file.ingest_services_max.as_ref(), wide, 1..=10_000_000),
        line_bytes_max: checker.bytes(
            file.line_bytes_max.as_ref(),
            default.line_bytes_max.into(),
            1 << 10..(64 << 20) + 1,
        ) as u32,
        service_name_bytes_max: checker.count(
            file.service_name_bytes_max.as_ref(),
            default.service_name_bytes_max,
            16..=4096,
        ),
        route_bytes_max: checker.count(file.route_bytes_max.as_ref(), default.route_bytes_max, 16..=8192),
        dimension_values_max,
        ingest_dimension_values_max: checker.count(
            file.ingest_dimension_values_max.as_ref(),
            default.ingest_dimension_values_max.max(dimension_values_max.saturating_mul(2)),
            1..=1_000_000,
        ),
        dimension_value_bytes_max: checker.count(
            file.dimension_value_bytes_max.as_ref(),
            default.dimension_value_bytes_max,
            16..=8192,
        ),
        duplicate_ids_max: checker.count(
            file.duplicate_ids_max.as_ref(),
            default.duplicate_ids_max,
            2..=100_000_000,
        ),
    };
    if let Some(ingest) = &file.ingest_dimension_values_max
        && ingest.value < limits.dimension_values_max
    {
        checker.error_hint(
            &ingest.span,
            "`ingest_dimension_values_max` is below `dimension_values_max`",
            "it must be wider, so that the order of lines does not decide which values are kept apart",
        );
    }
    if let Some(ingest) = &file.ingest_services_max
        && ingest.value < limits.services_max
    {
        checker.error_hint(
            &ingest.span,
            "`ingest_services_max` is below `services_max`",
            "it must be wider, so that the order of lines does not decide which services are kept apart",
        );
    }
    limits
}

fn bounds(file: &LimitsFile, checker: &mut Checker) -> Bounds {
    let default = Bounds::default();
    let size = |checker: &mut Checker, text: &Option<At<SizeText>>, default: usize, range: Range<u64>| {
        checker.bytes(text.as_ref(), default as u64, range) as usize
    };
    let flush_us = file.flush_every.as_ref().and_then(|text| {
        let us = checker.micros(text)?;
        if !(10_000..=60_000_000).contains(&us) {
            checker.error(&text.span, format!("`{}` is out of range: 10ms to 60s", &***text));
        }
        Some(us)
    });
    Bounds {
        dead_letter_bytes_max: size(
            checker,
            &file.dead_letter_bytes_max,
            default.dead_letter_bytes_max,
            1 << 10..(64 << 20) + 1,
        ),
        fetch_bytes_max: size(
            checker,
            &file.fetch_bytes_max,
            default.fetch_bytes_max,
            1 << 20..(8 << 30) + 1,
        ),
        flush_every: flush_us.map_or(default.flush_every, Duration::from_micros),
        flush_bytes_max: size(
            checker,
            &file.flush_bytes_max,
            default.flush_bytes_max,
            64 << 10..(1 << 30) + 1,
        ),
        queue_chunks_max: checker.count(file.queue_chunks_max.as_ref(), 4, 1..=1024) as usize,
    }
}

fn http(file: &PipelineFile, checker: &mut Checker) -> Option<SocketAddr> {
    let text = file.http.as_ref()?;
    let address = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
    let address = address.as_deref().unwrap_or(text).parse().ok();
    if address.is_none() {
        checker.error_hint(
            &text.span,
            format!("`{}` is not an address", text.value),
            "write address and port: 127.0.0.1:9464, or 0.0.0.0:9464 for every interface",
        );
    }
    address
}

/// `did you mean`, or all there is.
pub(super) fn meant<'a>(word: &str, candidates: impl Iterator<Item = &'a str> + Clone) -> String {
    match nearest(word, candidates.clone()) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None => format!("one of: {}", candidates.collect::<Vec<_>>().join(", ")),
    }
}
