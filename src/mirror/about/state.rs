//! What was found out and is to be remembered: about the server, to ask it right the
//! first time, and about the mirror itself.

use rusqlite::{Connection, OptionalExtension, named_params};

use crate::mirror::{Mirror, ReadTx, WriteTx};

impl Mirror {
    /// What was found out under this name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn state(&self, name: &str) -> rusqlite::Result<Option<String>> {
        state(&self.connection, name)
    }
}

fn state(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT value FROM _learned WHERE name = ?1";
    db.query_row(sql, [name], |row| row.get(0)).optional()
}

impl ReadTx<'_> {
    /// What was found out under this name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub(in crate::mirror) fn state(&self, name: &str) -> rusqlite::Result<Option<String>> {
        state(&self.transaction, name)
    }
}

impl WriteTx<'_> {
    /// Writes down what was found out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn set_state(&self, name: &str, value: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _learned (name, value, learned_at) VALUES (:name, :value, :now)
             ON CONFLICT (name) DO UPDATE SET value = :value, learned_at = :now",
            named_params! { ":name": name, ":value": value, ":now": self.now },
        )?;
        Ok(())
    }
}
