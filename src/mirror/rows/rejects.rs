//! Records that could not be stored. They are kept whole until they can be stored.

use rusqlite::named_params;

use crate::mirror::{Mirror, ReadTx, RunId, WriteTx};
use crate::record::Reject;
use crate::resource::Resource;

/// A record that cannot be stored yet.
#[derive(Clone, Debug)]
pub struct OpenReject {
    /// Its row in `rejects`.
    pub id: i64,
    /// The record's key, if it has one.
    pub key: Option<String>,
    /// The whole record as received.
    pub payload: String,
}

impl ReadTx<'_> {
    /// Returns the number of records of a resource with unresolved rejects. Two versions of a
    /// record with a key are one record.
    pub fn open_rejects(&self, resource: Resource) -> rusqlite::Result<u64> {
        self.transaction
            .prepare_cached(
                "SELECT count(DISTINCT record_key) + count(*) - count(record_key) FROM rejects
                 WHERE resource = ?1 AND resolved_at IS NULL",
            )?
            .query_row([resource.entity_set()], |row| row.get(0))
    }
}

impl WriteTx<'_> {
    /// Stores a record that was rejected. A reject with the same key and payload from
    /// an earlier run is updated instead; so is a reject with a key that this run sees
    /// twice.
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

    /// Returns whether the same text was kept before, whether it is resolved or not.
    pub fn has_kept(&self, reject: &Reject) -> rusqlite::Result<bool> {
        self.transaction
            .prepare_cached("SELECT 1 FROM rejects WHERE resource = ?1 AND payload = ?2")?
            .exists([reject.resource.entity_set(), &reject.payload])
    }

    /// Resolves the announcements without a key that runs before `since` kept: a finished
    /// sweep finds the deleted records by itself.
    pub fn resolve_announcements(&self, resource: Resource, since: RunId) -> rusqlite::Result<()> {
        self.transaction.execute(
            "UPDATE rejects SET resolved_at = :now
             WHERE resource = :resource AND run_id < :since AND resolved_at IS NULL
               AND record_key IS NULL
               AND (SELECT job FROM sync_runs WHERE id = rejects.run_id) = 'deletions'",
            named_params! {
                ":now": self.now, ":resource": resource.entity_set(), ":since": since.0,
            },
        )?;
        Ok(())
    }

    /// Resolves the rejects of a record that has been stored.
    pub fn resolve_rejects(&self, resource: Resource, key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "UPDATE rejects SET resolved_at = ?3
                 WHERE resource = ?1 AND record_key = ?2 AND resolved_at IS NULL",
            )?
            .execute([resource.entity_set(), key, &self.now])?;
        Ok(())
    }

    /// Resolves the rejects with these ids that no run from `since` on has seen again.
    pub fn resolve_unseen(&self, ids: &[i64], since: i64) -> rusqlite::Result<()> {
        let mut resolve = self.transaction.prepare_cached(
            "UPDATE rejects SET resolved_at = :now WHERE id = :id AND run_id < :since",
        )?;
        for id in ids {
            resolve.execute(named_params! { ":now": self.now, ":id": id, ":since": since })?;
        }
        Ok(())
    }

    /// Resolves the rejects that a finished sweep, which began with run `since`, did
    /// not see again: the feed no longer sends them in that form.
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
    /// Returns the unresolved rejects that no run from `since` on has seen, the ones that
    /// were tried last at the end.
    pub fn unseen_rejects(
        &self,
        resource: Resource,
        since: i64,
    ) -> rusqlite::Result<Vec<OpenReject>> {
        self.connection
            .prepare(
                "SELECT id, record_key, payload FROM rejects
                 WHERE resource = :resource AND run_id < :since AND resolved_at IS NULL
                 ORDER BY run_id, id",
            )?
            .query_map(
                named_params! { ":resource": resource.entity_set(), ":since": since },
                |row| {
                    Ok(OpenReject {
                        id: row.get(0)?,
                        key: row.get(1)?,
                        payload: row.get(2)?,
                    })
                },
            )?
            .collect()
    }

    /// Returns the keys and reasons of the unresolved rejects of a resource.
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
