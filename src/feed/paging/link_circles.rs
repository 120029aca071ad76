//! Detects pages that repeat without end.

use std::collections::HashSet;

use crate::feed::http::FeedError;
use crate::feed::odata::Page;
use crate::record::Reject;
use crate::value::Value;

/// A longer row of empty pages is treated as an error of the server.
const EMPTY_MAX: usize = 100;

/// The links that a walk has followed, and its last page.
#[derive(Default)]
pub struct FollowedLinks {
    followed: HashSet<String>,
    empty_pages: usize,
    last_paging: Value,
    last_rejects: Vec<Reject>,
}

impl FollowedLinks {
    /// Records a page and its next link. Returns an error if the page is the same as the one
    /// before, or if the link was followed before. The link of the page itself may repeat if
    /// each response has another page: Trestle uses one URL for all pages.
    pub fn check(
        &mut self,
        page: &Page,
        next_link: Option<&str>,
        is_same_link: bool,
    ) -> Result<(), FeedError> {
        let rejects = if page.records.is_empty() {
            page.rejects.clone()
        } else {
            Vec::new()
        };
        let is_same_reject = !rejects.is_empty() && rejects == self.last_rejects;
        let is_same_record =
            page.last_paging != Value::Null && page.last_paging == self.last_paging;
        self.empty_pages = if page.entries == 0 {
            self.empty_pages + 1
        } else {
            0
        };
        self.last_rejects = rejects;
        self.last_paging = page.last_paging.clone();

        let Some(link) = next_link else {
            // Pages by key or timestamp are compared by their keys, if they have any.
            let repeats = is_same_reject && page.last_paging == Value::Null;
            return if repeats { Err(circle()) } else { Ok(()) };
        };
        let is_new = self.followed.insert(link.to_owned());
        let is_same_page = is_same_reject || is_same_record || self.empty_pages > EMPTY_MAX;
        if is_same_page || !(is_new || is_same_link) {
            return Err(circle());
        }
        Ok(())
    }
}

fn circle() -> FeedError {
    FeedError::Stuck("the pages form a circle".to_owned())
}
