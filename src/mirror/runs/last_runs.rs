//! The last runs, and how current a resource is.

use rusqlite::{OptionalExtension, named_params};
use serde::Serialize;

use super::run_summary::RunSummary;
use crate::mirror::Mirror;
use crate::resource::Resource;

/// How far the reading of a resource is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Reading {
    /// The number of records read.
    pub read: u64,
    /// The number of records of the feed, if it counts them.
    pub count: Option<u64>,
}

impl Mirror {
    /// Returns the newest run of each job on each resource, oldest first.
    pub fn last_runs(&self) -> rusqlite::Result<Vec<RunSummary>> {
        self.last_runs_of("true")
    }

    /// Returns the newest run of each job on each resource, oldest first, without stopped runs
    /// and runs in progress. If the feed did not answer at all, all resources failed at
    /// once with one error. Such a run is left out if a later run of one of them succeeded.
    pub fn last_ended_runs(&self) -> rusqlite::Result<Vec<RunSummary>> {
        let mut runs = self.last_runs_of("status IN ('succeeded', 'partial', 'failed')")?;
        let mut answered_later = self.connection.prepare(
            "SELECT EXISTS (
                 SELECT 1 FROM sync_runs AS own
                     JOIN sync_runs AS twin ON twin.id BETWEEN own.id - 50 AND own.id + 50
                         AND twin.job = own.job AND twin.status = own.status
                         AND twin.error = own.error AND twin.started_at = own.started_at
                     JOIN sync_runs AS later ON later.resource = twin.resource
                         AND later.job IN ('full', 'incremental', 'reconcile')
                         AND later.id > twin.id AND later.status IN ('succeeded', 'partial')
                 WHERE own.id = (SELECT max(id) FROM sync_runs WHERE resource = :resource
                                     AND job = :job AND status = 'failed'))",
        )?;
        let mut settled = Vec::new();
        for run in runs.iter().filter(|run| run.status == "failed") {
            let of_run = named_params! { ":resource": run.resource, ":job": run.job };
            if answered_later.query_row(of_run, |row| row.get(0))? {
                settled.push(run.clone());
            }
        }
        runs.retain(|run| !settled.contains(run));
        Ok(runs)
    }

    fn last_runs_of(&self, condition: &str) -> rusqlite::Result<Vec<RunSummary>> {
        self.connection
            .prepare(&format!(
                "{} WHERE id IN (SELECT max(id) FROM sync_runs WHERE {condition}
                                 GROUP BY resource, job)
                 ORDER BY id",
                RunSummary::SELECT
            ))?
            .query_map([], RunSummary::of)?
            .collect()
    }

    /// Returns how far the full sync of a resource is that reads it now.
    pub fn full_in_progress(&self, resource: Resource) -> rusqlite::Result<Option<Reading>> {
        self.connection
            .query_row(
                // The checkpoint of a child is that of its listings.
                "SELECT max(records_seen, coalesce(position ->> '$.read', 0)),
                        position ->> '$.count'
                 FROM (SELECT id, records_seen, iif(EXISTS (
                               SELECT 1 FROM json_each(checkpoint, '$.expand') WHERE value = ?1
                           ), NULL, checkpoint) AS position
                       FROM sync_runs WHERE resource = ?1 AND job = 'full' AND status = 'running')
                 ORDER BY id DESC LIMIT 1",
                [resource.entity_set()],
                |row| {
                    let count: Option<i64> = row.get(1)?;
                    Ok(Reading {
                        read: row.get(0)?,
                        count: count.and_then(|count| count.try_into().ok()),
                    })
                },
            )
            .optional()
    }

    /// Returns when the newest run started that brought a resource up to date, UTC: the
    /// mirror holds what the feed held then.
    pub fn current_as_of(&self, resource: Resource) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT started_at FROM sync_runs
                 WHERE resource = ?1 AND job IN ('full', 'incremental')
                   AND status IN ('succeeded', 'partial')
                   AND (watermark_after IS NOT NULL OR job = 'full' AND checkpoint IS NULL)
                 ORDER BY id DESC LIMIT 1",
                [resource.entity_set()],
                |row| row.get(0),
            )
            .optional()
    }

    /// Returns the number of photo files and their size in bytes.
    pub fn media_size(&self) -> rusqlite::Result<(u64, u64)> {
        if !self.has_table(Resource::MEDIA)? {
            return Ok((0, 0));
        }
        self.connection.query_row(
            "SELECT count(*), coalesce(sum(file_bytes), 0) FROM media WHERE file_path IS NOT NULL",
            [],
            |row| row.try_into(),
        )
    }
}
