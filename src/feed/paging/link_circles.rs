//! Detects next links that form a circle.

use std::collections::HashSet;

use super::step::Step;
use crate::feed::http::FeedError;
use crate::value::Value;

/// The links that a walk has followed.
#[derive(Default)]
pub struct FollowedLinks {
    followed: HashSet<String>,
    last_paging: Value,
}

impl FollowedLinks {
    /// Records the link of a step. Returns an error if the page is the same as the one
    /// before, or if the link was followed before. A link may repeat if each response has
    /// another page: Trestle uses one URL for all pages.
    pub fn check(&mut self, step: &Step) -> Result<(), FeedError> {
        let Some(link) = step.to.next_link() else {
            return Ok(());
        };
        let last = step.page.last_paging.clone();
        let is_same_page = last != Value::Null && last == self.last_paging;
        self.last_paging = last;
        let is_new = self.followed.insert(link.to_owned());
        if !is_same_page && (is_new || step.from == step.to) {
            return Ok(());
        }
        Err(FeedError::Stuck("the next links form a circle".to_owned()))
    }
}
