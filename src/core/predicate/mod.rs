//! CEL predicates over a record, compiled once into a typed tree that is evaluated without allocation.
//!
//! Invariant: `x == null` and `x != null` are always known; any other use of an absent value is unknown;
//! unknown passes through `!`, `&&`, `||` and `?:` as CEL's errors do; unknown at the top is false.
//! Types are checked when compiling, so nothing can fail while evaluating.
//!
//! The grammar is CEL's (<https://github.com/google/cel-spec>), read by the `cel` crate. Supported:
//! comparisons, `in [..]`, `&& || ! ?:`, integer and time arithmetic, `duration("..")`,
//! `timestamp("..")`, `startsWith endsWith contains matches size`. Text compares as bytes.

mod compile;
mod literal;
mod parse;
mod suggest;
#[cfg(test)]
mod tests;
mod tree;

pub use suggest::closest;

pub(in crate::core) use compile::{named_field, regex};

use crate::core::record::{Fields, Labels, Record};
use std::fmt;
use std::ops::Range;
use tree::Test;

/// What is wrong with a predicate (or a template, or a regular expression), and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PredicateError {
    /// What is wrong.
    pub message: String,
    /// The way out, where there is one.
    pub hint: Option<String>,
    /// The bytes of the text that it is about; never outside the text.
    pub span: Range<usize>,
}

impl PredicateError {
    /// An error about those bytes of the text.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> PredicateError {
        PredicateError { message: message.into(), hint: None, span }
    }

    /// The same with a way out.
    pub fn hint(self, hint: impl Into<String>) -> PredicateError {
        PredicateError { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for PredicateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for PredicateError {}

/// A compiled predicate.
#[derive(Clone, Debug)]
pub struct Predicate {
    test: Test,
    fields: Fields,
}

impl Predicate {
    /// Compiles the text; the labels it names are added to `labels`.
    ///
    /// # Errors
    /// Syntax, unknown fields and functions, types that do not fit, too many labels.
    pub fn compile(text: &str, labels: &mut Labels) -> Result<Predicate, PredicateError> {
        let parsed = parse::parse(text)?;
        Ok(Predicate::of(compile::compile(&parsed, labels)?))
    }

    fn of(test: Test) -> Predicate {
        let mut fields = Fields::NONE;
        test.fields(&mut fields);
        Predicate { test, fields }
    }

    /// The fields it looks at.
    pub fn fields(&self) -> Fields {
        self.fields
    }

    /// Whether it looks at no other fields than these.
    pub fn only_uses(&self, allowed: Fields) -> bool {
        self.fields.iter().all(|f| allowed.has(f))
    }

    /// Whether it is true of the record; unknown is false.
    #[inline]
    pub fn holds(&self, record: &Record<'_>) -> bool {
        self.test.eval(record) == Some(true)
    }

    /// True, false or (None) unknown of the record.
    pub fn eval(&self, record: &Record<'_>) -> Option<bool> {
        self.test.eval(record)
    }

    /// The conjuncts at the top that look at no other fields than these, as one predicate. Where it does
    /// not hold, the whole does not. None if there is no such conjunct.
    pub fn guard(&self, allowed: Fields) -> Option<Predicate> {
        let parts = match &self.test {
            Test::All(parts) => parts.as_ref(),
            one => std::slice::from_ref(one),
        };
        let parts: Vec<Test> =
            parts.iter().filter(|t| Predicate::of((*t).clone()).only_uses(allowed)).cloned().collect();
        (!parts.is_empty()).then(|| Predicate::of(Test::All(parts.into())))
    }
}
