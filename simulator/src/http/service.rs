//! The two servers: one for records, one for photos.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::StatusCode;
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use chrono::Utc;

use super::faults::{Fault, Host};
use super::flow::{Busy, Flow};
use super::harm::{Outgoing, outgoing, replacement};
use super::reply::Reply;
use super::shared::{Request, Shared};
use super::{assets, control, error_body, quota, wire};
use crate::behaviour::{Behaviour, Counts};
use crate::odata::{self, Answer, Asked, decode};

/// The path of the service's root.
pub const ROOT: &str = "/reso/odata";

/// The maximum size of a control request's body.
const CONTROL_BYTES: usize = 4 << 20;

/// Answers a request to the service.
pub async fn feed(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    if request.uri().path().starts_with("/simulator/") {
        return control_request(&shared, request).await;
    }
    serve(shared, Host::Feed, request, |shared, received| {
        within_limits(shared, Host::Feed, || sound(shared, received))
    })
    .await
}

/// Answers a request to the asset host.
pub async fn asset(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    serve(shared, Host::Assets, request, |shared, received| {
        within_limits(shared, Host::Assets, || {
            assets::answer(shared, &received.path, &received.query, &received.headers)
        })
    })
    .await
}

/// The parts of a request that matter for its response.
struct Received {
    method: String,
    path: String,
    raw_query: String,
    query: String,
    headers: HeaderMap,
}

impl Received {
    fn new(request: HttpRequest) -> Received {
        let (head, _) = request.into_parts();
        let raw_query = head.uri.query().unwrap_or_default().to_owned();
        Received {
            method: head.method.to_string(),
            path: decode(head.uri.path()).unwrap_or_else(|| head.uri.path().to_owned()),
            query: decode(&raw_query).unwrap_or_else(|| raw_query.clone()),
            raw_query,
            headers: head.headers,
        }
    }
}

/// Answers a request to a host, or refuses it if a rate limit is reached.
fn within_limits(shared: &Shared, host: Host, answer: impl FnOnce() -> Reply) -> Reply {
    let (limits, meter) = {
        let server = &shared.market().behaviour;
        match host {
            Host::Assets if !server.photos_share_limits => (server.photo_limits.clone(), host),
            _ => (server.limits.clone(), Host::Feed),
        }
    };
    if limits.is_empty() {
        return answer();
    }

    let now = Utc::now().timestamp_millis() as u64;
    let (is_over, readings) = shared.meter(meter).count(&limits, now);
    let mut reply = if is_over {
        Reply::from(Answer::error(429, "Rate limit exceeded"))
    } else {
        answer()
    };
    let bytes = reply.body.len() as u64;
    shared.meter(meter).add(Counts::Bytes, bytes);
    for reading in &readings {
        quota::report(&mut reply, reading, shared.now());
    }
    reply
}

/// Returns the reply of the service to a request within its limits.
fn sound(shared: &Shared, received: &Received) -> Reply {
    let takes_gzip = received
        .headers
        .get(header::ACCEPT_ENCODING)
        .is_some_and(|accepted| accepted.to_str().is_ok_and(|text| text.contains("gzip")));
    let needs_gzip = shared.market().behaviour.has(Behaviour::GzipRequired);
    let mut reply = Reply::from(if needs_gzip && !takes_gzip {
        Answer::error(400, "COMPRESSION REQUIRED")
    } else {
        answer(shared, received)
    });
    wire::alter(&shared.market().behaviour, takes_gzip, &mut reply);
    reply
}

fn answer(shared: &Shared, received: &Received) -> Answer {
    let changed = shared.market().behaviour.token.clone();
    let token = changed.as_ref().unwrap_or(&shared.options.token);
    let expected = format!("Bearer {token}");
    let is_allowed = received
        .headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == expected.as_bytes());
    if !is_allowed {
        return Answer::error(401, "Access is denied: the token is missing or invalid");
    }
    if received.method != "GET" {
        return Answer::error(405, "The service is read-only");
    }
    match received.path.strip_prefix(ROOT) {
        Some(path) if path.is_empty() || path.starts_with('/') => {
            let market = shared.market();
            let (earlier, number) = shared.turn(&market.behaviour, path, &received.raw_query);
            let older = shared.replicas().stale(&market.behaviour);
            let asked = Asked {
                page_size: shared.options.page_size,
                root: &shared.base_url,
                path,
                raw_query: &received.raw_query,
                now: shared.now().timestamp(),
                earlier,
                number,
                older: older.as_deref(),
            };
            odata::answer(&market, &asked)
        }
        _ => Answer::error(404, "There is nothing at this path"),
    }
}

/// Answers and logs a request, with the damage of the next fault that matches it.
async fn serve(
    shared: Arc<Shared>,
    host: Host,
    request: HttpRequest,
    reply: impl FnOnce(&Shared, &Received) -> Reply,
) -> Response {
    let tally = shared.tally(host);
    let (busy, now_busy) = Busy::begin(&tally.busy);
    tally.most_busy.fetch_max(now_busy, Ordering::SeqCst);
    let received = Received::new(request);
    let fault = shared
        .faults()
        .next(host, &format!("{}?{}", received.path, received.query));

    let latency = latency(&shared, host, &received.query, fault.as_ref());
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }

    let mut reply = fault
        .as_ref()
        .and_then(|fault| replacement(fault, shared.now()))
        .unwrap_or_else(|| reply(&shared, &received));
    if host == Host::Feed {
        let form = shared.market().behaviour.errors;
        error_body::rewrite(form, &mut reply);
    }
    tally
        .bytes
        .fetch_add(reply.body.len() as u64, Ordering::SeqCst);
    shared.record(Request {
        host,
        user_agent: user_agent(&received.headers),
        had_authorization: received.headers.contains_key(header::AUTHORIZATION),
        method: received.method,
        path: received.path,
        query: received.query,
        status: reply.status,
        at: shared.now(),
    });
    send(outgoing(reply, fault, shared.now()), busy)
}

fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT);
    let text = agent.and_then(|agent| agent.to_str().ok());
    text.unwrap_or_default().to_owned()
}

fn latency(shared: &Shared, host: Host, query: &str, fault: Option<&Fault>) -> Duration {
    let behaviour = &shared.market().behaviour;
    let usual_ms = match host {
        Host::Feed if query.contains("$expand") => {
            behaviour.latency_ms.max(behaviour.expand_latency_ms)
        }
        Host::Feed => behaviour.latency_ms,
        Host::Assets => 0,
    };
    let usual = Duration::from_millis(usual_ms);
    match fault {
        Some(Fault::Delay(by)) => usual + *by,
        _ => usual,
    }
}

fn send(outgoing: Outgoing, busy: Busy) -> Response {
    let mut response = Response::new(Body::new(Flow::new(outgoing.parts, busy)));
    *response.status_mut() = StatusCode::from_u16(outgoing.status).unwrap_or_default();
    for (name, value) in &outgoing.headers {
        put(response.headers_mut(), name, value);
    }
    response
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

async fn control_request(shared: &Arc<Shared>, request: HttpRequest) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, CONTROL_BYTES)
        .await
        .unwrap_or_default();
    let query = head.uri.query().unwrap_or_default();
    let (status, json) =
        control::answer(shared, head.method.as_str(), head.uri.path(), query, &body);
    let mut response = Response::new(Body::from(json.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or_default();
    put(response.headers_mut(), "content-type", "application/json");
    response
}
