//! The credentials of a feed, read from the environment.

use std::env;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use ring::digest::{SHA256, digest};
use url::Origin;

use super::oauth::{Login, TokenEndpoint};
use super::secrets::Secrets;
use super::token::{Token, TokenError};
use super::token_command::TokenCommand;
use crate::config::{self, Grant, OAuth, Parameter, ParameterValue, TokenSource};

/// The content of the variable with the token of a feed on this machine.
pub const LOCAL_TOKEN: &str = "the bearer token of the feed on this machine";

/// Everything that identifies the user to a feed: the source of the token, and the headers
/// and query parameters that every request carries.
pub struct Credentials {
    pub(super) issuer: Issuer,
    pub(super) headers: HeaderMap,
    pub(super) query: Vec<(String, String)>,
    /// The secrets that do not change. The token is not among them.
    pub(super) secrets: Secrets,
}

/// What gives the tokens.
pub(super) enum Issuer {
    /// The one token that there is.
    Fixed(Token),
    /// A program, and the first token that it printed.
    Command(TokenCommand, Token),
    /// A token endpoint. The first request to the feed requests a token there.
    OAuth(TokenEndpoint),
}

impl Credentials {
    /// Reads the configured variables and runs the configured program. Sends no request.
    pub fn read(settings: &config::Feed) -> Result<Credentials, TokenError> {
        let mut secrets = Secrets::default();
        let issuer = match &settings.token {
            TokenSource::Env(name) => {
                let content = if config::is_loopback(&settings.base_url) {
                    LOCAL_TOKEN
                } else {
                    "the feed's bearer token"
                };
                let text = variable(name, content)?;
                Issuer::Fixed(Token::checked(&text, name)?)
            }
            TokenSource::Command(words) => {
                let command = TokenCommand::new(words, settings);
                let token = command.run()?;
                Issuer::Command(command, token)
            }
            TokenSource::OAuth(oauth) => {
                Issuer::OAuth(TokenEndpoint::new(oauth, login(oauth, &mut secrets)?))
            }
        };
        Credentials::with(settings, issuer, secrets)
    }

    /// Returns the credentials of a feed with a known token.
    pub fn of_token(settings: &config::Feed, token: Token) -> Result<Credentials, TokenError> {
        Credentials::with(settings, Issuer::Fixed(token), Secrets::default())
    }

    /// Returns an identifier of the account at an origin: the same for equal credentials, and
    /// 32 hexadecimal digits that do not reveal them.
    pub(super) fn account(&self, origin: &Origin) -> String {
        let mut parts = vec![origin.ascii_serialization()];
        match &self.issuer {
            Issuer::Fixed(token) => parts.extend(["token".to_owned(), token.secret().to_owned()]),
            // It may print another token each time.
            Issuer::Command(command, _) => {
                parts.push("command".to_owned());
                parts.extend(command.words().iter().cloned());
            }
            Issuer::OAuth(endpoint) => {
                parts.push("oauth".to_owned());
                parts.extend(endpoint.account());
            }
        }
        let hash = digest(&SHA256, parts.join("\0").as_bytes());
        let bytes = hash.as_ref().iter().take(16);
        bytes.map(|byte| format!("{byte:02x}")).collect()
    }

    fn with(
        settings: &config::Feed,
        issuer: Issuer,
        mut secrets: Secrets,
    ) -> Result<Credentials, TokenError> {
        let mut headers = HeaderMap::new();
        for parameter in &settings.headers {
            let text = value(parameter, &mut secrets)?;
            let unusable = || TokenError::Unusable(source(parameter));
            let name: HeaderName = parameter.name.parse().map_err(|_| unusable())?;
            let mut value = HeaderValue::from_str(&text).map_err(|_| unusable())?;
            value.set_sensitive(matches!(parameter.value, ParameterValue::Env(_)));
            headers.insert(name, value);
        }
        let mut query = Vec::new();
        for parameter in &settings.query {
            query.push((parameter.name.clone(), value(parameter, &mut secrets)?));
        }
        Ok(Credentials {
            issuer,
            headers,
            query,
            secrets,
        })
    }
}

/// Returns the value of a header or query parameter. A value from the environment is a
/// secret.
fn value(parameter: &Parameter, secrets: &mut Secrets) -> Result<String, TokenError> {
    match &parameter.value {
        ParameterValue::Text(text) => Ok(text.clone()),
        ParameterValue::Env(name) => secret(name, "its value", secrets),
    }
}

fn source(parameter: &Parameter) -> String {
    match &parameter.value {
        ParameterValue::Text(_) => parameter.name.clone(),
        ParameterValue::Env(name) => name.clone(),
    }
}

/// Reads the client and the user of a token endpoint.
fn login(oauth: &OAuth, secrets: &mut Secrets) -> Result<Login, TokenError> {
    let mut login = Login::default();
    if let Some(client) = &oauth.client {
        let id = variable(&client.id_env, "the id of the client")?;
        let secret = secret(&client.secret_env, "the secret of the client", secrets)?;
        login.client = Some((id, secret));
    }
    if let Grant::Password {
        username_env,
        password_env,
    } = &oauth.grant
    {
        let user = variable(username_env, "the name of the user")?;
        login.user = Some((user, secret(password_env, "the password", secrets)?));
    }
    Ok(login)
}

fn secret(name: &str, content: &'static str, secrets: &mut Secrets) -> Result<String, TokenError> {
    let text = variable(name, content)?;
    secrets.add(&text);
    Ok(text)
}

/// Reads an environment variable without surrounding spaces. An empty one is an error.
fn variable(name: &str, content: &'static str) -> Result<String, TokenError> {
    match env::var(name) {
        Ok(text) if text.trim().is_empty() => Err(TokenError::Unusable(name.to_owned())),
        Ok(text) => Ok(text.trim().to_owned()),
        Err(env::VarError::NotPresent) => Err(TokenError::Unset {
            variable: name.to_owned(),
            content,
        }),
        Err(env::VarError::NotUnicode(_)) => Err(TokenError::Unusable(name.to_owned())),
    }
}
