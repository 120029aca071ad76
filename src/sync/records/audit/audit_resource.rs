//! An audit of one resource: by counts where they can be trusted, and else by all keys.

use std::sync::Arc;

use super::audited::Audited;
use super::count_audit::CountAudit;
use super::division::Division;
use super::findings::Findings;
use super::key_walk::KeyWalk;
use crate::config::Replication;
use crate::feed::{FeedError, Key, Position, Tries};
use crate::mirror::Mirror;
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::expansion::why_separate;
use crate::sync::records::ranges::positions;
use crate::sync::records::survey::{ignores_filter, survey};
use crate::sync::sync_error::Result;
use crate::value::ValueForm;

/// How much an audit compares.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// The counts of ranges, and keys only where they differ.
    Counts,
    /// Every key and timestamp of a resource where this takes few requests, and else as `Counts`.
    KeysIfFew,
    /// Every key and timestamp.
    Keys,
}

/// An audit of one resource.
pub struct Audit<'a> {
    pub context: &'a Context<'a>,
    pub catalog: &'a Catalog,
    pub resource: Resource,
    pub depth: Depth,
    /// Whether the mirror holds listings, so that it holds only children of live ones.
    pub has_listings: bool,
    /// The number of records of the feed, if it was asked for.
    pub count: Option<u64>,
    /// The children to compare with the listings, if all keys are read.
    pub children: &'a [Resource],
    /// The paging keys of listings whose children are not compared by counts.
    pub left_out: &'a [Key],
}

impl Depth {
    /// Returns the number of pages up to which all keys are read: that finds more than counts.
    /// A reconcile repairs what it finds, so that it may take some minutes.
    fn pages_read(self) -> u64 {
        match self {
            Depth::Counts => 20,
            Depth::KeysIfFew => 200,
            Depth::Keys => u64::MAX,
        }
    }
}

impl Audit<'_> {
    /// Compares the resource. `starts` are the positions where an earlier audit ended.
    pub fn run(
        &self,
        mirror: &mut Mirror,
        starts: Option<Vec<(usize, Position)>>,
        findings: &mut dyn Findings,
    ) -> Result<Audited> {
        let keys = self.catalog.key_shape(self.resource)?;
        let count = match self.count {
            Some(count) => Some(count),
            None => self.ask_count(&keys)?,
        };
        if let (None, Some(count)) = (&starts, count) {
            let refused = match self.division(Some(mirror), &keys, count)? {
                Ok(division) => {
                    let mut walk = self.walk(keys.clone(), findings);
                    walk.listings = self.listings_with(&division)?;
                    let reads_all = self.reads_all(&division, division.limits(Some(mirror))?)?;
                    let mut audit = CountAudit {
                        walk,
                        reads_all,
                        division: &division,
                        count,
                        watermark: mirror.watermark(self.resource)?,
                        changed: Vec::new(),
                        left_out: if division.is_by_listing() {
                            self.left_out.to_vec()
                        } else {
                            Vec::new()
                        },
                    };
                    let refused = audit.run(mirror)?.err();
                    let ended = audit.walk.ended(Some(count));
                    let capabilities = self.context.feed.capabilities();
                    capabilities.note_range_count(self.resource, refused.clone());
                    let Some(why) = refused else {
                        return Ok(Audited {
                            by_counts: !reads_all,
                            ..ended
                        });
                    };
                    findings.start_again(mirror)?;
                    why
                }
                Err(why) => why,
            };
            tracing::info!(resource = %self.resource, "comparing all keys: {refused}");
        }
        if starts.is_none() && self.read_key_list(mirror, &keys, findings)? {
            return Ok(Audited {
                records: count,
                ..Audited::default()
            });
        }
        self.read_all(mirror, &keys, count, starts, findings)
    }

    /// Compares only a child of the listings, which comes with them.
    pub fn run_with_listings(
        &self,
        mirror: &mut Mirror,
        findings: &mut dyn Findings,
    ) -> Result<Audited> {
        let listings = self.catalog.key_shape(Resource::PROPERTY)?;
        let count = self.ask_count(&listings)?;
        let shape = self.catalog.listings_with(&[self.resource], false)?;
        if shape.children.is_empty() {
            let resource = self.resource;
            let what = "does not answer, and listings have no such navigation";
            return Err(anyhow::anyhow!("{resource} {what}").into());
        }
        let mut walk = self.walk(shape, findings);
        walk.only_children = true;
        let starts = self.starts(&listings, count)?;
        walk.read_all(mirror, &starts, false, count)?;
        Ok(walk.ended(None))
    }

    fn walk<'f>(&self, shape: Arc<Shape>, findings: &'f mut dyn Findings) -> KeyWalk<'_, 'f> {
        KeyWalk {
            context: self.context,
            catalog: self.catalog,
            shape,
            listings: None,
            has_listings: self.has_listings,
            only_children: false,
            key_list: None,
            findings,
            ended: Audited::default(),
        }
    }

    /// Returns the listings with the resource, if the feed sends all of it with them.
    fn listings_with(&self, division: &Division) -> Result<Option<Arc<Shape>>> {
        let is_separate = why_separate(self.context.feed, self.catalog, self.resource).is_some();
        if !division.is_by_listing() || is_separate {
            return Ok(None);
        }
        let shape = self.catalog.listings_with(&[self.resource], false)?;
        Ok((!shape.children.is_empty()).then_some(shape))
    }

    /// Returns whether the keys of all ranges are read, because they come with few pages of
    /// `listings` listings.
    pub fn reads_all(&self, division: &Division, listings: u64) -> Result<bool> {
        let pages = listings.div_ceil(self.context.feed.page_size().into());
        let is_few = self.depth != Depth::Counts && pages <= self.depth.pages_read();
        Ok(is_few && self.listings_with(division)?.is_some())
    }

    fn ask_count(&self, keys: &Shape) -> Result<Option<u64>> {
        let filter = self.catalog.live_filter(keys.resource);
        Ok(survey(self.context.feed, keys, filter, Tries::Configured)?.count)
    }

    /// Returns how a resource of `count` records is divided into ranges whose counts are
    /// compared, or why all of its keys are read. Without a mirror, its keys are taken to be in
    /// the order of the mirror.
    pub fn division(
        &self,
        mirror: Option<&Mirror>,
        keys: &Arc<Shape>,
        count: u64,
    ) -> Result<std::result::Result<Division, String>> {
        let feed = self.context.feed;
        let capabilities = feed.capabilities();
        let refused = capabilities.why_no_range_count(self.resource);
        Ok(Err(match () {
            () if self.depth == Depth::Keys => "every key is compared".to_owned(),
            () if self.key_list().is_some() => "the feed lists all keys".to_owned(),
            () if count.div_ceil(feed.page_size().into()) <= self.depth.pages_read() => {
                "they are few".to_owned()
            }
            () if !capabilities.counts_all_matching() => {
                "the feed is not known to count all records".to_owned()
            }
            () if capabilities.is_read_by_links(self.resource) => {
                "the server refuses or ignores $orderby".to_owned()
            }
            () => match refused {
                Some(why) => why,
                None => {
                    let division = Division::of(self.catalog, mirror, keys, self.has_listings)?;
                    let pages = count.div_ceil(feed.page_size().into());
                    return Ok(match division {
                        Ok(division) if division.ranges(mirror)? + 2 > pages => {
                            Err("they are few".to_owned())
                        }
                        division => division.map_err(str::to_owned),
                    });
                }
            },
        }))
    }

    fn starts(&self, keys: &Shape, count: Option<u64>) -> Result<Vec<(usize, Position)>> {
        let feed = self.context.feed;
        let is_by_links = feed.capabilities().is_read_by_links(keys.resource);
        let starts = if is_by_links || keys.has_composite_key() {
            vec![Position::start(true)]
        } else {
            let filter = self.catalog.live_filter(keys.resource);
            positions(feed, keys, filter, count)?
        };
        Ok(starts.into_iter().enumerate().collect())
    }

    /// Returns the endpoint that lists all keys. It takes no filter.
    fn key_list(&self) -> Option<Replication> {
        let has_filter = self.catalog.live_filter(self.resource).is_some();
        let is_own = !has_filter && self.children.is_empty();
        is_own.then(|| self.context.feed.replication(self.resource, true))?
    }

    /// Reads all keys from the endpoint that lists them. Returns false if there is none.
    fn read_key_list(
        &self,
        mirror: &mut Mirror,
        keys: &Arc<Shape>,
        findings: &mut dyn Findings,
    ) -> Result<bool> {
        let Some(endpoint) = self.key_list() else {
            return Ok(false);
        };
        let mut walk = self.walk(keys.clone(), findings);
        walk.key_list = Some(endpoint);
        let read = walk.read_all(mirror, &[(0, Position::start(true))], false, None);
        let capabilities = self.context.feed.capabilities();
        match read {
            Ok(()) => {
                capabilities.note_replication(self.resource, None);
                Ok(true)
            }
            Err(error) => match error.feed() {
                Some(
                    refusal @ (FeedError::Refused { .. }
                    | FeedError::Unauthorized { status: 403, .. }
                    | FeedError::TooLarge),
                ) => {
                    tracing::warn!(resource = %self.resource, %error, "the feed has no list of all keys");
                    capabilities.note_replication(self.resource, Some(refusal));
                    walk.start_again(mirror)?;
                    Ok(false)
                }
                _ => Err(error),
            },
        }
    }

    /// Reads all keys. If the feed counts more of them, they are read once more, text keys by
    /// next links.
    fn read_all(
        &self,
        mirror: &mut Mirror,
        keys: &Arc<Shape>,
        count: Option<u64>,
        starts: Option<Vec<(usize, Position)>>,
        findings: &mut dyn Findings,
    ) -> Result<Audited> {
        let is_number = keys.paging_field().form == ValueForm::Integer;
        let by_links = || vec![(0, Position::start(true))];
        let is_resumed = starts.is_some();
        let mut starts = match starts {
            Some(starts) => starts,
            None => self.starts(keys, count)?,
        };
        let shape = if self.children.is_empty() {
            keys.clone()
        } else {
            self.catalog.listings_with(self.children, false)?
        };
        let mut walk = self.walk(shape, findings);
        let in_order = |starts: &[(usize, Position)]| {
            let is_by_key = |start: &Position| matches!(start, Position::Keyset { .. });
            is_number && starts.iter().all(|(_, start)| is_by_key(start))
        };
        let mut read = walk.read_all(mirror, &starts, in_order(&starts), count);
        if let Err(error) = &read
            && !walk.shape.children.is_empty()
            && error
                .feed()
                .is_some_and(FeedError::smaller_request_may_succeed)
        {
            tracing::info!(resource = %self.resource, %error, "reading the keys of children on their own");
            walk.start_again(mirror)?;
            walk.shape = keys.clone();
            read = walk.read_all(mirror, &starts, in_order(&starts), count);
        }
        if let Err(error) = &read
            && error.feed().is_some_and(FeedError::may_refuse_order)
        {
            tracing::info!(resource = %self.resource, %error, "reading by next links");
            starts = by_links();
            walk.start_again(mirror)?;
            read = walk.read_all(mirror, &starts, false, count);
        }
        read?;
        let mut contradiction = None;
        let (feed, filter) = (self.context.feed, self.catalog.live_filter(self.resource));
        let lacks_records = !is_resumed && count.is_some_and(|count| count > walk.ended.read);
        if lacks_records && !ignores_filter(feed, keys, filter)? {
            // Records may have been deleted meanwhile.
            let now = self.ask_count(keys)?;
            if now.is_some_and(|now| now > walk.ended.read) {
                if !is_number {
                    starts = by_links();
                }
                walk.start_again(mirror)?;
                walk.read_all(mirror, &starts, in_order(&starts), now)?;
                let counted = self
                    .ask_count(keys)?
                    .filter(|counted| *counted > walk.ended.read);
                contradiction = counted.map(|counted| (counted, walk.ended.read));
            }
        }
        Ok(Audited {
            contradiction,
            ..walk.ended(count)
        })
    }
}
