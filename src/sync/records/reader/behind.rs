//! Recognises answers of a copy of the feed that is behind: their newest timestamp is
//! older than in an earlier answer.

use super::resource_reader::Reader;
use crate::mirror::{Job, Mirror};
use crate::sync::records::by_key::fetch;
use crate::sync::sync_error::Result;

/// The number of rows, newer than the answers, that are asked for by key, and of older rows.
const NEWEST: u64 = 50;

impl Reader<'_> {
    /// Returns whether the answers are behind, and notes it as a reason why the run is
    /// partial. Their newest timestamp is also older than before if all newer records were
    /// deleted, so that these are asked for by key, together with older ones: an answer without
    /// any of them proves nothing. With `--allow-deletes`, the user accepts an earlier state of
    /// the feed.
    pub fn is_behind(&mut self, mirror: &mut Mirror) -> Result<bool> {
        if self.copy_is_behind {
            let reason = "the feed's answers seem to come from a copy that is behind";
            self.left_out.push(reason.to_owned());
            return Ok(true);
        }
        let Some(watermark) = mirror.watermark(self.resource)? else {
            return Ok(false);
        };
        let newest = self.checkpoint.newest.get(self.resource.entity_set());
        let is_newer = newest.is_some_and(|newest| *newest >= watermark);
        let is_known = self.checkpoint.knows_newest || self.job() == Job::Incremental;
        if is_newer || !is_known || self.context.allow_deletes > 0 {
            return Ok(false);
        }
        if self.reads_from.as_ref() >= Some(&watermark) {
            return Ok(false);
        }
        let after = newest
            .max(self.reads_from.as_ref())
            .cloned()
            .unwrap_or_default();
        let read = mirror.read()?;
        let shape = self.catalog.key_shape(self.resource)?;
        let newer = read.live_between(&shape, &after, &watermark, NEWEST)?;
        if newer.is_empty() {
            return Ok(false);
        }
        let older = read.live_between(&shape, "", &after, NEWEST)?;
        drop(read);
        let (feed, stop) = (self.context.feed, self.context.stop);
        let keys = [newer.as_slice(), &older].concat();
        let absent = fetch(feed, stop, &self.sweep(&shape), &keys, |_| Ok(()))?;
        let are_absent = |keys: &[String]| keys.iter().all(|key| absent.contains(key));
        if are_absent(&newer) && (older.is_empty() || !are_absent(&older)) {
            return Ok(false);
        }
        let (_, nouns) = self.resource.nouns();
        let found = match after.as_str() {
            "" => format!("the feed sends no {nouns}"),
            after => format!("the feed's answers end at {after} UTC"),
        };
        self.left_out.push(format!(
            "{found}, but it sent {nouns} up to {watermark} UTC before; \
             the answers seem to come from a copy that is behind"
        ));
        self.copy_is_behind = true;
        Ok(true)
    }
}
