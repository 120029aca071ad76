//! Reading a resource page by page, from several positions at once.

use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::position::{Cursor, Key, Position};
use crate::feed::http::{Client, FeedError, RequestOptions, Tries};
use crate::feed::odata::query::{self, Expand, Literal, Precision, Query, timestamp_literal};
use crate::feed::odata::{Page, Paging};
use crate::record::Shape;
use crate::resource::MODIFICATION_TIMESTAMP;
use crate::value::Value;

/// What is read of a resource.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// Its fields, and what is expanded.
    pub shape: Arc<Shape>,
    /// Which records; none means all.
    pub filter: Option<String>,
    /// Whether only the shape's fields are asked for.
    pub select: bool,
    /// How the server leads from page to page.
    pub paging: Paging,
    /// How many records are asked for at once.
    pub page_size: u32,
    /// How timestamps are written in `$filter`.
    pub timestamps: Precision,
    /// Whether a page that fails is asked for again.
    pub tries: Tries,
}

/// One page that was read, and where its walk stands behind it.
#[derive(Debug)]
pub struct Step {
    /// Which of the walks.
    pub walk: usize,
    /// Where the page began.
    pub from: Position,
    /// Where the walk goes on.
    pub to: Position,
    /// The page, with its children's lists complete.
    pub page: Page,
}

/// How many decoded pages may wait for the writer: enough to keep it busy, few
/// enough that memory does not grow.
const PAGES_AHEAD: usize = 1;

impl Sweep {
    /// A query for this resource in the order of its paging key.
    pub fn query(&self) -> Query {
        let paging = self.shape.paging_field().name.clone();
        self.plain().order_by(paging, query::Order::Asc)
    }

    fn plain(&self) -> Query {
        let shape = &self.shape;
        let mut query = Query::of(shape.resource.entity_set());
        if self.select {
            query = query.select(shape.fields.iter().map(|field| field.name.clone()));
        }
        if !shape.children.is_empty() {
            let whole = |name: &String| Expand {
                name: name.clone(),
                select: Vec::new(),
            };
            query = query.expand(shape.children.iter().map(|child| whole(&child.name)));
        }
        query
    }

    /// The query for the page at a position of keyset paging.
    fn keyset(&self, after: Option<&Key>, up_to: Option<&Key>, skip: u64) -> String {
        let field = &self.shape.paging_field().name;
        let parts = [
            self.filter.clone().map(|filter| format!("({filter})")),
            after.map(|key| query::gt(field, &key.literal())),
            up_to.map(|key| query::le(field, &key.literal())),
        ];
        let mut query = self.query().top(self.page_size.into());
        let parts: Vec<String> = parts.into_iter().flatten().collect();
        if !parts.is_empty() {
            query = query.filter(parts.join(" and "));
        }
        if skip > 0 {
            query = query.skip(skip);
        }
        query.to_path_and_query()
    }

    /// The filter for what lies behind a cursor, or from a moment on.
    fn behind(&self, since: &str, after: Option<&Cursor>, two_steps: bool) -> String {
        let moment = |stored: &str| Literal::Timestamp(timestamp_literal(stored, self.timestamps));
        let Some(Cursor { stamp, key }) = after else {
            return query::ge(MODIFICATION_TIMESTAMP, &moment(since));
        };
        let later = query::gt(MODIFICATION_TIMESTAMP, &moment(stamp));
        let Some(key) = key else { return later };
        let ties = query::and([
            query::eq(MODIFICATION_TIMESTAMP, &moment(stamp)),
            query::gt(&self.shape.paging_field().name, &key.literal()),
        ]);
        if two_steps {
            ties
        } else {
            query::or([later, query::group(&ties)])
        }
    }

    /// The query for changes. It is counted, which tells the last page.
    fn changes(&self, behind: &str) -> Query {
        let filter = self.filter.as_deref().map(query::group);
        self.plain()
            .order_by(MODIFICATION_TIMESTAMP, query::Order::Asc)
            .order_by(self.shape.paging_field().name.clone(), query::Order::Asc)
            .filter(query::and([filter.unwrap_or_default(), behind.to_owned()]))
            .count()
    }

    /// Reads the page at a position.
    ///
    /// # Errors
    /// [`FeedError`] when no try gave a usable answer.
    pub async fn step(
        &self,
        client: &Client,
        walk: usize,
        from: &Position,
    ) -> Result<Step, FeedError> {
        let (from, mut page) = self.read_or_apart(client, from).await?;
        let may_hide_more = match &*from {
            Position::Keyset { .. } => page.entries == 0,
            Position::Changes { .. } => page.entries == 0 && page.count != Some(0),
            _ => false,
        };
        if may_hide_more {
            // All that lies behind hangs on this one answer: it is asked for twice.
            page = self.read(client, &from).await?;
        }
        // A full page is never the last: what it counts may be itself.
        if page.entries >= self.page_size as usize {
            page.count = page.count.filter(|count| *count > page.entries as u64);
        }
        let to = from.behind(&page)?;
        // A link that must not be followed must not become where a sweep goes on.
        if let Position::NextLink {
            next_link: Some(link),
        } = &to
        {
            client.link(link)?;
        }
        Ok(Step {
            walk,
            from: from.into_owned(),
            to,
            page,
        })
    }

    /// Reads a page; where the server refuses an `or`, without it.
    async fn read_or_apart<'p>(
        &self,
        client: &Client,
        from: &'p Position,
    ) -> Result<(Cow<'p, Position>, Page), FeedError> {
        let refused = match self.read(client, from).await {
            Ok(page) => return Ok((Cow::Borrowed(from), page)),
            Err(error) => error,
        };
        let apart = from.in_two_steps().filter(|_| refused.is_refusal());
        let Some(apart) = apart else {
            return Err(refused);
        };
        let page = self.read(client, &apart).await?;
        tracing::info!(resource = %self.shape.resource, error = %refused, "options without `or`");
        Ok((Cow::Owned(apart), page))
    }

    async fn read(&self, client: &Client, from: &Position) -> Result<Page, FeedError> {
        let (url, max_page_size) = match from {
            Position::Finished => return Ok(Page::default()),
            Position::Keyset { after, up_to, skip } => (
                client.url(&self.keyset(after.as_ref(), up_to.as_ref(), *skip))?,
                None,
            ),
            Position::Changes {
                since,
                after,
                skip,
                two_steps,
            } => {
                let behind = self.behind(since, after.as_ref(), *two_steps);
                let mut query = self.changes(&behind);
                if *skip > 0 {
                    query = query.skip(*skip);
                }
                let by_links = self.paging == Paging::NextLink;
                if !by_links {
                    query = query.top(self.page_size.into());
                }
                let url = client.url(&query.to_path_and_query())?;
                (url, by_links.then_some(self.page_size))
            }
            // The size is asked for anew with each page: links do not carry it.
            Position::NextLink { next_link } => {
                let url = match next_link {
                    Some(link) => client.link(link)?,
                    None => {
                        let query = match &self.filter {
                            Some(filter) => self.query().filter(filter.clone()),
                            None => self.query(),
                        };
                        client.url(&query.to_path_and_query())?
                    }
                };
                (url, Some(self.page_size))
            }
        };
        let options = RequestOptions {
            max_page_size,
            tries: self.tries,
            ..RequestOptions::RECORDS
        };
        let mut page = client
            .get(&url, options, |body| Page::decode(body, &self.shape))
            .await?;
        self.complete_children(client, &mut page).await?;
        Ok(page)
    }

    /// Follows the links of children's lists that the server cut.
    async fn complete_children(&self, client: &Client, page: &mut Page) -> Result<(), FeedError> {
        let options = RequestOptions::RECORDS;
        for record in &mut page.records {
            for (children, child) in record.children.iter_mut().zip(&self.shape.children) {
                let Some(children) = children else { continue };
                while let Some(link) = children.next_link.take() {
                    let url = client.link(&link)?;
                    let decode = |body: &[u8]| Page::decode(body, &child.shape);
                    let mut rest = client.get(&url, options, decode).await?;
                    for found in &mut rest.records {
                        found.listing_key = Some(record.key.clone());
                    }
                    for reject in &rest.rejects {
                        children.note_reject(reject.key.as_deref());
                    }
                    if rest.next_link.as_ref() == Some(&link) {
                        let what = "the rest of a list of children leads back to itself";
                        return Err(FeedError::Stuck(what.to_owned()));
                    }
                    children.next_link = rest.next_link;
                    children.records.extend(rest.records);
                    page.rejects.extend(rest.rejects);
                }
            }
        }
        Ok(())
    }
}

/// The links that a walk followed, to tell when they lead in a circle.
#[derive(Default)]
struct Links {
    followed: HashSet<String>,
    last_paging: Value,
}

impl Links {
    /// A link that was followed before leads on only if it is the very last one
    /// (Trestle answers with one URL throughout) and brought another page.
    fn lead_on(&mut self, step: &Step) -> Result<(), FeedError> {
        let Position::NextLink {
            next_link: Some(link),
        } = &step.to
        else {
            return Ok(());
        };
        let same_page = step.page.entries > 0 && step.page.last_paging == self.last_paging;
        self.last_paging = step.page.last_paging.clone();
        let is_new = self.followed.insert(link.clone());
        if is_new || (step.from == step.to && !same_page) {
            return Ok(());
        }
        Err(FeedError::Stuck(
            "its next links lead in a circle".to_owned(),
        ))
    }
}

/// Pages on their way. Dropping it ends the reading.
pub struct ParallelReader {
    steps: mpsc::Receiver<Result<Step, FeedError>>,
    _walks: JoinSet<()>,
}

impl ParallelReader {
    /// Starts one task per position.
    pub fn start(
        runtime: &Runtime,
        client: Arc<Client>,
        sweep: Sweep,
        positions: Vec<(usize, Position)>,
    ) -> ParallelReader {
        let (sender, steps) = mpsc::channel(PAGES_AHEAD);
        let mut walks = JoinSet::new();
        let sweep = Arc::new(sweep);
        for (walk, position) in positions {
            let (client, sweep, sender) = (client.clone(), sweep.clone(), sender.clone());
            let reading = async move {
                let mut from = position;
                let mut links = Links::default();
                while !from.is_finished() {
                    let step = sweep.step(&client, walk, &from).await;
                    let step = step.and_then(|step| links.lead_on(&step).map(|()| step));
                    match &step {
                        Ok(step) => from = step.to.clone(),
                        Err(_) => from = Position::Finished,
                    }
                    if sender.send(step).await.is_err() {
                        return;
                    }
                }
            };
            walks.spawn_on(reading, runtime.handle());
        }
        ParallelReader {
            steps,
            _walks: walks,
        }
    }
}

impl Iterator for ParallelReader {
    type Item = Result<Step, FeedError>;

    /// The next page of any of the walks, when it is there.
    fn next(&mut self) -> Option<Self::Item> {
        self.steps.blocking_recv()
    }
}
