//! Names and the roles that they give to cells: those of the format, those that the site declares, and labels.
//!
//! Invariant: what the site declares goes before what the format knows, and both before labels.

use crate::core::format::LayoutError;
use crate::core::format::instant::Form;
use crate::core::format::roles::{Plan, Role};
use crate::core::format::units::Unit;
use crate::core::record::{Field, Fields, Kind, Labels};
use crate::core::settings::{Layout, Mapping};

/// A role that the site gives to cells by name.
#[derive(Debug)]
struct Declared {
    roles: Vec<Role>,
    from: Vec<Box<str>>,
}

/// Which roles names have.
#[derive(Debug)]
pub(super) struct Names {
    table: &'static [(&'static str, Role)],
    declared: Vec<Declared>,
    claimed: Fields,
    labels: Vec<(Box<str>, Field)>,
}

impl Names {
    /// The format's own names, what the site declares beside them, and the labels that are asked for.
    pub(super) fn new(
        table: &'static [(&'static str, Role)],
        layout: &Layout,
        labels: &Labels,
    ) -> Result<Names, LayoutError> {
        let labels = labels.iter().map(|(name, field)| (name.into(), field)).collect();
        let mut names = Names { table, declared: Vec::new(), claimed: Fields::NONE, labels };
        let Layout::Mapped { fields, .. } = layout else { return Ok(names) };
        let first = first_field(layout);
        for (i, Mapping { name, from, unit }) in fields.iter().enumerate() {
            let from = if from.is_empty() { std::slice::from_ref(name) } else { from };
            names.declare(name, unit.as_deref(), from).map_err(|e| LayoutError { item: first + i, ..e })?;
        }
        Ok(names)
    }

    /// Takes names that stand for the record's fields themselves: columns of a delimited line, groups of
    /// an expression. What is no field is a label, or nothing.
    pub(super) fn declare_itself(&mut self, name: &str) -> Result<(), LayoutError> {
        let taken = |d: &Declared| d.from.iter().any(|from| **from == *name);
        if self.declared.iter().any(taken) {
            return Ok(());
        }
        match role(name, None) {
            Ok(_) => self.declare(name, None, &[name.to_owned()]),
            Err(None) => Ok(()),
            Err(Some(error)) => Err(LayoutError { span: 0..name.len(), ..error }),
        }
    }

    fn declare(&mut self, name: &str, unit: Option<&str>, from: &[String]) -> Result<(), LayoutError> {
        let mut roles = Vec::new();
        match role(name, unit) {
            Ok(role) => roles.push(role),
            Err(Some(error)) => return Err(error),
            Err(None) => roles.extend(self.labels.iter().filter(|l| *l.0 == *name).map(|l| Role::Text(l.1))),
        }
        self.claimed = roles.iter().fold(self.claimed, |claimed, role| claimed.union(role.fills()));
        self.declared.push(Declared { roles, from: from.iter().map(|f| f.as_str().into()).collect() });
        Ok(())
    }

    /// Names that declarations take values from, with the number of the declaration.
    pub(super) fn sources(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.declared.iter().enumerate();
        numbered.flat_map(|(i, declared)| declared.from.iter().map(move |from| (i, &**from)))
    }

    /// Makes the plan of lines whose cells have these names.
    pub(super) fn plan<'n>(&self, columns: impl Iterator<Item = &'n [u8]> + Clone, plan: &mut Plan) {
        plan.clear();
        let numbered = || columns.clone().enumerate();
        for declared in &self.declared {
            for from in &declared.from {
                for (cell, _) in numbered().filter(|(_, name)| name.eq_ignore_ascii_case(from.as_bytes())) {
                    declared.roles.iter().for_each(|role| plan.add(cell, *role));
                }
            }
        }
        for (own, role) in self.table.iter().filter(|(_, role)| !self.claimed.any(role.fills())) {
            for (cell, _) in numbered().filter(|(_, name)| name.eq_ignore_ascii_case(own.as_bytes())) {
                plan.add(cell, *role);
            }
        }
        for (label, field) in self.labels.iter().filter(|(_, field)| !self.claimed.has(*field)) {
            for (cell, _) in numbered().filter(|(_, name)| **name == *label.as_bytes()) {
                plan.add(cell, Role::Text(*field));
            }
        }
        plan.finish();
    }
}

/// The number of the first mapped field among the declared values: the pattern, the separator and the
/// columns go before.
pub(super) fn first_field(layout: &Layout) -> usize {
    match layout {
        Layout::Mapped { columns, .. } => first_column(layout) + columns.len(),
        _ => 0,
    }
}

/// The number of the first column among the declared values.
pub(super) fn first_column(layout: &Layout) -> usize {
    match layout {
        Layout::Mapped { pattern, separator, .. } => {
            usize::from(pattern.is_some()) + usize::from(separator.is_some())
        }
        _ => 0,
    }
}

/// The role of a record's field, of `request`, `url` or `date`. `Err(None)`: it names none of these.
fn role(name: &str, unit: Option<&str>) -> Result<Role, Option<LayoutError>> {
    let (field, suffix) = match Field::by_name(name) {
        Some(field) => (Some(field), None),
        None => match name.rsplit_once('_').map(|(stem, unit)| (Field::by_name(stem), unit)) {
            Some((Some(field), unit)) if field.kind() == Kind::Duration && Unit::by_name(unit).is_some() => {
                (Some(field), Some(unit))
            }
            _ => (None, None),
        },
    };
    let plain = |role| match unit {
        None => Ok(role),
        Some(_) => Err(error(
            format!("`{name}` has no unit"),
            Some("units belong to durations, forms to times".into()),
        )),
    };
    let form = || match unit {
        None => Ok(Form::Any),
        Some(unit) => Form::by_name(unit).ok_or_else(|| {
            error(format!("`{unit}` is no form of a time"), Some(format!("one of: {}", Form::NAMES)))
        }),
    };
    match (name, field) {
        ("request", _) => plain(Role::Request),
        ("url" | "path", _) => plain(Role::Url),
        ("date", _) => plain(Role::Day),
        (_, None) => Err(None),
        (_, Some(Field::Time)) => form().map(Role::End),
        (_, Some(Field::RequestCreation)) => form().map(Role::Start),
        (_, Some(Field::Status)) => plain(Role::Status),
        (_, Some(Field::Host)) => plain(Role::Address(Field::Host, Field::Port)),
        (_, Some(field)) => match field.kind() {
            Kind::Text => plain(Role::Text(field)),
            Kind::Integer => plain(Role::Integer(field)),
            Kind::Boolean => plain(Role::Boolean(field)),
            Kind::Timestamp => form().map(Role::End),
            Kind::Duration => match unit.or(suffix) {
                None => Err(error(
                    format!("`{name}` does not say its unit"),
                    Some(format!(
                        "name it `{name}_s`, `{name}_ms`, `{name}_us` or `{name}_ns`, or give `fields: {{ {name}: {{ unit: ms }} }}`"
                    )),
                )),
                Some(unit) => match Unit::by_name(unit) {
                    Some(unit) => Ok(Role::Duration(field, unit)),
                    None => Err(error(
                        format!("`{unit}` is no unit of a duration"),
                        Some(format!("one of: {}", Unit::NAMES)),
                    )),
                },
            },
        },
    }
}

fn error(message: String, hint: Option<String>) -> Option<LayoutError> {
    Some(LayoutError { message, hint, item: 0, span: 0..0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_fields_and_units() {
        let good = [
            ("time", None, Role::End(Form::Any)),
            ("time", Some("epoch_ms"), Role::End(Form::Epoch(Unit::Ms))),
            ("request_creation", Some("clf"), Role::Start(Form::Clf)),
            ("client_latency", Some("ms"), Role::Duration(Field::ClientLatency, Unit::Ms)),
            ("client_latency_us", None, Role::Duration(Field::ClientLatency, Unit::Us)),
            ("path", None, Role::Url),
            ("bytes_sent", None, Role::Integer(Field::BytesSent)),
            ("websocket", None, Role::Boolean(Field::Websocket)),
        ];
        for (name, unit, expected) in good {
            assert_eq!(role(name, unit), Ok(expected), "{name}");
        }
        assert_eq!(role("tenant", None), Err(None));
        assert_eq!(role("tenant_ms", None), Err(None));
        let bad = [
            ("client_latency", None, "`client_latency` does not say its unit"),
            ("client_latency", Some("m"), "`m` is no unit of a duration"),
            ("time", Some("ms"), "`ms` is no form of a time"),
            ("status", Some("ms"), "`status` has no unit"),
        ];
        for (name, unit, message) in bad {
            assert_eq!(role(name, unit).unwrap_err().map(|e| e.message).as_deref(), Some(message));
        }
    }
}
