//! YAML or JSON as a tree whose every node knows its place: for a format that is read leniently.
//!
//! Invariant: a scalar is kept as the text that stands in the file, so that no float ever holds a number
//! that decides.

use crate::shell::config::At;
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// What stands at a place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Node {
    /// Nothing: `null`, `~`, or no value at all.
    Null,
    /// A number, a boolean or a text.
    Scalar(String),
    /// A list.
    List(Vec<At<Node>>),
    /// Keys and values in the order of the file.
    Map(Vec<(At<String>, At<Node>)>),
}

impl Node {
    /// What it is, for a message.
    pub(super) const fn what(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Scalar(_) => "a single value",
            Node::List(_) => "a list",
            Node::Map(_) => "a mapping of keys",
        }
    }

    /// The value of a key; None where it is absent, null, or this is no mapping.
    pub(super) fn get(&self, key: &str) -> Option<&At<Node>> {
        let Node::Map(entries) = self else { return None };
        let (_, value) = entries.iter().find(|(name, _)| name.value == key)?;
        (value.value != Node::Null).then_some(value)
    }

    /// The keys; none where this is no mapping.
    pub(super) fn keys(&self) -> impl Iterator<Item = &At<String>> {
        let entries: &[(At<String>, At<Node>)] = match self {
            Node::Map(entries) => entries,
            _ => &[],
        };
        entries.iter().map(|(key, _)| key)
    }

    /// The text of a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Node::Scalar(text) => Some(text),
            _ => None,
        }
    }
}

/// Reads every document of a text; empty ones are left out.
pub(super) fn documents(text: &str) -> Result<Vec<At<Node>>, serde_saphyr::Error> {
    let options = serde_saphyr::options! { strict_booleans: true, with_snippet: false };
    let mut found: Vec<At<Node>> = serde_saphyr::from_multiple_with_options(text, options)?;
    found.iter_mut().for_each(|node| keep_text(node, text));
    found.retain(|node| node.value != Node::Null);
    Ok(found)
}

/// A number as it stands in the file, in place of what the parser made of it.
fn keep_text(node: &mut At<Node>, text: &str) {
    match &mut node.value {
        Node::Scalar(scalar) => {
            // what was a number comes back from a float
            let number = |t: &str| t.trim().parse::<f64>().is_ok();
            if let Some(written) = text.get(node.span.clone()).filter(|w| number(scalar) && number(w)) {
                *scalar = written.trim().to_string();
            }
        }
        Node::List(items) => items.iter_mut().for_each(|item| keep_text(item, text)),
        Node::Map(entries) => entries.iter_mut().for_each(|(_, value)| keep_text(value, text)),
        Node::Null => {}
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Node, D::Error> {
        struct Any;

        macro_rules! scalars {
            ($($method:ident $kind:ty;)+) => {$(
                fn $method<E>(self, value: $kind) -> Result<Node, E> {
                    Ok(Node::Scalar(value.to_string()))
                }
            )+};
        }

        impl<'de> Visitor<'de> for Any {
            type Value = Node;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("YAML or JSON")
            }

            scalars! {
                visit_bool bool;
                visit_i64 i64;
                visit_u64 u64;
                visit_f64 f64;
                visit_str &str;
            }

            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Null)
            }

            fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Node, A::Error> {
                let mut list = Vec::new();
                while let Some(item) = items.next_element()? {
                    list.push(item);
                }
                Ok(Node::List(list))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
                let mut map = Vec::new();
                while let Some(entry) = entries.next_entry()? {
                    map.push(entry);
                }
                Ok(Node::Map(map))
            }
        }

        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_keep_texts_and_places() {
        let text =
            "a: 0.9990000000000001\nb: [true, ~, \"0.50\"]\n---\n{\"c\": {\"d\": 1e-3, \"e\": 10}}\n---\n";
        let found = documents(text).expect("YAML");
        assert_eq!(found.len(), 2);
        let a = found[0].get("a").expect("there");
        assert_eq!((a.text(), &text[a.span.clone()]), (Some("0.9990000000000001"), "0.9990000000000001"));
        let Node::List(b) = &found[0].get("b").expect("there").value else { panic!("a list") };
        let texts: Vec<Option<&str>> = b.iter().map(|node| node.text()).collect();
        assert_eq!(texts, [Some("true"), None, Some("0.50")]);
        let c = found[1].get("c").expect("there");
        assert_eq!(c.get("d").and_then(|d| d.text()), Some("1e-3"));
        assert_eq!(c.get("x"), None);
        let key = c.keys().nth(1).expect("two");
        assert_eq!((key.value.as_str(), &text[key.span.clone()]), ("e", "\"e\""));
    }
}
