//! Requests the page at a position, with complete lists of children.

use url::Url;

use super::link_circles::FollowedLinks;
use super::position::Position;
use super::sweep::Sweep;
use crate::feed::http::{Client, FeedError, Received, RequestOptions};
use crate::feed::odata::{LeftOut, MEMORY_LIMIT_BYTES, Page, Part};
use crate::record::Shape;

/// Requests the page at a position. The page at the end is empty.
pub async fn read_page(sweep: &Sweep, client: &Client, from: &Position) -> Result<Page, FeedError> {
    let part = match from {
        Position::NextLink { .. } | Position::ChangeLinks { .. } => Part::ALL,
        _ => Part {
            top: sweep.page_size.get() as usize,
            leaves_out: match from {
                Position::Changes { .. } => LeftOut::LastTimestamp,
                // The count of the changes does not show how many records have this timestamp.
                Position::Ties { left: None, .. }
                | Position::Ties {
                    hides_digits: true, ..
                } => LeftOut::LastRecord,
                _ if sweep.trusts_count => LeftOut::Nothing,
                _ => LeftOut::LastRecord,
            },
            trusts_count: sweep.trusts_count,
            last_read: from.last_key(),
        },
    };
    let (url, max_page_size) = match from {
        Position::Finished => return Ok(Page::default()),
        Position::Keyset { after, up_to, skip } => {
            let query = sweep.keyset_query(after.as_ref(), up_to.as_ref(), *skip);
            (client.url(&query.to_path_and_query())?, None)
        }
        Position::Changes {
            since, after, skip, ..
        } => {
            let query = sweep.changes_query(since, after.as_ref(), *skip);
            (client.url(&query.to_path_and_query())?, None)
        }
        Position::ChangeLinks {
            since,
            until,
            next_link,
        } => {
            let query = sweep.change_links_query(since.as_deref(), until.last());
            let url = match next_link {
                Some(link) => client.link(link)?,
                None => client.url(&query.to_path_and_query())?,
            };
            (url, Some(sweep.page_size.get()))
        }
        Position::Ties {
            timestamp,
            sent,
            after,
            skip,
            ..
        } => {
            let query = sweep.ties_query((timestamp, sent.as_deref()), after.as_ref(), *skip);
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
    let mut page = get_page(client, &url, options, &sweep.shape, &part).await?;
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
                let mut rest = get_page(client, &url, options, &child.shape, &Part::ALL).await?;
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
pub async fn get_page(
    client: &Client,
    url: &Url,
    options: RequestOptions,
    shape: &Shape,
    part: &Part,
) -> Result<Page, FeedError> {
    let decode = |received: &Received| {
        let mut page = Page::decode_part(&received.body, shape, part)?;
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
