//! Reads one page at a position.

use std::borrow::Cow;

use super::advance::advance;
use super::position::Position;
use super::sweep::Sweep;
use crate::feed::http::{Client, FeedError, RequestOptions};
use crate::feed::odata::Page;

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
    /// Reads the page at a position.
    pub async fn read(
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
        let is_full = page.entries >= sweep.page_size as usize;
        if page.entries > 0 && (is_full || !sweep.trusts_count) {
            page.count = page.count.filter(|count| *count > page.entries as u64);
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

/// Reads a page. If the server rejects its `or`, reads it in two steps instead.
async fn read_with_fallback<'p>(
    sweep: &Sweep,
    client: &Client,
    from: &'p Position,
) -> Result<(Cow<'p, Position>, Page), FeedError> {
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
        } => {
            let query = sweep.changes_query(since, after.as_ref(), *skip, *two_steps);
            (client.url(&query.to_path_and_query())?, None)
        }
        Position::ChangeLinks { since, next_link } => {
            let url = match next_link {
                Some(link) => client.link(link)?,
                None => client.url(&sweep.change_links_query(since).to_path_and_query())?,
            };
            (url, Some(sweep.page_size))
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
            (url, Some(sweep.page_size))
        }
    };

    let options = RequestOptions {
        max_page_size,
        tries: sweep.tries,
        ..RequestOptions::RECORDS
    };
    let decode = |body: &[u8]| Page::decode(body, &sweep.shape);
    let mut page = client.get(&url, options, decode).await?;
    complete_children(sweep, client, &mut page).await?;
    Ok(page)
}

/// Follows the next links of incomplete lists of children.
async fn complete_children(
    sweep: &Sweep,
    client: &Client,
    page: &mut Page,
) -> Result<(), FeedError> {
    for record in &mut page.records {
        for (children, child) in record.children.iter_mut().zip(&sweep.shape.children) {
            let Some(children) = children else { continue };
            while let Some(link) = children.next_link.take() {
                let url = client.link(&link)?;
                let decode = |body: &[u8]| Page::decode(body, &child.shape);
                let mut rest = client.get(&url, RequestOptions::RECORDS, decode).await?;
                if rest.next_link.as_ref() == Some(&link) {
                    let problem = "the next link of a list of children is the link itself";
                    return Err(FeedError::Stuck(problem.to_owned()));
                }

                for found in &mut rest.records {
                    found.listing_key.get_or_insert_with(|| record.key.clone());
                }
                for reject in &rest.rejects {
                    children.note_reject(reject.key.as_deref());
                }
                children.next_link = rest.next_link;
                children.records.extend(rest.records);
                page.rejects.extend(rest.rejects);
            }
        }
    }
    Ok(())
}
