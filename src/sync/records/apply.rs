//! One page into the mirror: what is new, what changed, what is the same, what went.

use std::collections::{BTreeSet, HashSet};

use super::loggable::{Told, told};
use super::run_rows::Tallies;
use crate::feed::Page;
use crate::mirror::{ChangeKind, ChangedRecord, DeletedReason, Job, Rows, StoredRow, WriteTx};
use crate::record::{Children, Record, Shape};
use crate::resource::{PHOTOS_COUNT, Resource};
use crate::value::{Value, timestamp};

/// Applies pages within one transaction.
pub struct Apply<'a> {
    /// The transaction.
    pub tx: &'a WriteTx<'a>,
    /// The runs that count.
    pub tallies: &'a mut Tallies,
    /// Fields whose changes are not logged.
    pub ignore_fields: &'a BTreeSet<String>,
    /// Whether only children of live listings are held, because the mirror does
    /// not hold all listings.
    pub listings_filtered: bool,
    /// Of which resources some records are noted as missing.
    pub missing: BTreeSet<Resource>,
}

impl Apply<'_> {
    /// Applies a page: its records, their children, and what could not be stored.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn page(&mut self, shape: &Shape, page: &Page) -> rusqlite::Result<()> {
        let tx = self.tx;
        if let Some(tally) = self.tallies.get_mut(shape.resource) {
            tally.counts.pages += 1;
        }
        let mut rows = tx.rows(shape)?;
        let mut children: Vec<Rows<'_>> = shape
            .children
            .iter()
            .map(|child| tx.rows(&child.shape))
            .collect::<Result<_, _>>()?;
        let filled = [shape].into_iter();
        for shape in filled.chain(shape.children.iter().map(|child| &child.shape)) {
            if tx.has_missing(shape.resource)? {
                self.missing.insert(shape.resource);
            }
        }
        let may_resolve = self.has_open_rejects(shape)?;
        for record in &page.records {
            self.record(shape, &mut rows, record, may_resolve)?;
            for ((list, child), rows) in record
                .children
                .iter()
                .zip(&shape.children)
                .zip(&mut children)
            {
                if let Some(list) = list {
                    self.children(shape, record, &child.shape, rows, list)?;
                }
            }
        }
        for reject in &page.rejects {
            let Some(tally) = self.tallies.get_mut(reject.resource) else {
                continue;
            };
            tally.counts.records_seen += 1;
            tally.counts.rejected += 1;
            tx.save_reject(tally.run, reject)?;
        }
        Ok(())
    }

    /// Leaves out of a page of children those that the mirror does not hold.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn leave_out_unwanted(&self, shape: &Shape, page: &mut Page) -> rusqlite::Result<()> {
        if !shape.resource.is_child() {
            return Ok(());
        }
        let mut wanted = Vec::with_capacity(page.records.len());
        for record in page.records.drain(..) {
            if self.is_wanted(&record)? {
                wanted.push(record);
            }
        }
        page.records = wanted;
        Ok(())
    }

    /// A child that comes on its own is held while its listing is: not if the
    /// listing went, and not if the mirror's filter leaves the listing out.
    fn is_wanted(&self, record: &Record) -> rusqlite::Result<bool> {
        let Some(listing) = &record.listing_key else {
            return Ok(true);
        };
        Ok(match self.tx.listing_is_live(listing)? {
            Some(live) => live,
            None => !self.listings_filtered,
        })
    }

    fn has_open_rejects(&self, shape: &Shape) -> rusqlite::Result<bool> {
        Ok(self.tx.open_rejects(shape.resource)? > 0)
    }

    /// Brings one row up to date.
    fn record(
        &mut self,
        shape: &Shape,
        rows: &mut Rows<'_>,
        record: &Record,
        may_resolve: bool,
    ) -> rusqlite::Result<()> {
        let tx = self.tx;
        let Some(tally) = self.tallies.get_mut(shape.resource) else {
            return Ok(());
        };
        tally.counts.records_seen += 1;
        if may_resolve {
            tx.resolve_rejects(shape.resource, &record.key)?;
        }
        if self.missing.contains(&shape.resource) {
            tx.unmark_missing(shape.resource, &record.key)?;
        }
        let subject = subject(shape, record);
        match rows.compare(record)? {
            StoredRow::Absent => {
                rows.insert(record)?;
                tally.counts.inserted += 1;
                tally.log(tx, |log| log.record(subject, ChangeKind::Insert))
            }
            StoredRow::Present {
                deleted: None,
                moved: false,
                changes,
            } if changes.is_empty() => {
                tally.counts.unchanged += 1;
                Ok(())
            }
            StoredRow::Present {
                deleted, changes, ..
            } => {
                rows.update(record)?;
                if deleted.is_some() {
                    tally.counts.restored += 1;
                    tally.log(tx, |log| log.record(subject, ChangeKind::Restore))?;
                } else {
                    tally.counts.updated += 1;
                }
                if !tally.logs {
                    return Ok(());
                }
                for Told { field, old, new } in told(tx, shape, record, changes, &tally.new_fields)?
                {
                    if !self.ignore_fields.contains(&field) {
                        tally.log(tx, |log| log.field(subject, &field, &old, &new))?;
                    }
                }
                Ok(())
            }
        }
    }

    /// Brings a listing's children up to date: those that came, and those that
    /// are no longer among them.
    fn children(
        &mut self,
        parent_shape: &Shape,
        parent: &Record,
        shape: &Shape,
        rows: &mut Rows<'_>,
        list: &Children,
    ) -> rusqlite::Result<()> {
        let may_resolve = self.has_open_rejects(shape)?;
        for child in &list.records {
            self.record(shape, rows, child, may_resolve)?;
        }
        let came: HashSet<&str> = (list.records.iter().map(|child| &*child.key))
            .chain(list.rejected_keys.iter().map(|key| &**key))
            .collect();
        let gone: Vec<String> = self
            .tx
            .live_children(shape.resource, &parent.key)?
            .into_iter()
            .filter(|held| !came.contains(held.as_str()))
            .collect();
        // One that came without a key may be any of those that seem gone.
        if gone.is_empty() || list.rejected_without_key {
            return Ok(());
        }
        if came.is_empty() && !agrees_with_empty(parent_shape, parent, shape.resource) {
            tracing::warn!(
                listing = &*parent.key,
                held = gone.len(),
                "the feed gave no photos for a listing whose {PHOTOS_COUNT} is not 0; keeping those held"
            );
            return Ok(());
        }
        let job = self.tallies.job();
        for key in gone {
            if job == Job::Full {
                // They go at the end of the sweep, if they are not met elsewhere
                // and are not suspiciously many.
                self.tx.mark_missing(job, shape.resource, &key)?;
                self.missing.insert(shape.resource);
            } else {
                let subject = ChangedRecord {
                    resource: shape.resource,
                    key: &key,
                    listing_key: Some(&parent.key),
                    source_timestamp: None,
                };
                self.delete(subject, DeletedReason::Replaced)?;
            }
        }
        Ok(())
    }

    /// Soft-deletes a listing or another record that is gone, and what belongs to it.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn gone(
        &mut self,
        resource: Resource,
        key: &str,
        reason: DeletedReason,
    ) -> rusqlite::Result<()> {
        self.gone_at(resource, key, reason, None)
    }

    /// The same, announced for a moment in storage form.
    ///
    /// # Errors
    /// If the database cannot be read or written.
    pub fn gone_at(
        &mut self,
        resource: Resource,
        key: &str,
        reason: DeletedReason,
        announced: Option<&str>,
    ) -> rusqlite::Result<()> {
        let listing_key = match resource {
            Resource::Property => Some(key.to_owned()),
            child if child.is_child() => self.tx.listing_of(child, key)?,
            _ => None,
        };
        let subject = ChangedRecord {
            resource,
            key,
            listing_key: listing_key.as_deref(),
            source_timestamp: announced,
        };
        self.delete(subject, reason)?;
        if resource == Resource::Property {
            for child in Resource::ALL.into_iter().filter(|child| child.is_child()) {
                if !self.tx.has_table(child)? {
                    continue;
                }
                for child_key in self.tx.live_children(child, key)? {
                    let subject = ChangedRecord {
                        resource: child,
                        key: &child_key,
                        listing_key: Some(key),
                        source_timestamp: announced,
                    };
                    self.delete(subject, DeletedReason::Parent)?;
                }
            }
        }
        Ok(())
    }

    fn delete(
        &mut self,
        subject: ChangedRecord<'_>,
        reason: DeletedReason,
    ) -> rusqlite::Result<()> {
        let resource = subject.resource;
        self.tx.delete_row(resource, subject.key, reason)?;
        self.tallies.count_deleted(resource, reason);
        // A child that goes with its listing goes into the listing's run if it
        // has none of its own.
        let own = self.tallies.get(resource).is_some();
        let run_of = if own { resource } else { Resource::Property };
        if let Some(tally) = self.tallies.get_mut(run_of) {
            tally.counts.deleted += u64::from(own);
            tally.log(self.tx, |log| log.record(subject, ChangeKind::Delete))?;
        }
        Ok(())
    }
}

fn subject<'r>(shape: &Shape, record: &'r Record) -> ChangedRecord<'r> {
    ChangedRecord {
        resource: shape.resource,
        key: &record.key,
        listing_key: match shape.resource {
            Resource::Property => Some(&record.key),
            _ => record.listing_key.as_deref(),
        },
        source_timestamp: shape.modified_of(&record.values),
    }
}

/// Whether the listing itself says that it has none of this child. Only photos
/// are counted; of the others an empty list is an empty list.
fn agrees_with_empty(shape: &Shape, listing: &Record, child: Resource) -> bool {
    child != Resource::Media
        || shape
            .position(PHOTOS_COUNT)
            .is_none_or(|at| listing.values[at] == Value::Integer(0))
}

/// The ModificationTimestamp that a rejected record's text gives, if it can be read.
pub fn stamp_of_reject(payload: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    struct Stamped {
        #[serde(rename = "ModificationTimestamp")]
        modified: String,
    }
    let stamped: Stamped = serde_json::from_str(payload).ok()?;
    timestamp(&stamped.modified).map(String::from)
}
