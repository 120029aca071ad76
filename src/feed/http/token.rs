//! The bearer token, and where it comes from.

use std::fmt;
use std::process::{Command, Stdio};

use reqwest::header::HeaderValue;

use crate::config::TokenSource;

/// The bearer token. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there is no usable token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The environment variable is not set.
    #[error("the environment variable {0} is not set")]
    Unset(String),
    /// The token is empty or has invalid characters.
    #[error("the token from {0} is empty or not plain text without spaces")]
    Unusable(String),
    /// The command could not be started, or it failed.
    #[error("feed.token_command `{program}` {what}")]
    Command {
        /// The program.
        program: String,
        /// Its failure, as the rest of a sentence.
        what: String,
    },
}

impl Token {
    /// Reads the token from the configured source.
    pub fn fetch(source: &TokenSource) -> Result<Token, TokenError> {
        match source {
            TokenSource::Env(name) => match std::env::var(name) {
                Ok(text) => Token::checked(&text, name),
                Err(std::env::VarError::NotPresent) => Err(TokenError::Unset(name.clone())),
                Err(std::env::VarError::NotUnicode(_)) => Err(TokenError::Unusable(name.clone())),
            },
            TokenSource::Command(words) => from_command(words),
        }
    }

    /// Checks that text can be sent in a header. `origin` names its source in an error.
    pub fn checked(text: &str, origin: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(TokenError::Unusable(origin.to_owned()));
        }
        Ok(Token(text.to_owned()))
    }

    /// Returns the `Authorization` header, marked so that the HTTP library does not log it.
    pub fn header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", self.0)).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Returns the token itself as a header, marked in the same way.
    pub fn plain_header(&self) -> Option<HeaderValue> {
        let mut value = HeaderValue::from_str(&self.0).ok()?;
        value.set_sensitive(true);
        Some(value)
    }

    /// Removes the token from text that a server may have echoed.
    pub fn redact(&self, text: &str) -> String {
        text.replace(&self.0, "…")
    }
}

fn from_command(words: &[String]) -> Result<Token, TokenError> {
    let (program, arguments) = words.split_first().ok_or_else(|| TokenError::Command {
        program: String::new(),
        what: "is empty".to_owned(),
    })?;
    let failed = |what: String| TokenError::Command {
        program: program.clone(),
        what,
    };
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::inherit())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    if !output.status.success() {
        return Err(failed(format!("failed ({})", output.status)));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Token::checked(
        text.lines().next().unwrap_or_default(),
        "feed.token_command",
    )
}
