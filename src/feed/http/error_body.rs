//! What the body of an error says, beyond its status.

use reqwest::StatusCode;
use reqwest::header::{CONTENT_TYPE, HeaderMap, SERVER};
use serde_json::Value as Json;

use super::headers::header;

/// Codes of Spark that mean that the same request succeeds later.
/// Source: sparkplatform.com, error codes.
const LATER: [&str; 5] = ["1023", "1024", "1510", "1515", "1516"];

/// What an error means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Only what its status means.
    OfStatus,
    /// The same request succeeds later.
    Later,
    /// A proxy in front of the feed blocked the request. The credentials were not checked.
    Blocked,
    /// The account has no licence for the resource.
    NotLicensed,
}

/// Returns the meaning of an error, and the server's message as it is. A body that is not
/// JSON has no message.
pub fn read_error(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> (Meaning, String) {
    let json: Json = serde_json::from_slice(body).unwrap_or_default();
    // OData, Spark's own envelope, and a bare object.
    let error = [&json["error"], &json["D"], &json]
        .into_iter()
        .find(|part| part.is_object())
        .unwrap_or(&Json::Null);
    let field = |names: [&str; 2]| names.into_iter().find_map(|name| error.get(name));
    let message = field(["message", "Message"]).and_then(Json::as_str);
    let message = message.unwrap_or_default().to_owned();
    let code = match field(["code", "Code"]) {
        Some(Json::String(text)) => text.clone(),
        Some(number) => number.to_string(),
        None => String::new(),
    };
    let meaning = match status.as_u16() {
        _ if LATER.contains(&code.as_str()) => Meaning::Later,
        403 if json.is_null() && is_page_of_proxy(headers) => Meaning::Blocked,
        404 if message.to_ascii_lowercase().contains("licens") => Meaning::NotLicensed,
        _ => Meaning::OfStatus,
    };
    (meaning, message)
}

/// Returns whether an answer is a web page of a content delivery network, and not the feed's.
fn is_page_of_proxy(headers: &HeaderMap) -> bool {
    let kind = header(headers, CONTENT_TYPE.as_str()).unwrap_or_default();
    let server = header(headers, SERVER.as_str()).unwrap_or_default();
    let is_known = ["cloudflare", "akamai", "cloudfront"]
        .iter()
        .any(|name| server.to_ascii_lowercase().contains(name));
    kind.to_ascii_lowercase().starts_with("text/html") || is_known
}
