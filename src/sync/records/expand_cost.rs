//! Whether reading children from their own resources takes less time than `$expand`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::catalog::Catalog;
use crate::feed::{Feed, FeedError, Position, Step, Sweep};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::sync_error::{Result, answer_if_any};

/// A page with children that comes faster is not worth a comparison.
const SLOW: Duration = Duration::from_secs(3);

/// Reading separately is chosen if it takes at most this part of the time: times vary.
const CHEAPER: f64 = 0.6;

/// A page, and the time that the server took for it.
pub(in crate::sync) struct TimedStep {
    pub step: Step,
    pub time: Duration,
}

/// Reads a page. Its time has no waits for the rate limits.
pub(in crate::sync) fn timed_step(
    feed: &Feed,
    sweep: &Sweep,
    walk: usize,
    from: &Position,
) -> Result<TimedStep, FeedError> {
    let (started, before) = (Instant::now(), feed.traffic().throttled_ms);
    let step = feed.step(sweep, walk, from)?;
    let waited = Duration::from_millis(feed.traffic().throttled_ms - before);
    Ok(TimedStep {
        step,
        time: started.elapsed().saturating_sub(waited),
    })
}

/// The first page of listings with their children.
pub(in crate::sync) struct ExpandCost<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    /// The request of the page.
    pub sweep: Sweep,
    /// The page.
    pub with_children: &'a TimedStep,
    /// The number of listings, if the feed counts them.
    pub listings: Option<u64>,
}

impl ExpandCost<'_> {
    /// Times the same page without children, and a page of each child. Returns the page
    /// without children and the reason, if it takes clearly less time to read the children
    /// separately. The feed's capabilities remember it.
    pub fn find_cheaper(&self) -> Result<Option<(Arc<Shape>, Step, String)>> {
        let TimedStep { step: with, time } = self.with_children;
        let children = &self.sweep.shape.children;
        let come_only_along = |child: Resource| self.catalog.comes_only_with_listings(child);
        let must_expand = children
            .iter()
            .any(|child| come_only_along(child.shape.resource));
        if *time < SLOW || must_expand || with.page.records.is_empty() {
            return Ok(None);
        }
        let feed = self.context.feed;
        let plain = self.catalog.shape(self.sweep.shape.resource, &[])?;
        let sweep = Sweep {
            shape: plain.clone(),
            ..self.sweep.clone()
        };
        let Some(without) = answer_if_any(timed_step(feed, &sweep, with.walk, &with.from))? else {
            return Ok(None);
        };

        let read = with.page.records.len() as u64;
        let listings = self.listings.unwrap_or(read).max(read);
        let mut separate = self.cost(listings, &without);
        for (at, child) in children.iter().enumerate() {
            let lists = with
                .page
                .records
                .iter()
                .filter_map(|one| one.children[at].as_ref());
            let listed: u64 = lists.map(|list| list.records.len() as u64).sum();
            let first = self.catalog.shape(child.shape.resource, &[])?;
            let Some(page) = answer_if_any(self.first_page(first))? else {
                return Ok(None);
            };
            separate += self.cost(listed * listings / read, &page);
        }
        let together = self.cost(listings, self.with_children);
        if separate > together.mul_f64(CHEAPER) {
            return Ok(None);
        }
        let (with, without_time) = (time.as_secs_f64(), without.time.as_secs_f64());
        let why = format!(
            "a page of listings takes {with:.1} s with $expand and {without_time:.1} s without"
        );
        for child in children {
            (feed.capabilities()).note_expand_slow(child.shape.resource, &why);
        }
        Ok(Some((plain, without.step, why)))
    }

    fn first_page(&self, shape: Arc<Shape>) -> Result<TimedStep, FeedError> {
        let (feed, child) = (self.context.feed, shape.resource);
        let sweep = feed.sweep(shape, None, self.catalog.selects(child));
        let start = Position::start(feed.capabilities().is_read_by_links(child));
        timed_step(feed, &sweep, 0, &start)
    }

    /// Estimates the time in which this number of records is read in such pages, at the rate
    /// limits and with simultaneous requests.
    fn cost(&self, records: u64, page: &TimedStep) -> Duration {
        let per_page = (page.step.page.entries as u64).max(1);
        let pages = u32::try_from(records.div_ceil(per_page)).unwrap_or(u32::MAX);
        let is_parallel = !matches!(page.step.from, Position::NextLink { .. });
        let at_once = if is_parallel {
            self.context.feed.max_concurrent() as u32
        } else {
            1
        };
        let limits = self.context.config.feed.limits().into_iter();
        let shortest = limits.map(|(requests, span)| span / requests.get()).max();
        pages * (page.time / at_once).max(shortest.unwrap_or_default())
    }
}
