//! The two servers: one with the records, one with the photos.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant, SystemTime};

use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;

use super::assets;
use super::control;
use super::faults::{Fault, Host, RetryAfter};
use super::flow::{Busy, Flow, Part};
use super::page::{self, Answer};
use super::query::decode;
use super::reply::Reply;
use super::shared::{Request, Shared};

/// Where the service begins.
pub const ROOT: &str = "/reso/odata";

/// Bodies of the control requests at most.
const CONTROL_BYTES: usize = 4 << 20;

/// How long a stalled answer stays silent before it gives up.
const STALL: Duration = Duration::from_secs(120);

/// What a body that drips waits after each byte.
const DRIP: Duration = Duration::from_millis(333);

/// Answers a request to the service.
pub async fn feed(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    if request.uri().path().starts_with("/simulator/") {
        return control_request(&shared, request).await;
    }
    serve(shared, Host::Feed, request, |shared, asked| {
        let mut headers = Vec::new();
        let limits = shared.market().behaviour.limits;
        if let Some(reading) = shared.meter().count(limits, Instant::now()) {
            let reset = shared.now().timestamp() + reading.reset_seconds as i64;
            headers.push(("x-ratelimit-limit", reading.limit.to_string()));
            headers.push(("x-ratelimit-remaining", reading.remaining.to_string()));
            headers.push(("x-ratelimit-reset", reset.to_string()));
            if reading.is_over {
                headers.push(("x-ratelimit-retryafter", reading.reset_seconds.to_string()));
                headers.push(("retry-after", reading.reset_seconds.to_string()));
                let mut reply = Reply::from(Answer::error(429, "Rate limit exceeded"));
                reply.headers.extend(headers);
                return reply;
            }
        }
        let mut reply = Reply::from(answer(shared, asked));
        reply.headers.extend(headers);
        reply
    })
    .await
}

/// Answers a request to the asset host.
pub async fn asset(State(shared): State<Arc<Shared>>, request: HttpRequest) -> Response {
    serve(shared, Host::Assets, request, |shared, asked| {
        assets::answer(shared, &asked.path, &asked.headers)
    })
    .await
}

/// A request as far as it matters.
struct Asked {
    method: String,
    path: String,
    raw_query: String,
    query: String,
    headers: HeaderMap,
}

fn answer(shared: &Shared, asked: &Asked) -> Answer {
    let expected = format!("Bearer {}", shared.options.token);
    let is_allowed = asked
        .headers
        .get(header::AUTHORIZATION)
        .is_some_and(|given| given.as_bytes() == expected.as_bytes());
    if !is_allowed {
        return Answer::error(401, "Access is denied: the token is missing or not valid");
    }
    if asked.method != "GET" {
        return Answer::error(405, "The service is for reading only");
    }
    match asked.path.strip_prefix(ROOT) {
        Some(path) if path.is_empty() || path.starts_with('/') => {
            let market = shared.market();
            page::answer(
                &market,
                shared.options.page_size,
                &shared.base_url,
                path,
                &asked.raw_query,
            )
        }
        _ => Answer::error(404, "There is nothing here"),
    }
}

async fn serve(
    shared: Arc<Shared>,
    host: Host,
    request: HttpRequest,
    reply: impl FnOnce(&Shared, &Asked) -> Reply,
) -> Response {
    let tally = shared.tally(host);
    let (busy, now_busy) = Busy::begin(&tally.busy);
    tally.most_busy.fetch_max(now_busy, Ordering::SeqCst);
    let (head, _) = request.into_parts();
    let raw_query = head.uri.query().unwrap_or_default().to_owned();
    let asked = Asked {
        method: head.method.to_string(),
        path: decode(head.uri.path()).unwrap_or_else(|| head.uri.path().to_owned()),
        query: decode(&raw_query).unwrap_or_else(|| raw_query.clone()),
        raw_query,
        headers: head.headers,
    };
    let fault = shared
        .faults()
        .next(host, &format!("{}?{}", asked.path, asked.query));
    let latency = match host {
        Host::Feed => Duration::from_millis(shared.market().behaviour.latency_ms),
        Host::Assets => Duration::ZERO,
    };
    let latency = if let Some(Fault::Delay(by)) = fault {
        latency + by
    } else {
        latency
    };
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let reply = match fault.as_ref().and_then(|fault| instead(&shared, fault)) {
        Some(reply) => reply,
        None => reply(&shared, &asked),
    };
    let had_authorization = asked.headers.contains_key(header::AUTHORIZATION);
    shared.record(Request {
        host,
        method: asked.method,
        path: asked.path,
        query: asked.query,
        status: reply.status,
        had_authorization,
        at: shared.now(),
    });
    tally
        .bytes
        .fetch_add(reply.body.len() as u64, Ordering::SeqCst);
    send(&shared, reply, fault, busy)
}

/// What a fault answers in place of the true answer; none where it only harms that.
fn instead(shared: &Shared, fault: &Fault) -> Option<Reply> {
    let with = |reply: Reply, name, value: String| {
        let mut reply = reply;
        reply.headers.push((name, value));
        reply
    };
    Some(match fault {
        Fault::Status(status) => Reply::from(Answer::error(*status, "This was asked to fail")),
        Fault::TooMany { retry_after } => {
            let reply = Reply::from(Answer::error(429, "Rate limit exceeded"));
            match retry_after {
                RetryAfter::None => reply,
                RetryAfter::Seconds(seconds) => with(reply, "retry-after", seconds.to_string()),
                RetryAfter::Date(seconds) => {
                    let at = SystemTime::from(shared.now()) + Duration::from_secs(*seconds);
                    with(reply, "retry-after", httpdate::fmt_http_date(at))
                }
                RetryAfter::XHeader(seconds) => {
                    with(reply, "x-ratelimit-retryafter", seconds.to_string())
                }
            }
        }
        Fault::HtmlOk => {
            let body =
                b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>".to_vec();
            Reply {
                status: 200,
                headers: vec![("content-type", "text/html".to_owned())],
                body,
            }
        }
        Fault::PdfOk => Reply {
            status: 200,
            headers: vec![("content-type", "application/pdf".to_owned())],
            body: b"%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\n".to_vec(),
        },
        Fault::EmptyOk => Reply {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        },
        Fault::RedirectTo(url) => Reply {
            status: 302,
            headers: vec![("location", url.clone())],
            body: Vec::new(),
        },
        _ => return None,
    })
}

/// Sends a reply with the harm that a fault does to it.
fn send(shared: &Shared, mut reply: Reply, fault: Option<Fault>, busy: Busy) -> Response {
    let mut date = SystemTime::from(shared.now());
    let mut length = None;
    let mut parts = Vec::with_capacity(3);
    match fault {
        Some(Fault::DateHeader(at)) => date = at.into(),
        Some(Fault::WrongContentType) => {
            reply.headers.retain(|(name, _)| *name != "content-type");
            reply
                .headers
                .push(("content-type", "text/plain".to_owned()));
        }
        Some(Fault::HalfDocument) => reply.body.truncate(reply.body.len() / 2),
        Some(Fault::ForeignNextLink(url)) => replace_next_link(&mut reply.body, &url),
        Some(Fault::Oversized(spaces)) => {
            // After the first byte of a JSON document, spaces mean nothing.
            let rest = reply.body.split_off(reply.body.len().min(1));
            parts.push(Part::Bytes(Bytes::from(std::mem::replace(
                &mut reply.body,
                rest,
            ))));
            parts.push(Part::Spaces(spaces));
        }
        Some(Fault::Drip) => {
            for byte in std::mem::take(&mut reply.body) {
                parts.push(Part::Bytes(Bytes::from(vec![byte])));
                parts.push(Part::Wait(DRIP));
            }
        }
        Some(fault @ (Fault::CutBody | Fault::Stall | Fault::Reset)) => {
            length = Some(reply.body.len());
            reply.body.truncate(reply.body.len() / 2);
            if fault != Fault::Reset {
                // The half must be on its way before the connection ends.
                let wait = if fault == Fault::Stall {
                    STALL
                } else {
                    Duration::from_millis(5)
                };
                parts.push(Part::Bytes(Bytes::from(std::mem::take(&mut reply.body))));
                parts.push(Part::Wait(wait));
            }
            reply.body.clear();
            parts.push(Part::Break);
        }
        _ => {}
    }
    parts.push(Part::Bytes(Bytes::from(reply.body)));
    let mut response = Response::new(Body::new(Flow::new(parts, busy)));
    *response.status_mut() = axum::http::StatusCode::from_u16(reply.status).unwrap_or_default();
    let headers = response.headers_mut();
    put(headers, "date", &httpdate::fmt_http_date(date));
    for (name, value) in &reply.headers {
        put(headers, name, value);
    }
    if let Some(length) = length {
        put(headers, "content-length", &length.to_string());
    }
    response
}

fn put(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Puts another next link into a page, or adds one.
fn replace_next_link(body: &mut Vec<u8>, url: &str) {
    if let Ok(serde_json::Value::Object(mut page)) = serde_json::from_slice(body) {
        page.insert("@odata.nextLink".to_owned(), url.into());
        *body = serde_json::Value::Object(page).to_string().into_bytes();
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
    *response.status_mut() = axum::http::StatusCode::from_u16(status).unwrap_or_default();
    put(response.headers_mut(), "content-type", "application/json");
    response
}
