//! The deletions job: what the feed announces as deleted.

use std::sync::Arc;

use super::whole_job::whole_job;
use crate::feed::{Announced, Announcement, DELETED_NAMES, DeletedNames, FeedError};
use crate::mirror::{DeletedReason, Job, Mirror, RunStatus, WriteTx};
use crate::resource::Resource;
use crate::sync::files::Trust;
use crate::sync::records::apply::Apply;
use crate::sync::records::begin::earlier;
use crate::sync::records::by_key::fetch;
use crate::sync::records::catalog::Catalog;
use crate::sync::records::job_run::{Runs, run_job};
use crate::sync::records::run_rows::Tallies;
use crate::sync::{Context, Report, Verdict};
use crate::value::stored_instant;

/// Under what the names of the Deleted resource are remembered.
const STATE: &str = "deleted_names";

/// Soft-deletes what the feed announces as deleted since this was last asked.
///
/// # Errors
/// If the database cannot be read or written. What the feed does wrong is in
/// the report.
pub fn deletions(
    context: &Context<'_>,
    mirror: &mut Mirror,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    whole_job(context, mirror, Trust::NotEmpty, |mirror| {
        run_job(
            context,
            mirror,
            Job::Deletions,
            resources,
            |mirror, catalog, runs| announce_all(context, catalog, mirror, resources, runs),
        )
    })
}

/// Reads the announcements for those of `resources` that were ever read whole.
///
/// # Errors
/// If the database cannot be read or written.
pub(in crate::sync) fn announce_all(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &mut Mirror,
    resources: &[Resource],
    runs: &mut Runs,
) -> anyhow::Result<()> {
    let mut tallies = Tallies::new(Job::Deletions, runs.traffic());
    let mut oldest: Option<String> = None;
    for &resource in resources {
        let watermark = mirror.deletions_watermark(resource)?;
        let Some(watermark) = watermark.filter(|_| catalog.stamps(resource).is_ok()) else {
            continue;
        };
        if mirror.has_finished_full(resource)? {
            tallies.begin(mirror, resource, None)?;
            oldest = Some(oldest.unwrap_or(watermark.clone()).min(watermark));
        }
    }
    let after = oldest.and_then(|oldest| earlier(&oldest, context.config.sync.overlap));
    let Some(after) = after else {
        return Ok(());
    };
    let mut announcing = Announcing {
        context,
        catalog,
        tallies,
        after,
        newest: None,
        unreadable: Vec::new(),
    };
    match announcing.run(mirror) {
        Ok(()) => announcing.finish(mirror, runs),
        Err(error) if error.is::<rusqlite::Error>() => Err(error),
        Err(error) => runs.end_failed(context, mirror, announcing.tallies, &error),
    }
}

/// The job while it is under way.
struct Announcing<'a> {
    context: &'a Context<'a>,
    catalog: &'a Catalog,
    tallies: Tallies,
    /// From when on announcements are read.
    after: String,
    /// The newest stamp that is not in the feed's future.
    newest: Option<String>,
    /// The stamps of announcements that could not be read.
    unreadable: Vec<Option<String>>,
}

/// What an announcement means for the mirror.
enum Meaning {
    /// Nothing: the row is gone already, or the record came back since.
    Void,
    /// Whether the record is gone has to be asked.
    Doubtful,
    /// The record is gone.
    Gone,
}

impl Announcing<'_> {
    fn run(&mut self, mirror: &mut Mirror) -> anyhow::Result<()> {
        let learned = mirror.state(STATE)?;
        let is_known = |names: &&DeletedNames| learned.as_deref() == Some(names.name);
        let known = DELETED_NAMES.iter().find(is_known);
        // What answered last is asked first; if it does no longer, all are tried.
        let others = DELETED_NAMES.iter().filter(|names| Some(*names) != known);
        for names in known.into_iter().chain(others) {
            match self.read(mirror, names) {
                Ok(()) => return Ok(()),
                Err(error) => match error.downcast_ref() {
                    Some(FeedError::Refused { status: 400, .. }) => {}
                    Some(FeedError::Refused { .. }) => break,
                    Some(FeedError::Unavailable {
                        status: Some(501), ..
                    }) => break,
                    _ => return Err(error),
                },
            }
        }
        self.context.progress.note(
            "Deleted: this feed announces no deletions; `mlsmirror sync reconcile` finds what went",
        );
        Ok(())
    }

    /// Reads all pages of a server that answers to these names.
    fn read(&mut self, mirror: &mut Mirror, names: &'static DeletedNames) -> anyhow::Result<()> {
        let resources = self.tallies.resources();
        let sets: Vec<&str> = resources
            .iter()
            .map(|resource| resource.entity_set())
            .collect();
        for of in names.queries(&sets) {
            let mut skip = 0;
            let mut before = Announced::default();
            loop {
                let page = self.context.feed.announced(names, of, &self.after, skip)?;
                if page.entries() > 0 && page == before {
                    let what = "Deleted gives the same page again; it seems to ignore $skip";
                    return Err(FeedError::Stuck(what.to_owned()).into());
                }
                if mirror.state(STATE)?.as_deref() != Some(names.name) {
                    let tx = mirror.write()?;
                    tx.set_state(STATE, names.name)?;
                    tx.commit()?;
                }
                self.apply(mirror, &page)?;
                if let Some(signal) = self.context.stop.requested() {
                    return Err(FeedError::Interrupted(signal).into());
                }
                if page.is_last {
                    break;
                }
                skip += page.entries() as u64;
                before = page;
            }
        }
        Ok(())
    }

    /// Applies a page: what is certain in one transaction, and then what had to be
    /// asked.
    fn apply(&mut self, mirror: &mut Mirror, page: &Announced) -> anyhow::Result<()> {
        let now = self.context.feed.date().map(stored_instant);
        let mut doubtful: Vec<(Resource, &Announcement)> = Vec::new();
        let tx = mirror.write()?;
        for announcement in &page.announcements {
            if now.as_ref().is_none_or(|now| announcement.stamp <= *now) {
                self.newest = self.newest.take().max(Some(announcement.stamp.clone()));
            }
            let Ok(resource) = announcement.resource.parse::<Resource>() else {
                continue;
            };
            let meaning = self.meaning(&tx, resource, announcement)?;
            let Some(tally) = self.tallies.get_mut(resource) else {
                continue;
            };
            tally.counts.records_seen += 1;
            match meaning {
                Meaning::Void => tally.counts.unchanged += 1,
                Meaning::Doubtful => doubtful.push((resource, announcement)),
                Meaning::Gone => self.gone(&tx, resource, announcement)?,
            }
        }
        for tally in self.tallies.resources() {
            if let Some(tally) = self.tallies.get_mut(tally) {
                tally.counts.pages += 1;
            }
        }
        self.unreadable.extend(page.unreadable.iter().cloned());
        self.save(&tx)?;
        tx.commit()?;
        for resource in self.tallies.resources() {
            let own: Vec<&Announcement> = doubtful
                .iter()
                .filter(|(of, _)| *of == resource)
                .map(|(_, announcement)| *announcement)
                .collect();
            self.ask(mirror, resource, &own)?;
        }
        Ok(())
    }

    /// Keys come back: an announcement older than the record's own stamp is void.
    /// One that was read before, or is as old as the record, tells nothing alone.
    fn meaning(
        &self,
        tx: &WriteTx<'_>,
        resource: Resource,
        announcement: &Announcement,
    ) -> anyhow::Result<Meaning> {
        let Some(tally) = self.tallies.get(resource) else {
            return Ok(Meaning::Void);
        };
        let key = &announcement.key;
        if !tx.is_live(resource, key)? {
            return Ok(Meaning::Void);
        }
        let stamp = match self.catalog.stamps(resource)?.has_timestamp() {
            true => tx.live_timestamp(resource, key)?.flatten(),
            false => None,
        };
        let announced = announcement.stamp.as_str();
        let was_read = tally
            .watermark_before
            .as_deref()
            .is_some_and(|watermark| announced <= watermark);
        Ok(match stamp.as_deref() {
            Some(stamp) if announced < stamp => Meaning::Void,
            Some(stamp) if announced == stamp => Meaning::Doubtful,
            _ if was_read => Meaning::Doubtful,
            _ => Meaning::Gone,
        })
    }

    /// Asks the feed for records whose announcement is doubtful.
    fn ask(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        doubtful: &[&Announcement],
    ) -> anyhow::Result<()> {
        if doubtful.is_empty() {
            return Ok(());
        }
        let context = self.context;
        let stamps = Arc::new(self.catalog.stamps(resource)?);
        let sweep = context.feed.sweep(stamps, None, true);
        let keys: Vec<String> = doubtful.iter().map(|one| one.key.clone()).collect();
        let asked = fetch(context.feed, context.stop, &sweep, &keys, |_| Ok(()));
        let absent = match asked {
            Ok(absent) => absent,
            Err(error) if matches!(error.downcast_ref(), Some(FeedError::Refused { .. })) => {
                tracing::info!(%resource, %error, "leaving what was announced and lives here");
                return Ok(());
            }
            Err(error) => return Err(error),
        };
        let tx = mirror.write()?;
        for announcement in doubtful {
            // It may be announced more than once: it went, came back and went again.
            let is_gone =
                absent.contains(&announcement.key) && tx.is_live(resource, &announcement.key)?;
            if is_gone {
                self.gone(&tx, resource, announcement)?;
            } else if let Some(tally) = self.tallies.get_mut(resource) {
                tally.counts.unchanged += 1;
            }
        }
        self.save(&tx)?;
        Ok(tx.commit()?)
    }

    fn gone(
        &mut self,
        tx: &WriteTx<'_>,
        resource: Resource,
        announcement: &Announcement,
    ) -> rusqlite::Result<()> {
        let mut apply = Apply {
            tx,
            tallies: &mut self.tallies,
            ignore_fields: &self.context.config.sync.ignore_fields,
            listings_filtered: self.catalog.filter(Resource::Property).is_some(),
            missing: Default::default(),
        };
        let (key, stamp) = (&announcement.key, Some(announcement.stamp.as_str()));
        apply.gone_at(resource, key, DeletedReason::Announced, stamp)
    }

    /// Writes what was done so far; the requests are the first resource's.
    fn save(&mut self, tx: &WriteTx<'_>) -> rusqlite::Result<()> {
        let traffic = self.context.feed.traffic();
        match self.tallies.resources().first() {
            Some(&first) => self.tallies.save(tx, first, traffic, None),
            None => Ok(()),
        }
    }

    fn finish(mut self, mirror: &mut Mirror, runs: &mut Runs) -> anyhow::Result<()> {
        let unreadable = self.unreadable.len();
        let (verdict, status) = match unreadable {
            0 => (Verdict::Done, RunStatus::Succeeded),
            _ => (Verdict::Partial, RunStatus::Partial),
        };
        let error = (unreadable > 0).then(|| {
            format!(
                "{unreadable} announcements of deletions could not be read; they are read again"
            )
        });
        let tx = mirror.write()?;
        self.save(&tx)?;
        for resource in self.tallies.resources() {
            let before = self
                .tallies
                .get(resource)
                .and_then(|tally| tally.watermark_before.clone());
            let newest = self.newest.clone().max(before.clone());
            let watermark = match self.unreadable.iter().min() {
                None => newest,
                Some(None) => before,
                Some(oldest) => newest.min(oldest.clone()),
            };
            self.tallies
                .finish(&tx, resource, status, watermark, error.clone())?;
        }
        tx.commit()?;
        runs.note_deleted(&self.tallies);
        runs.note_ended(self.context.feed, self.tallies.runs(), verdict);
        Ok(())
    }
}
