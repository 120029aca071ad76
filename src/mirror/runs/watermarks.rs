//! How far a resource is mirrored, and where an unfinished run resumes.

use rusqlite::{OptionalExtension, named_params};

use super::job::Job;
use super::run::RunId;
use crate::mirror::Mirror;
use crate::resource::Resource;

impl Mirror {
    /// Returns the newest run of a job on a resource that left a checkpoint, and the
    /// checkpoint.
    pub fn unfinished_run(
        &self,
        job: Job,
        resource: Resource,
    ) -> rusqlite::Result<Option<(RunId, String)>> {
        self.connection
            .query_row(
                "SELECT id, checkpoint FROM sync_runs
                 WHERE resource = :resource AND job = :job AND checkpoint IS NOT NULL
                 ORDER BY id DESC LIMIT 1",
                named_params! { ":resource": resource.entity_set(), ":job": job.as_str() },
                |row| Ok((RunId(row.get(0)?), row.get(1)?)),
            )
            .optional()
    }

    /// Returns the feed's time up to which a resource is mirrored.
    pub fn watermark(&self, resource: Resource) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT watermark_after FROM sync_runs
                 WHERE resource = :resource AND watermark_after IS NOT NULL AND job <> 'deletions'
                 ORDER BY id DESC LIMIT 1",
                named_params! { ":resource": resource.entity_set() },
                |row| row.get(0),
            )
            .optional()
    }

    /// Returns the feed's time up to which the announced deletions of a resource were
    /// read; if none were read yet, the time at which its first full sync started.
    pub fn deletions_watermark(&self, resource: Resource) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT watermark_after FROM sync_runs
                 WHERE resource = :resource AND watermark_after IS NOT NULL
                 ORDER BY job = 'deletions' DESC, CASE job WHEN 'deletions' THEN -id ELSE id END
                 LIMIT 1",
                named_params! { ":resource": resource.entity_set() },
                |row| row.get(0),
            )
            .optional()
    }

    /// Returns when a run of a job was last started, UTC; for the export, when it last
    /// published a table.
    pub fn last_started(&self, job: Job) -> rusqlite::Result<Option<String>> {
        self.connection.query_row(
            "SELECT CASE ?1 WHEN 'export' THEN (SELECT max(exported_at) FROM _exports)
                    ELSE (SELECT max(started_at) FROM sync_runs WHERE job = ?1) END",
            [job.as_str()],
            |row| row.get(0),
        )
    }

    /// Returns whether any full sync of the resource has completed. A full sync that lacks counted
    /// records saves no scope.
    pub fn has_finished_full(&self, resource: Resource) -> rusqlite::Result<bool> {
        self.connection
            .prepare(
                "SELECT 1 FROM sync_runs WHERE resource = ?1 AND job = 'full'
                   AND checkpoint IS NULL AND (status = 'succeeded' OR status = 'partial'
                     AND resource IN (SELECT resource FROM _scope))",
            )?
            .exists([resource.entity_set()])
    }
}
