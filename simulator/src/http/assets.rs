//! The photo host.

use std::time::SystemTime;

use axum::http::header::{AUTHORIZATION, USER_AGENT};
use axum::http::{HeaderMap, HeaderValue};
use chrono::DateTime;

use super::photo_file::{fingerprint, render};
use super::reply::Reply;
use super::shared::Shared;
use crate::behaviour::Behaviour;
use crate::fields::Set;
use crate::fields::Value;
use crate::market::Market;
use crate::market::Row;

/// Answers a request for a photo: `/photos/SIZE/KEY`.
pub fn answer(shared: &Shared, path: &str, query: &str, headers: &HeaderMap) -> Reply {
    if refuses(shared, path, query, headers) {
        return plain(403, "this URL does not work");
    }
    let key = path
        .strip_prefix("/photos/")
        .and_then(|path| path.split_once('/'))
        .map(|(_, key)| key);
    let found = key.and_then(|key| Some((key, photo(shared, key)?)));
    let Some((key, (version, changed))) = found else {
        return plain(404, "no such photo");
    };
    let tag = format!("\"{:016x}\"", fingerprint(key, version));
    let validators = vec![
        ("etag", tag.clone()),
        ("last-modified", httpdate::fmt_http_date(changed)),
    ];
    if is_known(headers, &tag, changed) {
        return Reply::new(304, validators, b"");
    }
    match render(key, version, shared.options.photo_bytes) {
        Ok(body) => {
            let mut headers = validators;
            headers.push(("content-type", "image/jpeg".to_owned()));
            Reply::new(200, headers, body)
        }
        Err(error) => plain(500, &format!("{error:#}")),
    }
}

/// Returns whether the host refuses a request, as the behaviours demand.
fn refuses(shared: &Shared, path: &str, query: &str, headers: &HeaderMap) -> bool {
    let market = shared.market();
    let has = |behaviour| market.behaviour.has(behaviour);
    let header = |name| headers.get(name).map(HeaderValue::as_bytes);
    let token = &shared.options.token;
    let bearer = format!("Bearer {token}");
    let lacks_agent = header(USER_AGENT) != Some(token.as_bytes());
    (has(Behaviour::PhotosNeedUserAgent) && (lacks_agent || header(AUTHORIZATION).is_some()))
        || (has(Behaviour::PhotosNeedBearer) && header(AUTHORIZATION) != Some(bearer.as_bytes()))
        || (has(Behaviour::PhotoUrlsWorkOnce) && shared.turn(&market.behaviour, path, query).0 > 0)
}

/// Returns the version of an existing photo and the time of its last change.
pub fn photo(shared: &Shared, key: &str) -> Option<(u32, SystemTime)> {
    find(&shared.market(), key)
}

fn find(market: &Market, key: &str) -> Option<(u32, SystemTime)> {
    let id = market
        .id(Set::Media, key)
        .filter(|&id| market.exists(Set::Media, id))?;
    let version = market
        .overlay(Set::Media, id)
        .map_or(0, |overlay| overlay.version);
    let changed = match Row::new(market, Set::Media, id).named("MediaModificationTimestamp") {
        Value::Timestamp(ms) => DateTime::from_timestamp_millis(ms).unwrap_or_default(),
        _ => DateTime::default(),
    };
    Some((version, changed.into()))
}

/// Whether the client already has this version. A tag takes precedence over a date.
fn is_known(headers: &HeaderMap, tag: &str, changed: SystemTime) -> bool {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match (header("if-none-match"), header("if-modified-since")) {
        (Some(tags), _) => tags
            .split(',')
            .any(|known| known.trim() == tag || known.trim() == "*"),
        (None, Some(date)) => httpdate::parse_http_date(date).is_ok_and(|date| changed <= date),
        (None, None) => false,
    }
}

fn plain(status: u16, text: &str) -> Reply {
    let content_type = ("content-type", "text/plain".to_owned());
    Reply::new(status, vec![content_type], text.as_bytes())
}
