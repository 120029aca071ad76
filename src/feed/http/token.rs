//! The bearer token.

use std::fmt;

use reqwest::header::HeaderValue;

/// The bearer token. It cannot be printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

/// Why there are no usable credentials.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The environment variable is not set.
    #[error("the environment variable {variable} is not set")]
    Unset {
        /// The variable.
        variable: String,
        /// The value that it must hold.
        content: &'static str,
    },
    /// The token or another value is empty or has characters that cannot be sent.
    #[error("the value of {0} is empty or not plain text")]
    Unusable(String),
    /// The text begins with the name of the scheme.
    #[error("the value of {0} begins with `Bearer`; leave that word out")]
    Bearer(String),
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
    /// Checks that text can be sent in a header. `origin` names its source in an error.
    pub fn checked(text: &str, origin: &str) -> Result<Token, TokenError> {
        let text = text.trim();
        let scheme = text.split_ascii_whitespace().next();
        if scheme.is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer")) {
            return Err(TokenError::Bearer(origin.to_owned()));
        }
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

    /// Returns the token as it is, to recognise it in texts of a server.
    pub(super) fn secret(&self) -> &str {
        &self.0
    }
}
