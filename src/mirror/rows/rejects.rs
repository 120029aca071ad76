//! Records that came and could not be stored, kept whole until they can be.

use rusqlite::named_params;

use crate::mirror::{Mirror, ReadTx, RunId, WriteTx};
use crate::record::Reject;
use crate::resource::Resource;

impl ReadTx<'_> {
    /// How many rejects of the resource are not resolved.
    pub fn open_rejects(&self, resource: Resource) -> rusqlite::Result<u64> {
        self.transaction
            .prepare_cached(
                "SELECT count(*) FROM rejects WHERE resource = ?1 AND resolved_at IS NULL",
            )?
            .query_row([resource.entity_set()], |row| row.get::<_, i64>(0))
            .map(|open| open as u64)
    }
}

impl WriteTx<'_> {
    /// Keeps a record that could not be stored. One that an earlier run kept, the
    /// same to the letter, is noted as met again; so is one with a key that this
    /// run meets twice.
    pub fn save_reject(&self, run: RunId, reject: &Reject) -> rusqlite::Result<()> {
        let known = self
            .transaction
            .prepare_cached(
                "UPDATE rejects SET run_id = :run WHERE id = (
                     SELECT id FROM rejects
                     WHERE resource = :resource AND record_key IS :key AND payload = :payload
                       AND resolved_at IS NULL AND (run_id < :run OR record_key IS NOT NULL)
                     ORDER BY id LIMIT 1)",
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

    /// A record that was rejected before has been stored.
    pub fn resolve_rejects(&self, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE rejects SET resolved_at = ?3
                 WHERE resource = ?1 AND record_key = ?2 AND resolved_at IS NULL",
            )?
            .execute([resource.entity_set(), key, &self.now])?;
        Ok(())
    }

    /// A run of changes that began with run `since` has finished: rejects without
    /// a key that an earlier one met among the same changes, and that it did not
    /// meet again, are no more in the feed as they were.
    pub fn resolve_unseen_keyless_rejects(
        &self,
        resource: Resource,
        since: RunId,
    ) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE rejects SET resolved_at = :now
             WHERE resource = :resource AND run_id < :since AND resolved_at IS NULL
               AND record_key IS NULL
               AND (SELECT job FROM sync_runs WHERE id = rejects.run_id) = 'incremental'",
            named_params! {
                ":now": self.now, ":resource": resource.entity_set(), ":since": since.0,
            },
        )?;
        Ok(())
    }

    /// A sweep that began with run `since` has finished: rejects that it did not
    /// meet again are no more in the feed as they were.
    pub fn resolve_unseen_rejects(&self, resource: Resource, since: RunId) -> rusqlite::Result<()> {
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

impl Mirror {
    /// The keys of rejects that are not resolved and that no run since `since` met.
    pub fn unseen_reject_keys(
        &self,
        resource: Resource,
        since: i64,
    ) -> rusqlite::Result<Vec<String>> {
        self.connection
            .prepare(
                "SELECT DISTINCT record_key FROM rejects
                 WHERE resource = :resource AND run_id < :since AND resolved_at IS NULL
                   AND record_key IS NOT NULL ORDER BY record_key",
            )?
            .query_map(
                named_params! { ":resource": resource.entity_set(), ":since": since },
                |row| row.get(0),
            )?
            .collect()
    }

    /// Of the resource's rejects that are not resolved, the keys and reasons.
    pub fn unresolved_rejects(
        &self,
        resource: Resource,
    ) -> rusqlite::Result<Vec<(Option<String>, String)>> {
        self.connection
            .prepare(
                "SELECT record_key, reason FROM rejects
                 WHERE resource = ?1 AND resolved_at IS NULL ORDER BY id",
            )?
            .query_map([resource.entity_set()], |row| {
                Ok((row.get(0)?, row.get(1)?))
            })?
            .collect()
    }
}
