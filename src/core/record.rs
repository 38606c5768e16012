//! One access-log line, borrowed from the message's bytes.
//!
//! Every format fills the same record. Absent is `None`, never 0, -1 or "-". Text fields are bytes as
//! they stood in the line (escapes included) and are filled only where [`Fields`] asks for them.

use crate::core::time::Time;
use std::fmt;

/// What kind of value a field holds; decides the operators a predicate may use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Bytes that are mostly UTF-8.
    Text,
    /// An unsigned integer.
    Integer,
    /// Microseconds; a duration in predicates.
    Duration,
    /// True or false, never absent.
    Boolean,
    /// An instant.
    Timestamp,
}

macro_rules! fields {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal $kind:ident;)+) => {
        /// Every field a record may have, over all formats, in the order `explain` prints them.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        #[repr(u8)]
        pub enum Field { $($(#[doc = $doc])+ $variant),+ }

        impl Field {
            /// All fields.
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];

            /// The name in predicates and templates, and in `explain` (where durations end in `_us`).
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),+ }
            }

            /// What kind of value it holds.
            pub const fn kind(self) -> Kind {
                match self { $(Field::$variant => Kind::$kind),+ }
            }

            /// What it means, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Field::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

fields! {
    /// End of the request: when the response was generated.
    Time "time" Timestamp;
    /// Status code sent to the client.
    Status "status" Integer;
    /// Status code of the target.
    UpstreamStatus "upstream_status" Integer;
    /// Request method.
    Method "method" Text;
    /// Host of the requested URL.
    Host "host" Text;
    /// Port of the requested URL.
    Port "port" Integer;
    /// Path of the requested URL, without the query.
    Path "path" Text;
    /// Query of the requested URL, without the question mark.
    Query "query" Text;
    /// Protocol of the request line.
    Protocol "protocol" Text;
    /// How long the client waited.
    ClientLatency "client_latency" Duration;
    /// How long the target took.
    UpstreamLatency "upstream_latency" Duration;
    /// Bytes received from the client.
    BytesReceived "bytes_received" Integer;
    /// Bytes sent to the client.
    BytesSent "bytes_sent" Integer;
    /// The client went away before the answer.
    ClientGone "client_gone" Boolean;
    /// The request became a WebSocket: its duration is a session's.
    Websocket "websocket" Boolean;
    /// Name of the target group.
    TargetGroup "target_group" Text;
    /// Request or trace id.
    RequestId "request_id" Text;
    /// Type of request or connection (`http`, `https`, `h2`, `grpcs`, `ws`, `wss`).
    Type "type" Text;
    /// Name of the load balancer.
    LoadBalancer "load_balancer" Text;
    /// Address of the client.
    Client "client" Text;
    /// Port of the client.
    ClientPort "client_port" Integer;
    /// Address and port of the target.
    Target "target" Text;
    /// Time from receiving the request to sending it to a target.
    RequestProcessing "request_processing" Duration;
    /// Time from sending the request to the target until it began to answer.
    TargetProcessing "target_processing" Duration;
    /// Time from the target's first byte to sending it on.
    ResponseProcessing "response_processing" Duration;
    /// User agent.
    UserAgent "user_agent" Text;
    /// TLS cipher.
    TlsCipher "tls_cipher" Text;
    /// TLS protocol.
    TlsProtocol "tls_protocol" Text;
    /// Full ARN of the target group.
    TargetGroupArn "target_group_arn" Text;
    /// Server name of the TLS handshake.
    DomainName "domain_name" Text;
    /// ARN of the certificate presented.
    CertificateArn "certificate_arn" Text;
    /// Priority of the rule that matched.
    RulePriority "rule_priority" Integer;
    /// When the load balancer received the request.
    RequestCreation "request_creation" Timestamp;
    /// Actions taken, comma-separated.
    Actions "actions" Text;
    /// Target of the redirect.
    RedirectUrl "redirect_url" Text;
    /// Reason of an error.
    ErrorReason "error_reason" Text;
    /// All targets tried, space-separated.
    TargetList "target_list" Text;
    /// Status codes of all targets tried, space-separated.
    TargetStatusList "target_status_list" Text;
    /// Classification for desync mitigation.
    Classification "classification" Text;
    /// Reason of the classification.
    ClassificationReason "classification_reason" Text;
    /// Connection trace id.
    ConnectionId "connection_id" Text;
    /// Host after a rewrite.
    TransformedHost "transformed_host" Text;
    /// URI after a rewrite.
    TransformedUri "transformed_uri" Text;
    /// Outcome of the rewrite.
    TransformStatus "transform_status" Text;
}

impl Field {
    /// The field of that name.
    pub fn by_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|f| f.name() == name)
    }
}

/// A set of fields: what a pipeline needs a format to fill.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u64);

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields(0);
    /// Every field.
    pub const ALL: Fields = Fields(u64::MAX);

    /// This set with one more.
    pub const fn with(self, field: Field) -> Fields {
        Fields(self.0 | 1 << field as u8)
    }

    /// Both sets.
    pub const fn union(self, other: Fields) -> Fields {
        Fields(self.0 | other.0)
    }

    /// Whether the field is in the set.
    #[inline(always)]
    pub const fn has(self, field: Field) -> bool {
        self.0 >> (field as u8) & 1 == 1
    }

    /// Whether any of these is in the set.
    #[inline(always)]
    pub const fn any(self, other: Fields) -> bool {
        self.0 & other.0 != 0
    }
}

const _: () = assert!(Field::ALL.len() <= 64, "Fields is one word");

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Fields {
        fields.into_iter().fold(Fields::NONE, Fields::with)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(Field::ALL.iter().filter(|x| self.has(**x)).map(|x| x.name())).finish()
    }
}

/// A value of a record's field.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Value<'a> {
    /// Not there: unknown in predicates, null in `explain`.
    Absent,
    /// Text, as bytes.
    Text(&'a [u8]),
    /// An integer; a duration's microseconds.
    Integer(u64),
    /// A boolean.
    Boolean(bool),
    /// An instant.
    Timestamp(Time),
}

/// One request as the log tells it.
///
/// The always-wanted fields are members; all other fields lie in one array by [`Field`].
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// End of the request.
    pub time: Time,
    /// Status sent to the client.
    pub status: Option<u16>,
    /// Latency as the client saw it, microseconds.
    pub client_latency_us: Option<u64>,
    /// Latency of the target, microseconds.
    pub upstream_latency_us: Option<u64>,
    /// Bytes received from the client.
    pub bytes_received: Option<u64>,
    /// Bytes sent to the client.
    pub bytes_sent: Option<u64>,
    /// The client went away before the answer.
    pub client_gone: bool,
    /// A WebSocket: its duration is a session's.
    pub websocket: bool,
    rest: [Value<'a>; Field::ALL.len()],
}

impl<'a> Record<'a> {
    /// A record with nothing in it but its time.
    pub const fn at(time: Time) -> Record<'a> {
        Record {
            time,
            status: None,
            client_latency_us: None,
            upstream_latency_us: None,
            bytes_received: None,
            bytes_sent: None,
            client_gone: false,
            websocket: false,
            rest: [Value::Absent; Field::ALL.len()],
        }
    }

    /// Sets one of the fields that are not members.
    #[inline(always)]
    pub fn set(&mut self, field: Field, value: Value<'a>) {
        self.rest[field as usize] = value;
    }

    /// The value of any field.
    #[inline]
    pub fn get(&self, field: Field) -> Value<'a> {
        let integer = |v: Option<u64>| v.map_or(Value::Absent, Value::Integer);
        match field {
            Field::Time => Value::Timestamp(self.time),
            Field::Status => integer(self.status.map(u64::from)),
            Field::ClientLatency => integer(self.client_latency_us),
            Field::UpstreamLatency => integer(self.upstream_latency_us),
            Field::BytesReceived => integer(self.bytes_received),
            Field::BytesSent => integer(self.bytes_sent),
            Field::ClientGone => Value::Boolean(self.client_gone),
            Field::Websocket => Value::Boolean(self.websocket),
            other => self.rest[other as usize],
        }
    }
}

macro_rules! reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident $name:literal;)+) => {
        /// Why a line was rejected: a closed set, the `reason` of metrics, tables and dead letters.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize, serde::Deserialize)]
        pub enum Reason { $($(#[doc = $doc])+ $variant),+ }

        impl Reason {
            /// All reasons.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant),+];

            /// Its name outside.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name),+ }
            }

            /// What it means, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Reason::$variant => concat!($($doc),+)),+ }
            }
        }
    };
}

reasons! {
    /// Nothing in the message or line.
    Empty "empty";
    /// Longer than `line_bytes_max`.
    TooLong "too_long";
    /// The line begins like none of its format.
    NotThisFormat "not_this_format";
    /// The line ends before the fields that a record needs.
    Truncated "truncated";
    /// The time cannot be read.
    BadTime "bad_time";
    /// The status cannot be read.
    BadStatus "bad_status";
    /// A number that a record needs cannot be read.
    BadNumber "bad_number";
    /// The time is after the clock or before 2000.
    TimeOutOfRange "time_out_of_range";
}

/// What became of a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It is a record and was counted.
    Record,
    /// It is no request (a comment, a header, another record type).
    Skipped,
    /// It should have been a request and could not be read.
    Rejected(Reason),
}
