//! How far a time zone is from UTC, for views.

use crate::mirror::WriteTx;

/// An offset from UTC, and since when it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtcOffset {
    /// The moment in storage form.
    pub since: String,
    /// Minutes that are added to UTC.
    pub minutes: i32,
}

impl WriteTx<'_> {
    /// Keeps the offsets of a time zone, in place of those that were kept.
    pub fn save_utc_offsets(&self, offsets: &[UtcOffset]) -> rusqlite::Result<()> {
        self.transaction.execute("DELETE FROM _utc_offsets", [])?;
        let mut insert = self
            .transaction
            .prepare_cached("INSERT INTO _utc_offsets (since, offset_minutes) VALUES (?1, ?2)")?;
        for offset in offsets {
            insert.execute((&offset.since, offset.minutes))?;
        }
        Ok(())
    }
}
