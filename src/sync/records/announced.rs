//! Applies the deletions that the feed announces in its Deleted resource.

use std::sync::Arc;

use super::apply::Apply;
use super::by_key::fetch;
use super::catalog::Catalog;
use super::job_run::JobRun;
use super::reader::earlier;
use super::run_set::{RunEnding, RunSet};
use crate::feed::{Announced, Announcement, DELETED_NAMES, DeletedNames, FeedError};
use crate::mirror::{DeletedReason, Job, Mirror, WriteTx};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::outcome::Verdict;
use crate::sync::progress::Note;
use crate::sync::sync_error::{Result, SyncError};
use crate::value::stored_instant;

/// The key in `_state` of the names that the Deleted resource answers to.
const NAMES: &str = "deleted_names";

/// Reads the announcements of those `resources` that were read completely once.
pub(in crate::sync) fn apply_announcements(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<()> {
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
    }

    let mut announcing = Announcing {
        context: job.context,
        catalog: job.catalog,
        runs,
        after,
        newest: None,
        unreadable: Vec::new(),
    };
    match announcing.read(job.mirror) {
        Ok(()) => announcing.finish(job),
        Err(error) => job.end_failed(announcing.runs, &error.of_resource()?),
    }
}

/// Reads and applies announcements.
struct Announcing<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    runs: RunSet,
    /// Announcements are read from this timestamp on.
    after: String,
    /// The newest timestamp that is not in the feed's future.
    newest: Option<String>,
    /// The timestamps of announcements that could not be read.
    unreadable: Vec<Option<String>>,
}

/// What an announcement means for the mirror.
enum Meaning {
    /// Nothing: the row is deleted already, or the record came back since.
    Void,
    /// The feed has to be asked whether it still has the record.
    Doubtful,
    /// The record is deleted.
    Deleted,
}

impl Announcing<'_> {
    /// Reads the announcements under the names that the feed answers to. The names that
    /// answered last are tried first.
    fn read(&mut self, mirror: &mut Mirror) -> Result<()> {
        let saved = mirror.state(NAMES)?;
        let is_known = |names: &&DeletedNames| saved.as_deref() == Some(names.name);
        let known = DELETED_NAMES.iter().find(is_known);
        let others = DELETED_NAMES.iter().filter(|names| Some(*names) != known);
        for names in known.into_iter().chain(others) {
            let Err(error) = self.read_named(mirror, names) else {
                return Ok(());
            };
            match error.feed() {
                Some(FeedError::Refused { status: 400, .. }) => {}
                Some(FeedError::Refused { .. }) => break,
                Some(FeedError::Unavailable {
                    status: Some(501), ..
                }) => break,
                _ => return Err(error),
            }
        }
        self.context.progress.note(&Note::NoAnnouncements);
        Ok(())
    }

    /// Reads all pages of a server that answers to these names.
    fn read_named(&mut self, mirror: &mut Mirror, names: &'static DeletedNames) -> Result<()> {
        let resources = self.runs.resources();
        let sets: Vec<&str> = (resources.iter())
            .map(|resource| resource.entity_set())
            .collect();
        for of in names.queries(&sets) {
            let mut skip = 0;
            let mut before = Announced::default();
            loop {
                let page = self.context.feed.announced(names, of, &self.after, skip)?;
                if page.entries() > 0 && page == before {
                    let what = "Deleted sends the same page again; it seems to ignore $skip";
                    return Err(FeedError::Stuck(what.to_owned()).into());
                }
                save_names(mirror, names)?;
                self.apply(mirror, &page)?;
                self.context.check_stop()?;
                if page.is_last {
                    break;
                }
                skip += page.entries() as u64;
                before = page;
            }
        }
        Ok(())
    }

    /// Applies a page: first the certain announcements in one transaction, and then the
    /// doubtful ones.
    fn apply(&mut self, mirror: &mut Mirror, page: &Announced) -> Result<()> {
        let now = self.context.feed.date().map(stored_instant);
        let mut doubtful: Vec<(Resource, &Announcement)> = Vec::new();
        let write = mirror.write()?;
        for announcement in &page.announcements {
            if now
                .as_ref()
                .is_none_or(|now| announcement.timestamp <= *now)
            {
                self.newest = self.newest.take().max(Some(announcement.timestamp.clone()));
            }
            let Ok(resource) = announcement.resource.parse::<Resource>() else {
                continue;
            };
            let meaning = self.meaning(&write, resource, announcement)?;
            let Some(run) = self.runs.get_mut(resource) else {
                continue;
            };
            run.counts.records_seen += 1;
            match meaning {
                Meaning::Void => run.counts.unchanged += 1,
                Meaning::Doubtful => doubtful.push((resource, announcement)),
                Meaning::Deleted => self.delete(&write, resource, announcement)?,
            }
        }
        for resource in self.runs.resources() {
            if let Some(run) = self.runs.get_mut(resource) {
                run.counts.pages += 1;
            }
        }
        self.unreadable.extend(page.unreadable.iter().cloned());
        self.save(&write)?;
        write.commit()?;

        for resource in self.runs.resources() {
            let own = doubtful.iter().filter(|(of, _)| *of == resource);
            let own: Vec<&Announcement> = own.map(|(_, announcement)| *announcement).collect();
            self.confirm(mirror, resource, &own)?;
        }
        Ok(())
    }

    /// Decides what an announcement means. A key can be created again: an announcement
    /// that is older than the record's timestamp is void. An announcement that was read
    /// before, or is as old as the record, proves nothing.
    fn meaning(
        &self,
        write: &WriteTx<'_>,
        resource: Resource,
        announcement: &Announcement,
    ) -> Result<Meaning> {
        let Some(run) = self.runs.get(resource) else {
            return Ok(Meaning::Void);
        };
        let key = &announcement.key;
        if !write.is_live(resource, key)? {
            return Ok(Meaning::Void);
        }
        let mut held = None;
        if self.catalog.key_shape(resource)?.has_timestamp() {
            held = write.live_timestamp(resource, key)?.flatten();
        }
        let announced = announcement.timestamp.as_str();
        let was_read = (run.watermark_before.as_deref()).is_some_and(|before| announced <= before);
        Ok(match held.as_deref() {
            Some(held) if announced < held => Meaning::Void,
            Some(held) if announced == held => Meaning::Doubtful,
            _ if was_read => Meaning::Doubtful,
            _ => Meaning::Deleted,
        })
    }

    /// Asks the feed whether it still has records whose announcement is doubtful.
    fn confirm(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        doubtful: &[&Announcement],
    ) -> Result<()> {
        if doubtful.is_empty() {
            return Ok(());
        }
        let (feed, stop) = (self.context.feed, self.context.stop);
        let sweep = feed.sweep(Arc::new(self.catalog.key_shape(resource)?), None, true);
        let keys: Vec<String> = doubtful.iter().map(|one| one.key.clone()).collect();
        let absent = match fetch(feed, stop, &sweep, &keys, |_| Ok(())) {
            Ok(absent) => absent,
            Err(SyncError::Feed(error @ FeedError::Refused { .. })) => {
                tracing::info!(%resource, %error, "keeping announced records that are live here");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let write = mirror.write()?;
        for announcement in doubtful {
            let key = &announcement.key;
            // A record that was deleted twice is announced twice.
            if absent.contains(key) && write.is_live(resource, key)? {
                self.delete(&write, resource, announcement)?;
            } else if let Some(run) = self.runs.get_mut(resource) {
                run.counts.unchanged += 1;
            }
        }
        self.save(&write)?;
        Ok(write.commit()?)
    }

    fn delete(
        &mut self,
        write: &WriteTx<'_>,
        resource: Resource,
        announcement: &Announcement,
    ) -> rusqlite::Result<()> {
        let mut apply = Apply::new(self.context, &mut self.runs, write);
        let announced = Some(announcement.timestamp.as_str());
        apply.delete(
            resource,
            &announcement.key,
            DeletedReason::Announced,
            announced,
        )
    }

    fn save(&mut self, write: &WriteTx<'_>) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic();
        self.runs.save(write, traffic, None)
    }

    fn finish(mut self, job: &mut JobRun<'_>) -> Result<()> {
        let unreadable = self.unreadable.len();
        let verdict = if unreadable == 0 {
            Verdict::Done
        } else {
            Verdict::Partial
        };
        let error = (unreadable > 0).then(|| {
            format!(
                "{unreadable} announcements of deletions could not be read; they are read again"
            )
        });
        job.end_runs(&mut self.runs, None, |_, runs| {
            let mut endings = Vec::new();
            for resource in runs.resources() {
                let before = runs
                    .get(resource)
                    .and_then(|run| run.watermark_before.clone());
                let newest = self.newest.clone().max(before.clone());
                let watermark = match self.unreadable.iter().min() {
                    None => newest,
                    Some(None) => before,
                    Some(oldest) => newest.min(oldest.clone()),
                };
                let ending = RunEnding::new(verdict, error.clone()).at(watermark);
                endings.push((resource, ending));
            }
            Ok(endings)
        })
    }
}

/// Saves the names that the Deleted resource answers to.
fn save_names(mirror: &mut Mirror, names: &DeletedNames) -> Result<()> {
    if mirror.state(NAMES)?.as_deref() == Some(names.name) {
        return Ok(());
    }
    let write = mirror.write()?;
    write.set_state(NAMES, names.name)?;
    Ok(write.commit()?)
}
