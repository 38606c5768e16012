//! `formats`: what can be read, and what it is taken for.
//!
//! Invariant: what is printed is the presets that the code reads by, nothing beside them.

use super::exit::{CommandError, Exit};
use super::explain::Output;
use super::words::duration;
use crate::core::format::{self, Preset, header_of, preset, reads_json};
use crate::core::record::{Field, Kind};
use crate::core::settings::Step;
use clap::Args;
use serde_json::{Value, json};
use std::io::{self, Write};

/// Lists log formats with their fields and units, what their times and latencies are, and the envelopes that lines may
/// come in.
#[derive(Args, Clone, Debug)]
#[command(after_help = "Examples:
  ninetail formats
  ninetail formats aws_alb
  ninetail formats --output json | jq '.formats[] | {name, service}'")]
pub struct FormatsArgs {
    /// Formats to show in full [default: all, in short]
    #[arg(value_name = "NAME")]
    pub names: Vec<String>,
    /// Form of the output
    #[arg(long, short, value_name = "FORM", default_value = "text")]
    pub output: Output,
}

/// Runs the command.
///
/// # Errors
/// If there is no such format, or the output fails.
pub fn command(args: &FormatsArgs) -> Result<Exit, CommandError> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    let named = args.names.iter().map(|name| named(name)).collect::<Result<Vec<_>, _>>()?;
    let shown: Vec<&Preset> =
        if named.is_empty() { format::ALL.iter().map(|f| preset(*f)).collect() } else { named.clone() };
    match args.output {
        Output::Json => {
            let steps: Vec<Value> = Step::ALL
                .iter()
                .map(|step| json!({ "name": step.name(), "doc": step.doc().trim() }))
                .collect();
            let formats: Vec<Value> = shown.iter().map(|preset| to_json(preset)).collect();
            writeln!(out, "{:#}", json!({ "formats": formats, "envelopes": steps }))?;
        }
        Output::Text if named.is_empty() => list(&mut out, &shown)?,
        Output::Text => {
            for preset in shown {
                show(&mut out, preset)?;
                writeln!(out)?;
            }
        }
    }
    out.flush()?;
    Ok(Exit::Done)
}

/// The facts about the format of that name.
///
/// # Errors
/// If there is none.
pub(super) fn named(name: &str) -> Result<&'static Preset, CommandError> {
    format::by_name(name).map(preset).ok_or_else(|| {
        let known = format::ALL.iter().map(|f| preset(*f).name).collect::<Vec<_>>().join(", ");
        CommandError::Usage(format!("unknown format {name}; known: {known}"))
    })
}

fn kind(field: Field) -> &'static str {
    match field.kind() {
        Kind::Text => "text",
        Kind::Integer => "integer",
        Kind::Duration => "duration",
        Kind::Boolean => "boolean",
        Kind::Timestamp => "timestamp",
    }
}

/// In what a field is counted, where it is.
fn unit(field: Field) -> Option<&'static str> {
    match field.kind() {
        Kind::Duration => Some("us"),
        Kind::Timestamp => Some("UTC"),
        _ if field.name().starts_with("bytes_") => Some("bytes"),
        _ => None,
    }
}

fn facts(preset: &Preset) -> [(&'static str, &'static str); 9] {
    [
        ("time", preset.time_is),
        ("client latency", preset.client_latency_is),
        ("upstream latency", preset.upstream_latency_is),
        ("client gone", preset.client_gone_if),
        ("websocket", preset.websocket_if),
        ("service", preset.service_template),
        ("absent", preset.absent_if),
        ("skipped", preset.skips),
        ("rejected", preset.rejects),
    ]
}

/// All of it.
pub(super) fn to_json(preset: &Preset) -> Value {
    let field = |(field, from): &(Field, &str)| {
        json!({
            "name": field.name(), "type": kind(*field), "unit": unit(*field), "from": from, "doc": field.doc().trim(),
        })
    };
    let fields: Vec<Value> = preset.fields.iter().map(field).collect();
    let mut object = json!({
        "name": preset.name,
        "format": preset.name,
        "doc": preset.doc,
        "lateness_s": preset.lateness_s_default,
        "lateness_why": preset.lateness_why,
        "json": reads_json(preset.format),
        "header": header_of(preset.format).map(|begins| String::from_utf8_lossy(begins).into_owned()),
    });
    for (name, fact) in facts(preset) {
        object[name.replace(' ', "_")] = fact.into();
    }
    object["fields"] = fields.into();
    object
}

/// The same for people.
pub(super) fn show(out: &mut impl Write, preset: &Preset) -> io::Result<()> {
    writeln!(out, "{}: {}\n", preset.name, preset.doc)?;
    for (name, fact) in facts(preset) {
        writeln!(out, "  {name:<18}{fact}")?;
    }
    let lateness = duration(preset.lateness_s_default.into());
    writeln!(out, "  {:<18}{lateness}: {}\n", "lateness", preset.lateness_why)?;
    writeln!(out, "  {:<22}{:<11}{:<7}from", "field", "type", "unit")?;
    for (field, from) in preset.fields {
        let unit = unit(*field).unwrap_or_default();
        writeln!(out, "  {:<22}{:<11}{unit:<7}{from}", field.name(), kind(*field))?;
    }
    Ok(())
}

fn list(out: &mut impl Write, presets: &[&Preset]) -> io::Result<()> {
    let width = presets.iter().map(|p| p.name.len()).max().unwrap_or(0) + 2;
    for preset in presets {
        writeln!(out, "{:<width$}{}", preset.name, preset.doc)?;
        writeln!(out, "{:<width$}service {}, {} fields", "", preset.service_template, preset.fields.len())?;
    }
    writeln!(
        out,
        "\nEnvelopes, recognised by their shape or declared as a list (`envelope: [filebeat, cri]`):"
    )?;
    for step in Step::ALL {
        writeln!(out, "{:<width$}{}", step.name(), step.doc().trim())?;
    }
    Ok(())
}
