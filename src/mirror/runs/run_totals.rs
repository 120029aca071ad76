//! The totals of all runs since the mirror exists, also of those that retention removed.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::mirror::sql::quoted;
use crate::mirror::{Mirror, WriteTx};

/// The key in `_state` of the totals of the runs that retention removed.
const REMOVED: &str = "totals_of_removed_runs";

/// The columns that are summed.
const SUMMED: [&str; 10] = [
    "duration_ms",
    "requests",
    "retries",
    "bytes_received",
    "changes_logged",
    "inserted",
    "updated",
    "unchanged",
    "rejected",
    "deleted",
];

/// The totals of all runs. They never fall, as the counters of Prometheus must not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunTotals {
    /// By job and resource: the number of ended runs, and then the sums.
    by_run: BTreeMap<String, BTreeMap<String, Vec<i64>>>,
}

impl RunTotals {
    /// Returns the job, the resource and the total of a column of `sync_runs`; the number of
    /// ended runs if the column is `runs`.
    pub fn of(&self, column: &str) -> impl Iterator<Item = (&str, &str, u64)> {
        let place = SUMMED.iter().position(|name| *name == column);
        let place = place.map_or(0, |place| place + 1);
        self.by_run.iter().flat_map(move |(job, resources)| {
            resources.iter().map(move |(resource, sums)| {
                let total = sums.get(place).copied().unwrap_or_default();
                (job.as_str(), resource.as_str(), total.max(0) as u64)
            })
        })
    }

    /// Adds other totals, `sign` times.
    fn add(&mut self, other: &RunTotals, sign: i64) {
        for (job, resources) in &other.by_run {
            for (resource, sums) in resources {
                let own = self.by_run.entry(job.clone()).or_default();
                let own = own.entry(resource.clone()).or_default();
                own.resize(sums.len().max(own.len()), 0);
                for (total, sum) in own.iter_mut().zip(sums) {
                    *total += sign * sum;
                }
            }
        }
    }
}

impl Mirror {
    /// Returns the totals of all runs.
    pub fn run_totals(&self) -> rusqlite::Result<RunTotals> {
        let mut totals = stored_totals(&self.connection)?;
        totals.add(&removed(self.state(REMOVED)?), 1);
        Ok(totals)
    }
}

impl WriteTx<'_> {
    /// Removes runs, and keeps their totals. Returns the result of the removal.
    pub(super) fn keeping_totals<T>(
        &self,
        remove: impl FnOnce() -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let mut before = stored_totals(&self.transaction)?;
        let result = remove()?;
        before.add(&stored_totals(&self.transaction)?, -1);
        let removed_now = before;
        let mut all = removed(self.state(REMOVED)?);
        if removed_now.of("runs").any(|(_, _, runs)| runs > 0) {
            all.add(&removed_now, 1);
            let text = serde_json::to_string(&all.by_run).unwrap_or_default();
            self.set_state(REMOVED, &text)?;
        }
        Ok(result)
    }
}

fn removed(state: Option<String>) -> RunTotals {
    let by_run = state.and_then(|text| serde_json::from_str(&text).ok());
    RunTotals {
        by_run: by_run.unwrap_or_default(),
    }
}

/// Returns the totals of the stored runs. The number of logged changes can fall while a run
/// is in progress, so that it counts at the end.
fn stored_totals(connection: &Connection) -> rusqlite::Result<RunTotals> {
    let sum = |name: &&str| match *name {
        "changes_logged" => {
            "coalesce(sum(iif(finished_at IS NULL, 0, max(changes_logged, 0))), 0)".to_owned()
        }
        name => format!("coalesce(sum({}), 0)", quoted(name)),
    };
    let sums: Vec<String> = SUMMED.iter().map(sum).collect();
    let mut statement = connection.prepare(&format!(
        "SELECT job, resource, count(finished_at), {} FROM sync_runs GROUP BY job, resource",
        sums.join(", ")
    ))?;
    let mut totals = RunTotals::default();
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let of_job = totals.by_run.entry(row.get(0)?).or_default();
        let sums = (2..=SUMMED.len() + 2).map(|column| row.get(column));
        of_job.insert(row.get(1)?, sums.collect::<Result<_, _>>()?);
    }
    Ok(totals)
}
