//! Whether the server accepts `$count=true`.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use url::Url;

use super::error::FeedError;

/// The parameter that asks for a count.
const COUNT: &str = "$count=true";

/// What requests with `$count=true` have shown.
#[derive(Debug, Default)]
pub struct Counting {
    is_refused: AtomicBool,
    /// Whether the server has answered a request without a filter, and one with a filter.
    has_answered: [AtomicBool; 2],
}

impl Counting {
    /// Returns whether the server refuses to count.
    pub fn is_refused(&self) -> bool {
        self.is_refused.load(Relaxed)
    }

    /// Sets whether the server refuses to count.
    pub fn set_refused(&self, is_refused: bool) {
        self.is_refused.store(is_refused, Relaxed);
    }

    /// Notes that the server has answered a request.
    pub fn note_answer(&self, url: &Url) {
        if without_count(url).is_some() {
            self.answered(url).store(true, Relaxed);
        }
    }

    /// Returns the same request without a count, if its error may be due to the count.
    pub fn other_request(&self, url: &Url, error: &FeedError) -> Option<Url> {
        let may_be_due = may_be_due(error) && !self.answered(url).load(Relaxed);
        without_count(url).filter(|_| may_be_due)
    }

    /// Notes the error of the same request with its count again, after it has worked without one.
    pub fn note_error(&self, error: &FeedError) {
        if may_be_due(error) {
            tracing::warn!(%error, "the feed refuses $count; requests do not ask for counts any more");
            self.set_refused(true);
        }
    }

    fn answered(&self, url: &Url) -> &AtomicBool {
        let has_filter = url.query().is_some_and(|query| query.contains("$filter="));
        &self.has_answered[usize::from(has_filter)]
    }
}

/// Returns whether an error may be due to the count. PrimeMLS answers 500 to `$count`.
fn may_be_due(error: &FeedError) -> bool {
    match error {
        FeedError::Refused { status, .. } => matches!(status, 400 | 501),
        FeedError::Unavailable { status, .. } => *status == Some(500),
        _ => false,
    }
}

/// Returns a request without its `$count=true`, if it has that. The rest stays as it is, because
/// an encoded position must not change.
pub fn without_count(url: &Url) -> Option<Url> {
    let query = url.query()?;
    let kept: Vec<&str> = query.split('&').filter(|part| *part != COUNT).collect();
    let kept = kept.join("&");
    let mut plain = url.clone();
    plain.set_query(
        Some(&kept)
            .filter(|kept| !kept.is_empty())
            .map(|kept| kept.as_str()),
    );
    (kept.len() < query.len()).then_some(plain)
}
