//! What was found out about the server, to ask it right the first time.

use rusqlite::{OptionalExtension, named_params};

use super::{Mirror, Writing};

impl Mirror {
    /// What was found out under this name.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn learned(&self, name: &str) -> rusqlite::Result<Option<String>> {
        self.connection
            .query_row(
                "SELECT value FROM _learned WHERE name = ?1",
                [name],
                |row| row.get(0),
            )
            .optional()
    }
}

impl Writing<'_> {
    /// Writes down what was found out.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn learn(&self, name: &str, value: &str) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT INTO _learned (name, value, learned_at) VALUES (:name, :value, :now)
             ON CONFLICT (name) DO UPDATE SET value = :value, learned_at = :now",
            named_params! { ":name": name, ":value": value, ":now": self.now },
        )?;
        Ok(())
    }
}
