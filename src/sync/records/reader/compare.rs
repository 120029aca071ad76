//! Compares keys and timestamps with the feed, and repairs what differs.

use std::sync::Arc;

use super::resource_reader::Reader;
use crate::feed::Position;
use crate::mirror::{KeyDifferences, Mirror};
use crate::record::Shape;
use crate::resource::Resource;
use crate::sync::records::audit::{Audit, Audited, Depth, Findings};
use crate::sync::sync_error::Result;

/// Refetches the records that an audit finds to differ, and marks the rows that the feed seems to
/// lack. The checkpoint of the reader says how far it got.
struct Repairs<'r, 'a> {
    reader: &'r mut Reader<'a>,
    whole: &'r Arc<Shape>,
    /// The number of records that differ.
    differing: u64,
}

impl Reader<'_> {
    /// Compares keys and timestamps, and refetches the records that differ. The rows that the
    /// feed seems to lack are marked as missing.
    pub(super) fn audit(
        &mut self,
        mirror: &mut Mirror,
        whole: &Arc<Shape>,
        depth: Depth,
    ) -> Result<()> {
        let open = self.checkpoint.open();
        let audit = Audit {
            context: self.context,
            catalog: self.catalog,
            resource: self.resource,
            depth,
            has_listings: self.has_listings,
            count: self.checkpoint.count,
            children: &[],
            left_out: &[],
        };
        let starts = (!self.checkpoint.positions.is_empty()).then_some(open);
        let mut repairs = Repairs {
            reader: self,
            whole,
            differing: 0,
        };
        let audited = audit.run(mirror, starts, &mut repairs)?;
        let differing = repairs.differing;
        self.refetch(mirror, whole)?;
        self.audited = Some(audited.clone());
        self.note_audited(mirror, &audited, differing)
    }

    /// Notes how an audit ended, and forgets which rows seem to be missing if it proves nothing.
    fn note_audited(
        &mut self,
        mirror: &mut Mirror,
        audited: &Audited,
        differing: u64,
    ) -> Result<()> {
        if let Some(run) = self.runs.get_mut(self.resource) {
            run.counts.pages += audited.pages;
            let same = audited.read.saturating_sub(differing);
            run.counts.records_seen += same;
            run.counts.unchanged += same;
        }
        self.checkpoint.keyless |= audited.keyless;
        if let Some((count, seen)) = audited.contradiction {
            self.note_contradiction(count, seen, 2);
        }
        if audited.keyless {
            self.forget_missing(mirror)?;
        }
        Ok(())
    }

    /// Refetches the records that differ.
    fn refetch(&mut self, mirror: &mut Mirror, whole: &Arc<Shape>) -> Result<()> {
        let keys = self.checkpoint.pending.clone();
        self.fetch(mirror, &self.sweep(whole), &keys)?;
        self.checkpoint.pending.clear();
        Ok(())
    }
}

impl Findings for Repairs<'_, '_> {
    fn found(
        &mut self,
        mirror: &mut Mirror,
        resource: Resource,
        found: KeyDifferences,
        reached: Option<(usize, Position)>,
    ) -> Result<()> {
        let reader = &mut *self.reader;
        let write = mirror.write()?;
        for key in &found.extra {
            write.mark_missing(reader.job(), resource, key)?;
        }
        let missing = found.missing.into_iter().map(|(key, _)| key);
        let others = found.timestamps.into_iter().map(|(key, ..)| key);
        for key in missing.chain(others) {
            write.unmark_missing(resource, &key)?;
            reader.checkpoint.pending.push(key);
            self.differing += 1;
        }
        if let Some((walk, position)) = reached
            && let Some(at) = reader.checkpoint.positions.get_mut(walk)
        {
            *at = position;
        }
        reader.save(&write)?;
        write.commit()?;
        if reader.checkpoint.pending.len() >= reader.context.feed.keys_at_once(reader.resource) {
            reader.refetch(mirror, self.whole)?;
        }
        Ok(())
    }

    fn start_again(&mut self, mirror: &mut Mirror) -> Result<()> {
        let reader = &mut *self.reader;
        reader.checkpoint.positions.clear();
        reader.checkpoint.pending.clear();
        reader.forget_missing(mirror)
    }

    fn starts(&mut self, starts: &[(usize, Position)]) {
        let positions = &mut self.reader.checkpoint.positions;
        if positions.is_empty() {
            positions.extend(starts.iter().map(|(_, start)| start.clone()));
        }
    }
}
