//! What becomes of a line.

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
    /// The line begins as JSON and is none, and no rule repairs it.
    BrokenJson "broken_json";
    /// What the line came wrapped in cannot be read.
    BadEnvelope "bad_envelope";
    /// Part of a line that was split: the other parts were lost, or there were too many open at once.
    TornLine "torn_line";
    /// Counters of another system with more good than in total.
    BadCounters "bad_counters";
    /// Counters that belong nowhere: no external SLO of that name applies to the service, or there are too many services.
    UnknownSlo "unknown_slo";
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
