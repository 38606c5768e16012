//! The fenced blocks of the README.

use std::path::Path;

/// A fenced block.
#[derive(Clone, Debug)]
pub(crate) struct Block {
    /// What stands behind the opening fence: `sh`, `sh kafka`, `sql`.
    pub(crate) info: String,
    /// Its text.
    pub(crate) text: String,
    /// The line that it begins with, for messages.
    pub(crate) line: usize,
}

/// The repository's folder.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All blocks of the README, in order.
pub(crate) fn blocks() -> Vec<Block> {
    let text = std::fs::read_to_string(root().join("README.md")).expect("the README is there");
    let mut found: Vec<Block> = Vec::new();
    let mut open = false;
    for (number, line) in text.lines().enumerate() {
        match (line.strip_prefix("```"), open) {
            (Some(info), false) => {
                open = true;
                found.push(Block { info: info.trim().into(), text: String::new(), line: number + 2 });
            }
            (Some(_), true) => open = false,
            (None, true) => {
                let block = found.last_mut().expect("a block is open");
                block.text.push_str(line);
                block.text.push('\n');
            }
            (None, false) => {}
        }
    }
    assert!(!open, "a block of the README is not closed");
    found
}

/// The blocks with that info, joined in order.
pub(crate) fn of(info: &str) -> Vec<Block> {
    blocks().into_iter().filter(|block| block.info == info).collect()
}

/// Copies the pipelines of the repository into the folder, as its `pipelines/`.
pub(crate) fn copy_pipelines(folder: &Path) -> std::io::Result<()> {
    let to = folder.join("pipelines");
    std::fs::create_dir_all(&to)?;
    for entry in std::fs::read_dir(root().join("pipelines"))? {
        let path = entry?.path();
        if let (true, Some(name)) = (path.is_file(), path.file_name()) {
            std::fs::copy(&path, to.join(name))?;
        }
    }
    Ok(())
}

/// A shell that runs the text in the folder, with the ninetail under test on its path, and stops at the
/// first command that fails.
pub(crate) fn shell(text: &str, folder: &Path) -> std::process::Command {
    let binary = Path::new(env!("CARGO_BIN_EXE_ninetail"));
    let mut path = binary.parent().expect("the binary lies in a folder").as_os_str().to_owned();
    if let Some(before) = std::env::var_os("PATH") {
        path.push(":");
        path.push(before);
    }
    let mut command = std::process::Command::new("sh");
    command.args(["-eu", "-c", text]).current_dir(folder).env("PATH", path);
    command.stdin(std::process::Stdio::null());
    command
}
