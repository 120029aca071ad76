//! Parses `[feed.oauth]`. Its errors never show a value that could be a secret.

use url::Url;

use super::fields::{Result, variable};
use crate::config::loopback::is_loopback;
use crate::config::profile::{Profile, placeholders};
use crate::config::section_reader::{Section, Value};
use crate::config::token_source::{ClientAuth, ClientCredentials, Grant, OAuth};

const GRANTS: [&str; 2] = ["client_credentials", "password"];

/// Parses `[feed.oauth]`. The profile may have defaults.
pub(super) fn oauth_section(section: Section<'_>, profile: &Profile) -> Result<OAuth> {
    let grant = grant(section, profile)?;
    Ok(OAuth {
        token_url: token_url(section, profile)?,
        client: client(section, profile, &grant)?,
        client_auth: client_auth(section, profile)?,
        scope: scope(section, profile)?,
        grant,
    })
}

fn token_url(section: Section<'_>, profile: &Profile) -> Result<Url> {
    const EXAMPLE: &str = r#"token_url = "https://example.com/oidc/connect/token""#;
    let value = section.value("token_url");
    let default = profile.oauth.as_ref().map(|oauth| oauth.token_url);
    let usable = default.filter(|url| placeholders(url).is_empty());
    let Some(text) = value.map(Value::text).transpose()?.or(usable) else {
        let example = default.map(|url| format!("token_url = {url:?}"));
        let example = example.as_deref().unwrap_or(EXAMPLE);
        return Err(section.fail(format!(
            "[feed.oauth] needs `token_url`, the address that gives tokens: {example}"
        )));
    };
    let fail = |predicate: String| section.fail_at("token_url", predicate);
    if let Some(part) = placeholders(text).first() {
        return Err(fail(format!(
            "still has {part}; replace it with the name that the vendor gave you"
        )));
    }
    let url = Url::parse(text)
        .map_err(|error| fail(format!("is no URL ({error}); such as {EXAMPLE}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(fail(
            "must hold no user and password; see `client_id_env` and `client_secret_env`"
                .to_owned(),
        ));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(fail("must end before any `?` or `#`".to_owned()));
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) => Ok(url),
        _ => Err(fail(
            "must start with https://, because the client's secret is sent there".to_owned(),
        )),
    }
}

fn grant(section: Section<'_>, profile: &Profile) -> Result<Grant> {
    let value = section.value("grant");
    let default = profile.oauth.as_ref().map(|oauth| oauth.grant);
    let name = value.map(Value::any_text).transpose()?.or(default);
    let user = ["username_env", "password_env"].map(|key| section.value(key));
    match (name.unwrap_or(GRANTS[0]), value) {
        ("password", _) => Ok(Grant::Password {
            username_env: variable_or(section, "username_env", profile, "USERNAME")?,
            password_env: variable_or(section, "password_env", profile, "PASSWORD")?,
        }),
        ("client_credentials", _) => match user.into_iter().flatten().next() {
            None => Ok(Grant::ClientCredentials),
            Some(value) => Err(value.fail(r#"belongs to `grant = "password"`"#)),
        },
        (_, Some(value)) => Err(value.must_be(r#""client_credentials" or "password""#)),
        (_, None) => Ok(Grant::ClientCredentials),
    }
}

/// Parses the variables of the client. With the password grant, an empty `client_id_env`
/// says that the server knows no clients.
fn client(
    section: Section<'_>,
    profile: &Profile,
    grant: &Grant,
) -> Result<Option<ClientCredentials>> {
    let id = section.value("client_id_env");
    let is_empty = id.is_some_and(|id| id.any_text().is_ok_and(|text| text.trim().is_empty()));
    if is_empty && *grant != Grant::ClientCredentials {
        return Ok(None);
    }
    Ok(Some(ClientCredentials {
        id_env: variable_or(section, "client_id_env", profile, "CLIENT_ID")?,
        secret_env: variable_or(section, "client_secret_env", profile, "CLIENT_SECRET")?,
    }))
}

fn variable_or(
    section: Section<'_>,
    key: &str,
    profile: &Profile,
    credential: &str,
) -> Result<String> {
    match section.value(key) {
        None => Ok(profile.variable(credential)),
        Some(value) => variable(value, "the value"),
    }
}

fn client_auth(section: Section<'_>, profile: &Profile) -> Result<ClientAuth> {
    let Some(value) = section.value("client_auth") else {
        let is_basic = profile.oauth.as_ref().is_some_and(|oauth| oauth.basic);
        return Ok(if is_basic {
            ClientAuth::Basic
        } else {
            ClientAuth::Body
        });
    };
    match value.any_text()? {
        "body" => Ok(ClientAuth::Body),
        "basic" => Ok(ClientAuth::Basic),
        _ => Err(value.must_be(r#""body" or "basic""#)),
    }
}

fn scope(section: Section<'_>, profile: &Profile) -> Result<Option<String>> {
    let default = profile.oauth.as_ref().and_then(|oauth| oauth.scope);
    let text = section.value("scope").map(Value::any_text).transpose()?;
    let scope = text.or(default).unwrap_or_default().trim();
    Ok((!scope.is_empty()).then(|| scope.to_owned()))
}
