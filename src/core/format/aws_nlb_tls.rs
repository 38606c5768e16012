//! Access logs of the AWS Network Load Balancer, which has them for TLS listeners alone.
//!
//! Source of the grammar: "Access logs for your Network Load Balancer", AWS Elastic Load Balancing
//! documentation. Lines have 21 columns (until 2020) or 22; more are accepted.
//!
//! Invariant: a record is a connection, not a request. It has no status, and no latency that a client
//! waited for an answer; what there is to judge is the handshake.

use crate::core::format::cells::Cells;
use crate::core::format::instant::Form;
use crate::core::format::names::Names;
use crate::core::format::roles::{Plan, Role};
use crate::core::format::units::Unit;
use crate::core::format::{LayoutError, Parsed, Preset};
use crate::core::record::{Field, Fields, Labels, Reason, Record};
use crate::core::settings::{Format, Layout};

/// The columns in their order.
const COLUMNS: [&str; 22] = [
    "type",
    "version",
    "time",
    "elb",
    "listener",
    "client:port",
    "destination:port",
    "connection_time",
    "tls_handshake_time",
    "received_bytes",
    "sent_bytes",
    "incoming_tls_alert",
    "chosen_cert_arn",
    "chosen_cert_serial",
    "tls_cipher",
    "tls_protocol_version",
    "tls_named_group",
    "domain_name",
    "alpn_fe_protocol",
    "alpn_be_protocol",
    "alpn_client_preference_list",
    "tls_connection_creation_time",
];

/// A record needs the columns up to the byte counters, and something behind them.
const COLUMNS_NEEDED: usize = 12;

const TABLE: &[(&str, Role)] = &[
    ("time", Role::End(Form::Rfc3339)),
    ("tls_connection_creation_time", Role::Start(Form::Rfc3339)),
    ("received_bytes", Role::Integer(Field::BytesReceived)),
    ("sent_bytes", Role::Integer(Field::BytesSent)),
    ("type", Role::Text(Field::Type)),
    ("elb", Role::Text(Field::LoadBalancer)),
    ("listener", Role::Text(Field::Frontend)),
    ("client:port", Role::Address(Field::Client, Field::ClientPort)),
    ("destination:port", Role::Text(Field::Target)),
    ("connection_time", Role::Duration(Field::ConnectionTime, Unit::Ms)),
    ("tls_handshake_time", Role::Duration(Field::TlsHandshake, Unit::Ms)),
    ("incoming_tls_alert", Role::Text(Field::Termination)),
    ("chosen_cert_arn", Role::Text(Field::CertificateArn)),
    ("tls_cipher", Role::Text(Field::TlsCipher)),
    ("tls_protocol_version", Role::Text(Field::TlsProtocol)),
    ("domain_name", Role::Text(Field::DomainName)),
    ("alpn_fe_protocol", Role::Text(Field::Protocol)),
    ("alpn_client_preference_list", Role::Text(Field::Alpn)),
];

/// Keeps the room for a line's columns, and what they are.
#[derive(Debug)]
pub(super) struct Parser {
    cells: Cells,
    plan: Plan,
}

impl Parser {
    /// A parser; the site declares nothing.
    pub(super) fn new(layout: &Layout, labels: &Labels) -> Result<Parser, LayoutError> {
        if *layout != Layout::Usual {
            return Err(LayoutError::not_taken(Format::AwsNlbTls));
        }
        let mut plan = Plan::new();
        Names::new(TABLE, layout, labels)?.plan(COLUMNS.iter().map(|name| name.as_bytes()), &mut plan);
        Ok(Parser { cells: Cells::new(), plan })
    }

    /// Reads one line; see [`super::Parser::parse`].
    #[inline]
    pub(super) fn parse<'a>(
        &'a mut self,
        line: &'a [u8],
        wanted: Fields,
        record: &mut Record<'a>,
    ) -> Result<Parsed, Reason> {
        record.clear();
        if !line.starts_with(b"tls ") {
            return Err(match line {
                b"" => Reason::Empty,
                b"t" | b"tl" | b"tls" => Reason::Truncated,
                _ => Reason::NotThisFormat,
            });
        }
        // Quotes do not bind here: the list of protocols is `"h2","http/1.1"`, and nothing has a space.
        self.cells.split(line, b' ');
        let len = self.cells.len();
        if len < COLUMNS.len() - 1 {
            // What the line was cut in.
            self.cells.pop();
        }
        if len < COLUMNS_NEEDED {
            // For the time of the rejected line.
            let read = self.plan.read(line, &self.cells, Fields::NONE, record);
            let time = record.time;
            record.clear();
            record.time = time;
            return Err(if len > 3 { read.err().unwrap_or(Reason::Truncated) } else { Reason::Truncated });
        }
        self.plan.read(line, &self.cells, wanted, record)?;
        Ok(Parsed::Record)
    }
}

/// Facts for `explain --format aws_nlb_tls`.
pub(super) static PRESET: Preset = Preset {
    format: Format::AwsNlbTls,
    name: "aws_nlb_tls",
    doc: "AWS Network Load Balancer access log (TLS listeners only), 21 columns or 22: connections, not requests",
    time_is: "end of the connection: column 3, UTC",
    lateness_s_default: 600,
    lateness_why: "each node of a load balancer writes a file every 5 minutes, and delivery is eventually consistent",
    client_latency_is: "none: connection_time is how long the whole connection lasted, tls_handshake how long the handshake took",
    upstream_latency_is: "none",
    client_gone_if: "never: the log does not tell",
    websocket_if: "never: the log does not tell",
    service_template: "{load_balancer}",
    absent_if: "-, a negative number or empty. There is no status at all: a handshake failed where tls_handshake is absent, \
                and termination then has the TLS alert that the client sent, if it sent one",
    skips: "none",
    rejects: "lines that do not begin with tls, that end before the byte counters, or whose time or byte counters cannot be read",
    fields: &[
        (Field::Time, "time"),
        (Field::Protocol, "alpn_fe_protocol"),
        (Field::BytesReceived, "received_bytes"),
        (Field::BytesSent, "sent_bytes"),
        (Field::Type, "type: tls"),
        (Field::LoadBalancer, "elb"),
        (Field::Client, "client:port, up to the last colon"),
        (Field::ClientPort, "client:port, after the last colon"),
        (Field::Target, "destination:port"),
        (Field::TlsCipher, "tls_cipher"),
        (Field::TlsProtocol, "tls_protocol_version"),
        (Field::DomainName, "domain_name"),
        (Field::CertificateArn, "chosen_cert_arn"),
        (Field::RequestCreation, "tls_connection_creation_time"),
        (Field::TlsHandshake, "tls_handshake_time"),
        (Field::Frontend, "listener"),
        (Field::Termination, "incoming_tls_alert"),
        (Field::Alpn, "alpn_client_preference_list, as written"),
        (Field::ConnectionTime, "connection_time"),
    ],
};
