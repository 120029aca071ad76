//! The runs that a job has under way, one a resource, and what they did so far.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::feed::Traffic;
use crate::mirror::{
    ChangeLog, DeletedReason, Job, Mirror, RunCounts, RunId, RunOutcome, RunStatus, WriteTx,
};
use crate::resource::Resource;
use crate::sync::peak_rss_bytes;

/// The run of one resource while it is under way.
#[derive(Clone, Debug)]
pub struct Tally {
    /// Its row in `sync_runs`.
    pub run: RunId,
    /// What it did so far.
    pub counts: RunCounts,
    /// Whether its changes are logged: not those of the first full sync.
    pub logs: bool,
    /// Fields that the mirror did not take before: what fills them is no change.
    pub new_fields: BTreeSet<String>,
    /// The feed's time up to which the resource was mirrored.
    pub watermark_before: Option<String>,
    /// Where the run goes on if it does not finish.
    pub checkpoint: Option<String>,
}

/// The runs that one job fills.
#[derive(Clone)]
pub struct Tallies {
    job: Job,
    runs: BTreeMap<Resource, Tally>,
    started: Instant,
    traffic: Traffic,
    deleted: BTreeMap<(Resource, &'static str), u64>,
}

impl Tallies {
    /// No runs yet. `traffic` is what went over the wire before anything that
    /// they have to answer for.
    pub fn new(job: Job, traffic: Traffic) -> Tallies {
        Tallies {
            job,
            runs: BTreeMap::new(),
            started: Instant::now(),
            traffic,
            deleted: BTreeMap::new(),
        }
    }

    /// Counts a row that was soft-deleted.
    pub fn count_deleted(&mut self, resource: Resource, reason: DeletedReason) {
        *self.deleted.entry((resource, reason.as_str())).or_default() += 1;
    }

    /// How many rows were soft-deleted, by resource and reason.
    pub fn deleted(&self) -> &BTreeMap<(Resource, &'static str), u64> {
        &self.deleted
    }

    /// The job of the runs.
    pub fn job(&self) -> Job {
        self.job
    }

    /// Begins the run of a resource. With `taking_over` it goes on from where that
    /// run stood, at that checkpoint.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn begin(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        taking_over: Option<(RunId, String)>,
    ) -> rusqlite::Result<RunId> {
        let watermark_before = match self.job {
            Job::Deletions => mirror.deletions_watermark(resource)?,
            _ => mirror.watermark(resource)?,
        };
        let logs = mirror.has_finished_full(resource)?;
        let tx = mirror.write()?;
        let before = watermark_before.as_deref();
        let old = taking_over.as_ref().map(|(run, _)| *run);
        let run = tx.start_run(self.job, resource, before, old)?;
        tx.commit()?;
        let tally = Tally {
            run,
            counts: RunCounts::default(),
            logs,
            new_fields: BTreeSet::new(),
            watermark_before,
            checkpoint: taking_over.map(|(_, checkpoint)| checkpoint),
        };
        self.runs.insert(resource, tally);
        Ok(run)
    }

    /// The run of a resource, if it has one of its own.
    pub fn get(&self, resource: Resource) -> Option<&Tally> {
        self.runs.get(&resource)
    }

    /// The run of a resource, to count.
    pub fn get_mut(&mut self, resource: Resource) -> Option<&mut Tally> {
        self.runs.get_mut(&resource)
    }

    /// Takes the run of a resource out.
    pub fn remove(&mut self, resource: Resource) -> Option<Tally> {
        self.runs.remove(&resource)
    }

    /// The resources that have runs.
    pub fn resources(&self) -> Vec<Resource> {
        self.runs.keys().copied().collect()
    }

    /// Takes the run of one resource out, to go on on its own; `traffic` is what
    /// went over the wire before anything that it has to answer for.
    pub fn split(&mut self, resource: Resource, traffic: Traffic) -> Tallies {
        let mut own = Tallies::new(self.job, traffic);
        own.runs.extend(self.runs.remove_entry(&resource));
        own
    }

    /// The runs.
    pub fn runs(&self) -> Vec<RunId> {
        self.runs.values().map(|tally| tally.run).collect()
    }

    /// What the run of a resource did so far.
    pub fn counts(&self, resource: Resource) -> RunCounts {
        self.get(resource)
            .map(|tally| tally.counts)
            .unwrap_or_default()
    }

    /// Where all counts stand, to go back to if a transaction fails.
    pub fn all_counts(&self) -> Vec<RunCounts> {
        self.runs.values().map(|tally| tally.counts).collect()
    }

    /// Goes back to where the counts stood.
    pub fn take_back(&mut self, counts: Vec<RunCounts>) {
        for (tally, counts) in self.runs.values_mut().zip(counts) {
            tally.counts = counts;
        }
    }

    /// Writes what the runs did so far; what went over the wire up to `traffic`
    /// is `own`'s, and so is the checkpoint.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn save(
        &mut self,
        tx: &WriteTx<'_>,
        own: Resource,
        traffic: Traffic,
        checkpoint: Option<&str>,
    ) -> rusqlite::Result<()> {
        let traffic = traffic - self.traffic;
        for (&resource, tally) in &mut self.runs {
            if resource == own {
                tally.counts.set_traffic(traffic);
                tally.checkpoint = checkpoint.map(str::to_owned);
            }
            tx.save_run(tally.run, &tally.counts, tally.checkpoint.as_deref())?;
        }
        Ok(())
    }

    /// Ends the run of a resource.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn finish(
        &self,
        tx: &WriteTx<'_>,
        resource: Resource,
        status: RunStatus,
        watermark_after: Option<String>,
        error: Option<String>,
    ) -> rusqlite::Result<()> {
        let Some(tally) = self.get(resource) else {
            return Ok(());
        };
        let outcome = RunOutcome {
            status,
            watermark_after,
            duration: self.started.elapsed(),
            peak_rss_bytes: peak_rss_bytes(),
            error,
        };
        tx.finish_run(tally.run, &outcome)
    }
}

impl Tally {
    /// Writes to the change log, if the run logs.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn log(
        &mut self,
        tx: &WriteTx<'_>,
        entry: impl FnOnce(&mut ChangeLog<'_>) -> rusqlite::Result<i64>,
    ) -> rusqlite::Result<()> {
        if self.logs {
            let grown = entry(&mut tx.changes(self.run)?)?;
            let logged = &mut self.counts.changes_logged;
            *logged = logged.saturating_add_signed(grown);
        }
        Ok(())
    }
}
