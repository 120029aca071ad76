//! What is answered over HTTP.

use super::page::Answer;

/// An answer with its headers, before faults are put in.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        let headers = vec![
            ("content-type", answer.content_type.to_owned()),
            ("odata-version", "4.0".to_owned()),
        ];
        Reply {
            status: answer.status,
            headers,
            body: answer.body,
        }
    }
}
