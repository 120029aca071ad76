//! Records that came and could not be stored, kept whole until they can be.

use rusqlite::named_params;

use super::Writing;
use super::runs::RunId;
use crate::record::Reject;
use crate::resource::Resource;

impl Writing<'_> {
    /// Keeps a record that could not be stored. One that is kept already, the
    /// same to the letter, is only noted as met again.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn keep_reject(&self, run: RunId, reject: &Reject) -> rusqlite::Result<()> {
        let known = self
            .transaction
            .prepare_cached(
                "UPDATE rejects SET run_id = :run
                 WHERE resource = :resource AND record_key IS :key AND payload = :payload
                   AND resolved_at IS NULL",
            )?
            .execute(named_params! {
                ":run": run.0,
                ":resource": reject.resource.entity_set(),
                ":key": reject.key,
                ":payload": reject.payload,
            })?;
        if known > 0 {
            return Ok(());
        }
        self.transaction
            .prepare_cached(
                "INSERT INTO rejects (run_id, resource, record_key, reason, payload, recorded_at)
                 VALUES (:run, :resource, :key, :reason, :payload, :now)",
            )?
            .execute(named_params! {
                ":run": run.0,
                ":resource": reject.resource.entity_set(),
                ":key": reject.key,
                ":reason": reject.reason,
                ":payload": reject.payload,
                ":now": self.now,
            })?;
        Ok(())
    }

    /// Whether there are rejects of the resource that are not resolved.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn has_open_rejects(&self, resource: Resource) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached(
                "SELECT EXISTS (SELECT 1 FROM rejects WHERE resource = ?1 AND resolved_at IS NULL)",
            )?
            .query_row([resource.entity_set()], |row| row.get(0))
    }

    /// A record that was rejected before has been stored.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn resolve_rejects(&self, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE rejects SET resolved_at = ?3
                 WHERE resource = ?1 AND record_key = ?2 AND resolved_at IS NULL",
            )?
            .execute([resource.entity_set(), key, &self.now])?;
        Ok(())
    }

    /// A sweep that began with run `since` has finished: rejects that it did not
    /// meet again are no more in the feed as they were.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn resolve_unmet_rejects(&self, resource: Resource, since: RunId) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE rejects SET resolved_at = :now
             WHERE resource = :resource AND run_id < :since AND resolved_at IS NULL",
            named_params! {
                ":now": self.now, ":resource": resource.entity_set(), ":since": since.0,
            },
        )?;
        Ok(())
    }
}
