//! The history of runs, for reports.

use rusqlite::named_params;

use super::run_summary::RunSummary;
use crate::mirror::ReadTx;
use crate::resource::Resource;

impl ReadTx<'_> {
    /// Passes the runs that started at a time in storage form or later to `each`,
    /// newest first.
    pub fn read_runs(&self, since: &str, mut each: impl FnMut(RunSummary)) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare(&format!(
            "{} WHERE started_at >= :since ORDER BY id DESC",
            RunSummary::SELECT
        ))?;
        let mut rows = statement.query(named_params! { ":since": since })?;
        while let Some(row) = rows.next()? {
            each(RunSummary::of(row)?);
        }
        Ok(())
    }

    /// Returns when the oldest stored run started, UTC.
    pub fn first_run_at(&self) -> rusqlite::Result<Option<String>> {
        self.transaction
            .query_row("SELECT min(started_at) FROM sync_runs", [], |row| {
                row.get(0)
            })
    }

    /// Returns when a resource was brought up to date, UTC, oldest first: the times at
    /// or after `since` (in storage form), and the last one before it.
    /// [`crate::mirror::Mirror::current_as_of`] returns the newest of these times.
    pub fn up_to_date_times(
        &self,
        resource: Resource,
        since: &str,
    ) -> rusqlite::Result<Vec<String>> {
        let is_moment = "resource = :resource AND job IN ('full', 'incremental') \
                         AND status IN ('succeeded', 'partial') \
                         AND (watermark_after IS NOT NULL OR job = 'full' AND checkpoint IS NULL)";
        self.transaction
            .prepare(&format!(
                "SELECT started_at FROM sync_runs WHERE {is_moment} AND started_at >= coalesce(
                     (SELECT max(started_at) FROM sync_runs
                      WHERE {is_moment} AND started_at < :since), '')
                 ORDER BY started_at"
            ))?
            .query_map(
                named_params! { ":resource": resource.entity_set(), ":since": since },
                |row| row.get(0),
            )?
            .collect()
    }
}
