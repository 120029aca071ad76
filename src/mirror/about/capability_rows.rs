//! The rows of `_capabilities`.

use rusqlite::named_params;

use crate::feed::{Capability, Observation};
use crate::mirror::{Mirror, WriteTx};

impl Mirror {
    /// Returns what is known of the feed.
    pub fn capabilities(&self) -> rusqlite::Result<Vec<Observation>> {
        let mut rows = self.connection.prepare(
            "SELECT resource, capability, value, detail, observed_at FROM _capabilities",
        )?;
        let known = rows.query_map([], |row| {
            let name: String = row.get(1)?;
            let Some(capability) = Capability::named(&name) else {
                return Ok(None);
            };
            Ok(Some(Observation {
                resource: row.get(0)?,
                capability,
                value: row.get(2)?,
                detail: row.get(3)?,
                observed_at: row.get(4)?,
            }))
        })?;
        known.filter_map(rusqlite::Result::transpose).collect()
    }
}

impl WriteTx<'_> {
    /// Saves an observation in place of an earlier one.
    pub fn save_capability(&self, observation: &Observation) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR REPLACE INTO _capabilities (resource, capability, value, detail, observed_at)
             VALUES (:resource, :capability, :value, :detail, :observed_at)",
            named_params! {
                ":resource": observation.resource,
                ":capability": observation.capability.name(),
                ":value": observation.value,
                ":detail": observation.detail,
                ":observed_at": observation.observed_at,
            },
        )?;
        Ok(())
    }

    /// Deletes the observation of a capability that does not hold any more.
    pub fn forget_capability(
        &self,
        resource: &str,
        capability: Capability,
    ) -> rusqlite::Result<()> {
        self.transaction.execute(
            "DELETE FROM _capabilities WHERE resource = ?1 AND capability = ?2",
            (resource, capability.name()),
        )?;
        Ok(())
    }

    /// Deletes all observations: the mirror continues with another server.
    pub fn forget_capabilities(&self) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM _capabilities", [])?;
        Ok(())
    }
}
