//! Requests tokens from an OAuth 2.0 token endpoint (RFC 6749).

use std::sync::Mutex;
use std::time::Duration;

use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap};
use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use serde_json::Value as Json;
use url::{Url, form_urlencoded};

use super::budget::Turn;
use super::error::FeedError;
use super::failure::{Failure, network_problem};
use super::headers::{asked_pause, number};
use super::limits::{http_builder, locked};
use super::secrets::Secrets;
use super::token::Token;
use crate::config::{ClientAuth, OAuth};

/// The largest answer of a token endpoint that is accepted.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// The client and the user, each with the secret.
#[derive(Default)]
pub struct Login {
    /// The id and the secret of the client.
    pub client: Option<(String, String)>,
    /// The name and the password of the user, for the password grant.
    pub user: Option<(String, String)>,
}

/// A token endpoint, and what to send there.
pub struct TokenEndpoint {
    url: Url,
    client_auth: ClientAuth,
    scope: Option<String>,
    login: Login,
    /// The refresh token of the last answer, for the password grant.
    refresh_token: Mutex<Option<String>>,
}

/// A new token, and for how long it is valid if the server says so.
pub struct IssuedToken {
    pub token: Token,
    pub valid_for: Option<Duration>,
}

/// How one request to a token endpoint failed.
enum Problem {
    /// The endpoint refused the client, the user or the refresh token.
    Refused(String),
    Other(Failure),
}

impl TokenEndpoint {
    /// Returns the endpoint with the secrets that it needs. Sends no request.
    pub fn new(settings: &OAuth, login: Login) -> TokenEndpoint {
        TokenEndpoint {
            url: settings.token_url.clone(),
            client_auth: settings.client_auth,
            scope: settings.scope.clone(),
            login,
            refresh_token: Mutex::new(None),
        }
    }

    /// Returns the address, and the names of the client and of the user.
    pub fn account(&self) -> [String; 3] {
        let name = |login: &Option<(String, String)>| login.clone().unwrap_or_default().0;
        let Login { client, user } = &self.login;
        [self.url.to_string(), name(client), name(user)]
    }

    /// Requests a token: with the refresh token if there is one, else with the password or
    /// as the client alone. A refused refresh token is not used again.
    pub async fn issue(&self, via: &TokenRequests, turn: Turn<'_>) -> Result<IssuedToken, Failure> {
        let refresh_token = locked(&self.refresh_token).take();
        if let Some(refresh_token) = refresh_token {
            let grant = [
                ("grant_type", "refresh_token"),
                ("refresh_token", &refresh_token),
            ];
            match self.request(via, turn, &grant).await {
                Ok(issued) => {
                    // A server that sends no other one means that this one stays valid.
                    locked(&self.refresh_token).get_or_insert(refresh_token);
                    return Ok(issued);
                }
                Err(Problem::Refused(message)) => {
                    tracing::debug!("the refresh token is refused: {message}");
                }
                Err(Problem::Other(failure)) => {
                    *locked(&self.refresh_token) = Some(refresh_token);
                    return Err(failure);
                }
            }
        }

        let issued = match &self.login.user {
            Some((user, password)) => {
                let grant = [
                    ("grant_type", "password"),
                    ("username", user),
                    ("password", password),
                ];
                self.request(via, turn, &grant).await
            }
            None => {
                let grant = [("grant_type", "client_credentials")];
                self.request(via, turn, &grant).await
            }
        };
        issued.map_err(|problem| match problem {
            Problem::Refused(message) => Failure::refused_credentials(message),
            Problem::Other(failure) => failure,
        })
    }

    async fn request(
        &self,
        via: &TokenRequests,
        turn: Turn<'_>,
        grant: &[(&str, &str)],
    ) -> Result<IssuedToken, Problem> {
        // A service may count them together with the requests to the feed.
        let waited = turn.wait().await;
        waited.map_err(|error| Problem::Other(error.into()))?;
        let mut request = via.client()?.post(self.url.clone());
        if via.feed.origin() == self.url.origin() {
            request = request.headers(via.headers.clone());
        }
        if let (Some((id, secret)), ClientAuth::Basic) = (&self.login.client, self.client_auth) {
            // RFC 6749, 2.3.1, encodes both before HTTP Basic does.
            let [id, secret] = [id, secret]
                .map(|text| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>());
            request = request.basic_auth(id, Some(secret));
        }
        tracing::debug!(url = self.url.as_str(), "POST");
        let response = request
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(self.form(grant))
            .send()
            .await
            .map_err(of_network)?;
        let status = response.status();
        let pause = asked_pause(response.headers(), None);
        let answer = read(response).await?;
        self.take(via, status, &answer)
            .map_err(|problem| with_pause(problem, pause))
    }

    /// Returns the form of a request, encoded.
    fn form(&self, grant: &[(&str, &str)]) -> String {
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(grant);
        form.extend_pairs(self.scope.as_ref().map(|scope| ("scope", scope)));
        if let (Some((id, secret)), ClientAuth::Body) = (&self.login.client, self.client_auth) {
            form.append_pair("client_id", id);
            form.append_pair("client_secret", secret);
        }
        form.finish()
    }

    /// Takes the token out of an answer. Some servers send an error with the status 200.
    fn take(
        &self,
        via: &TokenRequests,
        status: StatusCode,
        answer: &Json,
    ) -> Result<IssuedToken, Problem> {
        let found = answer["access_token"].as_str();
        let Some(text) = found.filter(|_| status.is_success()) else {
            return Err(self.problem(via, status, answer));
        };
        let token = Token::checked(text, "access_token")
            .map_err(|error| Problem::Other(Failure::temporary(at_endpoint(&error.to_string()))))?;
        if let Some(refresh_token) = answer["refresh_token"].as_str()
            && self.login.user.is_some()
        {
            *locked(&self.refresh_token) = Some(refresh_token.to_owned());
        }
        let seconds = match &answer["expires_in"] {
            Json::String(text) => number(text),
            other => other.as_f64(),
        };
        let valid_for = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        Ok(IssuedToken { token, valid_for })
    }

    /// Classifies an answer without a token.
    fn problem(&self, via: &TokenRequests, status: StatusCode, answer: &Json) -> Problem {
        let code = answer["error"].as_str();
        let description = answer["error_description"].as_str();
        let said: Vec<&str> = code.into_iter().chain(description).collect();
        let message = match said.as_slice() {
            [] => at_endpoint(&format!("the answer is {status}")),
            said => at_endpoint(&self.redact(via, &said.join(", "))),
        };
        let is_later = matches!(code, Some("temporarily_unavailable" | "server_error"));
        match status.as_u16() {
            _ if is_later => Problem::Other(Failure::temporary(message)),
            408 | 429 | 500.. => Problem::Other(Failure::temporary(message)),
            _ if code.is_some() => Problem::Refused(message),
            400 | 401 | 403 => Problem::Refused(message),
            200..=299 => Problem::Other(Failure::temporary(at_endpoint(
                "the answer has no access_token",
            ))),
            status => Problem::Other(Failure::Final(FeedError::Refused { status, message })),
        }
    }

    fn redact(&self, via: &TokenRequests, text: &str) -> String {
        let mut secrets = via.secrets.clone();
        if let Some(refresh_token) = &*locked(&self.refresh_token) {
            secrets.add(refresh_token);
        }
        one_line(&secrets.redact(text))
    }
}

/// How requests to a token endpoint are sent.
pub struct TokenRequests {
    /// The root of the feed.
    pub feed: Url,
    /// The headers for the feed's origin.
    pub headers: HeaderMap,
    /// The secrets that no message repeats.
    pub secrets: Secrets,
    /// The longest wait for a connection or for a part of the answer, if there is a limit.
    pub timeout: Option<Duration>,
}

impl TokenRequests {
    /// Returns a client of its own, since tokens are rarely asked for. A redirect is not
    /// followed: another host must not receive the secrets.
    fn client(&self) -> Result<reqwest::Client, Problem> {
        let http = http_builder(self.timeout).redirect(Policy::none()).build();
        http.map_err(of_network)
    }
}

/// Reads the JSON of an answer. Another answer is null.
async fn read(mut response: Response) -> Result<Json, Problem> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(of_network)? {
        body.extend_from_slice(&chunk);
        if body.len() > ANSWER_LIMIT_BYTES {
            return Err(Problem::Other(Failure::temporary(at_endpoint(
                "the answer is too large",
            ))));
        }
    }
    Ok(serde_json::from_slice(&body).unwrap_or_default())
}

fn of_network(error: reqwest::Error) -> Problem {
    let problem = network_problem(&error, "cannot connect; check it and the network");
    Problem::Other(Failure::temporary(at_endpoint(&problem)))
}

fn with_pause(problem: Problem, asked: Option<Duration>) -> Problem {
    match problem {
        Problem::Other(Failure::Temporary {
            problem,
            status,
            pause,
        }) => Problem::Other(Failure::Temporary {
            problem,
            status,
            pause: pause.or(asked),
        }),
        other => other,
    }
}

fn at_endpoint(problem: &str) -> String {
    format!("feed.oauth.token_url: {problem}")
}

/// The longest message of a server that is shown, in characters.
const MESSAGE_LIMIT: usize = 300;

/// Returns a message of a server as one line, cut to [`MESSAGE_LIMIT`]. Secrets must be
/// removed before, because part of a secret is a leak too.
pub fn one_line(message: &str) -> String {
    let line: String = message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(MESSAGE_LIMIT)
        .collect();
    line.trim().to_owned()
}
