//! The token that requests use. A program or a token endpoint gives another one when the
//! feed refuses it, and a token endpoint also before it expires.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::budget::Turn;
use super::credentials::Issuer;
use super::failure::Failure;
use super::limits::locked;
use super::oauth::{IssuedToken, TokenRequests};
use super::token::Token;
use super::token_command::TokenCommand;

/// A token is renewed this long before it expires, or after nine tenths of its life if that
/// is later.
const MARGIN_MAX: Duration = Duration::from_secs(60);
const MARGIN_PART: u32 = 10;

/// The pause before the next try if a token cannot be renewed but is still valid.
const RENEWAL_PAUSE: Duration = Duration::from_secs(10);

/// The token that requests use.
pub struct CurrentToken {
    issuer: Issuer,
    via: TokenRequests,
    state: Mutex<State>,
    /// Held by the one request that fetches a token.
    renewal: tokio::sync::Mutex<()>,
}

struct State {
    token: Option<Token>,
    /// When the token is renewed, and when it expires, if that is known.
    life: Option<Life>,
    /// Whether a refusal leads to another token: only once, until the feed accepts one.
    is_renewable: bool,
}

#[derive(Clone, Copy)]
struct Life {
    renewed_at: Instant,
    expires_at: Instant,
}

impl CurrentToken {
    /// Starts with the token that the issuer has, if any.
    pub fn new(issuer: Issuer, via: TokenRequests) -> CurrentToken {
        let token = match &issuer {
            Issuer::Fixed(token) | Issuer::Command(_, token) => Some(token.clone()),
            Issuer::OAuth(_) => None,
        };
        CurrentToken {
            state: Mutex::new(State {
                token,
                life: None,
                is_renewable: !matches!(issuer, Issuer::Fixed(_)),
            }),
            issuer,
            via,
            renewal: tokio::sync::Mutex::new(()),
        }
    }

    /// Returns the token. Fetches one if there is none or it is about to expire.
    pub async fn get(&self, turn: Turn<'_>) -> Result<Token, Failure> {
        if let Some(token) = self.fresh() {
            return Ok(token);
        }
        let _renewing = self.renewal.lock().await;
        if let Some(token) = self.fresh() {
            return Ok(token);
        }

        match (self.fetch(turn).await, self.still_valid()) {
            (Ok(issued), _) => Ok(self.put(issued)),
            (Err(Failure::Temporary { problem, .. }), Some(token)) => {
                tracing::warn!("{problem}; the token is still valid");
                Ok(token)
            }
            (Err(failure), _) => Err(failure),
        }
    }

    /// Returns the token that requests use now, if there is one. Fetches none.
    pub fn known(&self) -> Option<Token> {
        locked(&self.state).token.clone()
    }

    /// Returns the token if it need not be renewed.
    fn fresh(&self) -> Option<Token> {
        let state = locked(&self.state);
        let is_due = state
            .life
            .is_some_and(|life| life.renewed_at <= Instant::now());
        state.token.clone().filter(|_| !is_due)
    }

    /// Returns the token if it has not expired, and delays the next renewal.
    fn still_valid(&self) -> Option<Token> {
        let mut state = locked(&self.state);
        let life = state.life.as_mut()?;
        let now = Instant::now();
        if life.expires_at <= now {
            return None;
        }
        life.renewed_at = life.expires_at.min(now + RENEWAL_PAUSE);
        state.token.clone()
    }

    /// Notes that the feed accepted a token.
    pub fn accepted(&self, token: &Token) {
        let mut state = locked(&self.state);
        if state.token.as_ref() == Some(token) {
            state.is_renewable = !matches!(self.issuer, Issuer::Fixed(_));
        }
    }

    /// Fetches another token in place of a refused one. Of several requests with the same
    /// token, one fetches and the others wait for it. Returns None if there is no other
    /// token.
    pub async fn renew(&self, refused: &Token, turn: Turn<'_>) -> Result<Option<Token>, Failure> {
        let _renewing = self.renewal.lock().await;
        {
            let mut state = locked(&self.state);
            if state.token.as_ref() != Some(refused) {
                return Ok(state.token.clone());
            }
            if !std::mem::take(&mut state.is_renewable) {
                return Ok(None);
            }
        }

        let issued = self.fetch(turn).await.inspect_err(|failure| {
            let is_temporary = matches!(failure, Failure::Temporary { .. });
            locked(&self.state).is_renewable = is_temporary;
        })?;
        let is_same = issued.token == *refused;
        let token = self.put(issued);
        Ok((!is_same).then_some(token))
    }

    fn put(&self, issued: IssuedToken) -> Token {
        let mut state = locked(&self.state);
        // A cached token may have little life left, and is then asked for again soon.
        state.life = issued.valid_for.map(|valid_for| {
            let margin = (valid_for / MARGIN_PART).min(MARGIN_MAX);
            let now = Instant::now();
            let at = |after: Duration| now.checked_add(after).unwrap_or(now + FAR);
            Life {
                renewed_at: at((valid_for - margin).max(Duration::from_secs(1))),
                expires_at: at(valid_for),
            }
        });
        state.token = Some(issued.token.clone());
        issued.token
    }

    async fn fetch(&self, turn: Turn<'_>) -> Result<IssuedToken, Failure> {
        match &self.issuer {
            Issuer::Fixed(token) => Ok(without_end(token.clone())),
            Issuer::Command(command, _) => run(command.clone()).await.map(without_end),
            Issuer::OAuth(endpoint) => endpoint.issue(&self.via, turn).await,
        }
    }
}

/// The end of a token whose life is too long for the clock.
const FAR: Duration = Duration::from_secs(365 * 86_400);

fn without_end(token: Token) -> IssuedToken {
    IssuedToken {
        token,
        valid_for: None,
    }
}

/// Runs a program in a thread of its own: a request to stop does not wait for it.
async fn run(command: TokenCommand) -> Result<Token, Failure> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let spawned = std::thread::Builder::new().spawn(move || sender.send(command.run()));
    if let Err(error) = spawned {
        return Err(Failure::temporary(error.to_string()));
    }
    match receiver.await {
        Ok(fetched) => fetched.map_err(|error| Failure::refused_credentials(error.to_string())),
        Err(error) => Err(Failure::refused_credentials(error.to_string())),
    }
}
