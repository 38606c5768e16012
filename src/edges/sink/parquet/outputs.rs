//! What already lies in a rollups folder: the names say whose files they are.
//!
//! Name of a file: `<pipeline>-<journal>-<cut, 8 digits>-<watermark>.parquet`.

use crate::core::time::Time;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

/// The name of a cut's file in any table and date.
pub(super) fn name(pipeline: &str, journal: &str, cut: u64, watermark: Time) -> String {
    format!("{pipeline}-{journal}-{cut:08}-{}.parquet", watermark.compact())
}

/// Reads a name: (pipeline, journal, cut, watermark). None if it is nobody's of ours.
pub(super) fn parse(name: &str) -> Option<(&str, &str, u64, Time)> {
    let rest = name.strip_suffix(".parquet")?;
    let (rest, watermark) = rest.rsplit_once('-')?;
    let (rest, cut) = rest.rsplit_once('-')?;
    let (pipeline, journal) = rest.rsplit_once('-')?;
    let is_id = journal.len() == 16 && journal.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
    if !is_id || cut.len() < 8 || !watermark.is_ascii() || watermark.len() != 14 {
        return None;
    }
    let (w, minute) = (watermark, &watermark[9..13]);
    let text = format!("{}-{}-{}T{}:{}:00Z", &w[0..4], &w[4..6], &w[6..8], &minute[..2], &minute[2..]);
    let time = Time::parse(&text).filter(|t| t.compact() == watermark)?;
    Some((pipeline, journal, cut.parse().ok()?, time))
}

/// What one journal has published under a pipeline's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct JournalOutputs {
    /// The journal's id.
    pub journal: String,
    /// Its highest cut.
    pub cut_max: u64,
    /// The watermark of that cut, to the minute.
    pub watermark_max: Time,
    /// A file of that cut.
    pub path: PathBuf,
}

/// What every journal of the pipeline has published, by id. A folder that is not there holds nothing.
///
/// # Errors
/// If the folder cannot be listed.
pub fn scan(rollups: &Path, pipeline: &str) -> io::Result<Vec<JournalOutputs>> {
    let mut found = std::collections::BTreeMap::<String, JournalOutputs>::new();
    for table in folders(rollups)? {
        for date in folders(&table)? {
            for entry in fs::read_dir(&date)? {
                let entry = entry?;
                let name = entry.file_name();
                let Some((theirs, journal, cut, watermark)) = name.to_str().and_then(parse) else { continue };
                if theirs != pipeline {
                    continue;
                }
                let outputs = found.entry(journal.to_owned()).or_insert_with(|| JournalOutputs {
                    journal: journal.to_owned(),
                    cut_max: cut,
                    watermark_max: watermark,
                    path: entry.path(),
                });
                if cut > outputs.cut_max {
                    (outputs.cut_max, outputs.watermark_max, outputs.path) = (cut, watermark, entry.path());
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Folders of a folder, but no hidden ones (`.staging`).
pub(super) fn folders(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut folders = Vec::new();
    for entry in entries {
        let entry = entry?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            folders.push(entry.path());
        }
    }
    Ok(folders)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back() {
        let time = Time::parse("2018-12-31T23:55:00Z").expect("a time");
        let text = name("my-edge", "0123456789abcdef", 42, time);
        assert_eq!(text, "my-edge-0123456789abcdef-00000042-20181231T2355Z.parquet");
        assert_eq!(parse(&text), Some(("my-edge", "0123456789abcdef", 42, time)));
        let long = name("e", "0123456789abcdef", 123_456_789, time);
        assert_eq!(parse(&long).map(|p| p.2), Some(123_456_789));
        for bad in [
            "x.parquet",
            "my-edge-0123456789abcdef-00000042-20181231T2355Z.parquet.staged",
            "my-edge-0123456789abcdeX-00000042-20181231T2355Z.parquet",
            "my-edge-0123456789abcdef-42-20181231T2355Z.parquet",
            "my-edge-0123456789abcdef-00000042-20181331T2355Z.parquet",
            "my-edge-0123456789abcdef-00000042-2018éé31T2355.parquet",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
