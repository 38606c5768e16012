//! The compiled predicate: a tree typed by its nodes, evaluated in three-valued logic.
//!
//! Invariant: evaluating allocates nothing, cannot fail, and yields None exactly where CEL would raise an
//! error: an absent value used, an overflow, a division by zero.

use crate::core::record::{Field, Fields, Record, Value};
use memchr::memmem;
use regex::bytes::Regex;
use std::cmp::Ordering;

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Comparison {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Comparison {
    fn admits(self, ordering: Ordering) -> bool {
        match self {
            Comparison::Equal => ordering.is_eq(),
            Comparison::Unequal => ordering.is_ne(),
            Comparison::Less => ordering.is_lt(),
            Comparison::AtMost => ordering.is_le(),
            Comparison::More => ordering.is_gt(),
            Comparison::AtLeast => ordering.is_ge(),
        }
    }

    /// The comparison that says the same with its sides exchanged.
    pub(super) fn mirrored(self) -> Comparison {
        match self {
            Comparison::Less => Comparison::More,
            Comparison::AtMost => Comparison::AtLeast,
            Comparison::More => Comparison::Less,
            Comparison::AtLeast => Comparison::AtMost,
            same => same,
        }
    }
}

/// Something that is true, false or unknown.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Known(bool),
    /// A boolean field.
    Field(Field),
    Not(Box<Test>),
    All(Box<[Test]>),
    Any(Box<[Test]>),
    If(Box<Choice<Test>>),
    Same(Box<[Test; 2]>),
    /// `x == null`: always known.
    Absent(Field),
    /// An integer or duration field against constants, both ends included; `low > high` holds nothing.
    Within {
        field: Field,
        low: u64,
        high: u64,
    },
    Numbers(Comparison, Box<[Number; 2]>),
    /// Sorted.
    NumberIn(Box<Number>, Box<[i128]>),
    Texts(Comparison, Box<[Text; 2]>),
    /// Sorted.
    TextIn(Text, Box<[Box<[u8]>]>),
    StartsWith(Box<[Text; 2]>),
    EndsWith(Box<[Text; 2]>),
    Contains(Box<[Text; 2]>),
    /// `contains` with a constant: the search is prepared.
    Finds(Text, Box<memmem::Finder<'static>>),
    Matches(Text, Regex),
}

/// An integer, a duration (microseconds) or a timestamp (microseconds since the epoch).
#[derive(Clone, Debug)]
pub(super) enum Number {
    Constant(i128),
    Field(Field),
    Arithmetic(Operator, Box<[Number; 2]>),
    Negated(Box<Number>),
    /// Code points of a text.
    Size(Text),
    If(Box<Choice<Number>>),
}

/// Integer arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Operator {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
}

/// Bytes.
#[derive(Clone, Debug)]
pub(super) enum Text {
    Constant(Box<[u8]>),
    Field(Field),
    If(Box<Choice<Text>>),
}

/// `test ? yes : no`.
#[derive(Clone, Debug)]
pub(super) struct Choice<T> {
    pub(super) test: Test,
    pub(super) yes: T,
    pub(super) no: T,
}

impl<T> Choice<T> {
    /// The side that counts for the record, unknown where the test is.
    #[inline]
    fn of(&self, record: &Record<'_>) -> Option<&T> {
        self.test.eval(record).map(|yes| if yes { &self.yes } else { &self.no })
    }

    fn fields(&self, into: &mut Fields, of_side: fn(&T, &mut Fields)) {
        self.test.fields(into);
        of_side(&self.yes, into);
        of_side(&self.no, into);
    }
}

impl Test {
    #[inline]
    pub(super) fn eval(&self, record: &Record<'_>) -> Option<bool> {
        match self {
            Test::Within { field, low, high } => match record.get(*field) {
                Value::Integer(v) => Some(*low <= v && v <= *high),
                _ => None,
            },
            Test::Field(field) => match record.get(*field) {
                Value::Boolean(b) => Some(b),
                _ => None,
            },
            other => other.eval_rest(record),
        }
    }

    fn eval_rest(&self, record: &Record<'_>) -> Option<bool> {
        match self {
            Test::Known(b) => Some(*b),
            Test::Not(test) => test.eval(record).map(|b| !b),
            Test::All(tests) => decide(tests, false, record),
            Test::Any(tests) => decide(tests, true, record),
            Test::If(choice) => choice.of(record)?.eval(record),
            Test::Same(pair) => Some(pair[0].eval(record)? == pair[1].eval(record)?),
            Test::Absent(field) => Some(record.get(*field) == Value::Absent),
            Test::Numbers(how, pair) => Some(how.admits(pair[0].eval(record)?.cmp(&pair[1].eval(record)?))),
            Test::NumberIn(number, list) => Some(list.binary_search(&number.eval(record)?).is_ok()),
            Test::Texts(how, pair) => {
                let (left, right) = (pair[0].eval(record)?, pair[1].eval(record)?);
                Some(match how {
                    Comparison::Equal => left == right,
                    Comparison::Unequal => left != right,
                    how => how.admits(left.cmp(right)),
                })
            }
            Test::TextIn(text, list) => {
                let text = text.eval(record)?;
                Some(list.binary_search_by(|item| item.as_ref().cmp(text)).is_ok())
            }
            Test::StartsWith(pair) => Some(pair[0].eval(record)?.starts_with(pair[1].eval(record)?)),
            Test::EndsWith(pair) => Some(pair[0].eval(record)?.ends_with(pair[1].eval(record)?)),
            Test::Contains(pair) => {
                Some(memmem::find(pair[0].eval(record)?, pair[1].eval(record)?).is_some())
            }
            Test::Finds(text, finder) => Some(finder.find(text.eval(record)?).is_some()),
            Test::Matches(text, regex) => Some(regex.is_match(text.eval(record)?)),
            Test::Field(_) | Test::Within { .. } => self.eval(record),
        }
    }

    /// Adds the fields it looks at.
    pub(super) fn fields(&self, into: &mut Fields) {
        match self {
            Test::Known(_) => {}
            Test::Field(field) | Test::Absent(field) | Test::Within { field, .. } => {
                *into = into.with(*field)
            }
            Test::Not(test) => test.fields(into),
            Test::All(tests) | Test::Any(tests) => tests.iter().for_each(|t| t.fields(into)),
            Test::If(choice) => choice.fields(into, Test::fields),
            Test::Same(tests) => tests.iter().for_each(|t| t.fields(into)),
            Test::Numbers(_, pair) => pair.iter().for_each(|n| n.fields(into)),
            Test::NumberIn(number, _) => number.fields(into),
            Test::Texts(_, pair) | Test::StartsWith(pair) | Test::EndsWith(pair) | Test::Contains(pair) => {
                pair.iter().for_each(|t| t.fields(into));
            }
            Test::TextIn(text, _) | Test::Finds(text, _) | Test::Matches(text, _) => text.fields(into),
        }
    }
}

/// `&&` (`decisive` false) and `||` (true): the decisive value wins over unknown, whatever the order.
fn decide(tests: &[Test], decisive: bool, record: &Record<'_>) -> Option<bool> {
    let mut all_known = true;
    for test in tests {
        match test.eval(record) {
            Some(b) if b == decisive => return Some(decisive),
            Some(_) => {}
            None => all_known = false,
        }
    }
    all_known.then_some(!decisive)
}

impl Number {
    fn eval(&self, record: &Record<'_>) -> Option<i128> {
        match self {
            Number::Constant(v) => Some(*v),
            Number::Field(field) => match record.get(*field) {
                Value::Integer(v) => Some(i128::from(v)),
                Value::Timestamp(t) => Some(i128::from(t.0)),
                _ => None,
            },
            Number::Arithmetic(operator, pair) => {
                let (a, b) = (pair[0].eval(record)?, pair[1].eval(record)?);
                let result = match operator {
                    Operator::Add => a.checked_add(b),
                    Operator::Subtract => a.checked_sub(b),
                    Operator::Multiply => a.checked_mul(b),
                    Operator::Divide => a.checked_div(b),
                    Operator::Remainder => a.checked_rem(b),
                };
                in_range(result?)
            }
            Number::Negated(number) => in_range(number.eval(record)?.checked_neg()?),
            Number::Size(text) => {
                // code points: bytes that do not continue one
                Some(text.eval(record)?.iter().filter(|b| **b & 0xC0 != 0x80).count() as i128)
            }
            Number::If(choice) => choice.of(record)?.eval(record),
        }
    }

    fn fields(&self, into: &mut Fields) {
        match self {
            Number::Constant(_) => {}
            Number::Field(field) => *into = into.with(*field),
            Number::Arithmetic(_, pair) => pair.iter().for_each(|n| n.fields(into)),
            Number::Negated(number) => number.fields(into),
            Number::Size(text) => text.fields(into),
            Number::If(choice) => choice.fields(into, Number::fields),
        }
    }
}

/// CEL's integers are 64 bits wide; what does not fit is an error there and unknown here.
fn in_range(value: i128) -> Option<i128> {
    i64::try_from(value).ok().map(i128::from)
}

impl Text {
    #[inline]
    fn eval<'r>(&'r self, record: &Record<'r>) -> Option<&'r [u8]> {
        match self {
            Text::Constant(bytes) => Some(bytes),
            Text::Field(field) => match record.get(*field) {
                Value::Text(bytes) => Some(bytes),
                _ => None,
            },
            Text::If(choice) => choice.of(record)?.eval(record),
        }
    }

    fn fields(&self, into: &mut Fields) {
        match self {
            Text::Constant(_) => {}
            Text::Field(field) => *into = into.with(*field),
            Text::If(choice) => choice.fields(into, Text::fields),
        }
    }
}
