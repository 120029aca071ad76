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
use super::audit::Depth;
use super::catalog::Catalog;
use super::job_run::JobRun;
use super::run_set::{RunEnding, RunSet};
use super::survey::first_key;
use crate::feed::query::Order;
use crate::feed::{FeedError, Key, Page, Position, resource_named};
use crate::mirror::{Job, Mirror, RunStatus};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Verdict;
use crate::sync::sync_error::{Result, answer_if_any};

/// The resource of the events.
const EVENTS: &str = "EntityEvent";

/// The numbers of events by resource.
type Numbers = BTreeMap<Resource, i64>;

/// Returns whether the feed declares events, and answers to a request for them.
pub(in crate::sync) fn has_events(context: &Context<'_>, catalog: &Catalog) -> Result<bool> {
    match Events::declared(context, catalog) {
        Some(events) => Ok(events.newest()?.is_some()),
        None => Ok(false),
    }
}

/// Saves the number of the newest event before the first reading of resources: what happens
/// during the reading has later numbers.
pub(in crate::sync) fn note_first_event(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
    let mut new = Vec::new();
    for &resource in resources {
        if last_event(job.mirror, resource)?.is_none() {
            new.push(resource);
        }
    }
    let events = Events::declared(job.context, job.catalog);
    let Some(events) = events.filter(|_| !new.is_empty()) else {
        return Ok(());
    };
    match events.newest()? {
        Some(newest) => save_last_event(job.mirror, &new, newest),
        None => Ok(()),
    }
}

/// Requests the records that new events name. Those that the feed lacks are deleted, and the
/// others are updated. Returns false if the feed has no events.
pub(super) fn apply_events(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<bool> {
    let Some(events) = Events::declared(job.context, job.catalog) else {
        return Ok(false);
    };
    let newest = match events.newest() {
        Ok(Some(newest)) => newest,
        Ok(None) => return Ok(false),
        Err(error) => {
            job.fail(Job::Deletions, resources, &error.of_resource()?)?;
            return Ok(true);
        }
    };
    let mut due = Numbers::new();
    for &resource in resources {
        // A child without an entity set comes with its listings.
        if job.catalog.comes_only_with_listings(resource)
            || !job.mirror.has_finished_full(resource)?
        {
            continue;
        }
        match last_event(job.mirror, resource)? {
            None => save_last_event(job.mirror, &[resource], newest)?,
            Some(last) if last == newest => {}
            Some(last) => {
                due.insert(resource, last);
            }
        }
    }
    if due.is_empty() {
        return Ok(true);
    }
    let oldest = events.at_end(Order::Asc)?.unwrap_or(0);
    let is_purged = |last: i64| newest < last || (last > 0 && oldest > last);
    let (purged, listed): (Numbers, Numbers) =
        (due.into_iter()).partition(|(_, last)| is_purged(*last));
    reconcile(job, purged, newest)?;
    if !listed.is_empty() && !job.must_end() {
        read(job, &events, listed, newest)?;
    }
    Ok(true)
}

/// Compares all keys of resources whose events the feed no longer has, and continues after
/// the newest event where that succeeded.
fn reconcile(job: &mut JobRun<'_>, purged: Numbers, newest: i64) -> Result<()> {
    for (resource, last) in purged {
        if job.must_end() {
            return Ok(());
        }
        tracing::warn!(%resource, last, newest, "the feed no longer has the events since the last sync; comparing all keys");
        compare_all_keys(job, resource, Depth::KeysIfFew)?;
        let ended = job.status_of_last(resource)?;
        if ended.as_deref() == Some(RunStatus::Succeeded.as_str()) {
            save_last_event(job.mirror, &[resource], newest)?;
        }
    }
    Ok(())
}

/// Reads the events after the last ones, page by page.
fn read(job: &mut JobRun<'_>, events: &Events<'_>, last: Numbers, newest: i64) -> Result<()> {
    let Some(&owner) = last.keys().next() else {
        return Ok(());
    };
    let mut runs = job.runs(Job::Deletions, owner);
    for &resource in last.keys() {
        runs.begin(job.mirror, resource, None)?;
        job.note_new_fields(&mut runs, resource)?;
    }
    let mut reading = Reading {
        events,
        runs,
        last,
        unconfirmed: BTreeMap::new(),
    };
    match reading.read(job, newest) {
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

    /// Returns the number of the newest event, or 0 if there is none. Returns none if the feed
    /// does not answer, or refused the events within a day.
    fn newest(&self) -> Result<Option<i64>> {
        let capabilities = self.context.feed.capabilities();
        if capabilities.has_refused_events_today() {
            return Ok(None);
        }
        match self.at_end(Order::Desc) {
            Ok(newest) => {
                capabilities.note_events_answer();
                Ok(Some(newest.unwrap_or(0)))
            }
            Err(error) => {
                let is_refusal = matches!(
                    error,
                    FeedError::Refused { .. } | FeedError::Unauthorized { status: 403, .. }
                );
                if is_refusal && capabilities.note_events_refused(&error) {
                    return Ok(None);
                }
                // Without events that were there before, deletions would be missed.
                let problem = format!("EntityEvent, which has answered before: {error}");
                let answer = answer_if_any(Err(error))?;
                if capabilities.has_events() {
                    return Err(FeedError::Stuck(problem).into());
                }
                Ok(answer)
            }
        }
    }

    /// Returns the number of the first event in an order, if there is an event.
    fn at_end(&self, order: Order) -> std::result::Result<Option<i64>, FeedError> {
        let key = first_key(self.context.feed, &self.shape, None, Some(order))?;
        Ok(key.and_then(|key| key.parse().ok()))
    }

    /// Returns the records that the events of a page name, if the events are later than the
    /// last ones of their resources.
    fn named(&self, page: &Page, last: &Numbers) -> BTreeMap<Resource, AnnouncedKeys> {
        let mut named: BTreeMap<Resource, AnnouncedKeys> = BTreeMap::new();
        for event in &page.records {
            let resource = event.values[self.resource].as_text();
            let resource = resource.and_then(resource_named);
            let Some((&resource, last)) = resource.and_then(|one| last.get_key_value(&one)) else {
                continue;
            };
            let is_new = event.key.parse().is_ok_and(|number: i64| number > *last);
            if let Some(key) = event.values[self.key].to_key().filter(|_| is_new) {
                named.entry(resource).or_default().insert(key.into(), None);
            }
        }
        named
    }
}

/// The reading of events.
struct Reading<'e> {
    events: &'e Events<'e>,
    runs: RunSet,
    /// The last events that were applied.
    last: Numbers,
    /// Why records of a resource could not be requested.
    unconfirmed: BTreeMap<Resource, String>,
}

impl Reading<'_> {
    fn read(&mut self, job: &mut JobRun<'_>, newest: i64) -> Result<()> {
        let context = self.events.context;
        let mut reached = self.last.values().copied().min().unwrap_or(newest);
        let start = Position::Keyset {
            after: Some(Key::Number(reached)),
            up_to: None,
            skip: 0,
        };
        let sweep = (context.feed).sweep(self.events.shape.clone(), None, false);
        for step in context.feed.walk(sweep, vec![(0, start)]) {
            let page = step?.page;
            for (resource, keys) in self.events.named(&page, &self.last) {
                self.confirm(job, resource, keys)?;
            }
            let number = page.records.last().and_then(|event| event.key.parse().ok());
            reached = number.unwrap_or(reached);
            self.save(job, reached)?;
            context.check_stop()?;
        }
        if reached < newest {
            let problem = format!("the events end at {reached}, and the newest one is {newest}");
            return Err(FeedError::Stuck(problem).into());
        }
        Ok(())
    }

    /// Saves the number of the last event of the resources whose records could be requested.
    fn save(&mut self, job: &mut JobRun<'_>, reached: i64) -> Result<()> {
        let unconfirmed = &self.unconfirmed;
        let is_behind = |resource: &Resource, last: &i64| {
            *last < reached && !unconfirmed.contains_key(resource)
        };
        let behind = self.last.iter().filter(|(one, last)| is_behind(one, last));
        let behind: Vec<Resource> = behind.map(|(one, _)| *one).collect();
        self.last.extend(behind.iter().map(|one| (*one, reached)));
        save_last_event(job.mirror, &behind, reached)
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

/// Returns the key in `_state` of the number of the last event of a resource that was applied.
/// The number is 0 if the feed had no event then.
fn last_event_state(resource: Resource) -> String {
    format!("event:{resource}")
}

fn last_event(mirror: &Mirror, resource: Resource) -> Result<Option<i64>> {
    let saved = mirror.state(&last_event_state(resource))?;
    Ok(saved.and_then(|saved| saved.parse().ok()))
}

fn save_last_event(mirror: &mut Mirror, resources: &[Resource], number: i64) -> Result<()> {
    if resources.is_empty() {
        return Ok(());
    }
    let write = mirror.write()?;
    for &resource in resources {
        write.set_state(&last_event_state(resource), &number.to_string())?;
    }
    Ok(write.commit()?)
}
