//! The service's responses, as a status and a document.

use super::tokens::BadQuery;
use crate::fields::write_text;

const JSON: &str = "application/json;odata.metadata=minimal;charset=utf-8";

/// A response before it gets its headers.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
    /// The URL of the next page for the `Link` header.
    pub next_link: Option<String>,
}

impl Answer {
    pub fn json(body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            content_type: JSON,
            body,
            next_link: None,
        }
    }

    /// Returns an error in the service's format.
    pub fn error(status: u16, message: &str) -> Answer {
        let mut body = format!("{{\"error\":{{\"code\":\"{status}\",\"message\":").into_bytes();
        write_text(message, &mut body);
        body.extend_from_slice(b"}}");
        Answer {
            status,
            content_type: JSON,
            body,
            next_link: None,
        }
    }
}

impl From<BadQuery> for Answer {
    fn from(bad: BadQuery) -> Answer {
        Answer::error(400, &bad.0)
    }
}
