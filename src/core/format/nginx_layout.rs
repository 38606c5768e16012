//! nginx's `log_format`: the site's own string, alone or pasted as the whole directive.
//!
//! Source of the grammar: nginx's documentation of `ngx_http_log_module`, of variables in
//! `ngx_http_core_module` and `ngx_http_upstream_module`, and of ingress-nginx's `log-format-upstream`.
//!
//! Invariant: an unknown variable is no error, as modules bring their own: it is text that a label may ask
//! for by its name.

use crate::core::format::LayoutError;
use crate::core::format::escapes::Escapes;
use crate::core::format::pasted::{Pasted, word};
use crate::core::format::pattern::{Extent, Part, Pattern, Variable};
use crate::core::format::reading::{Mark, Reading, Written};
use crate::core::format::units::Unit;
use crate::core::record::{Field, Labels};

/// What nginx's variables are; of several for one field the first counts.
const VARIABLES: &[(&str, Reading)] = &[
    ("msec", Reading::Time(Written::Epoch(Unit::S), Mark::End)),
    ("time_iso8601", Reading::Time(Written::Iso8601, Mark::End)),
    ("time_local", Reading::Time(Written::Clf, Mark::End)),
    ("status", Reading::Status),
    ("request_time", Reading::Latency(Unit::S, 1)),
    ("upstream_response_time", Reading::Upstreams(Unit::S)),
    ("upstream_connect_time", Reading::Duration(Field::UpstreamConnect, Unit::S)),
    ("upstream_header_time", Reading::Duration(Field::UpstreamHeader, Unit::S)),
    ("upstream_queue_time", Reading::Duration(Field::Queue, Unit::S)),
    ("upstream_status", Reading::UpstreamStatus),
    ("upstream_addr", Reading::Peers),
    ("upstream_cache_status", Reading::Text(Field::CacheStatus)),
    ("proxy_upstream_name", Reading::Text(Field::Upstream)),
    ("proxy_host", Reading::Text(Field::Upstream)),
    ("request_length", Reading::Count(Field::BytesReceived)),
    ("body_bytes_sent", Reading::Count(Field::BytesSent)),
    ("bytes_sent", Reading::Count(Field::BytesSent)),
    ("request", Reading::Request),
    ("request_method", Reading::Text(Field::Method)),
    ("request_uri", Reading::Uri),
    ("uri", Reading::Path),
    ("document_uri", Reading::Path),
    ("is_args", Reading::QuestionMark),
    ("args", Reading::Query),
    ("query_string", Reading::Query),
    ("server_protocol", Reading::Text(Field::Protocol)),
    ("scheme", Reading::Text(Field::Scheme)),
    ("host", Reading::Host),
    ("http_host", Reading::Host),
    ("server_name", Reading::Host),
    ("server_port", Reading::Count(Field::Port)),
    ("remote_addr", Reading::Address(false)),
    ("the_real_ip", Reading::Address(false)),
    ("realip_remote_addr", Reading::Address(false)),
    ("proxy_protocol_addr", Reading::Address(false)),
    ("remote_port", Reading::Count(Field::ClientPort)),
    ("remote_user", Reading::Text(Field::User)),
    ("http_referer", Reading::Text(Field::Referer)),
    ("http_user_agent", Reading::Text(Field::UserAgent)),
    ("http_x_forwarded_for", Reading::Text(Field::ForwardedFor)),
    ("proxy_add_x_forwarded_for", Reading::Text(Field::ForwardedFor)),
    ("req_id", Reading::Text(Field::RequestId)),
    ("request_id", Reading::Text(Field::RequestId)),
    ("http_x_request_id", Reading::Text(Field::RequestId)),
    ("ssl_protocol", Reading::Text(Field::TlsProtocol)),
    ("ssl_cipher", Reading::Text(Field::TlsCipher)),
    ("ssl_server_name", Reading::Text(Field::Sni)),
    ("ssl_alpn_protocol", Reading::Text(Field::Alpn)),
    ("connection", Reading::Text(Field::ConnectionId)),
    ("hostname", Reading::Text(Field::Instance)),
    ("sent_http_content_type", Reading::Text(Field::ContentType)),
    ("geoip_country_code", Reading::Text(Field::Country)),
    ("geoip2_data_country_code", Reading::Text(Field::Country)),
    ("sent_trailer_grpc_status", Reading::Count(Field::GrpcStatus)),
    ("upstream_trailer_grpc_status", Reading::Count(Field::GrpcStatus)),
    ("sent_http_grpc_status", Reading::Count(Field::GrpcStatus)),
];

/// Compiles a `log_format`.
///
/// # Errors
/// If it cannot be read, or lines of it could not be.
pub(super) fn compile(source: &str, labels: &Labels) -> Result<Pattern, LayoutError> {
    Pattern::new(parts(source)?, true, labels)
}

/// The literals and variables of a `log_format`.
///
/// # Errors
/// If it cannot be read.
pub(super) fn parts(source: &str) -> Result<Vec<Part>, LayoutError> {
    let pasted = directive(source)?;
    let mut parts = Vec::new();
    let mut at = 0;
    while at < pasted.text.len() {
        let rest = &pasted.text[at..];
        let literal = rest.iter().position(|b| *b == b'$').unwrap_or(rest.len());
        parts.push(Part::Literal(rest[..literal].to_vec()));
        at += literal;
        if at == pasted.text.len() {
            break;
        }
        let (name, end) = name(&pasted, at)?;
        let rank = VARIABLES.iter().position(|(known, _)| *known == name).unwrap_or(VARIABLES.len());
        let reading = VARIABLES.get(rank).map_or(Reading::Nothing, |(_, reading)| reading.clone());
        // Whatever is told of upstreams is a list, known here or not.
        let extent = if name.starts_with("upstream_") { Extent::List } else { Extent::Plain };
        let span = pasted.span(at..end);
        parts.push(Part::Variable(Variable { name, span, reading, extent, rank }));
        at = end;
    }
    Ok(parts)
}

/// How lines of the format string are escaped; None where they are not.
pub(super) fn escapes(source: &str) -> Option<Escapes> {
    let behind_name =
        word(source, 0).filter(|(word, _)| *word == "log_format").and_then(|(_, end)| word(source, end));
    match behind_name.and_then(|(_, end)| word(source, end)) {
        Some(("escape=json", _)) => Some(Escapes::Json),
        Some(("escape=none", _)) => None,
        _ => Some(Escapes::Hex),
    }
}

/// The format string of what was pasted.
fn directive(source: &str) -> Result<Pasted, LayoutError> {
    // In nginx's configuration a backslash before these is taken away.
    let unescape = |byte: u8| match byte {
        b'"' | b'\'' | b'\\' => Some(byte),
        b't' => Some(b'\t'),
        b'r' => Some(b'\r'),
        b'n' => Some(b'\n'),
        _ => None,
    };
    let mut at = match word(source, 0) {
        // The directive's name, and the format's.
        Some(("log_format", end)) => match word(source, end) {
            Some((name, end)) if !name.starts_with(['\'', '"']) => end,
            _ => {
                return Err(LayoutError {
                    message: "`log_format` is followed by the format's name".into(),
                    hint: Some("paste the directive whole: log_format main '…';".into()),
                    item: 0,
                    span: 0..end,
                });
            }
        },
        Some((first, _)) if first.starts_with('\'') => 0,
        _ => return Ok(Pasted::plain(source.trim_end())),
    };
    if let Some((escape, end)) = word(source, at).filter(|(word, _)| word.starts_with("escape=")) {
        if !matches!(escape, "escape=default" | "escape=json" | "escape=none") {
            return Err(LayoutError {
                message: format!("`{escape}` is no way to escape that nginx knows"),
                hint: Some("one of: escape=default, escape=json, escape=none".into()),
                item: 0,
                span: end - escape.len()..end,
            });
        }
        at = end;
    }
    let (pasted, end) = Pasted::quoted(source, at, unescape)?;
    match source[end..].trim() {
        "" | ";" => Ok(pasted),
        rest => {
            let start = source.trim_end().len() - rest.len();
            Err(LayoutError {
                message: "this does not belong to the directive".into(),
                hint: Some("paste one log_format, from its name to its semicolon".into()),
                item: 0,
                span: start..start + rest.chars().next().map_or(0, char::len_utf8),
            })
        }
    }
}

/// The variable that begins at that `$`, and where it ends.
fn name(pasted: &Pasted, at: usize) -> Result<(String, usize), LayoutError> {
    let is_name = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_';
    let braced = pasted.text.get(at + 1) == Some(&b'{');
    let start = at + 1 + usize::from(braced);
    let end = start + pasted.text[start..].iter().take_while(|b| is_name(b)).count();
    let closed = !braced || pasted.text.get(end) == Some(&b'}');
    if start == end || !closed {
        return Err(LayoutError {
            message: "a `$` must be followed by a variable's name".into(),
            hint: Some("as in $status or ${status}; nginx has no way to log a `$` itself".into()),
            item: 0,
            span: pasted.span(at..end.max(at + 1)),
        });
    }
    Ok((pasted.str(start..end), end + usize::from(braced)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_point_at_what_is_wrong() {
        let cases: &[(&str, &str, &str)] = &[
            ("$remote_addr [$time_local] $", "a `$` must be followed by a variable's name", "$"),
            ("$time_local ${status $x", "a `$` must be followed by a variable's name", "${status"),
            (
                "$time_local $status$bytes_sent",
                "nothing stands between `status` and `bytes_sent`",
                "$status$bytes_sent",
            ),
            ("log_format '$status';", "`log_format` is followed by the format's name", "log_format"),
            ("log_format x '$status", "this quote is never closed", "'"),
            (
                "log_format x escape=xml '$status';",
                "`escape=xml` is no way to escape that nginx knows",
                "escape=xml",
            ),
            ("log_format x '$time_local $status'; access_log", "this does not belong to the directive", ";"),
            ("log_format x '$time_local $status '\n '$a$b';", "nothing stands between `a` and `b`", "$a$b"),
            ("$remote_addr [$time_local]", "the format string has no status", ""),
            ("$remote_addr $status", "the format string has no time", ""),
        ];
        for (source, message, at) in cases {
            let error = compile(source, &Labels::default()).expect_err(source);
            assert_eq!(error.message, *message, "{source}");
            assert_eq!(&source[error.span.clone()], *at, "{source}");
        }
    }

    #[test]
    fn a_pasted_directive_is_its_string() {
        let plain = r#"$remote_addr [$time_local] "$request" $status"#;
        for source in [
            format!("log_format main '{plain}';"),
            "  log_format  main\n escape=default\n '$remote_addr [$time_local] '\n   '\"$request\" $status' ;\n".to_string(),
            format!("'{plain}'"),
            format!("log_format main \"{}\";", plain.replace('"', "\\\"")),
            format!("{plain}\n"),
        ] {
            let pasted = directive(&source).map(|p| String::from_utf8_lossy(&p.text).into_owned());
            assert_eq!(pasted.as_deref(), Ok(plain), "{source}");
        }
    }
}
