//! The last runs, and how current a resource is.

use rusqlite::OptionalExtension;
use serde::Serialize;

use crate::mirror::Mirror;
use crate::resource::Resource;

/// The newest run of a job on a resource.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LastRun {
    /// The job.
    pub job: String,
    /// The entity set.
    pub resource: String,
    /// The run's status.
    pub status: String,
    /// When it started, UTC.
    pub started_at: String,
    /// When it finished, UTC; None while it runs.
    pub finished_at: Option<String>,
    /// The error, if any.
    pub error: Option<String>,
}

impl Mirror {
    /// Returns the newest run of each job on each resource.
    pub fn last_runs(&self) -> rusqlite::Result<Vec<LastRun>> {
        self.connection
            .prepare(
                "SELECT job, resource, status, started_at, finished_at, error FROM sync_runs
                 WHERE id IN (SELECT max(id) FROM sync_runs GROUP BY resource, job) ORDER BY id",
            )?
            .query_map([], |row| {
                Ok(LastRun {
                    job: row.get(0)?,
                    resource: row.get(1)?,
                    status: row.get(2)?,
                    started_at: row.get(3)?,
                    finished_at: row.get(4)?,
                    error: row.get(5)?,
                })
            })?
            .collect()
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
            |row| {
                let number = |column| row.get::<_, i64>(column).map(|number| number as u64);
                Ok((number(0)?, number(1)?))
            },
        )
    }
}
