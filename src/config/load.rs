//! Reads a configuration file.

use std::path::Path;

use super::config_error::ConfigError;
use super::parse;
use super::settings::Config;

impl Config {
    /// Reads the file at `path`. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// If the file is missing, cannot be read, or has a wrong setting. The error names
    /// the file, the line and the remedy.
    pub fn load(path: &Path) -> Result<Config, ConfigError> {
        let bytes = std::fs::read(path).map_err(|source| ConfigError::unread(path, source))?;
        match std::str::from_utf8(&bytes) {
            Ok(text) => Config::parse(text, path),
            Err(error) => {
                let before = &bytes[..error.valid_up_to()];
                let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
                let message = "not UTF-8 text; save the file as UTF-8";
                Err(ConfigError::invalid(path, line, message))
            }
        }
    }

    /// Parses the text of the file at `path`. Errors name this path, and relative paths
    /// start at its folder. No file is read.
    ///
    /// # Errors
    /// If a setting is wrong. The error names the line and the remedy.
    pub fn parse(text: &str, path: &Path) -> Result<Config, ConfigError> {
        parse::config(text, path)
    }
}
