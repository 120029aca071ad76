//! Plans a full sync: the way in which it reads each resource, its requests, bytes and time.

use std::collections::BTreeSet;

use super::alert_check::check_alerts;
use super::job_ways::job_ways;
use super::planned::{DeletionsWay, Plan, ReadingWay, ResourcePlan};
use super::request_time::time_at;
use crate::config::Config;
use crate::feed::{FeedError, Tries};
use crate::mirror::Mirror;
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::{Misconfigured, Verdict, ending_of, judge};
use crate::sync::progress::Note;
use crate::sync::records::announced::announces;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::events::has_events;
use crate::sync::records::probes::ChangesWay;
use crate::sync::records::survey::{Survey, survey};
use crate::sync::records::way::WayFinder;
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
    check_alerts_with(&catalog, context.config, mirror.as_mut())?;
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
        verdicts: BTreeSet::new(),
        plans: Vec::new(),
    };
    planning.read_all(&resources)?;
    let (deletions, deletions_error) = planning.find_deletions(&resources)?;

    let mut plans = planning.plans;
    let place = |plan: &ResourcePlan| {
        let mut names = resources.iter().map(|resource| resource.entity_set());
        names.position(|name| name == plan.resource)
    };
    plans.sort_by_key(place);
    let capabilities = context.feed.capabilities();
    for plan in &mut plans {
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
    let requests = 1 + plans.iter().filter_map(|plan| plan.requests).sum::<u64>();
    let time = time_at(requests, &context.config.feed);
    let bytes = plans.iter().filter_map(|plan| plan.bytes);
    Ok(Plan {
        bytes: bytes.reduce(|sum, bytes| sum + bytes),
        resources: plans,
        capabilities: capabilities.all(),
        left_out: left_out.iter().map(|one| one.entity_set()).collect(),
        deletions,
        deletions_error,
        requests,
        seconds: time.as_ref().map(|(time, _)| time.as_secs()),
        rate: time.map(|(_, rate)| rate),
        ending: ending_of(&planning.verdicts, context.stop),
    })
}

/// Checks the alerts against the columns of the mirror, or against those that the feed
/// declares if there are none yet.
fn check_alerts_with(
    catalog: &Catalog,
    config: &Config,
    mirror: Option<&mut Mirror>,
) -> Result<()> {
    if let Some(mirror) = mirror
        && mirror.has_table(Resource::PROPERTY)?
    {
        return Ok(check_alerts(config, mirror)?);
    }
    let mut declared = Mirror::in_memory()?;
    catalog.store(&mut declared, &[Resource::PROPERTY])?;
    Ok(check_alerts(config, &mut declared)?)
}

/// The plans of the resources that were asked so far.
struct Planning<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    /// How the runs of a sync will end.
    verdicts: BTreeSet<Verdict>,
    plans: Vec<ResourcePlan>,
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
                    Ok(separate) => match separate.iter().find(|(of, _)| *of == child) {
                        Some((_, why)) => {
                            let _ = self.read_separately(child, &[], Some(why.clone()))?;
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

    /// Plans a resource that has requests of its own. Returns the children that do not come
    /// with it, and why; or why it cannot be read.
    fn read_separately(
        &mut self,
        resource: Resource,
        children: &[Resource],
        separate: Option<String>,
    ) -> Result<Result<Vec<(Resource, String)>, String>> {
        let mut plan = self.start(resource);
        plan.separate = separate;
        let (verdict, found) = match self.read_first_pages(&mut plan, resource, children) {
            Ok(separate) if plan.error.is_none() => (Verdict::Done, Ok(separate)),
            Ok(separate) => (Verdict::Partial, Ok(separate)),
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
        &self,
        plan: &mut ResourcePlan,
        resource: Resource,
        children: &[Resource],
    ) -> Result<Vec<(Resource, String)>> {
        let keys = self.catalog.key_shape(resource)?;
        let filter = self.catalog.live_filter(resource);
        let (found, cost) = self.survey(&keys, filter, Tries::Configured)?;
        plan.newest = found.newest;
        let key_list = self.context.feed.replication(resource, true);
        plan.has_key_list = key_list.is_some() && filter.is_none();
        let finder = WayFinder {
            context: self.context,
            catalog: self.catalog,
            resource,
            count: found.count,
        };
        let way = finder.find(children)?;
        // A count that is smaller than the pages is not one of all records.
        plan.records = found.count.filter(|count| *count >= way.read);
        plan.page_size = Some(way.page_size);
        plan.fields = Some(way.fields);
        plan.changes = way.changes;
        plan.error = way.contradiction;
        let per_page = way.page_size.max(1);
        let pages = plan.records.map(|records| records.div_ceil(per_page));
        // A walk by key ends at an empty page, which is read twice.
        let (reading, mut others) = if way.replicates {
            (ReadingWay::ByReplication, cost + 1)
        } else if way.by_links {
            (ReadingWay::ByNextLinks, cost)
        } else {
            (ReadingWay::ByKey, cost + 2)
        };
        if plan.separate.is_some() {
            // A sync finds out that the child does not come with its listings.
            others += 2 * cost;
        }
        plan.way = Some(reading);
        plan.requests = pages.map(|pages| pages + others);
        plan.bytes = plan.records.map(|records| way.bytes * records / per_page);
        Ok(way.separate)
    }

    /// Plans a child that comes with its listings. A sync compares the newest timestamp and
    /// the count of its own resource.
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
                    plan.requests = Some(2 * cost);
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
