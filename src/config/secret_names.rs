//! Names of keys and parameters that hold secrets.

/// The names, in lower case and without `_`, `-` and `.`.
const SECRETS: [&str; 17] = [
    "token",
    "bearer",
    "bearertoken",
    "accesstoken",
    "refreshtoken",
    "authtoken",
    "idtoken",
    "jwt",
    "apikey",
    "xapikey",
    "subscriptionkey",
    "ocpapimsubscriptionkey",
    "authorization",
    "password",
    "secret",
    "clientsecret",
    "apisecret",
];

/// Returns whether a key, a header or a query parameter of this name probably holds a
/// secret.
pub fn is_secret_name(name: &str) -> bool {
    let plain: String = name
        .chars()
        .filter(|c| !matches!(c, '_' | '-' | '.'))
        .map(|c| c.to_ascii_lowercase())
        .collect();
    SECRETS.contains(&plain.as_str())
}
