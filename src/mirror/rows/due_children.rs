//! The listings whose children are still to be read.

use crate::mirror::{Mirror, WriteTx};
use crate::resource::Resource;

impl Mirror {
    /// Returns the keys of the live listings whose children of one resource are due.
    pub fn due_children(&self, child: Resource) -> rusqlite::Result<Vec<String>> {
        self.connection
            .prepare_cached(&format!(
                "SELECT due.listing_key FROM _due_children AS due
                 JOIN listings ON listings.{} = due.listing_key
                 WHERE due.resource = ?1 AND listings.deleted_at IS NULL
                 ORDER BY due.listing_key",
                self.key(Resource::PROPERTY)?
            ))?
            .query_map([child.entity_set()], |row| row.get(0))?
            .collect()
    }

    /// Returns whether the children of more than half of the live listings are due.
    pub fn has_many_due_children(&self, child: Resource) -> rusqlite::Result<bool> {
        let holds = |sql: &str| -> rusqlite::Result<bool> {
            (self.connection).query_row(sql, [child.entity_set()], |row| row.get(0))
        };
        Ok(
            holds("SELECT EXISTS (SELECT 1 FROM _due_children WHERE resource = ?1)")?
                && holds(&format!(
                    "SELECT 2 * count(due.listing_key) > count(*) FROM listings
                     LEFT JOIN _due_children AS due
                         ON due.listing_key = listings.{} AND due.resource = ?1
                     WHERE listings.deleted_at IS NULL",
                    self.key(Resource::PROPERTY)?
                ))?,
        )
    }
}

impl WriteTx<'_> {
    /// Notes that the children of a listing are due.
    pub fn add_due_children(&self, child: Resource, listing_key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached(
                "INSERT OR IGNORE INTO _due_children (resource, listing_key) VALUES (?1, ?2)",
            )?
            .execute([child.entity_set(), listing_key])?;
        Ok(())
    }

    /// Notes that the children of a listing were read.
    pub fn remove_due_children(&self, child: Resource, listing_key: &str) -> rusqlite::Result<()> {
        self.transaction
            .prepare_cached("DELETE FROM _due_children WHERE resource = ?1 AND listing_key = ?2")?
            .execute([child.entity_set(), listing_key])?;
        Ok(())
    }

    /// Notes that all children of one resource were read.
    pub fn clear_due_children(&self, child: Resource) -> rusqlite::Result<()> {
        self.transaction.execute(
            "DELETE FROM _due_children WHERE resource = ?1",
            [child.entity_set()],
        )?;
        Ok(())
    }
}
