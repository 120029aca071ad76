//! Reads one page at a position.

use std::borrow::Cow;
use std::sync::atomic::Ordering::Relaxed;

use url::Url;

use super::advance::advance;
use super::key::{Key, KeyRange};
use super::link_circles::FollowedLinks;
use super::position::Position;
use super::sweep::Sweep;
use crate::feed::http::{Client, FeedError, Received, RequestOptions};
use crate::feed::odata::{MEMORY_LIMIT_BYTES, Page};
use crate::record::Shape;

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
        let mut quotes_guids = false;
        loop {
            let page_size = sweep.page_size.get();
            match Step::read_once(sweep, client, walk, from).await {
                Err(error)
                    if error.is_refusal() && sweep.quotes_timestamps.swap(false, Relaxed) => {}
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
                read => {
                    if quotes_guids && read.is_err() {
                        sweep.quotes_guids.store(false, Relaxed);
                    }
                    return read;
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
        let (from, mut page) = read_with_fallback(sweep, client, from).await?;
        let may_hide_more = match &*from {
            Position::Keyset { .. } | Position::Ties { .. } => page.entries == 0,
            Position::Changes { .. } => page.entries == 0 && page.count != Some(0),
            _ => false,
        };
        if may_hide_more {
            // An empty page ends the walk, so it is read twice.
            page = read_page(sweep, client, &from).await?;
        }
        // A count that may be the size of the page does not show that the page is the last.
        let is_full = page.entries >= sweep.page_size.get() as usize;
        if page.entries > 0 && (is_full || !sweep.trusts_count) {
            page.count = page.count.filter(|count| *count > page.entries as u64);
        }

        let counts_more = page.count.is_some_and(|count| count > 0);
        if page.entries == 0 && counts_more && counts_all(sweep, client, page.count).await? {
            page.count = Some(0);
        }

        let to = advance(&from, &page)?;
        // Checks the link now, so that no checkpoint stores an invalid one.
        if let Some(link) = to.next_link() {
            client.link(link)?;
        }
        Ok(Step {
            walk,
            from: from.into_owned(),
            to,
            page,
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

/// Reads a page. If the server rejects its `or`, reads it in two steps instead.
async fn read_with_fallback<'p>(
    sweep: &Sweep,
    client: &Client,
    from: &'p Position,
) -> Result<(Cow<'p, Position>, Page), FeedError> {
    if let Some(in_two_steps) = from.in_two_steps().filter(|_| sweep.refuses_or) {
        let page = read_page(sweep, client, &in_two_steps).await?;
        return Ok((Cow::Owned(in_two_steps), page));
    }
    let error = match read_page(sweep, client, from).await {
        Ok(page) => return Ok((Cow::Borrowed(from), page)),
        Err(error) => error,
    };
    let Some(in_two_steps) = from.in_two_steps().filter(|_| error.is_refusal()) else {
        return Err(error);
    };
    let page = read_page(sweep, client, &in_two_steps).await?;
    tracing::info!(resource = %sweep.shape.resource, %error, "reading changes without `or`");
    Ok((Cow::Owned(in_two_steps), page))
}

async fn read_page(sweep: &Sweep, client: &Client, from: &Position) -> Result<Page, FeedError> {
    let (url, max_page_size) = match from {
        Position::Finished => return Ok(Page::default()),
        Position::Keyset { after, up_to, skip } => {
            let query = sweep.keyset_query(after.as_ref(), up_to.as_ref(), *skip);
            (client.url(&query.to_path_and_query())?, None)
        }
        Position::Changes {
            since,
            after,
            skip,
            two_steps,
            ..
        } => {
            let query = sweep.changes_query(since, after.as_ref(), *skip, *two_steps);
            (client.url(&query.to_path_and_query())?, None)
        }
        Position::ChangeLinks { since, next_link } => {
            let url = match next_link {
                Some(link) => client.link(link)?,
                None => client.url(&sweep.change_links_query(since).to_path_and_query())?,
            };
            (url, Some(sweep.page_size.get()))
        }
        Position::Ties { timestamp, after } => {
            let query = sweep.ties_query(timestamp, after.as_ref());
            (client.url(&query.to_path_and_query())?, None)
        }
        // Every request needs the page size, because links do not contain it.
        Position::NextLink { next_link } => {
            let url = match next_link {
                Some(link) => client.link(link)?,
                None => client.url(&sweep.first_page_query().to_path_and_query())?,
            };
            (url, Some(sweep.page_size.get()))
        }
    };

    let options = RequestOptions {
        max_page_size,
        tries: sweep.tries,
        ..RequestOptions::RECORDS
    };
    let mut page = get_page(client, &url, options, &sweep.shape).await?;
    complete_children(sweep, client, &mut page).await?;
    Ok(page)
}

/// The largest number of pages that complete one list of children.
const LIST_PAGES_MAX: usize = 100;

/// Follows the next links of incomplete lists of children.
async fn complete_children(
    sweep: &Sweep,
    client: &Client,
    page: &mut Page,
) -> Result<(), FeedError> {
    for record in &mut page.records {
        for (children, child) in record.children.iter_mut().zip(&sweep.shape.children) {
            let Some(children) = children else { continue };
            let mut links = FollowedLinks::default();
            let mut pages = 0;
            while let Some(link) = children.next_link.take() {
                let url = client.link(&link)?;
                let options = RequestOptions::RECORDS;
                let mut rest = get_page(client, &url, options, &child.shape).await?;
                let to = Position::NextLink {
                    next_link: rest.next_link.take(),
                };
                links.check(&rest, &to, false)?;
                pages += 1;
                if pages > LIST_PAGES_MAX {
                    let problem = "a list of children has too many pages";
                    return Err(FeedError::Stuck(problem.to_owned()));
                }
                page.memory_bytes += rest.memory_bytes;
                if page.memory_bytes > MEMORY_LIMIT_BYTES {
                    return Err(FeedError::TooLarge);
                }

                for found in &mut rest.records {
                    found.listing_key.get_or_insert_with(|| record.key.clone());
                }
                for reject in &rest.rejects {
                    children.note_reject(reject.key.as_deref());
                }
                children.next_link = to.next_link().map(str::to_owned);
                children.records.extend(rest.records);
                page.rejects.extend(rest.rejects);
            }
        }
    }
    Ok(())
}

/// Requests a page. Its next links have no credentials. Its own next link is as [`absolute`]
/// returns it, or that of the `Link` header.
async fn get_page(
    client: &Client,
    url: &Url,
    options: RequestOptions,
    shape: &Shape,
) -> Result<Page, FeedError> {
    let decode = |received: &Received| {
        let mut page = Page::decode(&received.body, shape)?;
        page.next_link = page.next_link.map(|link| absolute(link, url));
        page.has_link_header = page.next_link.is_none() && received.next_link.is_some();
        page.next_link = page.next_link.or_else(|| received.next_link.clone());
        Ok(page)
    };
    let mut page = client.get_received(url, options, decode).await?;
    let lists = page
        .records
        .iter_mut()
        .flat_map(|record| &mut record.children);
    let links = lists.flatten().map(|children| &mut children.next_link);
    for link in links.chain([&mut page.next_link]) {
        *link = link.take().map(|link| client.without_secrets(&link));
    }
    Ok(page)
}

/// Returns the URL of a link that is only a query, such as `?$skip=100`. It is relative to the
/// request (RFC 3986, 5.2). Returns other links unchanged.
fn absolute(link: String, request: &Url) -> String {
    match request.join(&link) {
        Ok(url) if link.starts_with('?') => url.into(),
        _ => link,
    }
}
