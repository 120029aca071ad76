//! An HTTP response with its headers.

use crate::odata::Answer;

/// A response before faults damage it.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn new(
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: impl Into<Vec<u8>>,
    ) -> Reply {
        Reply {
            status,
            headers,
            body: body.into(),
        }
    }

    /// Sets a header, in place of an earlier value.
    pub fn set(&mut self, name: &'static str, value: String) {
        self.headers.retain(|(known, _)| *known != name);
        self.headers.push((name, value));
    }
}

impl From<Answer> for Reply {
    fn from(answer: Answer) -> Reply {
        let mut headers = vec![
            ("content-type", answer.content_type.to_owned()),
            ("odata-version", "4.0".to_owned()),
        ];
        if let Some(link) = answer.next_link {
            headers.push(("link", format!("<{link}>; rel=\"next\"")));
        }
        Reply {
            status: answer.status,
            headers,
            body: answer.body,
        }
    }
}
