//! The layers, held by their `use` lines: the core is pure and imports only what stands above it, edges
//! never import one another nor the shell, and one file spawns.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).expect("a file");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty());
    files
}

/// The code of a file: without comments and without its tests.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod ").next().unwrap_or_default();
    text.lines().filter(|l| !l.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

fn is_test(path: &Path) -> bool {
    path.file_stem().is_some_and(|s| s == "tests")
}

/// The module of a layer that a file belongs to: `core/format/aws_alb.rs` is of `format`.
fn module(path: &Path, layer: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(layer);
    let inside = path.strip_prefix(root).expect("inside the layer");
    let first = inside.components().next().expect("a name").as_os_str().to_string_lossy().into_owned();
    first.trim_end_matches(".rs").to_string()
}

/// Modules of that layer that the code names.
fn named<'a>(code: &'a str, layer: &str) -> Vec<&'a str> {
    let prefix = format!("crate::{layer}::");
    let after = code.match_indices(&prefix).map(|(at, found)| &code[at + found.len()..]);
    after
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or_default())
        .collect()
}

#[test]
fn the_core_is_pure() {
    let banned = [
        "tokio",
        "rdkafka",
        "arrow::",
        "parquet::",
        "redb",
        "tracing",
        "axum",
        "std::fs",
        "std::net",
        "std::thread",
        "std::env",
        "Instant",
        "SystemTime",
        "crate::edges",
        "crate::shell",
        "rand::",
        "getrandom",
    ];
    for (path, text) in sources("core") {
        if is_test(&path) {
            continue;
        }
        let code = code(&text);
        for word in banned {
            assert!(!code.contains(word), "{} names {word}: the core is pure", path.display());
        }
    }
}

#[test]
fn a_core_module_imports_only_what_stands_above_it() {
    let map =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/core/mod.rs")).expect("the map");
    let order: Vec<&str> = map
        .lines()
        .filter_map(|l| {
            l.trim().trim_start_matches("pub(crate) ").trim_start_matches("pub ").strip_prefix("mod ")
        })
        .map(|l| l.trim_end_matches(';'))
        .collect();
    let place = |module: &str| {
        order
            .iter()
            .position(|m| *m == module)
            .unwrap_or_else(|| panic!("core/mod.rs does not list {module}"))
    };
    for (path, text) in sources("core") {
        let own = module(&path, "core");
        if own == "mod" || is_test(&path) {
            continue;
        }
        let code = code(&text);
        for other in named(&code, "core") {
            assert!(
                other == own || place(other) < place(&own),
                "{} imports core::{other}, which does not stand above core::{own}",
                path.display()
            );
        }
    }
}

#[test]
fn edges_import_neither_one_another_nor_the_shell() {
    // What every edge may use.
    let shared = ["crash", "kafka", "metrics"];
    for (path, text) in sources("edges") {
        let own = module(&path, "edges");
        if own == "mod" || is_test(&path) {
            continue;
        }
        let code = code(&text);
        assert!(!code.contains("crate::shell"), "{} imports the shell", path.display());
        for other in named(&code, "edges") {
            assert!(
                other == own || shared.contains(&other),
                "{} imports edges::{other}: edges never import one another",
                path.display()
            );
        }
    }
}

#[test]
fn one_file_spawns() {
    for layer in ["core", "edges", "shell"] {
        for (path, text) in sources(layer) {
            if is_test(&path) || path.ends_with("shell/run.rs") {
                continue;
            }
            let code = code(&text);
            for word in ["thread::spawn", "thread::Builder", "tokio::spawn", ".spawn_blocking"] {
                assert!(!code.contains(word), "{} has {word}: only shell/run.rs spawns", path.display());
            }
        }
    }
}

#[test]
fn files_are_small_and_say_what_they_are() {
    for layer in ["core", "edges", "shell"] {
        for (path, text) in sources(layer) {
            let lines = text.lines().count();
            assert!(lines <= 620, "{} has {lines} lines: is it one idea?", path.display());
            assert!(text.starts_with("//!"), "{} does not open with what it is", path.display());
        }
    }
}
