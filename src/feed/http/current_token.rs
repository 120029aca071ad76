//! The token that requests use. A program that prints tokens is run again when the feed
//! refuses one.

use std::sync::Mutex;

use super::limits::locked;
use super::token::{Token, TokenError};
use crate::config::TokenSource;

/// The token that requests use.
pub struct CurrentToken {
    source: TokenSource,
    state: Mutex<State>,
    /// Held by the one request that fetches a token.
    renewal: tokio::sync::Mutex<()>,
}

struct State {
    token: Token,
    /// Whether a refusal leads to another token: only once, until the feed accepts one.
    is_renewable: bool,
}

impl CurrentToken {
    /// Starts with a token that was fetched from this source.
    pub fn new(token: Token, source: &TokenSource) -> CurrentToken {
        CurrentToken {
            source: source.clone(),
            state: Mutex::new(State {
                token,
                is_renewable: matches!(source, TokenSource::Command(_)),
            }),
            renewal: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the token.
    pub fn get(&self) -> Token {
        locked(&self.state).token.clone()
    }

    /// Notes that the feed accepted a token.
    pub fn accepted(&self, token: &Token) {
        let mut state = locked(&self.state);
        if state.token == *token {
            state.is_renewable = matches!(self.source, TokenSource::Command(_));
        }
    }

    /// Fetches another token in place of a refused one. Of several requests with the same
    /// token, one fetches and the others wait for it. Returns None if there is no other
    /// token.
    pub async fn renew(&self, refused: &Token) -> Result<Option<Token>, TokenError> {
        let _renewing = self.renewal.lock().await;
        {
            let mut state = locked(&self.state);
            if state.token != *refused {
                return Ok(Some(state.token.clone()));
            }
            if !std::mem::take(&mut state.is_renewable) {
                return Ok(None);
            }
        }

        let fetched = self.fetch().await?;
        if fetched == *refused {
            return Ok(None);
        }
        locked(&self.state).token = fetched.clone();
        Ok(Some(fetched))
    }

    /// Fetches a token in a thread of its own: a request to stop does not wait for it.
    async fn fetch(&self) -> Result<Token, TokenError> {
        let (sender, receiver) = tokio::sync::oneshot::channel();
        let source = self.source.clone();
        std::thread::spawn(move || sender.send(Token::fetch(&source)));
        match receiver.await {
            Ok(fetched) => fetched,
            Err(_) => Token::fetch(&self.source),
        }
    }
}
