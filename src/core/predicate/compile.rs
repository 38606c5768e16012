//! From CEL's syntax tree to the typed tree: names resolved, types checked, constants prepared.

use super::literal::{duration_us, timestamp_us};
use super::parse::Parsed;
use super::tree::{Choice, Comparison, Number, Operator, Test, Text};
use super::{PredicateError, closest};
use crate::core::record::{Field, Kind, Labels};
use cel::common::ast::{CallExpr, Expr, IdedExpr, LiteralValue, operators as op};
use memchr::memmem;
use regex::bytes::Regex;
use std::cell::RefCell;
use std::ops::Range;

/// Deepest nesting, so that walking the tree is bounded.
const DEPTH_MAX: usize = 64;

const METHODS: [&str; 5] = ["startsWith", "endsWith", "contains", "matches", "size"];
const FUNCTIONS: [&str; 4] = ["duration", "timestamp", "size", "matches"];

type Result<T> = std::result::Result<T, PredicateError>;

/// Compiles a parsed predicate; names of labels are added to `labels`.
pub(super) fn compile(parsed: &Parsed<'_>, labels: &mut Labels) -> Result<Test> {
    let compiler = Compiler { parsed, labels: RefCell::new(labels) };
    match compiler.expr(&parsed.root, 0)? {
        Typed::Test(test) => Ok(test),
        other => {
            let error = compiler
                .error(&parsed.root, format!("a predicate is true or false, this is {}", other.describe()));
            Err(match &parsed.root.expr {
                Expr::Ident(name) => {
                    error.hint(format!("compare it, or ask whether it is there: {name} != null"))
                }
                _ => error.hint("compare it with something"),
            })
        }
    }
}

/// What a number stands for: only equal units compare.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Integer,
    Duration,
    Timestamp,
}

enum Typed {
    Test(Test),
    Number(Number, Unit),
    Text(Text),
    Null,
}

impl Typed {
    fn describe(&self) -> &'static str {
        match self {
            Typed::Test(_) => "a boolean",
            Typed::Number(_, Unit::Integer) => "an integer",
            Typed::Number(_, Unit::Duration) => "a duration",
            Typed::Number(_, Unit::Timestamp) => "a timestamp",
            Typed::Text(_) => "text",
            Typed::Null => "null",
        }
    }
}

struct Compiler<'p> {
    parsed: &'p Parsed<'p>,
    labels: RefCell<&'p mut Labels>,
}

impl Compiler<'_> {
    fn error(&self, at: &IdedExpr, message: impl Into<String>) -> PredicateError {
        PredicateError::new(self.parsed.span(at), message)
    }

    fn expr(&self, expr: &IdedExpr, depth: usize) -> Result<Typed> {
        if depth > DEPTH_MAX {
            return Err(self.error(expr, format!("nested deeper than {DEPTH_MAX}")));
        }
        match &expr.expr {
            Expr::Ident(name) => Ok(field(self.ident(expr, name)?)),
            Expr::Literal(literal) => self.literal(expr, literal),
            Expr::Call(call) => self.call(expr, call, depth + 1),
            Expr::Select(select) if select.test => {
                Err(PredicateError::new(self.parsed.function_name(expr, "has"), "has() is not needed here")
                    .hint("write `x != null` to ask whether a field is there"))
            }
            Expr::Select(select) => {
                if let Some(path) = path(expr) {
                    return self.label(expr, &path);
                }
                let error = self.error(expr, "a field has no parts");
                Err(error.hint(format!("a method is called with brackets: .{}(..)", select.field)))
            }
            Expr::List(_) => Err(self
                .error(expr, "a list stands only after `in`")
                .hint("for example: method in [\"GET\", \"HEAD\"]")),
            Expr::Comprehension(_) => Err(self.error(expr, "all, exists, map and filter are not supported")),
            Expr::Map(_) | Expr::Struct(_) | Expr::Unspecified => {
                Err(self.error(expr, "maps and messages are not supported"))
            }
        }
    }

    fn ident(&self, expr: &IdedExpr, name: &str) -> Result<Field> {
        named_field(name, *self.labels.borrow_mut(), self.parsed.token(expr))
    }

    fn label(&self, expr: &IdedExpr, path: &str) -> Result<Typed> {
        named_field(path, *self.labels.borrow_mut(), self.parsed.span(expr)).map(field)
    }

    fn literal(&self, expr: &IdedExpr, literal: &LiteralValue) -> Result<Typed> {
        let integer = |v: i128| Ok(Typed::Number(Number::Constant(v), Unit::Integer));
        match literal {
            LiteralValue::Boolean(b) => Ok(Typed::Test(Test::Known(b.into_inner()))),
            LiteralValue::Int(v) => integer(i128::from(v.into_inner())),
            LiteralValue::UInt(v) => integer(i128::from(v.into_inner())),
            LiteralValue::String(s) => Ok(Typed::Text(Text::Constant(s.inner().as_bytes().into()))),
            LiteralValue::Bytes(b) => Ok(Typed::Text(Text::Constant(b.inner().into()))),
            LiteralValue::Null => Ok(Typed::Null),
            LiteralValue::Double(_) => Err(self
                .error(expr, "no field is a decimal number")
                .hint("use an integer, or a duration such as duration(\"1.5s\")")),
        }
    }

    fn call(&self, expr: &IdedExpr, call: &CallExpr, depth: usize) -> Result<Typed> {
        let name = call.func_name.as_str();
        match (name, call.args.as_slice()) {
            (op::LOGICAL_AND, [_, _]) => Ok(Typed::Test(Test::All(self.chain(name, expr, depth)?.into()))),
            (op::LOGICAL_OR, [_, _]) => Ok(Typed::Test(Test::Any(self.chain(name, expr, depth)?.into()))),
            (op::LOGICAL_NOT, [one]) => Ok(Typed::Test(not(self.test(one, depth)?))),
            (op::CONDITIONAL, [condition, yes, no]) => self.conditional(expr, [condition, yes, no], depth),
            (op::EQUALS, [a, b]) => self.compare(expr, Comparison::Equal, a, b, depth),
            (op::NOT_EQUALS, [a, b]) => self.compare(expr, Comparison::Unequal, a, b, depth),
            (op::LESS, [a, b]) => self.compare(expr, Comparison::Less, a, b, depth),
            (op::LESS_EQUALS, [a, b]) => self.compare(expr, Comparison::AtMost, a, b, depth),
            (op::GREATER, [a, b]) => self.compare(expr, Comparison::More, a, b, depth),
            (op::GREATER_EQUALS, [a, b]) => self.compare(expr, Comparison::AtLeast, a, b, depth),
            (op::IN, [a, b]) => self.is_in(a, b, depth),
            (op::ADD, [a, b]) => self.arithmetic(expr, Operator::Add, a, b, depth),
            (op::SUBSTRACT, [a, b]) => self.arithmetic(expr, Operator::Subtract, a, b, depth),
            (op::MULTIPLY, [a, b]) => self.arithmetic(expr, Operator::Multiply, a, b, depth),
            (op::DIVIDE, [a, b]) => self.arithmetic(expr, Operator::Divide, a, b, depth),
            (op::MODULO, [a, b]) => self.arithmetic(expr, Operator::Remainder, a, b, depth),
            (op::NEGATE, [one]) => match self.expr(one, depth)? {
                Typed::Number(n, Unit::Integer) => {
                    Ok(Typed::Number(Number::Negated(Box::new(n)), Unit::Integer))
                }
                other => Err(self.error(one, format!("- needs an integer, this is {}", other.describe()))),
            },
            (op::INDEX, _) if path(expr).is_some() => self.label(expr, &path(expr).unwrap_or_default()),
            (op::INDEX | op::OPT_INDEX | op::OPT_SELECT, _) => Err(self.error(expr, "a field has no parts")),
            _ => self.function(expr, call, depth),
        }
    }

    /// The operands of a run of the same `&&` or `||` (the parser balances it into a tree).
    fn chain(&self, name: &str, expr: &IdedExpr, depth: usize) -> Result<Vec<Test>> {
        match &expr.expr {
            Expr::Call(call) if call.func_name == name && call.target.is_none() && depth <= DEPTH_MAX => {
                let mut tests = Vec::new();
                for arg in &call.args {
                    tests.extend(self.chain(name, arg, depth + 1)?);
                }
                Ok(tests)
            }
            _ => Ok(vec![self.test(expr, depth)?]),
        }
    }

    fn test(&self, expr: &IdedExpr, depth: usize) -> Result<Test> {
        match self.expr(expr, depth)? {
            Typed::Test(test) => Ok(test),
            other => {
                let error =
                    self.error(expr, format!("this needs to be true or false, it is {}", other.describe()));
                Err(match &expr.expr {
                    Expr::Ident(name) => error.hint(format!("to ask whether it is there: {name} != null")),
                    _ => error,
                })
            }
        }
    }

    fn text(&self, expr: &IdedExpr, depth: usize) -> Result<Text> {
        match self.expr(expr, depth)? {
            Typed::Text(text) => Ok(text),
            other => Err(self.error(expr, format!("this needs to be text, it is {}", other.describe()))),
        }
    }

    fn conditional(
        &self,
        expr: &IdedExpr,
        [condition, yes, no]: [&IdedExpr; 3],
        depth: usize,
    ) -> Result<Typed> {
        let test = self.test(condition, depth)?;
        match (self.expr(yes, depth)?, self.expr(no, depth)?) {
            (Typed::Test(yes), Typed::Test(no)) => {
                Ok(Typed::Test(Test::If(Box::new(Choice { test, yes, no }))))
            }
            (Typed::Text(yes), Typed::Text(no)) => {
                Ok(Typed::Text(Text::If(Box::new(Choice { test, yes, no }))))
            }
            (Typed::Number(yes, unit), Typed::Number(no, other)) if unit == other => {
                Ok(Typed::Number(Number::If(Box::new(Choice { test, yes, no })), unit))
            }
            (a, b) => Err(self.error(
                expr,
                format!("both sides of `:` need one type, they are {} and {}", a.describe(), b.describe()),
            )),
        }
    }

    fn compare(
        &self,
        expr: &IdedExpr,
        how: Comparison,
        a: &IdedExpr,
        b: &IdedExpr,
        depth: usize,
    ) -> Result<Typed> {
        let equality = matches!(how, Comparison::Equal | Comparison::Unequal);
        let turn = |test: Test| if how == Comparison::Unequal { not(test) } else { test };
        let test = match (self.expr(a, depth)?, self.expr(b, depth)?) {
            (Typed::Null, _) if equality => turn(self.absent(b)?),
            (_, Typed::Null) if equality => turn(self.absent(a)?),
            (Typed::Number(x, unit), Typed::Number(y, other)) if unit == other => numbers(how, x, y),
            (Typed::Text(x), Typed::Text(y)) => Test::Texts(how, Box::new([x, y])),
            (Typed::Test(Test::Known(known)), Typed::Test(test)) if equality => turn(is(test, known)),
            (Typed::Test(test), Typed::Test(Test::Known(known))) if equality => turn(is(test, known)),
            (Typed::Test(x), Typed::Test(y)) if equality => turn(Test::Same(Box::new([x, y]))),
            (x, y) => return Err(self.mismatch(expr, a, b, &x, &y)),
        };
        Ok(Typed::Test(test))
    }

    fn mismatch(&self, expr: &IdedExpr, a: &IdedExpr, b: &IdedExpr, x: &Typed, y: &Typed) -> PredicateError {
        let (left, right) = (x.describe(), y.describe());
        let error = self.error(
            expr,
            if left == right {
                format!("{left} has no order")
            } else {
                format!("{left} cannot be compared with {right}")
            },
        );
        let literal =
            |e: &IdedExpr| self.parsed.text[self.parsed.span(e)].trim_matches(['"', '\'']).to_string();
        match (x, y) {
            (Typed::Number(_, Unit::Duration), Typed::Text(Text::Constant(_))) => {
                error.hint(format!("write duration(\"{}\")", literal(b)))
            }
            (Typed::Text(Text::Constant(_)), Typed::Number(_, Unit::Duration)) => {
                error.hint(format!("write duration(\"{}\")", literal(a)))
            }
            (Typed::Number(_, Unit::Duration), _) | (_, Typed::Number(_, Unit::Duration)) => {
                error.hint("a duration is written duration(\"200ms\")")
            }
            (Typed::Number(_, Unit::Timestamp), _) | (_, Typed::Number(_, Unit::Timestamp)) => {
                error.hint("a timestamp is written timestamp(\"2024-05-01T12:00:00Z\")")
            }
            (Typed::Number(..), Typed::Text(Text::Constant(_))) => {
                error.hint(format!("an integer is written without quotes: {}", literal(b)))
            }
            (Typed::Text(_), Typed::Number(Number::Constant(_), _)) => {
                error.hint(format!("text is written in quotes: \"{}\"", literal(b)))
            }
            _ => error,
        }
    }

    /// `x == null` for the expression x.
    fn absent(&self, expr: &IdedExpr) -> Result<Test> {
        match &expr.expr {
            Expr::Ident(name) => Ok(Test::Absent(self.ident(expr, name)?)),
            _ => Err(self.error(expr, "only a field can be compared with null")),
        }
    }

    fn is_in(&self, needle: &IdedExpr, list: &IdedExpr, depth: usize) -> Result<Typed> {
        let Expr::List(items) = &list.expr else {
            let error = self.error(list, "`in` needs a list in square brackets");
            return Err(match (&needle.expr, &list.expr) {
                (Expr::Literal(LiteralValue::String(s)), Expr::Ident(name)) => {
                    error.hint(format!("for a part of a text: {name}.contains(\"{}\")", s.inner()))
                }
                _ => error.hint("for example: method in [\"GET\", \"HEAD\"]"),
            });
        };
        let not_alike = |item: &IdedExpr, wanted: &str, found: &Typed| {
            self.error(item, format!("{} in a list for {wanted}", found.describe()))
        };
        match self.expr(needle, depth)? {
            Typed::Number(number, unit) => {
                let mut values = Vec::new();
                for item in &items.elements {
                    match self.expr(item, depth)? {
                        Typed::Number(Number::Constant(v), found) if found == unit => values.push(v),
                        Typed::Number(_, found) if found == unit => {
                            return Err(self.error(item, "a list holds constants only"));
                        }
                        other => return Err(not_alike(item, Typed::Number(number, unit).describe(), &other)),
                    }
                }
                values.sort_unstable();
                values.dedup();
                Ok(Typed::Test(Test::NumberIn(Box::new(number), values.into())))
            }
            Typed::Text(text) => {
                let mut values = Vec::new();
                for item in &items.elements {
                    match self.expr(item, depth)? {
                        Typed::Text(Text::Constant(bytes)) => values.push(bytes),
                        Typed::Text(_) => return Err(self.error(item, "a list holds constants only")),
                        other => return Err(not_alike(item, "text", &other)),
                    }
                }
                values.sort_unstable();
                values.dedup();
                Ok(Typed::Test(Test::TextIn(text, values.into())))
            }
            other => {
                Err(self.error(needle, format!("`in` needs text or a number, this is {}", other.describe())))
            }
        }
    }

    fn arithmetic(
        &self,
        expr: &IdedExpr,
        operator: Operator,
        a: &IdedExpr,
        b: &IdedExpr,
        depth: usize,
    ) -> Result<Typed> {
        use Operator::{Add, Subtract};
        use Unit::{Duration, Integer, Timestamp};
        match (self.expr(a, depth)?, self.expr(b, depth)?) {
            (Typed::Number(x, left), Typed::Number(y, right)) => {
                let unit = match (left, operator, right) {
                    (Integer, _, Integer) => Integer,
                    (Duration, Add | Subtract, Duration) | (Timestamp, Subtract, Timestamp) => Duration,
                    (Timestamp, Add | Subtract, Duration) | (Duration, Add, Timestamp) => Timestamp,
                    _ => {
                        let (x, y) = (Typed::Number(x, left), Typed::Number(y, right));
                        return Err(self.not_for(expr, &x, &y));
                    }
                };
                Ok(Typed::Number(Number::Arithmetic(operator, Box::new([x, y])), unit))
            }
            (x, y) => Err(self.not_for(expr, &x, &y)),
        }
    }

    fn not_for(&self, expr: &IdedExpr, x: &Typed, y: &Typed) -> PredicateError {
        let operator = &self.parsed.text[self.parsed.token(expr)];
        self.error(expr, format!("{operator} does not take {} and {}", x.describe(), y.describe()))
    }

    fn function(&self, expr: &IdedExpr, call: &CallExpr, depth: usize) -> Result<Typed> {
        let name = call.func_name.as_str();
        let (target, args) = (call.target.as_deref(), call.args.as_slice());
        match (name, target, args) {
            ("duration", None, [text]) => self.constant(expr, text, Unit::Duration, duration_us),
            ("timestamp", None, [text]) => self.constant(expr, text, Unit::Timestamp, timestamp_us),
            ("size", Some(text), []) | ("size", None, [text]) => {
                Ok(Typed::Number(Number::Size(self.text(text, depth)?), Unit::Integer))
            }
            ("matches", Some(text), [pattern]) | ("matches", None, [text, pattern]) => {
                Ok(Typed::Test(Test::Matches(self.text(text, depth)?, self.regex(pattern)?)))
            }
            ("startsWith", Some(text), [part]) => Ok(Typed::Test(Test::StartsWith(Box::new([
                self.text(text, depth)?,
                self.text(part, depth)?,
            ])))),
            ("endsWith", Some(text), [part]) => {
                Ok(Typed::Test(Test::EndsWith(Box::new([self.text(text, depth)?, self.text(part, depth)?]))))
            }
            ("contains", Some(text), [part]) => {
                let text = self.text(text, depth)?;
                Ok(Typed::Test(match self.text(part, depth)? {
                    Text::Constant(bytes) => {
                        Test::Finds(text, Box::new(memmem::Finder::new(&bytes).into_owned()))
                    }
                    part => Test::Contains(Box::new([text, part])),
                }))
            }
            _ => Err(self.bad_call(expr, call)),
        }
    }

    fn bad_call(&self, expr: &IdedExpr, call: &CallExpr) -> PredicateError {
        let name = call.func_name.as_str();
        let at = self.parsed.function_name(expr, name);
        let known: &[&str] = if call.target.is_some() { &METHODS } else { &FUNCTIONS };
        if known.contains(&name) {
            return PredicateError::new(
                self.parsed.span(expr),
                format!("wrong number of arguments for {name}"),
            );
        }
        if call.target.is_none() && METHODS.contains(&name) {
            return PredicateError::new(at, format!("{name} is called on a text"))
                .hint(format!("for example: path.{name}(\"/api\")"));
        }
        let error = PredicateError::new(at, format!("unknown function {name}"));
        match closest(name, known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean {near}?")),
            None => error.hint(format!("there are {}", known.join(", "))),
        }
    }

    /// `duration("..")` and `timestamp("..")`: of a constant text only.
    fn constant(
        &self,
        expr: &IdedExpr,
        arg: &IdedExpr,
        unit: Unit,
        read: fn(&str) -> std::result::Result<i64, &'static str>,
    ) -> Result<Typed> {
        let Expr::Literal(LiteralValue::String(text)) = &arg.expr else {
            return Err(self
                .error(expr, "this needs a constant text")
                .hint("for example: duration(\"200ms\")"));
        };
        let value = read(text.inner()).map_err(|why| self.error(arg, why))?;
        Ok(Typed::Number(Number::Constant(i128::from(value)), unit))
    }

    fn regex(&self, pattern: &IdedExpr) -> Result<Regex> {
        let Expr::Literal(LiteralValue::String(text)) = &pattern.expr else {
            return Err(self.error(pattern, "matches needs a constant regular expression"));
        };
        regex(text.inner(), self.parsed.span(pattern))
    }
}

/// A regular expression over bytes; errors are about the span.
pub(in crate::core) fn regex(pattern: &str, span: Range<usize>) -> Result<Regex> {
    Regex::new(pattern).map_err(|error| {
        // the crate draws its own caret over several lines: its last line says what is wrong
        let text = error.to_string();
        let last = text.lines().last().unwrap_or_default().trim().trim_start_matches("error: ");
        PredicateError::new(span, format!("bad regular expression: {last}"))
    })
}

/// The path that `a.b.c` or `a.b["c"]` names. None if a field stands at its head, or anything else.
fn path(expr: &IdedExpr) -> Option<String> {
    let (head, part) = match &expr.expr {
        Expr::Ident(name) => return Field::by_name(name).is_none().then(|| name.clone()),
        Expr::Select(select) if !select.test => (&*select.operand, select.field.clone()),
        Expr::Call(call) if call.func_name == op::INDEX => match call.args.as_slice() {
            [head, IdedExpr { expr: Expr::Literal(LiteralValue::String(part)), .. }] => {
                (head, part.inner().to_string())
            }
            _ => return None,
        },
        _ => return None,
    };
    Some(format!("{}.{part}", path(head)?))
}

/// The field of that name, or the label that a pipeline may ask for.
pub(in crate::core) fn named_field(name: &str, labels: &mut Labels, span: Range<usize>) -> Result<Field> {
    if let Some(field) = Field::by_name(name) {
        return Ok(field);
    }
    let head = name.split('.').next().unwrap_or_default();
    if let Some(field) = Field::by_name(head) {
        return Err(
            PredicateError::new(span, "a field has no parts").hint(format!("{} stands alone", field.name()))
        );
    }
    if let Some(field) = name.rsplit('.').next().and_then(Field::by_name)
        && matches!(head, "record" | "request")
    {
        return Err(PredicateError::new(span, "a field has no parts")
            .hint(format!("fields are named without a prefix: {}", field.name())));
    }
    if !labels.is_known(name) {
        return Err(unknown_field(span, name));
    }
    labels.intern(name).ok_or_else(|| {
        PredicateError::new(span, format!("more than {} labels", Field::LABELS.len()))
            .hint("labels are names with a dot, and those that a format declares; use fewer")
    })
}

/// The error for a name that is no field.
pub(in crate::core) fn unknown_field(span: Range<usize>, name: &str) -> PredicateError {
    let error = PredicateError::new(span, format!("unknown field {name}"));
    if let Some(field) = name.strip_suffix("_us").and_then(Field::by_name) {
        return error.hint(format!("durations are named without _us: {}", field.name()));
    }
    match closest(name, Field::ALL.iter().map(|f| f.name())) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint("`ninetail explain` prints all fields of a line"),
    }
}

fn field(field: Field) -> Typed {
    match field.kind() {
        Kind::Text => Typed::Text(Text::Field(field)),
        Kind::Integer => Typed::Number(Number::Field(field), Unit::Integer),
        Kind::Duration => Typed::Number(Number::Field(field), Unit::Duration),
        Kind::Timestamp => Typed::Number(Number::Field(field), Unit::Timestamp),
        Kind::Boolean => Typed::Test(Test::Field(field)),
    }
}

fn not(test: Test) -> Test {
    Test::Not(Box::new(test))
}

/// `test == known`.
fn is(test: Test, known: bool) -> Test {
    if known { test } else { not(test) }
}

/// Two numbers compared; a field of whole numbers against a constant becomes one range check.
fn numbers(how: Comparison, x: Number, y: Number) -> Test {
    let (field, how, constant) = match (&x, &y) {
        (Number::Field(f), Number::Constant(c)) => (*f, how, *c),
        (Number::Constant(c), Number::Field(f)) => (*f, how.mirrored(), *c),
        _ => return Test::Numbers(how, Box::new([x, y])),
    };
    if field.kind() == Kind::Timestamp {
        return Test::Numbers(how, Box::new([Number::Field(field), Number::Constant(constant)]));
    }
    let (low, high) = match how {
        Comparison::Equal | Comparison::Unequal => (constant, constant),
        Comparison::Less => (0, constant - 1),
        Comparison::AtMost => (0, constant),
        Comparison::More => (constant + 1, i128::from(u64::MAX)),
        Comparison::AtLeast => (constant, i128::from(u64::MAX)),
    };
    let within = match (u64::try_from(low.max(0)), u64::try_from(high.min(i128::from(u64::MAX)))) {
        (Ok(low), Ok(high)) => Test::Within { field, low, high },
        // nothing is below zero or above the largest, but an absent value stays unknown
        _ => Test::Within { field, low: 1, high: 0 },
    };
    if how == Comparison::Unequal { not(within) } else { within }
}
