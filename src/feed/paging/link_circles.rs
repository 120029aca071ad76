//! Detects next links that form a circle.

use std::collections::HashSet;

use super::position::Position;
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
    /// Records the link of a step, and returns an error if it was followed before. A link
    /// may repeat if each response has another page: Trestle uses one URL for all pages.
    pub fn check(&mut self, step: &Step) -> Result<(), FeedError> {
        let Position::NextLink {
            next_link: Some(link),
        } = &step.to
        else {
            return Ok(());
        };

        let is_same_page = step.page.entries > 0 && step.page.last_paging == self.last_paging;
        self.last_paging = step.page.last_paging.clone();
        let is_new = self.followed.insert(link.clone());
        if is_new || (step.from == step.to && !is_same_page) {
            return Ok(());
        }
        Err(FeedError::Stuck("the next links form a circle".to_owned()))
    }
}
