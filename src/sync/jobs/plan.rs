//! Plans a full sync: the way in which it reads each resource, its requests, bytes and time.

use std::collections::BTreeSet;

use super::condition_check::check_conditions;
use super::job_ways::job_ways;
use super::photo_plan::plan_photos;
use super::planned::{DeletionsWay, Plan, ReadingWay, ResourcePlan};
use super::request_count::Reading;
use super::request_time::{longer, time_at};
use crate::config::Config;
use crate::feed::{DELETED_NAMES, FeedError, Tries};
use crate::mirror::Mirror;
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Misconfigured, Verdict, ending_of, judge};
use crate::sync::progress::Note;
use crate::sync::records::audit::{Audit, AuditCost, Depth};
use crate::sync::records::catalog::Catalog;
use crate::sync::records::deleted_resource::announces;
use crate::sync::records::events::has_events;
use crate::sync::records::expand_comparison::EXPAND_WHY;
use crate::sync::records::probes::ChangesWay;
use crate::sync::records::ranges::sizes;
use crate::sync::records::survey::{Survey, survey};
use crate::sync::records::way::{Way, WayFinder};
use crate::sync::saved_capabilities::load_capabilities;
use crate::sync::sync_error::{Result, SyncError};

/// Plans a full sync of `resources` by their counts and their first pages.
///
/// # Errors
/// [`Misconfigured`]; an error of the feed if it refuses the credentials or has no
/// `$metadata`.
pub fn plan(context: &Context<'_>, resources: &[Resource]) -> anyhow::Result<Plan> {
    make(context, resources).map_err(SyncError::into_anyhow)
}

fn make(context: &Context<'_>, resources: &[Resource]) -> Result<Plan> {
    let mut mirror = Mirror::open_to_read(&context.config.mirror.database).ok();
    if let Some(mirror) = &mirror {
        load_capabilities(context.feed, mirror)?;
    }
    let catalog = Catalog::ask_only(context.feed, mirror.as_ref(), context.config)?;
    check_conditions_with(&catalog, context.config, mirror.as_mut())?;
    let (left_out, resources): (Vec<Resource>, Vec<Resource>) = resources
        .iter()
        .partition(|resource| catalog.leaves_out(**resource));
    for &resource in &left_out {
        let near = catalog.near_undeclared(resource).flatten();
        context.progress.note(&Note::NotDeclared(resource, near));
    }
    let mut planning = Planning {
        context,
        catalog: &catalog,
        remembers: mirror.is_some(),
        verdicts: BTreeSet::new(),
        plans: Vec::new(),
        photo_urls: Vec::new(),
    };
    planning.read_all(&resources)?;
    let before = context.feed.traffic();
    let (deletions, deletions_error) = planning.find_deletions(&resources)?;
    let asked = context.feed.traffic().requests - before.requests;
    let of_deletions = planning.requests_of_deletions(deletions, asked);
    let photos = planning.photos().map_or(Ok(None), |counted| {
        let counted = (counted, planning.listings());
        plan_photos(context, mirror.as_mut(), counted, &planning.photo_urls)
    })?;

    let listings = planning.listings();
    let mut plans = planning.plans;
    let place = |plan: &ResourcePlan| {
        let mut names = resources.iter().map(|resource| resource.entity_set());
        names.position(|name| name == plan.resource)
    };
    plans.sort_by_key(place);
    let capabilities = context.feed.capabilities();
    for plan in &mut plans {
        let cost = |plan: &ResourcePlan, depth| {
            audit_cost(context, &catalog, mirror.as_ref(), plan, listings, depth)
        };
        plan.audit = cost(plan, Depth::Counts)?;
        plan.reconcile = cost(plan, Depth::KeysIfFew)?;
        let resource = resources
            .iter()
            .find(|one| one.entity_set() == plan.resource);
        let keys = capabilities.key_list(resource.copied().unwrap_or(Resource::PROPERTY));
        let page_size = context.feed.page_size();
        plan.jobs = job_ways(plan, deletions, keys, page_size);
    }
    capabilities.note_entity_event(catalog.declares_set("EntityEvent"));
    capabilities.note_gzip();
    // $metadata is one request.
    let of_resources: u64 = plans.iter().filter_map(|plan| plan.requests).sum();
    let requests = 1 + of_resources + of_deletions;
    let bytes = plans.iter().filter_map(|plan| plan.bytes);
    let bytes = bytes.reduce(|sum, bytes| sum + bytes);
    // The limits of bytes count compressed ones.
    let sent = bytes.and_then(|bytes| {
        (bytes.saturating_mul(before.bytes_sent)).checked_div(before.bytes_received)
    });
    let limits = &context.config.feed;
    let of_bytes = sent.and_then(|sent| time_at(sent, "bytes ", &limits.byte_limits()));
    let time = time_at(requests, "", &limits.limits()).into_iter();
    let time = time.chain(of_bytes).reduce(longer);
    Ok(Plan {
        bytes,
        resources: plans,
        capabilities: capabilities.all(),
        left_out: left_out.iter().map(|one| one.entity_set()).collect(),
        deletions,
        deletions_error,
        requests,
        photos,
        seconds: time.as_ref().map(|(time, _)| time.as_secs()),
        rate: time.map(|(_, rate)| rate),
        ending: ending_of(&planning.verdicts, context.stop),
    })
}

/// Checks the conditions against the columns of the mirror, or against the fields that the feed
/// declares if the mirror has no listings yet.
fn check_conditions_with(
    catalog: &Catalog,
    config: &Config,
    mirror: Option<&mut Mirror>,
) -> Result<()> {
    if let Some(mirror) = mirror
        && mirror.has_table(Resource::PROPERTY)?
    {
        return Ok(check_conditions(config, mirror)?);
    }
    let mut declared = Mirror::in_memory()?;
    catalog.store(&mut declared, &[Resource::PROPERTY])?;
    Ok(check_conditions(config, &mut declared)?)
}

/// Returns the cost of an audit of a resource in this depth, if it is known.
fn audit_cost(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: Option<&Mirror>,
    plan: &ResourcePlan,
    listings: Option<u64>,
    depth: Depth,
) -> Result<Option<AuditCost>> {
    let resource: Option<Resource> = plan.resource.parse().ok();
    let (Some(resource), Some(records), Some(_)) = (resource, plan.records, plan.way) else {
        return Ok(None);
    };
    let has_timestamp = catalog.key_shape(resource)?.has_timestamp();
    if catalog.comes_only_with_listings(resource) || !has_timestamp {
        return Ok(None);
    }
    let audit = Audit {
        context,
        catalog,
        resource,
        depth,
        has_listings: listings.is_some(),
        count: Some(records),
        children: &[],
        left_out: &[],
    };
    audit.cost(mirror, records, listings.unwrap_or(0)).map(Some)
}

/// The plans of the resources that were asked so far.
struct Planning<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    /// Whether there is a mirror, so that a sync uses what is found out here.
    remembers: bool,
    /// How the runs of a sync will end.
    verdicts: BTreeSet<Verdict>,
    plans: Vec<ResourcePlan>,
    /// The URLs of some photos.
    photo_urls: Vec<String>,
}

/// Why a child is read separately, and whether a sync knows it.
struct Separate {
    why: String,
    is_known: bool,
}

impl Planning<'_> {
    fn read_all(&mut self, resources: &[Resource]) -> Result<()> {
        let has_listings =
            resources.contains(&Resource::PROPERTY) && self.catalog.declares(Resource::PROPERTY);
        let (children, others): (Vec<Resource>, Vec<Resource>) = (resources.iter())
            .partition(|resource| has_listings && self.catalog.is_child(**resource));
        for resource in others {
            let children = match resource {
                Resource::PROPERTY => children.as_slice(),
                _ => &[],
            };
            let found = self.read_separately(resource, children, None)?;
            for &child in children {
                match &found {
                    Ok(way) => match way.separate.iter().find(|(of, _)| *of == child) {
                        Some((_, why)) => {
                            let is_known = !way.found_separate.contains(&child);
                            let separate = Separate {
                                why: why.clone(),
                                is_known: is_known || self.remembers,
                            };
                            let _ = self.read_separately(child, &[], Some(separate))?;
                        }
                        None => self.read_along(child)?,
                    },
                    Err(why) => {
                        let mut plan = self.start(child);
                        plan.error = Some(why.clone());
                        self.plans.push(plan);
                    }
                }
            }
        }
        Ok(())
    }

    /// Plans a resource that has requests of its own. Returns the way in which it is read, or
    /// why it cannot be read.
    fn read_separately(
        &mut self,
        resource: Resource,
        children: &[Resource],
        separate: Option<Separate>,
    ) -> Result<Result<Way, String>> {
        let mut plan = self.start(resource);
        let is_found = (separate.as_ref()).is_some_and(|separate| !separate.is_known);
        plan.separate = separate.map(|separate| separate.why);
        let found = self.read_first_pages(&mut plan, resource, children, is_found);
        let (verdict, found) = match found {
            Ok(way) if plan.error.is_none() => (Verdict::Done, Ok(way)),
            Ok(way) => (Verdict::Partial, Ok(way)),
            Err(error) => {
                let (verdict, text) = self.judge(resource, error)?;
                plan.error = Some(text.clone());
                (verdict, Err(text))
            }
        };
        self.verdicts.insert(verdict);
        self.plans.push(plan);
        Ok(found)
    }

    fn read_first_pages(
        &mut self,
        plan: &mut ResourcePlan,
        resource: Resource,
        children: &[Resource],
        is_found_separate: bool,
    ) -> Result<Way> {
        let keys = self.catalog.key_shape(resource)?;
        let filter = self.catalog.live_filter(resource);
        let (found, cost) = self.survey(&keys, filter, Tries::Configured)?;
        plan.newest = found.newest;
        let key_list = self.context.feed.replication(resource, true);
        plan.has_key_list = key_list.is_some() && filter.is_none();
        plan.has_composite_key = keys.has_composite_key();
        let finder = WayFinder {
            context: self.context,
            catalog: self.catalog,
            resource,
            count: found.count,
        };
        let mut way = finder.find(children)?;
        self.photo_urls.append(&mut way.photo_urls);
        // A count that is smaller than the pages is not one of all records.
        plan.records = found.count.filter(|count| *count >= way.read);
        plan.page_size = Some(way.page_size);
        plan.fields = Some(way.fields);
        plan.changes = way.changes;
        plan.error = way.contradiction.take();
        plan.way = Some(if way.replicates {
            ReadingWay::ByReplication
        } else if way.by_links {
            ReadingWay::ByNextLinks
        } else {
            ReadingWay::ByKey
        });
        let per_page = way.page_size.max(1);
        plan.bytes = plan.records.map(|records| way.bytes * records / per_page);
        let feed = self.context.feed;
        plan.requests = plan.records.map(|records| {
            let reading = Reading {
                survey: cost,
                ranges: sizes(feed, &keys, records),
                page_size: per_page,
                by_links: way.by_links,
                finds_links: way.found_links && !self.remembers,
                counts_all: feed.capabilities().counts_all_matching(),
            };
            let refused = u64::from(way.is_expand_refused && !self.remembers);
            // A refused page is requested once more. A slow one is compared with pages of each
            // child.
            let slow = u64::from(way.is_expand_slow && !self.remembers);
            reading.requests() + 2 * refused + slow * (1 + way.found_separate.len() as u64)
        });
        if is_found_separate {
            // A sync asks for the newest timestamp of the child before the listings, and for
            // its newest records after them.
            let lacks = plan.separate.as_deref() == Some(EXPAND_WHY);
            plan.requests = plan.requests.map(|own| own + cost + u64::from(lacks));
        }
        Ok(way)
    }

    /// Plans a child that comes with its listings. A sync compares the newest timestamp and
    /// the count of its own resource. With a filter of listings, it also compares the children
    /// of some of them.
    fn read_along(&mut self, child: Resource) -> Result<()> {
        let mut plan = self.start(child);
        plan.way = Some(ReadingWay::WithListings);
        plan.requests = Some(0);
        plan.changes = Some(ChangesWay::WithListings);
        let mut verdict = Verdict::Done;
        if !self.catalog.comes_only_with_listings(child) {
            plan.changes = None;
            let keys = self.catalog.key_shape(child)?;
            match self.survey(&keys, None, Tries::Once) {
                Ok((found, cost)) => {
                    let is_filtered = self.catalog.live_filter(Resource::PROPERTY).is_some();
                    plan.requests = Some(cost + 1 + u64::from(is_filtered));
                    (plan.records, plan.newest) = (found.count, found.newest);
                }
                // Its changes come with the listings, too.
                Err(FeedError::Refused { .. }) => {}
                Err(error) => {
                    let (found, text) = self.judge(child, error.into())?;
                    verdict = found;
                    plan.error = Some(text);
                }
            }
        }
        self.verdicts.insert(verdict);
        self.plans.push(plan);
        Ok(())
    }

    /// Asks for the count and the newest timestamp. Also returns the number of requests.
    fn survey(
        &self,
        keys: &Shape,
        filter: Option<&str>,
        tries: Tries,
    ) -> Result<(Survey, u64), FeedError> {
        let before = self.context.feed.traffic().requests;
        let found = survey(self.context.feed, keys, filter, tries)?;
        Ok((found, self.context.feed.traffic().requests - before))
    }

    fn start(&self, resource: Resource) -> ResourcePlan {
        ResourcePlan {
            resource: resource.entity_set(),
            fields_without_column: self
                .catalog
                .note_fields_without_column(self.context, resource),
            ..ResourcePlan::default()
        }
    }

    /// Returns how a run ends with an error, and its text.
    fn judge(&self, resource: Resource, error: SyncError) -> Result<(Verdict, String)> {
        if error.ends_job(false) {
            return Err(error);
        }
        match judge(self.context, resource, &error) {
            (Verdict::Misconfigured, text) => Err(anyhow::Error::new(Misconfigured(text)).into()),
            judged => Ok(judged),
        }
    }

    /// Returns the number of listings, if the feed counts them.
    fn listings(&self) -> Option<u64> {
        let listings = Resource::PROPERTY.entity_set();
        let mut plans = self.plans.iter();
        plans.find(|plan| plan.resource == listings)?.records
    }

    /// Returns the number of photos, if photos are mirrored: none if the feed does not count
    /// them.
    fn photos(&self) -> Option<Option<u64>> {
        let photos = Resource::MEDIA.entity_set();
        let mut plans = self.plans.iter();
        Some(plans.find(|plan| plan.resource == photos)?.records)
    }

    /// Returns the number of requests with which a sync finds deletions. `asked` were sent to
    /// find out how.
    fn requests_of_deletions(&self, way: Option<DeletionsWay>, asked: u64) -> u64 {
        let sets: Vec<&str> = self.plans.iter().map(|plan| plan.resource).collect();
        // The counts of the resources.
        let counts = self.plans.iter().filter(|plan| plan.newest.is_some());
        let counts = counts.count() as u64;
        match way {
            Some(DeletionsWay::Announced) => {
                let saved = self.context.feed.capabilities().deleted_names();
                let mut names = DELETED_NAMES.iter();
                let names = names.find(|names| saved.as_deref() == Some(names.name));
                let queries = names.map_or(1, |names| names.queries(&sets).len() as u64);
                asked.saturating_sub(1) + queries
            }
            Some(DeletionsWay::Events) => 2,
            Some(DeletionsWay::Marked) => counts,
            Some(DeletionsWay::Reconcile) if self.remembers => counts,
            Some(DeletionsWay::Reconcile) => asked + counts,
            None => asked,
        }
    }

    fn find_deletions(
        &mut self,
        resources: &[Resource],
    ) -> Result<(Option<DeletionsWay>, Option<String>)> {
        let Some(&first) = resources.first() else {
            return Ok((None, None));
        };
        if self.context.config.feed.deleted_when.is_some() {
            return Ok((Some(DeletionsWay::Marked), None));
        }
        if has_events(self.context, self.catalog)? {
            return Ok((Some(DeletionsWay::Events), None));
        }
        match announces(self.context.feed, first) {
            Ok(true) => Ok((Some(DeletionsWay::Announced), None)),
            Ok(false) => Ok((Some(DeletionsWay::Reconcile), None)),
            Err(error) => {
                let (verdict, text) = self.judge(first, error.into())?;
                self.verdicts.insert(verdict);
                Ok((None, Some(text)))
            }
        }
    }
}
