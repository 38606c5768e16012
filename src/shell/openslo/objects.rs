//! The objects of OpenSLO files: what each is, and where one refers to another.
//!
//! Invariant: every object of every file is known before the first reference is followed, so that order and
//! division into files do not matter.

use super::tree::{Node, documents};
use super::{ANNOTATIONS, Findings, PREFIX, VERSION, is_label};
use crate::shell::config::At;
use crate::shell::config::diagnostic::{Included, Problem, nearest};
use crate::shell::config::read::explain;
use std::ops::Range;
use std::sync::Arc;

/// The kinds of OpenSLO v1.
pub(super) const KINDS: [&str; 7] =
    ["Service", "DataSource", "SLI", "SLO", "AlertPolicy", "AlertCondition", "AlertNotificationTarget"];

/// Where an object stands, and where what it says is shown when it was referred to from another file.
#[derive(Clone, Debug)]
pub(super) struct Site {
    /// The file that it stands in.
    pub(super) file: Arc<Included>,
    /// The place of the reference, in the referring SLO's file.
    pub(super) shown: Option<Range<usize>>,
}

impl Site {
    /// A value that stands here, with the place that the SLO shows for it.
    pub(super) fn at<T>(&self, span: &Range<usize>, value: T) -> At<T> {
        At { value, span: self.shown.clone().unwrap_or_else(|| span.clone()) }
    }

    /// The place of an object that this one refers to.
    pub(super) fn to(&self, reference: &Range<usize>, other: &Site) -> Site {
        let shown = match &self.shown {
            Some(shown) => Some(shown.clone()),
            None => (self.file.path != other.file.path).then(|| reference.clone()),
        };
        Site { file: other.file.clone(), shown }
    }
}

/// One object, with a name of its own.
#[derive(Clone, Debug)]
pub(super) struct Object {
    pub(super) kind: &'static str,
    /// None where it has none: nothing can refer to it.
    pub(super) name: Option<At<String>>,
    pub(super) site: Site,
    /// All of it.
    pub(super) node: At<Node>,
}

impl Object {
    /// Its `spec`, or nothing.
    pub(super) fn spec(&self) -> At<Node> {
        self.node.get("spec").cloned().unwrap_or_else(|| self.node.with(Node::Null))
    }
}

/// All objects, and what was found wrong with them.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) all: Vec<Object>,
    pub(super) findings: Findings,
}

impl Objects {
    /// The objects of all files.
    pub(super) fn of(files: &[Arc<Included>]) -> Objects {
        let mut objects = Objects::default();
        for file in files {
            let site = Site { file: file.clone(), shown: None };
            match documents(&file.text) {
                Ok(found) => found.into_iter().for_each(|node| objects.document(&site, node)),
                Err(error) => {
                    let problem = explain(&file.text, &error).of(Some(file));
                    objects.findings.problems.push(problem);
                }
            }
        }
        objects
    }

    /// One object, or a list of them.
    fn document(&mut self, site: &Site, node: At<Node>) {
        match node.value {
            Node::List(items) => items.into_iter().for_each(|item| self.object(site, item)),
            _ => self.object(site, node),
        }
    }

    fn object(&mut self, site: &Site, node: At<Node>) {
        let Node::Map(_) = node.value else {
            let what = node.what();
            return self.error(
                site,
                &node.span,
                format!("expected an OpenSLO object, found {what}"),
                "an object has apiVersion, kind, metadata and spec",
            );
        };
        self.known(site, &node, &["apiVersion", "kind", "metadata", "spec"]);
        match node.get("apiVersion").map(|v| (v, v.text().unwrap_or_default())) {
            Some((_, VERSION)) => {}
            Some((version, text)) => {
                let message = format!("apiVersion `{text}` is not read");
                let hint = "openslo/v1 is the version that is read: write the object in it";
                return self.error(site, &version.span, message, hint);
            }
            None => self.warn(site, &node.span, "apiVersion is missing", "it is read as openslo/v1"),
        }
        let Some(kind) = self.text(site, &node, "kind") else {
            return self.error(site, &node.span, "kind is missing", format!("one of: {}", KINDS.join(", ")));
        };
        let Some(known) = KINDS.iter().find(|known| known.eq_ignore_ascii_case(&kind)) else {
            let hint = match nearest(&kind, KINDS) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("one of: {}", KINDS.join(", ")),
            };
            return self.error(site, &kind.span, format!("unknown kind `{}`", kind.value), hint);
        };
        if **known != *kind.value {
            self.warn(site, &kind.span, format!("`{}` is written {known}", kind.value), "it is read as that");
        }
        let name = self.metadata(site, &node);
        if let Some(name) = &name
            && let Some(first) = self.find(known, name)
        {
            let place = first.site.file.path.display().to_string();
            let message = format!("there is another {known} named `{}`", name.value);
            return self.error(
                site,
                &name.span,
                message,
                format!("it stands in {place}; give one another name"),
            );
        }
        if node.get("spec").is_none() && *known != "Service" {
            self.error(site, &node.span, format!("this {known} has no spec"), "what it is stands there");
        }
        self.all.push(Object { kind: known, name, site: site.clone(), node });
    }

    /// The name in an object's metadata, which are looked over too.
    pub(super) fn metadata(&mut self, site: &Site, node: &At<Node>) -> Option<At<String>> {
        let Some(metadata) = node.get("metadata") else {
            self.warn(
                site,
                &node.span,
                "metadata are missing",
                "nothing can refer to an object without a name",
            );
            return None;
        };
        self.known(site, metadata, &["name", "displayName", "labels", "annotations"]);
        let ours: Vec<At<String>> =
            metadata.get("annotations").into_iter().flat_map(|a| a.keys().cloned()).collect();
        for key in ours {
            let Some(rest) = key.strip_prefix(PREFIX) else { continue };
            if !ANNOTATIONS.contains(&rest) {
                let hint = match nearest(rest, ANNOTATIONS) {
                    Some(near) => format!("did you mean `{PREFIX}{near}`?"),
                    None => format!("known are: {}", ANNOTATIONS.map(|a| format!("{PREFIX}{a}")).join(", ")),
                };
                self.warn(site, &key.span, format!("unknown annotation `{}`", key.value), hint);
            }
        }
        let name = self.text(site, metadata, "name")?;
        if !is_label(&name) {
            let hint =
                "OpenSLO wants lower-case letters, digits and hyphens, at most 63; it is taken as it is";
            self.warn(site, &name.span, format!("`{}` is no name of OpenSLO", name.value), hint);
        }
        Some(name)
    }

    /// One of our annotations of an object.
    pub(super) fn annotation(&mut self, site: &Site, node: &At<Node>, name: &str) -> Option<At<String>> {
        let key = format!("{PREFIX}{name}");
        let annotations = node.get("metadata")?.get("annotations")?.clone();
        self.text(site, &annotations, &key)
    }

    /// The object of that kind and name.
    pub(super) fn find(&self, kind: &str, name: &str) -> Option<&Object> {
        self.all.iter().find(|o| o.kind == kind && o.name.as_ref().is_some_and(|n| n.value == name))
    }

    /// The text of a key; an error if something else stands there.
    pub(super) fn text(&mut self, site: &Site, node: &At<Node>, key: &str) -> Option<At<String>> {
        let value = node.get(key)?;
        match value.text() {
            Some(text) => Some(value.with(text.to_string())),
            None => {
                let what = value.what();
                self.error(site, &value.span, format!("expected one value for `{key}`, found {what}"), "");
                None
            }
        }
    }

    /// The items of a list; a single object or nothing is a list too, with a warning.
    pub(super) fn list(&mut self, site: &Site, node: &At<Node>, key: &str) -> Vec<At<Node>> {
        let Node::Map(entries) = &node.value else { return Vec::new() };
        let Some((_, value)) = entries.iter().find(|(name, _)| name.value == key) else { return Vec::new() };
        match &value.value {
            Node::List(items) => items.clone(),
            Node::Null => {
                self.warn(
                    site,
                    &value.span,
                    format!("`{key}` holds nothing"),
                    "it is read as if it were absent",
                );
                Vec::new()
            }
            _ => {
                self.warn(site, &value.span, format!("`{key}` is no list"), "it is read as a list of one");
                vec![value.clone()]
            }
        }
    }

    /// Warns of keys that OpenSLO does not have.
    pub(super) fn known(&mut self, site: &Site, node: &At<Node>, keys: &[&str]) {
        let unknown: Vec<At<String>> =
            node.keys().filter(|k| !keys.contains(&k.value.as_str())).cloned().collect();
        for key in unknown {
            let hint = match nearest(&key, keys.iter().copied()) {
                Some(near) => format!("it is not read; did you mean `{near}`?"),
                None => format!("it is not read; known keys here: {}", keys.join(", ")),
            };
            self.warn(site, &key.span, format!("unknown key `{}`", key.value), hint);
        }
    }

    pub(super) fn error(
        &mut self,
        site: &Site,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.problems.push(finding(site, span, message, hint));
    }

    /// An object that is referred to is in none of the files.
    pub(super) fn missing(&mut self, site: &Site, kind: &str, reference: &At<String>) {
        let message = format!("there is no {kind} named `{}`", reference.value);
        self.error(site, &reference.span, message, "write it in one of the OpenSLO files of this pipeline");
    }

    pub(super) fn warn(
        &mut self,
        site: &Site,
        span: &Range<usize>,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.findings.warnings.push(finding(site, span, message, hint));
    }
}

fn finding(site: &Site, span: &Range<usize>, message: impl Into<String>, hint: impl Into<String>) -> Problem {
    let hint = hint.into();
    let problem = Problem::at(span, message).of(Some(&site.file));
    if hint.is_empty() { problem } else { problem.hint(hint) }
}
