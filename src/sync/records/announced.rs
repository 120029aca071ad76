//! Applies the deletions that the feed announces in its Deleted resource. The feed is asked
//! by key for every announced record before anything is deleted.

use std::collections::{BTreeMap, BTreeSet};

use super::announced_keys::{AnnouncedKeys, Confirming};
use super::catalog::Catalog;
use super::deleted_resource::{has_no_announcements, names_by_last, save_unknown, ways};
use super::events::apply_events;
use super::job_run::JobRun;
use super::last_read::earlier;
use super::reader::rejected_error;
use super::run_set::{RunEnding, RunSet};
use crate::feed::{
    Announced, Circle, DeletedNames, DeletedPosition, FeedError, KeylessAnnouncement, READINGS,
};
use crate::mirror::{Job, Mirror, WriteTx};
use crate::record::Reject;
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::progress::Note;
use crate::sync::sync_error::Result;
use crate::value::stored_instant;

/// Reads the announcements as [`apply_announcements`] does, unless the feed has no events and
/// marks deleted records or refused the Deleted resource within a day.
pub(in crate::sync) fn apply_announcements_daily(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
    if apply_events(job, resources)? {
        return Ok(());
    }
    let marks = job.context.config.feed.deleted_when.is_some();
    if marks || job.context.feed.capabilities().has_refused_deleted_today() {
        return Ok(());
    }
    apply_deleted(job, resources)
}

/// Reads the announcements of those `resources` that were read completely once: the events of
/// the feed, or else its Deleted resource.
pub(in crate::sync) fn apply_announcements(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
    if apply_events(job, resources)? {
        return Ok(());
    }
    apply_deleted(job, resources)
}

/// Reads the Deleted resource.
fn apply_deleted(job: &mut JobRun<'_>, resources: &[Resource]) -> Result<()> {
    let mut oldest: Option<String> = None;
    let mut announced = Vec::new();
    for &resource in resources {
        let watermark = job.mirror.deletions_watermark(resource)?;
        let Some(watermark) = watermark.filter(|_| job.catalog.key_shape(resource).is_ok()) else {
            continue;
        };
        if job.mirror.has_finished_full(resource)? {
            announced.push(resource);
            oldest = Some(oldest.unwrap_or(watermark.clone()).min(watermark));
        }
    }
    let overlap = job.context.config.sync.overlap;
    let after = oldest.and_then(|oldest| earlier(&oldest, overlap));
    let (Some(after), Some(&owner)) = (after, announced.iter().min()) else {
        return Ok(());
    };
    let mut runs = job.runs(Job::Deletions, owner);
    for resource in announced {
        runs.begin(job.mirror, resource, None)?;
        job.note_new_fields(&mut runs, resource)?;
    }

    let mut announcing = Announcing {
        context: job.context,
        catalog: job.catalog,
        runs,
        owner,
        after,
        newest: None,
        unknown: BTreeSet::new(),
        unconfirmed: BTreeMap::new(),
    };
    match announcing.read(job.mirror) {
        Ok(true) => announcing.finish(job),
        Ok(false) if job.context.feed.capabilities().note_deleted_refused() => {
            job.context.progress.note(&Note::NoAnnouncements);
            job.discard(announcing.runs)
        }
        Ok(false) => {
            let problem = "the feed refuses Deleted, which has answered before";
            let refused = FeedError::Stuck(problem.to_owned());
            job.end_failed(announcing.runs, &refused.into())
        }
        Err(error) => job.end_failed(announcing.runs, &error.of_resource()?),
    }
}

/// Reads and applies announcements.
struct Announcing<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    runs: RunSet,
    /// The first resource. It gets the announcements that name no resource.
    owner: Resource,
    /// Announcements are read from this timestamp on.
    after: String,
    /// The newest timestamp that is not in the feed's future.
    newest: Option<String>,
    /// Names of resources that the mirror does not know.
    unknown: BTreeSet<String>,
    /// Why announced deletions of a resource could not be confirmed.
    unconfirmed: BTreeMap<Resource, String>,
}

impl Announcing<'_> {
    /// Reads the announcements under the names that the feed answers to. The names that
    /// answered last are tried first. Returns false if the feed answers to none.
    fn read(&mut self, mirror: &mut Mirror) -> Result<bool> {
        for (first, names) in ways(names_by_last(self.context.feed)) {
            match self.read_named(mirror, names, &first) {
                Ok(true) => return Ok(true),
                Ok(false) => {}
                Err(error) if error.feed().is_some_and(has_no_announcements) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(false)
    }

    /// Reads all pages of a server that answers to these names. Returns false if it refuses
    /// the first page.
    fn read_named(
        &mut self,
        mirror: &mut Mirror,
        names: &'static DeletedNames,
        first: &DeletedPosition,
    ) -> Result<bool> {
        let resources = self.runs.resources();
        let sets: Vec<&str> = (resources.iter())
            .map(|resource| resource.entity_set())
            .collect();
        let mut has_answered = false;
        // A count shows whether a page is empty by mistake.
        let counts_all_matching = self.context.feed.capabilities().counts_all_matching();
        for of in names.queries(&sets) {
            let mut next = Some(first.clone());
            let mut before = Announced::default();
            let mut pages = Circle::default();
            let mut endings = 0;
            let mut newest = Some(self.after.clone());
            while let Some(position) = next {
                let asked = self
                    .context
                    .feed
                    .announced(names, of, &self.after, &position);
                let mut page = match asked {
                    Err(FeedError::Refused { status: 400, .. }) if !has_answered => {
                        return Ok(false);
                    }
                    asked => asked?,
                };
                if !has_answered {
                    (self.context.feed.capabilities()).note_deleted_names(names.name);
                    has_answered = true;
                }
                if let Some(instead) = page.position_instead(&before, &position) {
                    next = Some(instead);
                    continue;
                }
                page.remove_repeated(&before, &position)?;
                if page.has_entries() && pages.closes_with(&page) {
                    let problem = "the pages of Deleted form a circle";
                    return Err(FeedError::Stuck(problem.to_owned()).into());
                }
                let lacks_counted = page.claims_more
                    && page.next.is_none()
                    && !self.ignores_filter(names, of, page.count, &position.end())?;
                let is_counted = page.count.is_some() && !page.claims_more;
                self.apply(mirror, &page)?;
                self.context.check_stop()?;
                newest = newest.max(page.newest().cloned());
                next = page.next.take();
                if next.is_none() && !(is_counted && counts_all_matching) {
                    let (is_at_end, problem) = if lacks_counted {
                        let problem =
                            "a page of Deleted is empty, but its count says that more follow";
                        (Some(false), problem)
                    } else {
                        let problem = "the pages of Deleted end before its newest entry";
                        (self.is_at_newest(names, of, newest.as_ref())?, problem)
                    };
                    endings += 1;
                    if endings < READINGS && is_at_end != Some(true) {
                        next = Some(position);
                    } else if is_at_end == Some(false) {
                        return Err(FeedError::Stuck(problem.to_owned()).into());
                    }
                }
                before = page;
            }
        }
        Ok(true)
    }

    /// Returns whether the newest announcement was read. Returns none if the server refuses the
    /// request for it.
    fn is_at_newest(
        &self,
        names: &DeletedNames,
        of: Option<&str>,
        newest: Option<&String>,
    ) -> Result<Option<bool>> {
        for _ in 0..READINGS {
            match self.context.feed.newest_announced(names, of) {
                Ok(page) if page.has_entries() => return Ok(Some(page.newest() <= newest)),
                Ok(_) => {}
                Err(error) if error.is_refusal() => return Ok(None),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(true))
    }

    /// Returns whether a count of entries is that of a server that ignores the filter: it has the
    /// same count after all entries.
    fn ignores_filter(
        &self,
        names: &DeletedNames,
        of: Option<&str>,
        count: Option<u64>,
        end: &DeletedPosition,
    ) -> Result<bool> {
        let after_all = (self.context.feed).announced(names, of, &self.after, end)?;
        Ok(count.is_some() && after_all.count == count)
    }

    /// Applies a page: confirms its announcements of live rows, and keeps the announcements
    /// that name no record.
    fn apply(&mut self, mirror: &mut Mirror, page: &Announced) -> Result<()> {
        self.note_newest(page);
        let mut announced: BTreeMap<Resource, AnnouncedKeys> = BTreeMap::new();
        let read = mirror.read()?;
        for announcement in &page.announcements {
            let Some(resource) = announcement.resource() else {
                self.unknown.insert(announcement.resource.clone());
                continue;
            };
            let Some(run) = self.runs.get_mut(resource) else {
                continue;
            };
            if read.is_live(resource, &announcement.key)? {
                let times = announced.entry(resource).or_default();
                let time = times.entry(announcement.key.clone()).or_default();
                *time = time.take().max(announcement.timestamp.clone());
            } else {
                run.counts.records_seen += 1;
                run.counts.unchanged += 1;
            }
        }
        drop(read);

        for (resource, keys) in announced {
            let mut confirming = Confirming {
                context: self.context,
                catalog: self.catalog,
                runs: &mut self.runs,
            };
            if let Some(why) = confirming.confirm(mirror, resource, &keys)? {
                self.unconfirmed.entry(resource).or_insert(why);
            }
        }
        let write = mirror.write()?;
        for keyless in &page.keyless {
            self.keep(&write, keyless)?;
        }
        for resource in self.runs.resources() {
            if let Some(run) = self.runs.get_mut(resource) {
                run.counts.pages += 1;
            }
        }
        self.save(&write)?;
        Ok(write.commit()?)
    }

    fn note_newest(&mut self, page: &Announced) {
        let now = stored_instant(self.context.feed.now());
        let times = (page.announcements.iter()).filter_map(|one| one.timestamp.as_ref());
        let newest = times.filter(|time| **time <= now).max();
        self.newest = self.newest.take().max(newest.cloned());
    }

    /// Keeps an announcement that does not name its record, once.
    fn keep(&mut self, write: &WriteTx<'_>, keyless: &KeylessAnnouncement) -> Result<()> {
        let resource = match (keyless.resource(), &keyless.resource) {
            (Some(resource), _) => resource,
            (None, None) => self.owner,
            (None, Some(name)) => {
                self.unknown.insert(name.clone());
                return Ok(());
            }
        };
        let Some(run) = self.runs.get_mut(resource) else {
            return Ok(());
        };
        let reject = Reject {
            resource,
            key: None,
            reason: "the announcement of a deletion does not name its record".to_owned(),
            payload: keyless.payload.clone(),
        };
        run.counts.records_seen += 1;
        if write.has_kept(&reject)? {
            run.counts.unchanged += 1;
        } else {
            run.counts.rejected += 1;
            write.save_reject(run.id, &reject)?;
        }
        Ok(())
    }

    fn save(&mut self, write: &WriteTx<'_>) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic();
        self.runs.save(write, traffic, None)
    }

    fn finish(mut self, job: &mut JobRun<'_>) -> Result<()> {
        let unknown = save_unknown(job.mirror, &self.unknown)?;
        if !unknown.is_empty() {
            let note = Note::UnknownAnnounced(unknown.join(", "));
            self.context.progress.note(&note);
        }
        job.end_runs(&mut self.runs, None, |write, runs| {
            let mut endings = Vec::new();
            for resource in runs.resources() {
                let unconfirmed = self.unconfirmed.remove(&resource);
                let before = runs.watermark_before(resource);
                let watermark = match unconfirmed {
                    None => self.newest.clone().max(before),
                    Some(_) => before,
                };
                let rejected = rejected_error(write.open_rejects(resource)?);
                let problems: Vec<String> = unconfirmed.into_iter().chain(rejected).collect();
                let problem = (!problems.is_empty()).then(|| problems.join("; "));
                endings.push((resource, RunEnding::complete(problem).at(watermark)));
            }
            Ok(endings)
        })
    }
}
