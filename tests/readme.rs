//! The README tells the truth: its commands are run, in order, in one folder; its links lead somewhere.
//!
//! Blocks of `sh` are run here. Blocks of `sh kafka` and `sql` are run by tests/kafka, which has a broker and
//! DuckDB. `sh build` and `sh machine` are what .ci/run does: it installs, it runs the tests and the demo.

#[path = "readme/blocks.rs"]
mod blocks;

use blocks::{Block, blocks, copy_pipelines, of, root, shell};
use std::collections::BTreeSet;
use std::path::Path;

fn run(block: &Block, folder: &Path) {
    let output = shell(&block.text, folder).output().expect("there is a shell");
    assert!(
        output.status.success(),
        "README.md:{}: {}\n{}\n{}{}",
        block.line,
        output.status,
        block.text,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
}

#[test]
fn its_commands_work_in_their_order() {
    let folder = tempfile::tempdir().expect("a folder");
    copy_pipelines(folder.path()).expect("copied");
    let commands = of("sh");
    assert!(commands.len() >= 5, "the README shows commands");
    commands.iter().for_each(|block| run(block, folder.path()));
    let printed = std::fs::read_to_string(folder.path().join("pipeline.schema.json")).expect("the schema");
    let kept = std::fs::read_to_string(root().join("schemas/pipeline.schema.json")).expect("the schema");
    assert_eq!(printed, kept);
}

#[test]
fn every_command_of_the_program_is_shown() {
    let shown: BTreeSet<String> = blocks()
        .iter()
        .filter(|block| block.info.starts_with("sh"))
        .flat_map(|block| block.text.split_whitespace().map(str::to_string).collect::<Vec<_>>())
        .collect();
    for command in ninetail::shell::cli::clap_command().get_subcommands() {
        assert!(shown.contains(command.get_name()), "the README does not show `{}`", command.get_name());
    }
}

/// No command is left out of the tests but two, and the line that installs what they need; .ci/run does those.
#[test]
fn what_is_not_run_here_is_what_ci_runs() {
    let known = ["sh", "sh kafka", "sh build", "sh machine", "sql", "yaml", "text"];
    for block in blocks() {
        assert!(known.contains(&block.info.as_str()), "README.md:{}: unknown `{}`", block.line, block.info);
    }
    let texts = |info| of(info).into_iter().map(|block| block.text.trim().to_string()).collect::<Vec<_>>();
    assert_eq!(texts("sh build"), ["cargo run --release -- demo", "cargo test"]);
    let ci = std::fs::read_to_string(root().join(".ci/run")).expect("read");
    assert!(ci.contains("cargo test --locked") && ci.contains(" demo --for "), ".ci/run runs both");
    let machine = texts("sh machine");
    assert_eq!(machine.len(), 1, "one line installs what they need");
    let packages = machine[0].split("install -y ").nth(1).and_then(|rest| rest.split(" &&").next());
    for package in packages.expect("a list of packages").split_whitespace() {
        assert!(ci.contains(package), ".ci/run does not install {package}");
    }
}

#[test]
fn links_in_the_documents_lead_somewhere() {
    for document in ["README.md", "ARCHITECTURE.md", "CHANGELOG.md", "schemas/README.md"] {
        let path = root().join(document);
        let text = std::fs::read_to_string(&path).expect("read");
        let folder = path.parent().expect("a folder");
        for target in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if target.starts_with("https://") || target.starts_with('#') {
                continue;
            }
            let file = target.split('#').next().unwrap_or(target);
            assert!(folder.join(file).exists(), "{document}: {target} is not there");
        }
    }
}

/// Paths of sources that ARCHITECTURE.md and schemas/README.md name exist.
#[test]
fn files_named_in_the_documents_exist() {
    for document in ["ARCHITECTURE.md", "schemas/README.md"] {
        let text = std::fs::read_to_string(root().join(document)).expect("read");
        let quoted = text.split('`').skip(1).step_by(2);
        let is_path =
            |q: &&str| q.contains('/') && !q.starts_with(['.', '/']) && !q.contains([' ', '<', '*', '…']);
        for path in quoted.filter(is_path) {
            let known = ["", "src", "src/edges", "src/edges/sink"].iter().any(|base| {
                let path = root().join(base).join(path);
                path.exists() || path.with_extension("rs").exists()
            });
            let is_file = path.ends_with(".rs") || path.ends_with('/') || path.ends_with(".json");
            assert!(known || !is_file, "{document}: {path} is not there");
        }
    }
}
