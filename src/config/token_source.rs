//! Where the bearer token comes from.

use url::Url;

/// The source of the bearer token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// The environment variable of this name.
    Env(String),
    /// The standard output of this program. The first item is its name.
    Command(Vec<String>),
    /// An OAuth 2.0 token endpoint.
    OAuth(OAuth),
}

/// An OAuth 2.0 token endpoint, and how to request a token from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OAuth {
    /// The endpoint: https, or http on this machine.
    pub token_url: Url,
    /// The kind of grant.
    pub grant: Grant,
    /// The id and the secret of the client. Some servers with the password grant have none.
    pub client: Option<ClientCredentials>,
    /// How the client identifies itself.
    pub client_auth: ClientAuth,
    /// The requested scope, if any.
    pub scope: Option<String>,
}

impl OAuth {
    /// Returns the names of the environment variables with secrets.
    pub(super) fn secret_variables(&self) -> Vec<&str> {
        let client = self.client.as_ref();
        let mut names: Vec<&str> = client
            .map(|client| &*client.secret_env)
            .into_iter()
            .collect();
        if let Grant::Password { password_env, .. } = &self.grant {
            names.push(password_env);
        }
        names
    }
}

/// The kind of an OAuth 2.0 grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grant {
    /// `grant_type=client_credentials`.
    ClientCredentials,
    /// `grant_type=password`, and `refresh_token` for the tokens after the first.
    Password {
        /// The environment variable with the name of the user.
        username_env: String,
        /// The environment variable with the password.
        password_env: String,
    },
}

/// The environment variables with the id and the secret of a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The variable with the id.
    pub id_env: String,
    /// The variable with the secret.
    pub secret_env: String,
}

/// How a client identifies itself to the token endpoint (RFC 6749, 2.3.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// An `Authorization: Basic` header.
    Basic,
}
