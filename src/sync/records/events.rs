//! Reads EntityEvent: the feed's list of records that were added, changed or deleted.
//!
//! An event names a record and has a number. It does not say what happened, so that each named
//! record is requested by its key. Numbers only rise. There may be gaps, and an older event
//! may disappear when a later one names the same record.
//! Source: RESO RCP-27, "Entity Event".

use std::collections::BTreeMap;
use std::sync::Arc;

use super::all_keys::compare_all_keys;
use super::announced_keys::{AnnouncedKeys, Confirming};
use super::catalog::Catalog;
use super::job_run::JobRun;
use super::run_set::{RunEnding, RunSet};
use crate::feed::query::{Order, Query};
use crate::feed::{FeedError, Key, Page, Position, Tries};
use crate::mirror::{Job, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Verdict;
use crate::sync::sync_error::{Result, answer_if_any};

/// The resource of the events.
const EVENTS: &str = "EntityEvent";

/// The key in `_state` of the number of the last event that was applied. 0 if the feed had no
/// event then.
const LAST_EVENT: &str = "entity_event_sequence";

/// Returns whether the feed declares events, and answers to a request for them.
pub(in crate::sync) fn has_events(context: &Context<'_>, catalog: &Catalog) -> Result<bool> {
    match Events::declared(context, catalog) {
        Some(events) => Ok(answer_if_any(events.at_end(Order::Desc))?.is_some()),
        None => Ok(false),
    }
}

/// Saves the number of the newest event before the first reading of the feed: what happens
/// during the reading has later numbers.
pub(in crate::sync) fn note_first_event(job: &mut JobRun<'_>) -> Result<()> {
    if last_event(job.mirror)?.is_some() {
        return Ok(());
    }
    let Some(events) = Events::declared(job.context, job.catalog) else {
        return Ok(());
    };
    match answer_if_any(events.at_end(Order::Desc))? {
        Some(newest) => save_last_event(job.mirror, newest.unwrap_or(0)),
        None => Ok(()),
    }
}

/// Requests the records that new events name. Those that the feed lacks are deleted, and the
/// others are updated. Returns false if the feed has no events.
pub(super) fn apply_events(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<bool> {
    let Some(events) = Events::declared(job.context, job.catalog) else {
        return Ok(false);
    };
    let Some(newest) = answer_if_any(events.at_end(Order::Desc))? else {
        return Ok(false);
    };
    let newest = newest.unwrap_or(0);
    match last_event(job.mirror)? {
        None => save_last_event(job.mirror, newest)?,
        Some(last) if last == newest => {}
        Some(last) if newest < last || events.are_purged(last)? => {
            tracing::warn!(
                last,
                newest,
                "the feed no longer has the events since the last sync; comparing all keys"
            );
            reconcile(job, resources, newest)?;
        }
        Some(last) => read(job, &events, resources, last)?,
    }
    Ok(true)
}

/// Compares all keys of the resources, and continues after the newest event if that
/// succeeded.
fn reconcile(job: &mut JobRun<'_>, resources: &[Resource], newest: i64) -> Result<()> {
    for &resource in resources {
        if job.must_end() {
            return Ok(());
        }
        if job.catalog.comes_only_with_listings(resource)
            || !job.mirror.has_finished_full(resource)?
        {
            continue;
        }
        compare_all_keys(job, resource)?;
        if job.status_of_last(resource)?.as_deref() != Some("succeeded") {
            return Ok(());
        }
    }
    save_last_event(job.mirror, newest)
}

/// Reads the events after the last one, page by page.
fn read(
    job: &mut JobRun<'_>,
    events: &Events<'_>,
    resources: &[Resource],
    last: i64,
) -> Result<()> {
    let mut known = Vec::new();
    for &resource in resources {
        if job.mirror.has_finished_full(resource)? {
            known.push(resource);
        }
    }
    let Some(&owner) = known.first() else {
        return Ok(());
    };
    let mut runs = job.runs(Job::Deletions, owner);
    for &resource in &known {
        runs.begin(job.mirror, resource, None)?;
    }
    let mut reading = Reading {
        events,
        runs,
        unconfirmed: BTreeMap::new(),
    };
    match reading.read(job, last) {
        Ok(()) => reading.end(job),
        Err(error) => job.end_failed(reading.runs, &error.of_resource()?),
    }
}

/// The events of a feed that declares them.
struct Events<'a> {
    context: &'a Context<'a>,
    shape: Arc<Shape>,
    /// The position of the name of the resource in a record.
    resource: usize,
    /// The position of the key of the record.
    key: usize,
}

impl<'a> Events<'a> {
    fn declared(context: &'a Context<'a>, catalog: &Catalog) -> Option<Events<'a>> {
        let shape = catalog.shape(Resource::named(EVENTS)?, &[]).ok()?;
        Some(Events {
            context,
            resource: shape.position("ResourceName")?,
            key: shape.position("ResourceRecordKey")?,
            shape,
        })
    }

    /// Returns the number of the first event in an order, if there is an event.
    fn at_end(&self, order: Order) -> std::result::Result<Option<i64>, FeedError> {
        let query = Query::of(&*self.shape.roles.set)
            .order_by(self.shape.paging_field().name.clone(), order)
            .top(1);
        let page =
            (self.context.feed).page(&query.to_path_and_query(), &self.shape, Tries::Once)?;
        Ok(number_of_last(&page))
    }

    /// Returns whether the feed may have removed events after the last one that was applied.
    fn are_purged(&self, last: i64) -> Result<bool> {
        let oldest = self.at_end(Order::Asc)?;
        Ok(last > 0 && oldest.is_some_and(|oldest| oldest > last))
    }

    /// Returns the records that the events of a page name.
    fn named(&self, page: &Page, resources: &[Resource]) -> BTreeMap<Resource, AnnouncedKeys> {
        let mut named: BTreeMap<Resource, AnnouncedKeys> = BTreeMap::new();
        for event in &page.records {
            let resource = event.values[self.resource].as_text();
            let resource = resources
                .iter()
                .find(|one| Some(one.entity_set()) == resource);
            if let (Some(&resource), Some(key)) = (resource, event.values[self.key].to_key()) {
                named.entry(resource).or_default().insert(key.into(), None);
            }
        }
        named
    }
}

/// Returns the number of the last event of a page.
fn number_of_last(page: &Page) -> Option<i64> {
    page.records.last()?.key.parse().ok()
}

/// The reading of events.
struct Reading<'e> {
    events: &'e Events<'e>,
    runs: RunSet,
    /// Why records of a resource could not be requested.
    unconfirmed: BTreeMap<Resource, String>,
}

impl Reading<'_> {
    fn read(&mut self, job: &mut JobRun<'_>, last: i64) -> Result<()> {
        let (context, resources) = (self.events.context, self.runs.resources());
        let start = Position::Keyset {
            after: Some(Key::Number(last)),
            up_to: None,
            skip: 0,
        };
        let sweep = context.feed.sweep(self.events.shape.clone(), None, false);
        for step in context.feed.walk(sweep, vec![(0, start)]) {
            let page = step?.page;
            for (resource, keys) in self.events.named(&page, &resources) {
                self.confirm(job, resource, keys)?;
            }
            if let Some(last) = number_of_last(&page).filter(|_| self.unconfirmed.is_empty()) {
                save_last_event(job.mirror, last)?;
            }
            context.check_stop()?;
        }
        Ok(())
    }

    /// Requests the live rows among the named records. Other records come with the changes.
    fn confirm(
        &mut self,
        job: &mut JobRun<'_>,
        resource: Resource,
        mut keys: AnnouncedKeys,
    ) -> Result<()> {
        let read = job.mirror.read()?;
        let mut live = AnnouncedKeys::new();
        while let Some((key, time)) = keys.pop_first() {
            if read.is_live(resource, &key)? {
                live.insert(key, time);
            }
        }
        drop(read);
        let mut confirming = Confirming {
            context: job.context,
            catalog: job.catalog,
            runs: &mut self.runs,
        };
        if let Some(why) = confirming.confirm(job.mirror, resource, &live)? {
            self.unconfirmed.entry(resource).or_insert(why);
        }
        Ok(())
    }

    fn end(mut self, job: &mut JobRun<'_>) -> Result<()> {
        let unconfirmed = self.unconfirmed;
        job.end_runs(&mut self.runs, None, |_, runs| {
            let endings = runs.resources().into_iter().map(|resource| {
                let before = runs
                    .get(resource)
                    .and_then(|run| run.watermark_before.clone());
                let problem = unconfirmed.get(&resource).cloned();
                let verdict = if problem.is_some() {
                    Verdict::Partial
                } else {
                    Verdict::Done
                };
                (resource, RunEnding::new(verdict, problem).at(before))
            });
            Ok(endings.collect())
        })
    }
}

fn last_event(mirror: &Mirror) -> Result<Option<i64>> {
    let saved = mirror.state(LAST_EVENT)?;
    Ok(saved.and_then(|saved| saved.parse().ok()))
}

fn save_last_event(mirror: &mut Mirror, number: i64) -> Result<()> {
    let write = mirror.write()?;
    write.set_state(LAST_EVENT, &number.to_string())?;
    Ok(write.commit()?)
}
