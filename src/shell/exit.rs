//! How a command ends: exit codes, and the words on stderr.
//!
//! Invariant: 0 done, 1 failed, 2 usage, 3 a condition that the user asked to fail on, 78 pipeline
//! invalid. A reader that went away (a broken pipe) is no failure.

use super::config::diagnostic::{Level, render};
use super::pipeline::LoadError;
use std::error::Error;
use std::io;

/// How a command ended.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Exit {
    /// Done.
    Done,
    /// A condition that the user asked to fail on.
    Condition,
    /// Failed.
    Failed,
    /// A pipeline is invalid.
    Invalid,
}

impl Exit {
    /// The process's exit code.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Condition => 3,
            Exit::Invalid => 78,
        }
    }
}

/// Why a command could not do its job.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The pipeline file.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// What the command prints could not be written.
    #[error("cannot write the output: {0}")]
    Output(#[from] io::Error),
    /// The arguments do not fit together.
    #[error("{0}")]
    Usage(String),
    /// Anything else.
    #[error("{0}")]
    Failed(Box<dyn Error + Send + Sync>),
}

impl CommandError {
    /// A failure with a cause.
    pub fn failed(error: impl Into<Box<dyn Error + Send + Sync>>) -> CommandError {
        CommandError::Failed(error.into())
    }

    /// The process's exit code.
    pub fn code(&self) -> u8 {
        match self {
            CommandError::Load(LoadError::Invalid(_)) => Exit::Invalid.code(),
            CommandError::Usage(_) => 2,
            CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => Exit::Failed.code(),
        }
    }

    /// What is printed on stderr: the whole chain of causes, or nothing for a broken pipe.
    pub fn text(&self, color: bool) -> String {
        match self {
            CommandError::Load(LoadError::Invalid(invalid)) => {
                let path = invalid.path.display().to_string();
                let parts: Vec<String> = invalid
                    .problems
                    .iter()
                    .map(|problem| render(problem, Level::Error, &path, &invalid.text, color))
                    .collect();
                parts.join("\n")
            }
            CommandError::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => String::new(),
            other => {
                let (paint, off) = if color { ("\x1b[1;31m", "\x1b[0m") } else { ("", "") };
                let mut text = format!("{paint}error{off}: {other}\n");
                let mut said = other.to_string();
                let mut cause = match other {
                    CommandError::Failed(error) => error.source(),
                    _ => None,
                };
                while let Some(error) = cause {
                    let words = error.to_string();
                    if !said.contains(&words) {
                        text.push_str(&format!("  caused by: {words}\n"));
                        said.push_str(&words);
                    }
                    cause = error.source();
                }
                text
            }
        }
    }
}
