//! Facts that the mirror keeps between runs: about the server, such as the names that
//! it accepts, and about the mirror itself.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::mirror::{Mirror, ReadTx, WriteTx};

impl Mirror {
    /// Returns a fact by its name, if it is known.
    pub fn state(&self, name: &str) -> rusqlite::Result<Option<String>> {
        state(&self.connection, name)
    }

    /// Stores a fact as [`WriteTx::set_state`] does, in a transaction of its own.
    pub fn set_state(&mut self, name: &str, value: &str) -> rusqlite::Result<()> {
        let write = self.write()?;
        write.set_state(name, value)?;
        write.commit()
    }
}

impl ReadTx<'_> {
    /// Returns a fact by its name, if it is known.
    pub fn state(&self, name: &str) -> rusqlite::Result<Option<String>> {
        state(&self.transaction, name)
    }
}

fn state(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    db.query_row("SELECT value FROM _state WHERE name = ?1", [name], |row| {
        row.get(0)
    })
    .optional()
}

impl WriteTx<'_> {
    /// Stores a fact under a name, in place of an earlier one.
    pub fn set_state(&self, name: &str, value: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _state (name, value, updated_at) VALUES (:name, :value, :now)
             ON CONFLICT (name) DO UPDATE SET value = :value, updated_at = :now",
            named_params! { ":name": name, ":value": value, ":now": self.now },
        )?;
        Ok(())
    }
}
