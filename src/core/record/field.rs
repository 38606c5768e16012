//! The fields a record may have, over all formats: one list, which everything else is made from.
//!
//! Invariant: a field means the same, in the same unit, in every format that fills it.

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
        pub enum Field {
            $($(#[doc = $doc])+ $variant),+,
            // Labels: what else a pipeline asks for by name. See [`super::Labels`].
            #[doc(hidden)] L0, #[doc(hidden)] L1, #[doc(hidden)] L2, #[doc(hidden)] L3,
            #[doc(hidden)] L4, #[doc(hidden)] L5, #[doc(hidden)] L6, #[doc(hidden)] L7,
            #[doc(hidden)] L8, #[doc(hidden)] L9, #[doc(hidden)] L10, #[doc(hidden)] L11,
            #[doc(hidden)] L12, #[doc(hidden)] L13, #[doc(hidden)] L14, #[doc(hidden)] L15,
        }

        impl Field {
            /// All fields but labels.
            pub const ALL: &'static [Field] = &[$(Field::$variant),+];

            /// The name in predicates and templates, and in `explain` (where durations end in `_us`).
            pub const fn name(self) -> &'static str {
                match self { $(Field::$variant => $name),+, _ => "label" }
            }

            /// What kind of value it holds.
            #[inline(always)]
            pub const fn kind(self) -> Kind {
                match self { $(Field::$variant => Kind::$kind),+, _ => Kind::Text }
            }

            /// What it means, in one line.
            pub const fn doc(self) -> &'static str {
                match self { $(Field::$variant => concat!($($doc),+)),+, _ => "A label." }
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
    /// Path with what differs from request to request taken out (`/users/{id}`), where `routes:` is set.
    Route "route" Text;
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
    /// When Kafka took the message that the line came in, or the line's end: the timestamp of its record.
    Arrival "arrival" Timestamp;
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
    /// Priority of the rule that matched, 0 for the default.
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
    /// Scheme of the requested URL.
    Scheme "scheme" Text;
    /// User that the server authenticated.
    User "user" Text;
    /// Page that linked to the URL.
    Referer "referer" Text;
    /// Addresses that the request was forwarded for, as sent.
    ForwardedFor "forwarded_for" Text;
    /// Upstream that was chosen: a cluster, backend, service or pool.
    Upstream "upstream" Text;
    /// Server of the upstream that answered.
    UpstreamServer "upstream_server" Text;
    /// Latencies of all targets tried, as written.
    UpstreamLatencyList "upstream_latency_list" Text;
    /// How long the target that answered took.
    UpstreamLatencyLast "upstream_latency_last" Duration;
    /// Time to connect to the target.
    UpstreamConnect "upstream_connect" Duration;
    /// Time until the target's response header came.
    UpstreamHeader "upstream_header" Duration;
    /// Time until the first byte of the response went to the client.
    FirstByte "first_byte" Duration;
    /// Time spent in queues.
    Queue "queue" Duration;
    /// Time of the TLS handshake.
    TlsHandshake "tls_handshake" Duration;
    /// Frontend, entry point or listener that took the request.
    Frontend "frontend" Text;
    /// Name of the proxy's own route or router.
    RouteName "route_name" Text;
    /// What the cache did.
    CacheStatus "cache_status" Text;
    /// How the proxy says that the request ended: termination state, response flags, result type.
    Termination "termination" Text;
    /// Place of the edge that answered.
    EdgeLocation "edge_location" Text;
    /// Zone, distribution or site.
    Zone "zone" Text;
    /// Country of the client.
    Country "country" Text;
    /// Content type of the response.
    ContentType "content_type" Text;
    /// How often the request was sent again.
    Retries "retries" Integer;
    /// Status in gRPC's trailers.
    GrpcStatus "grpc_status" Integer;
    /// Further status code beside the status.
    Substatus "substatus" Integer;
    /// Status of the operating system.
    SystemStatus "system_status" Integer;
    /// Protocols that the client offered.
    Alpn "alpn" Text;
    /// Process, node or instance that wrote the line.
    Instance "instance" Text;
    /// Server name that the client asked for in TLS.
    Sni "sni" Text;
    /// How long the connection lasted.
    ConnectionTime "connection_time" Duration;
    /// What had to be repaired in a line that is no valid JSON: `value`, `escape`, `comma`.
    Repair "repair" Text;
    /// Service that counters of another system are for.
    ExternalService "external_service" Text;
    /// SLO that they are for.
    ExternalSlo "external_slo" Text;
    /// How many were good.
    ExternalGood "external_good" Integer;
    /// How many there were in all.
    ExternalTotal "external_total" Integer;
}

impl Field {
    /// The fields that stand for labels.
    pub const LABELS: [Field; 16] = {
        use Field::*;
        [L0, L1, L2, L3, L4, L5, L6, L7, L8, L9, L10, L11, L12, L13, L14, L15]
    };

    /// How many fields there are, labels too.
    pub(super) const COUNT: usize = Field::ALL.len() + Field::LABELS.len();

    /// The field of that name.
    pub fn by_name(name: &str) -> Option<Field> {
        Field::ALL.iter().copied().find(|f| f.name() == name)
    }
}

/// A set of fields: what a pipeline needs a format to fill.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields(u128);

impl Fields {
    /// No field.
    pub const NONE: Fields = Fields(0);
    /// Every field, labels too.
    pub const ALL: Fields = Fields(u128::MAX);

    /// This set with one more.
    pub const fn with(self, field: Field) -> Fields {
        Fields(self.0 | 1 << field as u8)
    }

    /// This set without one.
    pub const fn without(self, field: Field) -> Fields {
        Fields(self.0 & !(1 << field as u8))
    }

    /// A set of the fields listed.
    pub const fn of(fields: &[Field]) -> Fields {
        let (mut set, mut i) = (Fields::NONE, 0);
        while i < fields.len() {
            set = set.with(fields[i]);
            i += 1;
        }
        set
    }

    /// What both sets have.
    pub const fn intersection(self, other: Fields) -> Fields {
        Fields(self.0 & other.0)
    }

    /// The fields in the set, in the order of [`Field::ALL`], then labels.
    #[inline(always)]
    pub fn iter(self) -> impl Iterator<Item = Field> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let field = *EVERY.get(left.trailing_zeros() as usize)?;
            left &= left - 1;
            Some(field)
        })
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

/// All fields and all labels, by their number.
const EVERY: [Field; Field::COUNT] = {
    let mut every = [Field::L0; Field::COUNT];
    let mut i = 0;
    while i < every.len() {
        let all = Field::ALL.len();
        every[i] = if i < all { Field::ALL[i] } else { Field::LABELS[i - all] };
        i += 1;
    }
    every
};

const _: () = assert!(Field::COUNT <= 128, "Fields is two words");

impl FromIterator<Field> for Fields {
    fn from_iter<I: IntoIterator<Item = Field>>(fields: I) -> Fields {
        fields.into_iter().fold(Fields::NONE, Fields::with)
    }
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter().map(Field::name)).finish()
    }
}
