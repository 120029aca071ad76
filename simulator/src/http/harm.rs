//! The effects of faults on responses.

use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};

use super::faults::{Fault, RetryAfter};
use super::flow::Part;
use super::reply::Reply;
use crate::odata::Answer;

/// How long a stalled response stays silent before its connection closes.
const STALL: Duration = Duration::from_secs(120);

/// The pause after each byte of a dripping body.
const DRIP: Duration = Duration::from_millis(333);

/// The pause before a cut: the bytes before it must be sent before the connection closes.
const CUT: Duration = Duration::from_millis(5);

/// Returns the reply that a fault sends instead of the real one, or `None` if the fault
/// damages the real one.
pub fn replacement(fault: &Fault, now: DateTime<Utc>) -> Option<Reply> {
    Some(match fault {
        Fault::Status(status) => Reply::from(Answer::error(*status, "This is a simulated fault")),
        Fault::TooMany { retry_after } => too_many(*retry_after, now),
        Fault::HtmlOk => Reply::new(
            200,
            vec![("content-type", "text/html".to_owned())],
            b"<!DOCTYPE html><html><body><h1>We'll be right back</h1></body></html>",
        ),
        Fault::PdfOk => Reply::new(
            200,
            vec![("content-type", "application/pdf".to_owned())],
            b"%PDF-1.4\n1 0 obj <</Type /Catalog>> endobj\n",
        ),
        Fault::EmptyOk => Reply::new(200, Vec::new(), b""),
        Fault::RedirectTo(url) => Reply::new(302, vec![("location", url.clone())], b""),
        _ => return None,
    })
}

fn too_many(retry_after: RetryAfter, now: DateTime<Utc>) -> Reply {
    let mut reply = Reply::from(Answer::error(429, "Rate limit exceeded"));
    reply.headers.extend(match retry_after {
        RetryAfter::None => None,
        RetryAfter::Seconds(seconds) => Some(("retry-after", seconds.to_string())),
        RetryAfter::Date(seconds) => {
            let at = SystemTime::from(now) + Duration::from_secs(seconds);
            Some(("retry-after", httpdate::fmt_http_date(at)))
        }
        RetryAfter::XHeader(seconds) => Some(("x-ratelimit-retryafter", seconds.to_string())),
    });
    reply
}

/// A response that is ready to be sent.
#[derive(Debug)]
pub struct Outgoing {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub parts: Vec<Part>,
}

/// Turns a reply into a response, with the damage of a fault.
pub fn outgoing(mut reply: Reply, fault: Option<Fault>, now: DateTime<Utc>) -> Outgoing {
    let mut date = now;
    let mut body = std::mem::take(&mut reply.body);
    let parts = match fault {
        Some(Fault::Oversized(spaces)) => oversized(body, spaces),
        Some(Fault::Drip) => body
            .into_iter()
            .flat_map(|byte| [Part::bytes(vec![byte]), Part::Wait(DRIP)])
            .collect(),
        Some(Fault::CutBody) => cut(&mut reply, body, CUT),
        Some(Fault::Stall) => cut(&mut reply, body, STALL),
        Some(Fault::Reset) => {
            reply.set("content-length", body.len().to_string());
            vec![Part::Break]
        }
        Some(Fault::HalfDocument) => {
            body.truncate(body.len() / 2);
            vec![Part::bytes(body)]
        }
        Some(Fault::ForeignNextLink(url)) => vec![Part::bytes(with_next_link(body, &url))],
        Some(Fault::WrongContentType) => {
            reply.set("content-type", "text/plain".to_owned());
            vec![Part::bytes(body)]
        }
        Some(Fault::DateHeader(other)) => {
            date = other;
            vec![Part::bytes(body)]
        }
        _ => vec![Part::bytes(body)],
    };
    if reply.headers.iter().all(|(name, _)| *name != "date") {
        reply.set("date", httpdate::fmt_http_date(date.into()));
    }
    Outgoing {
        status: reply.status,
        headers: reply.headers,
        parts,
    }
}

/// Inserts spaces after the first byte of a JSON document, where they have no meaning.
fn oversized(mut body: Vec<u8>, spaces: u64) -> Vec<Part> {
    let rest = body.split_off(body.len().min(1));
    vec![Part::bytes(body), Part::Spaces(spaces), Part::bytes(rest)]
}

/// Announces the whole body, sends half of it, and closes the connection after a pause.
fn cut(reply: &mut Reply, mut body: Vec<u8>, pause: Duration) -> Vec<Part> {
    reply.set("content-length", body.len().to_string());
    body.truncate(body.len() / 2);
    vec![Part::bytes(body), Part::Wait(pause), Part::Break]
}

/// Sets the next link of a page, if the body is one.
fn with_next_link(body: Vec<u8>, url: &str) -> Vec<u8> {
    let Ok(serde_json::Value::Object(mut page)) = serde_json::from_slice(&body) else {
        return body;
    };
    page.insert("@odata.nextLink".to_owned(), url.into());
    serde_json::Value::Object(page).to_string().into_bytes()
}
