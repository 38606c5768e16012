//! Labels: texts that a pipeline asks for by a name of its own, beside the fields that every format knows.
//!
//! An envelope gives them (`kubernetes.namespace_name`, `topic`), or a format that the site declared
//! (a named group of a regular expression, a path of a JSON line).
//!
//! Invariant: one name stands for one field as long as the process runs, so that records of several
//! configurations can be read at once. The numbers are never stored.

use super::field::Field;

/// The labels that are asked for, by name.
#[derive(Clone, Default, Debug)]
pub struct Labels {
    names: Vec<Box<str>>,
    /// Names without a dot that something declared.
    declared: Vec<Box<str>>,
}

/// Names that every envelope gives: where the message came from.
pub const MESSAGE_LABELS: [&str; 2] = ["topic", "key"];

impl Labels {
    /// Makes a plain name known: a column, group or path that a format was told of.
    pub fn declare(&mut self, name: &str) {
        if !self.is_known(name) {
            self.declared.push(name.into());
        }
    }

    /// Whether a predicate may use the name: all with a dot (nobody knows what envelopes bring), and those
    /// declared.
    pub fn is_known(&self, name: &str) -> bool {
        name.contains('.') || MESSAGE_LABELS.contains(&name) || self.declared.iter().any(|d| **d == *name)
    }

    /// The field that stands for the name. None if as many are taken as there can be.
    pub fn intern(&mut self, name: &str) -> Option<Field> {
        self.field(name).or_else(|| {
            let field = *Field::LABELS.get(self.names.len())?;
            self.names.push(name.into());
            Some(field)
        })
    }

    /// The field of a name that was asked for.
    pub fn field(&self, name: &str) -> Option<Field> {
        let i = self.names.iter().position(|n| **n == *name)?;
        Some(Field::LABELS[i])
    }

    /// The name that the field stands for.
    pub fn name(&self, field: Field) -> Option<&str> {
        let i = Field::LABELS.iter().position(|f| *f == field)?;
        Some(self.names.get(i)?)
    }

    /// All that are asked for.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Field)> {
        self.names.iter().map(|n| &**n).zip(Field::LABELS)
    }

    /// Names that a format was told of.
    pub fn declared(&self) -> impl Iterator<Item = &str> {
        self.declared.iter().map(|n| &**n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_stands_for_one_field_and_there_are_sixteen() {
        let mut labels = Labels::default();
        let first = labels.intern("kubernetes.namespace_name");
        assert_eq!(labels.intern("topic"), Some(Field::L1));
        assert_eq!(labels.intern("kubernetes.namespace_name"), first);
        assert_eq!(first.and_then(|f| labels.name(f)), Some("kubernetes.namespace_name"));
        (2..16).for_each(|i| assert!(labels.intern(&format!("a.{i}")).is_some()));
        assert_eq!(labels.intern("one.more"), None);
        assert_eq!(labels.field("one.more"), None);
        assert_eq!(labels.iter().count(), 16);
    }

    #[test]
    fn plain_names_must_be_declared() {
        let mut labels = Labels::default();
        assert!(labels.is_known("a.b") && labels.is_known("topic") && !labels.is_known("tenant"));
        labels.declare("tenant");
        assert!(labels.is_known("tenant"));
    }
}
