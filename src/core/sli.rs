//! The verdict of one SLO for one record: good, bad or excluded.
//!
//! Invariant: a verdict depends on the record and the indicator alone; no float is compared.


/// What a record counts as for an SLO.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Verdict {
    /// It met the objective.
    Good = 0,
    /// It did not.
    Bad = 1,
    /// It counts for neither.
    Excluded = 2,
}
