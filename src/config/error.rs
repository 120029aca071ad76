//! What can be wrong with a configuration file.

use std::io;
use std::path::{Path, PathBuf};

/// Why there are no settings. Never holds a value that could be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// There is no file.
    #[error("{}: no such file; `mlsmirror init` writes one", .path.display())]
    Missing {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// The file cannot be read.
    #[error("{}: cannot be read: {source}", .path.display())]
    Unreadable {
        /// Where it stands.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Its text is wrong.
    #[error("{}:{line}: {message}", .path.display())]
    Invalid {
        /// Where it stands.
        path: PathBuf,
        /// The line, counted from 1.
        line: usize,
        /// What is wrong there and the way out.
        message: String,
    },
}

impl ConfigError {
    /// Something is wrong at a line, counted from 1. What the file holds is said without
    /// what would steer a terminal.
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
            _ => ConfigError::Unreadable { path, source },
        }
    }
}
