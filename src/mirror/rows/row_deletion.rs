//! Soft-deletes rows.

use rusqlite::named_params;

use crate::mirror::WriteTx;
use crate::mirror::dropped_write::dropped_write;
use crate::resource::Resource;

/// Why a row was soft-deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeletedReason {
    /// The feed announced the deletion.
    Announced,
    /// A completed sweep did not see it.
    Missing,
    /// Its listing was deleted.
    Parent,
    /// It is no longer among its listing's children.
    Replaced,
    /// It no longer matches the configured filter.
    Scope,
}

impl DeletedReason {
    /// Returns the value for the column `deleted_reason`.
    pub fn as_str(self) -> &'static str {
        match self {
            DeletedReason::Announced => "announced",
            DeletedReason::Missing => "missing",
            DeletedReason::Parent => "parent",
            DeletedReason::Replaced => "replaced",
            DeletedReason::Scope => "scope",
        }
    }
}

impl WriteTx<'_> {
    /// Soft-deletes a row, keeping its values.
    pub fn delete_row(
        &self,
        resource: Resource,
        key: &str,
        reason: DeletedReason,
    ) -> rusqlite::Result<()> {
        let mut statement = self.transaction.prepare_cached(&format!(
            "UPDATE {} SET deleted_at = :now, updated_at = :now, deleted_reason = :reason WHERE {} = :key",
            resource.table(),
            self.key(resource)?
        ))?;
        let deleted = statement.execute(named_params! {
            ":now": self.now, ":reason": reason.as_str(), ":key": key,
        })?;
        // Another program may have removed the row.
        if deleted == 0 && self.is_live(resource, key)? {
            return Err(dropped_write(&self.transaction, resource.table()));
        }
        Ok(())
    }
}
