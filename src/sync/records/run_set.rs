//! The runs of a job: one row of `sync_runs` per resource, with its counts so far.
//!
//! Every run ends through [`RunSet::end`] or [`SingleRun::end`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::feed::Traffic;
use crate::mirror::{
    ChangeLog, DeletedReason, Job, Mirror, RunCounts, RunId, RunOutcome, RunStatus, WriteTx,
};
use crate::resource::Resource;
use crate::sync::outcome::{Verdict, peak_rss_bytes};

/// The run of one resource.
#[derive(Clone, Debug)]
pub struct ResourceRun {
    /// Its row in `sync_runs`.
    pub id: RunId,
    /// Its counts so far.
    pub counts: RunCounts,
    /// Whether its changes are logged. The first full sync logs nothing.
    pub logs: bool,
    /// Fields that the mirror did not select before; filling them is no change.
    pub new_fields: BTreeSet<String>,
    /// The feed's time up to which the resource was mirrored before.
    pub watermark_before: Option<String>,
    /// Where the run resumes if it does not finish.
    pub checkpoint: Option<String>,
}

/// How the run of one resource ended.
pub struct RunEnding {
    /// How severe it is.
    pub verdict: Verdict,
    /// The status that `sync_runs` gets.
    pub status: RunStatus,
    /// The watermark; without one, the watermark stays as it was.
    pub watermark: Option<String>,
    /// The error in one line.
    pub error: Option<String>,
}

impl RunEnding {
    /// Ends a run that leaves the watermark as it was.
    pub fn new(verdict: Verdict, error: Option<String>) -> RunEnding {
        RunEnding {
            verdict,
            status: verdict.status(),
            watermark: None,
            error,
        }
    }

    /// Ends a run whose reading is complete: it is partial if it has a problem.
    pub fn complete(problem: Option<String>) -> RunEnding {
        match problem {
            None => RunEnding::new(Verdict::Done, None),
            problem => RunEnding::new(Verdict::Partial, problem),
        }
    }

    /// Sets the watermark.
    pub fn at(self, watermark: Option<String>) -> RunEnding {
        RunEnding { watermark, ..self }
    }
}

/// The runs that read together, such as listings with their children.
#[derive(Clone)]
pub struct RunSet {
    job: Job,
    /// The resource whose run counts the requests, and keeps the checkpoint.
    owner: Resource,
    runs: BTreeMap<Resource, ResourceRun>,
    has_log: bool,
    started: Instant,
    /// The feed's traffic before these runs.
    traffic_before: Traffic,
    deleted: BTreeMap<(Resource, &'static str), u64>,
}

impl RunSet {
    /// Creates an empty set. `traffic_before` is the feed's traffic before these runs.
    pub fn new(job: Job, owner: Resource, traffic_before: Traffic) -> RunSet {
        RunSet {
            job,
            owner,
            runs: BTreeMap::new(),
            has_log: true,
            started: Instant::now(),
            traffic_before,
            deleted: BTreeMap::new(),
        }
    }

    /// Returns the set with runs that log nothing.
    pub fn without_log(self) -> RunSet {
        RunSet {
            has_log: false,
            ..self
        }
    }

    /// Returns the job of the runs.
    pub fn job(&self) -> Job {
        self.job
    }

    /// Begins the run of a resource. With `resumed`, it continues that run at that
    /// checkpoint.
    pub fn begin(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        resumed: Option<(RunId, String)>,
    ) -> rusqlite::Result<()> {
        let watermark_before = match self.job {
            Job::Deletions => mirror.deletions_watermark(resource)?,
            _ => mirror.watermark(resource)?,
        };
        let logs = self.has_log && mirror.has_finished_full(resource)?;

        let write = mirror.write()?;
        let before = watermark_before.as_deref();
        let old = resumed.as_ref().map(|(run, _)| *run);
        let id = write.start_run(self.job, resource, before, old)?;
        write.commit()?;

        let run = ResourceRun {
            id,
            counts: RunCounts::default(),
            logs,
            new_fields: BTreeSet::new(),
            watermark_before,
            checkpoint: resumed.map(|(_, checkpoint)| checkpoint),
        };
        self.runs.insert(resource, run);
        Ok(())
    }

    /// Returns the run of a resource, if it is in the set.
    pub fn get(&self, resource: Resource) -> Option<&ResourceRun> {
        self.runs.get(&resource)
    }

    /// Returns the watermark of a resource before its run.
    pub fn watermark_before(&self, resource: Resource) -> Option<String> {
        self.get(resource)?.watermark_before.clone()
    }

    /// Returns where the run of a resource resumes if it does not finish.
    pub fn checkpoint(&self, resource: Resource) -> Option<String> {
        self.get(resource)?.checkpoint.clone()
    }

    /// Returns the run of a resource for counting.
    pub fn get_mut(&mut self, resource: Resource) -> Option<&mut ResourceRun> {
        self.runs.get_mut(&resource)
    }

    /// Removes the run of a resource from the set.
    pub fn remove(&mut self, resource: Resource) -> Option<ResourceRun> {
        self.runs.remove(&resource)
    }

    /// Moves the run of one resource to a set of its own.
    pub fn split(&mut self, resource: Resource, traffic_before: Traffic) -> RunSet {
        let mut own = RunSet::new(self.job, resource, traffic_before);
        own.runs.extend(self.runs.remove_entry(&resource));
        own
    }

    /// Returns the resources of the set.
    pub fn resources(&self) -> Vec<Resource> {
        self.runs.keys().copied().collect()
    }

    /// Returns the ids of the runs.
    pub fn ids(&self) -> Vec<RunId> {
        self.runs.values().map(|run| run.id).collect()
    }

    /// Returns the counts of a resource's run.
    pub fn counts(&self, resource: Resource) -> RunCounts {
        self.get(resource).map(|run| run.counts).unwrap_or_default()
    }

    /// Returns a copy of all counts, to restore if a transaction fails.
    pub fn all_counts(&self) -> Vec<RunCounts> {
        self.runs.values().map(|run| run.counts).collect()
    }

    /// Restores a copy of all counts.
    pub fn restore_counts(&mut self, counts: Vec<RunCounts>) {
        for (run, counts) in self.runs.values_mut().zip(counts) {
            run.counts = counts;
        }
    }

    /// Counts a soft-deleted row.
    pub fn count_deleted(&mut self, resource: Resource, reason: DeletedReason) {
        *self.deleted.entry((resource, reason.as_str())).or_default() += 1;
    }

    /// Takes the number of soft-deleted rows, by resource and reason.
    pub fn take_deleted(&mut self) -> BTreeMap<(Resource, &'static str), u64> {
        std::mem::take(&mut self.deleted)
    }

    /// Saves the counts of all runs. The owner's run counts the traffic up to `traffic`
    /// and keeps the checkpoint.
    pub fn save(
        &mut self,
        write: &WriteTx<'_>,
        traffic: Traffic,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        for (&resource, run) in &mut self.runs {
            if resource == self.owner {
                run.counts.set_traffic(traffic - self.traffic_before);
                run.checkpoint = checkpoint.map(str::to_owned);
            }
            write.save_run(run.id, &run.counts, run.checkpoint.as_deref())?;
        }
        Ok(())
    }

    /// Ends the run of a resource.
    pub fn end(
        &self,
        write: &WriteTx<'_>,
        resource: Resource,
        ending: RunEnding,
    ) -> rusqlite::Result<()> {
        let Some(run) = self.get(resource) else {
            return Ok(());
        };
        let watermark_after = ending.watermark.or_else(|| run.watermark_before.clone());
        write.finish_run(
            run.id,
            &RunOutcome {
                status: ending.status,
                watermark_after,
                duration: self.started.elapsed(),
                peak_rss_bytes: peak_rss_bytes(),
                error: ending.error,
            },
        )
    }
}

impl ResourceRun {
    /// Writes to the change log, if the run logs its changes.
    pub fn log(
        &mut self,
        write: &WriteTx<'_>,
        entry: impl FnOnce(&mut ChangeLog<'_>) -> rusqlite::Result<i64>,
    ) -> rusqlite::Result<()> {
        if self.logs {
            let added = entry(&mut write.changes(self.id)?)?;
            let logged = &mut self.counts.changes_logged;
            *logged = logged.saturating_add_signed(added);
        }
        Ok(())
    }
}

/// A run that reads no records of the feed, so that it has no watermark.
pub struct SingleRun {
    /// Its row in `sync_runs`.
    pub id: RunId,
    started: Instant,
}

impl SingleRun {
    /// Begins a run.
    pub fn begin(mirror: &mut Mirror, job: Job, resource: Resource) -> rusqlite::Result<SingleRun> {
        let started = Instant::now();
        let write = mirror.write()?;
        let id = write.start_run(job, resource, None, None)?;
        write.commit()?;
        Ok(SingleRun { id, started })
    }

    /// Ends the run with these counts.
    pub fn end(
        self,
        mirror: &mut Mirror,
        counts: &RunCounts,
        verdict: Verdict,
        error: Option<String>,
    ) -> rusqlite::Result<()> {
        let write = mirror.write()?;
        write.save_run(self.id, counts, None)?;
        write.finish_run(
            self.id,
            &RunOutcome {
                status: verdict.status(),
                watermark_after: None,
                duration: self.started.elapsed(),
                peak_rss_bytes: peak_rss_bytes(),
                error,
            },
        )?;
        write.commit()
    }
}
