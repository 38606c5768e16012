//! `generate systemd`: a unit that runs a pipeline as a service.
//!
//! Invariant: the service may write to the folders that the pipeline names and to nothing else, and is not started again
//! where that cannot help.

use crate::shell::exit::Exit;
use crate::shell::pipeline::{DeadLetters, Events, Pipeline};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf, absolute};

/// How much longer than the pipeline's `shutdown_timeout` systemd waits before it kills, seconds.
const GRACE_S: u64 = 10;

/// What clap exits with where the command line is wrong.
const USAGE: u8 = 2;

/// The unit's text. `program` is the path of the program, `user` whom it runs as.
pub(super) fn unit(pipeline: &Pipeline, program: &Path, user: &str) -> String {
    let file = whole(&pipeline.path);
    let working = file.parent().unwrap_or(Path::new("/"));
    let writable = written(pipeline).iter().map(|path| quoted(path)).collect::<Vec<_>>().join(" ");
    format!(
        "# The pipeline `{name}`. The folders of ReadWritePaths must be there before the first start.
[Unit]
Description=ninetail: the pipeline {name}
Wants=network-online.target
After=network-online.target

[Service]
User={user}
WorkingDirectory={working}
# A pipeline that is not valid is found here, with its places, and is not started again.
ExecStartPre={program} check --offline {file}
ExecStart={program} run {file}
# It goes on where it stood, however it ended.
Restart=on-failure
RestartSec=2
RestartPreventExitStatus={usage} {invalid}
KillSignal=SIGTERM
TimeoutStopSec={stop_s}
LimitNOFILE=65536
NoNewPrivileges=true
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=true
PrivateDevices=true
ProtectKernelTunables=true
ProtectControlGroups=true
RestrictAddressFamilies=AF_INET AF_INET6 AF_UNIX
ReadWritePaths={writable}

[Install]
WantedBy=multi-user.target
",
        name = pipeline.settings.name,
        working = quoted(working),
        program = quoted(&whole(program)),
        file = quoted(&file),
        usage = USAGE,
        invalid = Exit::Invalid.code(),
        stop_s = pipeline.shutdown_timeout.as_secs() + GRACE_S,
    )
}

/// The folders that a run writes to, none inside another.
fn written(pipeline: &Pipeline) -> BTreeSet<PathBuf> {
    let folder = |path: &Path| whole(path).parent().unwrap_or(Path::new("/")).to_path_buf();
    let mut folders = BTreeSet::from([whole(&pipeline.state), whole(&pipeline.sinks.rollups)]);
    if let Events::File(path) = &pipeline.sinks.events {
        folders.insert(folder(path));
    }
    if let DeadLetters::File(path) = &pipeline.sinks.dead_letters {
        folders.insert(folder(path));
    }
    let within = |path: &Path| path.ancestors().skip(1).any(|above| folders.contains(above));
    folders.iter().filter(|path| !within(path)).cloned().collect()
}

/// The path from the root, without `.` and `..` where they can be taken out by name.
fn whole(path: &Path) -> PathBuf {
    let path = absolute(path).unwrap_or_else(|_| path.to_path_buf());
    let mut whole = PathBuf::new();
    for part in path.components() {
        match part {
            std::path::Component::ParentDir => {
                whole.pop();
            }
            part => whole.push(part),
        }
    }
    whole
}

/// A path as one word of a unit file, where `%` begins a specifier and `$` a variable.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string().replace('%', "%%").replace('$', "$$");
    if text.contains([' ', '\t', '"', '\'', '\\', ';']) {
        format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_a_unit_file() {
        for (path, want) in [
            ("/srv/a-b_c.yaml", "/srv/a-b_c.yaml"),
            ("/srv/my logs", "\"/srv/my logs\""),
            ("/srv/50%", "/srv/50%%"),
            ("/srv/$x", "/srv/$$x"),
            ("/srv/a\"b c", "\"/srv/a\\\"b c\""),
        ] {
            assert_eq!(quoted(Path::new(path)), want);
        }
        assert_eq!(whole(Path::new("/a/./b/../c")), Path::new("/a/c"));
    }
}
