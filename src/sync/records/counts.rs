//! Compares the feed's counts with the mirror's at the end of a sync, and reconciles a
//! resource whose counts differ. This finds records that appear with an old timestamp, and
//! deletions that the feed does not announce.

use chrono::{DateTime, TimeDelta, Utc};

use super::all_keys::compare_all_keys;
use super::audit::Depth;
use super::checkpoint::Checkpoint;
use super::job_run::JobRun;
use super::survey::{count, ignores_filter, survey};
use crate::feed::{Feed, Tries};
use crate::mirror::{Job, Mirror, RunStatus};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::sync_error::{Result, answer_if_any};
use crate::value::{instant, stored_instant};

/// The value in `_state` for a resource whose count is smaller than the number of records that
/// the feed sends, so that it says nothing.
const TOO_SMALL: &str = "too small";

/// The age of a difference after which another reconcile looks for its reason.
const KNOWN_FOR: TimeDelta = TimeDelta::days(1);

/// The reconciles after which a count that is too small is no longer used. The first is by
/// counts, which show where the differences are.
const RECONCILES: [Depth; 2] = [Depth::Counts, Depth::KeysIfFew];

/// Returns the key in `_state` of the difference of the counts that a reconcile did not
/// resolve.
fn difference_state(resource: Resource) -> String {
    format!("counts:{resource}")
}

/// The number of records of the feed, and of live rows.
#[derive(Clone, Copy)]
struct Counts {
    feed: u64,
    mirror: u64,
}

impl Counts {
    fn difference(self) -> i64 {
        self.feed as i64 - self.mirror as i64
    }
}

/// Returns the difference of the counts of a resource that a comparison of all keys did not
/// resolve: the feed's minus the mirror's.
pub fn count_difference(mirror: &Mirror, resource: Resource) -> rusqlite::Result<Option<i64>> {
    let known = mirror.state(&difference_state(resource))?;
    Ok(known.and_then(|known| known_difference(&known).map(|(difference, _)| difference)))
}

/// Returns a difference that is known, and when it was found. An empty text and `TOO_SMALL` are
/// none. A difference of an earlier version has no time.
fn known_difference(known: &str) -> Option<(i64, Option<DateTime<Utc>>)> {
    let (difference, found) = known.split_once(' ').unwrap_or((known, ""));
    Some((difference.parse().ok()?, instant(found)))
}

/// Compares the counts of `resources`. If the feed announces deletions, only listings and other
/// records that the mirror lacks count. Returns whether a resource was reconciled.
pub(in crate::sync) fn compare_counts(
    job: &mut JobRun<'_>,
    resources: &[Resource],
) -> Result<bool> {
    let marks = job.context.config.feed.deleted_when.is_some();
    let announces = !marks && !job.context.feed.capabilities().refuses_deleted();
    let mut has_reconciled = false;
    for &resource in resources {
        if job.must_end() {
            break;
        }
        if announces && !may_lack_records(job, resource)? {
            continue;
        }
        has_reconciled |= compare(job, resource, announces)?;
    }
    Ok(has_reconciled)
}

/// Returns whether the feed may have records that the mirror lacks, by the count that an answer
/// had before, or else by one request. A full sync compares its count itself, and counts of
/// children include those of other listings.
fn may_lack_records(job: &mut JobRun<'_>, resource: Resource) -> Result<bool> {
    let is_counted = job.context.feed.capabilities().counts_all_matching();
    if !is_counted || job.catalog.is_child(resource) || job.has_read_whole(resource)? {
        return Ok(false);
    }
    let (live, open_rejects) = {
        let read = job.mirror.read()?;
        (read.live_rows(resource)?, read.open_rejects(resource)?)
    };
    let filter = job.catalog.live_filter(resource);
    if open_rejects > 0 || job.surveys.contains_key(&resource) {
        return Ok(open_rejects == 0 && filter.is_none());
    }
    let Ok(keys) = job.catalog.key_shape(resource) else {
        return Ok(false);
    };
    let before = job
        .counts_before
        .get(&resource)
        .filter(|_| filter.is_none());
    let counted = match before {
        Some(&count) => Some(count),
        None => answer_if_any(count(job.context.feed, &keys, filter))?.flatten(),
    };
    Ok(counted.is_some_and(|counted| counted > live))
}

/// Compares the counts of one resource, and reconciles it if they differ. Returns whether it did.
/// A difference that a reconcile did not resolve is reported by later syncs, without another
/// reconcile for a day.
fn compare(job: &mut JobRun<'_>, resource: Resource, announces: bool) -> Result<bool> {
    let Some(counts) = counts(job, resource)? else {
        return Ok(false);
    };
    let known = job.mirror.state(&difference_state(resource))?;
    let known = known.unwrap_or_default();
    let agrees = counts.difference() == 0 || announces && counts.difference() < 0;
    if agrees && !has_only_to_end(job, resource)? {
        save(job, resource, &known, "")?;
        return Ok(false);
    }
    if known == TOO_SMALL && counts.difference() < 0 {
        return Ok(false);
    }
    let now = job.context.feed.now();
    let is_known = known_difference(&known).is_some_and(|(difference, found)| {
        difference == counts.difference() && found.is_some_and(|found| now - found < KNOWN_FOR)
    });
    if is_known && job.context.allow_deletes == 0 {
        report(job, resource, counts)?;
        return Ok(false);
    }

    tracing::info!(%resource, counted = counts.feed, live = counts.mirror, "the counts differ; comparing keys");
    for depth in RECONCILES {
        compare_all_keys(job, resource, depth)?;
        let ended = job.status_of_last(resource)?;
        let Some(counts) = self::counts(job, resource)? else {
            return Ok(true);
        };
        let has_finished = ended.as_deref() == Some(RunStatus::Succeeded.as_str());
        match counts.difference() {
            0 => {
                save(job, resource, &known, "")?;
                return Ok(true);
            }
            // The feed has just sent more records than it counts, unless some were deleted
            // meanwhile.
            ..0 if has_finished => {}
            difference => {
                let found = format!("{difference} {}", stored_instant(now));
                save(job, resource, &known, &found)?;
                report(job, resource, counts)?;
                return Ok(true);
            }
        }
    }
    save(job, resource, &known, TOO_SMALL)?;
    Ok(true)
}

/// Returns whether an interrupted reconcile has read all keys. It may have resolved the
/// difference. Until it ends, the next reconcile would only end it.
fn has_only_to_end(job: &JobRun<'_>, resource: Resource) -> Result<bool> {
    let unfinished = job.mirror.unfinished_run(Job::Reconcile, resource)?;
    let checkpoint =
        unfinished.and_then(|(_, text)| serde_json::from_str::<Checkpoint>(&text).ok());
    Ok(checkpoint.is_some_and(|checkpoint| checkpoint.open().is_empty()))
}

/// Returns the counts of a resource if they can be compared: the last run has read the
/// resource, nothing has changed since, and the feed's count is one of its records.
fn counts(job: &mut JobRun<'_>, resource: Resource) -> Result<Option<Counts>> {
    let Some(keys) = (job.catalog.key_shape(resource).ok())
        .filter(|keys| keys.has_timestamp() && !job.catalog.comes_only_with_listings(resource))
    else {
        return Ok(None);
    };
    let status = job.status_of_last(resource)?;
    let read = [RunStatus::Succeeded.as_str(), RunStatus::Partial.as_str()];
    let was_read = status.is_some_and(|status| read.contains(&status.as_str()));
    if !was_read || !job.mirror.has_finished_full(resource)? {
        return Ok(None);
    }
    let (mirror, open_rejects) = {
        let read = job.mirror.read()?;
        (read.live_rows(resource)?, read.open_rejects(resource)?)
    };
    let (feed, filter) = (job.context.feed, job.catalog.live_filter(resource));
    // The changes were read with this answer, if it counts the same records.
    let known = job.surveys.remove(&resource).filter(|_| filter.is_none());
    let answered = match known {
        Some(found) => Some(found),
        None => answer_if_any(survey(feed, &keys, filter, Tries::Once))?,
    };
    let Some(found) = answered else {
        return Ok(None);
    };
    let has_changed = found.is_ordered && found.newest > job.mirror.watermark(resource)?;
    let Some(counted) = found.count.filter(|_| !has_changed && open_rejects == 0) else {
        return Ok(None);
    };

    // The feed also counts children that the mirror does not hold.
    let agrees = counted == mirror || (keys.is_child() && counted > mirror);
    let counts = Counts {
        feed: if agrees { mirror } else { counted },
        mirror,
    };
    let is_usable = agrees || is_of_all_matching(feed, &keys, filter, counted)?;
    Ok(is_usable.then_some(counts))
}

/// Returns whether a count is the number of all matching records. A server may ignore the
/// filter, or count the records of the page.
fn is_of_all_matching(
    feed: &Feed,
    keys: &Shape,
    filter: Option<&str>,
    counted: u64,
) -> Result<bool> {
    if answer_if_any(ignores_filter(feed, keys, filter))? == Some(true) {
        return Ok(false);
    }
    let again = answer_if_any(count(feed, keys, filter))?;
    Ok(again.flatten() == Some(counted))
}

fn save(job: &mut JobRun<'_>, resource: Resource, known: &str, found: &str) -> Result<()> {
    if known == found {
        return Ok(());
    }
    Ok((job.mirror).set_state(&difference_state(resource), found)?)
}

/// Makes the last run of a resource partial, because the counts contradict it.
fn report(job: &mut JobRun<'_>, resource: Resource, counts: Counts) -> Result<()> {
    let (feed, mirror) = (resource.counted(counts.feed), counts.mirror);
    job.make_partial(
        resource,
        &format!(
            "the feed counts {feed}, and the mirror has {mirror}; a comparison of all keys did not resolve this"
        ),
    )
}
