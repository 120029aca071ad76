//! How far each alert has reported the changes.

use std::collections::BTreeMap;

use rusqlite::named_params;

use crate::mirror::{Mirror, WriteTx};

/// How far an alert has reported the changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AlertProgress {
    /// The last entry of the log that was reported, or did not have to be.
    pub reported_up_to: i64,
    /// Whether the alert reported that the mirror needs attention.
    pub attention: bool,
    /// The number of lines that the program receives at once.
    pub lines_at_once: u32,
    /// Why the last report failed.
    pub error: Option<String>,
}

impl Mirror {
    /// Returns the progress of each alert, by its name.
    pub fn alert_progress(&self) -> rusqlite::Result<BTreeMap<String, AlertProgress>> {
        self.connection
            .prepare("SELECT name, reported_up_to, attention, lines_at_once, error FROM _alerts")?
            .query_map([], |row| {
                let progress = AlertProgress {
                    reported_up_to: row.get(1)?,
                    attention: row.get(2)?,
                    lines_at_once: row.get(3)?,
                    error: row.get(4)?,
                };
                Ok((row.get(0)?, progress))
            })?
            .collect()
    }

    /// Returns the id of the newest change, or 0 if there is none.
    pub fn newest_change(&self) -> rusqlite::Result<i64> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM changes", [], |row| {
                row.get(0)
            })
    }

    /// Returns the id of the newest change that was recorded before a time in storage form,
    /// or 0 if there is none.
    pub fn newest_change_before(&self, before: &str) -> rusqlite::Result<i64> {
        self.connection.query_row(
            "SELECT coalesce(max(id), 0) FROM changes WHERE recorded_at < :before",
            named_params! { ":before": before },
            |row| row.get(0),
        )
    }
}

impl WriteTx<'_> {
    /// Stores the progress of an alert.
    pub fn save_alert(&self, name: &str, progress: &AlertProgress) -> rusqlite::Result<()> {
        self.transaction.execute(
            "INSERT OR REPLACE INTO _alerts
                 (name, reported_up_to, attention, lines_at_once, error, updated_at)
             VALUES (:name, :reported_up_to, :attention, :lines_at_once, :error, :now)",
            named_params! {
                ":name": name,
                ":reported_up_to": progress.reported_up_to,
                ":attention": progress.attention,
                ":lines_at_once": progress.lines_at_once,
                ":error": progress.error,
                ":now": self.now,
            },
        )?;
        Ok(())
    }

    /// Drops the progress of an alert that is no longer configured.
    pub fn drop_alert(&self, name: &str) -> rusqlite::Result<()> {
        self.transaction
            .execute("DELETE FROM _alerts WHERE name = ?1", [name])?;
        Ok(())
    }
}
