//! The errors of a configuration file.

use std::io;
use std::path::{Path, PathBuf};

/// An error of a configuration file. It never shows a value that could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file does not exist.
    #[error("{}: no such file", .path.display())]
    Missing {
        /// The path of the file.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: {problem}", .path.display())]
    Unreadable {
        /// The path of the file.
        path: PathBuf,
        /// Why.
        problem: String,
    },
    /// A line of the file is wrong.
    #[error("{}:{line}: {message}", .path.display())]
    Invalid {
        /// The path of the file.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// The problem and the remedy.
        message: String,
    },
}

impl ConfigError {
    /// Returns an error at a line, counted from 1. Control characters are removed from the
    /// message, because they could steer a terminal.
    pub(super) fn invalid(path: &Path, line: usize, message: &str) -> ConfigError {
        ConfigError::Invalid {
            path: path.to_owned(),
            line,
            message: message.replace(char::is_control, " "),
        }
    }

    pub(super) fn unread(path: &Path, source: io::Error) -> ConfigError {
        let path = path.to_owned();
        match source.kind() {
            io::ErrorKind::NotFound => ConfigError::Missing { path },
            io::ErrorKind::IsADirectory => ConfigError::Unreadable {
                path,
                problem: "is a folder; name the file in it".to_owned(),
            },
            _ => ConfigError::Unreadable {
                path,
                problem: format!("cannot be read: {source}"),
            },
        }
    }
}
