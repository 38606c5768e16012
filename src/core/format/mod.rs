//! Log formats: from a line to a [`Record`].
//!
//! Invariant: any bytes give a record, a skip or a [`Reason`]; nothing panics, allocates or is lost.
//! What a format does with times, latencies and absent values is written down in its [`Preset`], which
//! `explain --format` prints.

mod apache_layout;
mod combined;
mod haproxy_layout;
mod nginx_layout;
mod common_log;
mod members;
mod number;
mod list;
mod pasted;
mod pattern;
mod quotes;
mod reading;
mod cells;
mod escapes;
mod instant;
mod names;
mod operators;
mod request;
mod roles;
mod units;
mod w3c_lines;

use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Input, Layout};
use escapes::{Decoded, Escapes};
use std::ops::Range;

/// What a line is, if it is not rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Parsed {
    /// A request; the record is filled.
    Record,
    /// Counters of another system; the record holds them.
    Counters,
    /// No request (a comment, a header, another record type) and not meant to be one.
    Skipped,
}

/// What a site declares of its lines cannot be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{message}")]
pub struct LayoutError {
    /// What is wrong.
    pub message: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
    /// Which declared value it is about: 0 for a text, the number of a column, or among pattern, separator,
    /// columns and fields, so far as they are there; any other number for all of it.
    pub item: usize,
    /// The bytes of that value.
    pub span: Range<usize>,
}

impl LayoutError {
    /// The preset takes no layout of that kind.
    fn not_taken(format: Format) -> LayoutError {
        let message = format!("{} takes no layout of this kind", preset(format).name);
        LayoutError { message, hint: None, item: 0, span: 0..0 }
    }
}

/// The one list of formats: name of the variant, name of the module that has its `Parser` and `PRESET`.
macro_rules! formats {
    ($($variant:ident $module:ident;)+) => {
        $(mod $module;)+

        #[derive(Debug)]
        enum Kind { $($variant(Box<$module::Parser>)),+ }

        /// Every format.
        pub const ALL: &[Format] = &[$(Format::$variant),+];

        /// The facts about a format.
        pub const fn preset(format: Format) -> &'static Preset {
            match format { $(Format::$variant => &$module::PRESET),+ }
        }

        impl Parser {
            /// A parser of the source's lines, that fills the labels it knows.
            ///
            /// # Errors
            /// If what the site declares cannot be read, or the format takes no such thing.
            pub fn new(input: &Input, labels: &Labels) -> Result<Parser, LayoutError> {
                Ok(Parser {
                    kind: match input.format {
                        $(Format::$variant => {
                            Kind::$variant(Box::new($module::Parser::new(&input.layout, labels)?))
                        })+
                    },
                    escapes: Escapes::of(input),
                    decoded: Decoded::default(),
                })
            }

            /// Reads one line, without its line end, into the record, which is cleared first.
            ///
            /// Time, status, latencies, bytes and flags are always filled; of the other fields those in
            /// `wanted`, without what a server escapes. If the line is rejected the record holds nothing but the time, where that could be
            /// read, else [`Record::NO_TIME`].
            ///
            /// # Errors
            /// The reason to reject the line.
            #[inline]
            pub fn parse<'a>(
                &'a mut self,
                line: &'a [u8],
                wanted: Fields,
                record: &mut Record<'a>,
            ) -> Result<Parsed, Reason> {
                let Parser { kind, escapes, decoded } = self;
                let read = match kind { $(Kind::$variant(parser) => parser.parse(line, wanted, record)),+ };
                if let Some(escapes) = *escapes {
                    escapes.take_out(decoded, wanted, record);
                }
                read
            }
        }
    };
}

/// Most bytes that [`Parser::carry`] gives.
pub const CARRY_BYTES_MAX: usize = 8 << 10;

impl Parser {
    /// What earlier lines said about later ones (a header with the columns), to be kept over a restart; at
    /// most [`CARRY_BYTES_MAX`]. None while they said nothing, and in formats whose lines stand alone.
    pub fn carry(&self) -> Option<&[u8]> {
        match &self.kind {
            Kind::Cloudfront(parser) => parser.carry(),
            Kind::Iis(parser) => parser.carry(),
            Kind::W3c(parser) => parser.carry(),
            _ => None,
        }
    }

    /// Goes on where a parser of the same source stood that gave this carry. What is none is ignored.
    pub fn restore(&mut self, carry: &[u8]) {
        match &mut self.kind {
            Kind::Cloudfront(parser) => parser.restore(carry),
            Kind::Iis(parser) => parser.restore(carry),
            Kind::W3c(parser) => parser.restore(carry),
            _ => {}
        }
    }
}

formats! {
    AwsAlb aws_alb;
    AwsClb aws_clb;
    AwsNlbTls aws_nlb_tls;
    Cloudfront cloudfront;
    Nginx nginx;
    NginxJson nginx_json;
    IngressNginx ingress_nginx;
    Apache apache;
    Haproxy haproxy;
    Envoy envoy;
    EnvoyJson envoy_json;
    Istio istio;
    IstioJson istio_json;
    GcpLb gcp_lb;
    AzureAppgw azure_appgw;
    AzureFrontdoor azure_frontdoor;
    Traefik traefik;
    Caddy caddy;
    Iis iis;
    Cloudflare cloudflare;
    Fastly fastly;
    Json json;
    Regex regex;
    W3c w3c;
    Delimited delimited;
    External external;
}

/// Reads lines of one format, one after another. Holds what is worth keeping from line to line.
#[derive(Debug)]
pub struct Parser {
    kind: Kind,
    escapes: Option<Escapes>,
    decoded: Decoded,
}

impl Parser {
    /// How many lines were read that are no valid JSON: see the field `repair`.
    pub fn repaired(&self) -> u64 {
        match &self.kind {
            Kind::NginxJson(parser) => parser.repaired(),
            Kind::EnvoyJson(parser) => parser.repaired(),
            Kind::IstioJson(parser) => parser.repaired(),
            Kind::GcpLb(parser) => parser.repaired(),
            Kind::AzureAppgw(parser) => parser.repaired(),
            Kind::AzureFrontdoor(parser) => parser.repaired(),
            Kind::Traefik(parser) => parser.repaired(),
            Kind::Caddy(parser) => parser.repaired(),
            Kind::Cloudflare(parser) => parser.repaired(),
            Kind::Fastly(parser) => parser.repaired(),
            Kind::Json(parser) => parser.repaired(),
            _ => 0,
        }
    }
}

/// The facts about a format.
#[derive(Debug)]
pub struct Preset {
    /// The format.
    pub format: Format,
    /// Its name in pipeline files.
    pub name: &'static str,
    /// What it is, in one line.
    pub doc: &'static str,
    /// What the record's time is.
    pub time_is: &'static str,
    /// Lateness where the pipeline file says nothing, seconds, and why.
    pub lateness_s_default: u32,
    /// Why that much.
    pub lateness_why: &'static str,
    /// What the client's latency is.
    pub client_latency_is: &'static str,
    /// What the upstream's latency is.
    pub upstream_latency_is: &'static str,
    /// When the client counts as gone.
    pub client_gone_if: &'static str,
    /// When a record counts as a WebSocket.
    pub websocket_if: &'static str,
    /// The usual service name, as a template.
    pub service_template: &'static str,
    /// What says that there is no value.
    pub absent_if: &'static str,
    /// Which lines are skipped.
    pub skips: &'static str,
    /// Which lines are rejected.
    pub rejects: &'static str,
    /// The fields that it fills, and from what, in the order of [`Field::ALL`].
    pub fields: &'static [(Field, &'static str)],
}

impl Preset {
    /// The fields that it fills.
    pub fn fields(&self) -> Fields {
        self.fields.iter().map(|(field, _)| *field).collect()
    }
}

/// The names of the variables in the site's own format string: a rule may use them as labels.
pub fn names(input: &Input) -> Vec<String> {
    let Layout::Text(text) = &input.layout else { return Vec::new() };
    let parts = match input.format {
        Format::Nginx | Format::IngressNginx => nginx_layout::parts(text),
        Format::Apache => apache_layout::parts(text),
        Format::Haproxy => haproxy_layout::parts(text),
        _ => return Vec::new(),
    };
    parts.map(|parts| pattern::names(&parts)).unwrap_or_default()
}

/// Whether its lines are JSON, or may be.
pub const fn reads_json(format: Format) -> bool {
    matches!(
        format,
        Format::NginxJson
            | Format::EnvoyJson
            | Format::IstioJson
            | Format::GcpLb
            | Format::AzureAppgw
            | Format::AzureFrontdoor
            | Format::Traefik
            | Format::Caddy
            | Format::Cloudflare
            | Format::Cloudfront
            | Format::Fastly
            | Format::Json
            | Format::External
    )
}

/// How a line begins that says what the columns of the lines after it are; None where the lines of a format need none.
pub const fn header_of(format: Format) -> Option<&'static [u8]> {
    match format {
        Format::Cloudfront | Format::Iis | Format::W3c => Some(b"#Fields:"),
        _ => None,
    }
}

/// The format of that name.
pub fn by_name(name: &str) -> Option<Format> {
    ALL.iter().copied().find(|format| preset(*format).name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn presets_are_named_as_in_pipeline_files_and_list_their_fields_in_order() {
        for &format in ALL {
            let preset = preset(format);
            assert_eq!(preset.format, format);
            assert_eq!(serde_json::to_value(format).ok(), Some(preset.name.into()));
            assert_eq!(by_name(preset.name), Some(format));
            assert!(preset.fields.is_sorted_by_key(|(field, _)| *field), "{}", preset.name);
        }
        assert_eq!(by_name("nginx_kombined"), None);
    }
}
