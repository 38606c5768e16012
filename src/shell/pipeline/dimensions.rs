//! The file's `sinks.rollups.dimensions`.
//!
//! Invariant: no dimension's column has the name of another column of the table.

use super::load::Checker;
use crate::core::record::{Field, Fields};
use crate::core::rollup::RequestsRow;
use crate::edges::sink::columns::Table;
use crate::shell::config::PipelineFile;
use std::collections::BTreeSet;

/// Most dimensions: the values' combinations are what is limited, so more would only meet the limit sooner.
const DIMENSIONS_MAX: usize = 8;

/// Fields that take another value in almost every record.
const MANY: Fields = Fields::of(&[
    Field::Path,
    Field::Query,
    Field::RequestId,
    Field::Client,
    Field::ClientPort,
    Field::UserAgent,
    Field::Referer,
    Field::ForwardedFor,
    Field::ConnectionId,
    Field::RedirectUrl,
    Field::TransformedUri,
]);

/// Whether the field takes another value in almost every record.
pub(super) fn has_many_values(name: &str) -> bool {
    Field::by_name(name).is_some_and(|field| MANY.has(field))
}

/// The names as written; that they are fields is checked when they are compiled.
pub(super) fn build(file: &PipelineFile, checker: &mut Checker) -> Vec<String> {
    let rollups = file.sinks.as_ref().and_then(|s| s.rollups.as_ref());
    let written = rollups.and_then(|r| r.dimensions.as_deref()).unwrap_or_default();
    if let Some(one_more) = written.get(DIMENSIONS_MAX) {
        checker.error(&one_more.span, format!("there are more than {DIMENSIONS_MAX} dimensions"));
    }
    let mut columns: BTreeSet<String> = RequestsRow::columns().iter().map(|c| c.name.to_owned()).collect();
    columns.insert("date".to_owned());
    for name in written {
        if !columns.insert(name.replace('.', "_")) {
            checker.error_hint(
                &name.span,
                format!("`{}` cannot be a dimension: the table has a column of that name", name.value),
                "name each dimension once, and none that the table has anyway",
            );
        }
        if has_many_values(name) {
            checker.warn(
                &name.span,
                format!("`{}` takes so many values that most will be counted as `__other__`", name.value),
                "break down by a field of few values, such as route, method or cache_status",
            );
        }
    }
    written.iter().map(|name| name.value.clone()).collect()
}
