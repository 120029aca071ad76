//! Reads one page at a position.

use std::sync::atomic::Ordering::Relaxed;

use super::advance::advance;
use super::end_of_pages::read_unless_proven;
use super::key::{Key, KeyRange};
use super::page_request::read_page;
use super::position::Position;
use super::sweep::Sweep;
use crate::feed::http::{Client, FeedError, RequestOptions};
use crate::feed::odata::Page;

/// Where changes may be lost, because the count of a page of changes contradicts its records or
/// the page before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Before the position of the page: fewer changes match than the page before left.
    Before,
    /// After it: the count of the page has changes, and the page has none.
    After,
}

/// A page, and the positions of its walk before and after it.
#[derive(Debug)]
pub struct Step {
    /// The number of the walk.
    pub walk: usize,
    /// The position of this page.
    pub from: Position,
    /// The position of the next page.
    pub to: Position,
    /// The page. Its lists of children are complete.
    pub page: Page,
    /// Where changes may be lost.
    pub loss: Option<Loss>,
    /// The error with which the server refused `$select` or `$top` within `$expand`, if it did.
    pub expand_options_refused: Option<String>,
}

impl Step {
    /// Returns the range of keys that the page covers: from where it began to its last key, or
    /// to the end of its walk. Returns none for a walk that is not by key, or where records
    /// without a key are in between.
    pub fn covered(&self) -> Option<KeyRange> {
        let Position::Keyset {
            after,
            up_to,
            skip: 0,
        } = &self.from
        else {
            return None;
        };
        let up_to = if self.to.is_finished() {
            up_to.clone()
        } else {
            Some(Key::of(&self.page.last_paging)?)
        };
        Some(KeyRange {
            after: after.clone(),
            up_to,
        })
    }

    /// Reads the page at a position.
    pub async fn read(
        sweep: &Sweep,
        client: &Client,
        walk: usize,
        from: &Position,
    ) -> Result<Step, FeedError> {
        let (mut quotes_guids, mut has_other_quotes) = (false, false);
        let mut options_refused = None;
        loop {
            let page_size = sweep.page_size.get();
            let has_options = sweep.has_options_within_expand();
            match Step::read_once(sweep, client, walk, from).await {
                Err(FeedError::Refused { .. }) if from.has_time() && !has_other_quotes => {
                    sweep.quotes_timestamps.fetch_xor(true, Relaxed);
                    has_other_quotes = true;
                }
                Err(FeedError::TooLarge) if sweep.page_size.shrink(page_size) => {
                    let records = sweep.page_size.get();
                    tracing::warn!(resource = %sweep.shape.resource, records, "an answer is too large; asking for smaller pages");
                }
                Err(FeedError::Refused { .. })
                    if sweep.has_guids()
                        && from.has_key()
                        && !sweep.quotes_guids.swap(true, Relaxed) =>
                {
                    quotes_guids = true;
                }
                Err(error) if error.is_refusal() && has_options => {
                    sweep.has_expand_options.store(false, Relaxed);
                    options_refused = Some(error.to_string());
                }
                read => {
                    if has_other_quotes && read.is_err() {
                        sweep.quotes_timestamps.fetch_xor(true, Relaxed);
                    }
                    if quotes_guids && read.is_err() {
                        sweep.quotes_guids.store(false, Relaxed);
                    }
                    if options_refused.is_some() && read.is_err() {
                        sweep.has_expand_options.store(true, Relaxed);
                    }
                    return read.map(|step| Step {
                        expand_options_refused: options_refused,
                        ..step
                    });
                }
            }
        }
    }

    async fn read_once(
        sweep: &Sweep,
        client: &Client,
        walk: usize,
        from: &Position,
    ) -> Result<Step, FeedError> {
        let mut page = read_page(sweep, client, from).await?;
        if page.entries == 0 {
            page = read_unless_proven(sweep, client, from, page).await?;
        }
        let mut loss =
            (sweep.trusts_count && from.left_more_than(page.count)).then_some(Loss::Before);
        // A count that may be the size of the page does not show that the page is the last.
        let answered = page.answered();
        let is_full = answered >= sweep.page_size.get() as usize;
        if answered > 0 && (is_full || !sweep.trusts_count) {
            page.count = page.count.filter(|count| *count > answered as u64);
        }

        let counts_more = page.count.is_some_and(|count| count > 0);
        if page.entries == 0 && counts_more {
            let is_ignored = counts_all(sweep, client, page.count).await?;
            if is_ignored || sweep.trusts_count {
                page.count = Some(0);
            }
            if !is_ignored && sweep.trusts_count {
                loss = Some(Loss::After);
            }
        }

        let to = advance(from, &page, sweep.trusts_count)?;
        // Checks the link now, so that no checkpoint stores an invalid one.
        if let Some(link) = to.next_link() {
            client.link(link)?;
        }
        Ok(Step {
            walk,
            from: from.clone(),
            to,
            page,
            loss,
            expand_options_refused: None,
        })
    }
}

/// Returns whether the server counts this number of records for every filter, so that its
/// counts say nothing.
async fn counts_all(sweep: &Sweep, client: &Client, count: Option<u64>) -> Result<bool, FeedError> {
    let query = sweep.query().top(1).count();
    let url = client.url(&query.to_path_and_query())?;
    let decode = |body: &[u8]| Page::decode(body, &sweep.shape);
    let page = client.get(&url, RequestOptions::RECORDS, decode).await?;
    Ok(page.count == count)
}
