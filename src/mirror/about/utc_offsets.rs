//! The UTC offsets of the feed's time zone, for views.

use crate::mirror::WriteTx;

/// A UTC offset, and since when it applies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UtcOffset {
    /// When it starts to apply, in storage form.
    pub since: String,
    /// The minutes to add to UTC.
    pub minutes: i32,
}

impl WriteTx<'_> {
    /// Replaces the stored UTC offsets.
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
