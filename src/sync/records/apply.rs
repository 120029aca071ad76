//! Applies pages of records to the mirror within one transaction.
//!
//! Each record is loaded, planned and written, in this order.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use super::file_effect::FileEffect;
use super::record_plan::{
    LoadedRecord, LogRules, MissingChildren, RecordPlan, RowEffect, newest_versions,
    newly_undeclared, plan_missing_children, plan_record,
};
use super::run_set::RunSet;
use crate::config::DeletedWhen;
use crate::feed::Page;
use crate::mirror::{ChangeKind, ChangedRecord, DeletedReason, Job, Rows, WriteTx};
use crate::record::{ChildShape, Children, Record, Shape};
use crate::resource::{PHOTOS_COUNT, Resource};
use crate::sync::context::Context;
use crate::value::Value;

/// Applies pages within one transaction.
pub(in crate::sync) struct Apply<'a> {
    /// The transaction.
    pub write: &'a WriteTx<'a>,
    /// The runs that count.
    pub runs: &'a mut RunSet,
    /// How the feed marks deleted records.
    pub deleted_when: Option<&'a DeletedWhen>,
    /// Fields whose changes are not logged.
    pub ignore_fields: &'a BTreeSet<String>,
    /// Whether the mirror holds listings, so that it holds only children of live ones.
    pub has_listings: bool,
    /// The resources that have records noted as missing.
    pub missing: BTreeSet<Resource>,
    /// The resources that have open rejects.
    pub rejected: BTreeSet<Resource>,
    /// Whether a record replaces its row even if it is older, or if it came in its listing's
    /// list and lacks values of the row.
    pub accepts_older: bool,
    /// Records that were not written because the feed has to confirm them first.
    pub older: Vec<(Resource, String)>,
    /// Children that their listing no longer lists, though the list may be incomplete.
    pub unlisted: Vec<(Resource, String)>,
    /// The children that are due if they do not come with a listing.
    pub due_children: &'a [DueChild],
}

/// A child whose records the mirror holds completely.
#[derive(Clone, Copy, Debug)]
pub(in crate::sync) struct DueChild {
    pub resource: Resource,
    /// Whether the run also reads the child's own changes, so that only the children of
    /// new and returned listings are due.
    pub reads_changes: bool,
}

impl<'a> Apply<'a> {
    /// Creates the state of a transaction. Records that are older than their rows replace
    /// them; set [`Apply::accepts_older`] to change that.
    pub fn new(
        context: &'a Context<'_>,
        runs: &'a mut RunSet,
        write: &'a WriteTx<'a>,
    ) -> Apply<'a> {
        Apply {
            write,
            runs,
            deleted_when: context.config.feed.deleted_when.as_ref(),
            ignore_fields: &context.config.sync.ignore_fields,
            has_listings: context.config.sync.resources.contains(&Resource::PROPERTY),
            missing: BTreeSet::new(),
            rejected: BTreeSet::new(),
            accepts_older: true,
            older: Vec::new(),
            unlisted: Vec::new(),
            due_children: &[],
        }
    }

    /// Applies a page: its records, their children, and its rejects.
    pub fn page(&mut self, shape: &Shape, page: &Page) -> rusqlite::Result<()> {
        let write = self.write;
        if let Some(run) = self.runs.get_mut(shape.resource) {
            run.counts.pages += 1;
        }
        let mut rows = write.rows(shape)?;
        let mut children: Vec<Rows<'_>> = (shape.children.iter())
            .map(|child| write.rows(&child.shape))
            .collect::<Result<_, _>>()?;
        let child_shapes = shape.children.iter().map(|child| &child.shape);
        for shape in std::iter::once(shape).chain(child_shapes) {
            if write.has_missing(shape.resource)? {
                self.missing.insert(shape.resource);
            }
            if write.open_rejects(shape.resource)? > 0 {
                self.rejected.insert(shape.resource);
            }
        }

        let mark = self.mark_of(shape);
        for record in newest_versions(shape, &page.records) {
            if is_marked(mark, record) {
                self.delete_marked(shape, record)?;
                continue;
            }
            let effect = self.record(shape, &mut rows, record, false)?;
            // An older listing comes with older children, which must delete no newer ones.
            if effect == RowEffect::Confirm && self.runs.job() == Job::Incremental {
                continue;
            }
            self.note_due_children(shape, record, effect)?;
            let lists = record.children.iter().zip(&shape.children);
            for ((list, child), rows) in lists.zip(&mut children) {
                if let Some(list) = list {
                    self.children(shape, record, child, rows, list)?;
                }
            }
        }
        for reject in &page.rejects {
            if let Some(run) = self.runs.get_mut(reject.resource) {
                run.counts.records_seen += 1;
                run.counts.rejected += 1;
                write.save_reject(run.id, reject)?;
            }
        }
        Ok(())
    }

    /// Removes children from a page that the mirror does not hold. Returns their number.
    pub fn remove_unwanted(&self, shape: &Shape, page: &mut Page) -> rusqlite::Result<u64> {
        if !shape.is_child() {
            return Ok(0);
        }
        let before = page.records.len();
        let mut wanted = Vec::with_capacity(page.records.len());
        for record in page.records.drain(..) {
            if self.is_wanted(&record)? {
                wanted.push(record);
            }
        }
        page.records = wanted;
        Ok((before - page.records.len()) as u64)
    }

    /// Returns whether the mirror holds a child: only if its listing is live.
    fn is_wanted(&self, record: &Record) -> rusqlite::Result<bool> {
        let Some(listing) = &record.listing_key else {
            return Ok(true);
        };
        let is_live = self.write.listing_is_live(listing)?;
        Ok(is_live.unwrap_or(!self.has_listings))
    }

    /// Returns how the feed marks deleted records of a resource, and the position of the field.
    fn mark_of(&self, shape: &Shape) -> Option<(&'a DeletedWhen, usize)> {
        let mark = self.deleted_when?;
        Some((mark, shape.position(&mark.field)?))
    }

    /// Deletes the row of a record that the feed marks as deleted.
    fn delete_marked(&mut self, shape: &Shape, record: &Record) -> rusqlite::Result<()> {
        let resource = shape.resource;
        if let Some(run) = self.runs.get_mut(resource) {
            run.counts.records_seen += 1;
        }
        self.write.resolve_rejects(resource, &record.key)?;
        self.write.unmark_missing(resource, &record.key)?;
        if !self.write.is_live(resource, &record.key)? {
            return Ok(());
        }
        let modified = shape.modified_of(&record.values);
        self.delete(resource, &record.key, DeletedReason::Announced, modified)
    }

    /// Updates the row of one record. `is_listed`: whether it came in its listing's list.
    fn record(
        &mut self,
        shape: &Shape,
        rows: &mut Rows<'_>,
        record: &Record,
        is_listed: bool,
    ) -> rusqlite::Result<RowEffect> {
        let Some(run) = self.runs.get_mut(shape.resource) else {
            return Ok(RowEffect::Unchanged);
        };
        let loaded = load(self.write, shape, rows, record)?;
        let rules = LogRules {
            logs: run.logs,
            new_fields: &run.new_fields,
            ignore_fields: self.ignore_fields,
            accepts_older: self.accepts_older,
            is_listed,
        };
        let plan = plan_record(shape, record, loaded, &rules);

        run.counts.records_seen += 1;
        if self.rejected.contains(&shape.resource) {
            self.write.resolve_rejects(shape.resource, &record.key)?;
        }
        if self.missing.contains(&shape.resource) {
            self.write.unmark_missing(shape.resource, &record.key)?;
        }
        self.write_record(shape, rows, record, &plan)?;
        Ok(plan.effect)
    }

    /// Notes which children did not come with a listing that was stored.
    fn note_due_children(
        &self,
        shape: &Shape,
        listing: &Record,
        effect: RowEffect,
    ) -> rusqlite::Result<()> {
        if shape.resource != Resource::PROPERTY {
            return Ok(());
        }
        let is_new = matches!(effect, RowEffect::Insert | RowEffect::Restore);
        for due in self.due_children {
            let at = (shape.children.iter()).position(|child| child.shape.resource == due.resource);
            let came = at.is_some_and(|at| listing.children[at].is_some());
            let is_changed = effect == RowEffect::Update && !due.reads_changes;
            if !came && (is_new || is_changed) {
                self.write.add_due_children(due.resource, &listing.key)?;
            }
        }
        Ok(())
    }

    fn write_record(
        &mut self,
        shape: &Shape,
        rows: &mut Rows<'_>,
        record: &Record,
        plan: &RecordPlan,
    ) -> rusqlite::Result<()> {
        let Some(run) = self.runs.get_mut(shape.resource) else {
            return Ok(());
        };
        let subject = subject(shape, record);
        match plan.effect {
            RowEffect::Unchanged => run.counts.unchanged += 1,
            RowEffect::Confirm => {
                let key = record.key.to_string();
                self.older.push((shape.resource, key));
            }
            RowEffect::Insert => {
                rows.insert(record)?;
                run.counts.inserted += 1;
                run.log(self.write, |log| log.record(subject, ChangeKind::Insert))?;
            }
            RowEffect::Update => {
                rows.update(record)?;
                run.counts.updated += 1;
            }
            RowEffect::Restore => {
                rows.update(record)?;
                run.counts.restored += 1;
                run.log(self.write, |log| log.record(subject, ChangeKind::Restore))?;
            }
        }
        if matches!(plan.effect, RowEffect::Update | RowEffect::Restore) {
            match &plan.files {
                FileEffect::None => {}
                FileEffect::Kept(url) => self.write.keep_file(&record.key, url)?,
                FileEffect::Renewed => self.write.renew_files(&record.key)?,
            }
        }
        for change in &plan.logged {
            run.log(self.write, |log| {
                log.field(subject, &change.field, &change.old, &change.new)
            })?;
        }
        Ok(())
    }

    /// Updates the listed children of a listing, and deletes the others.
    fn children(
        &mut self,
        parent_shape: &Shape,
        parent: &Record,
        child: &ChildShape,
        rows: &mut Rows<'_>,
        list: &Children,
    ) -> rusqlite::Result<()> {
        let shape = &child.shape;
        let resource = shape.resource;
        let mark = self.mark_of(shape);
        let is_own = |child: &Record| child.listing_key.as_ref() == Some(&parent.key);
        let has_own = list.records.iter().any(is_own);
        for child in newest_versions(shape, &list.records) {
            if is_marked(mark, child) {
                self.delete_marked(shape, child)?;
                continue;
            }
            if let Some(child) = self.owned_by(parent, child, has_own)? {
                self.record(shape, rows, &child, true)?;
            }
        }

        let live = self.write.live_children(resource, &parent.key)?;
        let counted = count_of_children(parent_shape, parent, resource);
        match plan_missing_children(&parent.key, list, live, counted, child.is_only_source) {
            MissingChildren::Deleted(keys) => self.children_deleted(parent, resource, keys),
            MissingChildren::Unlisted(keys) => self.children_unlisted(resource, keys),
        }
    }

    /// Returns a listed child with the key of its listing, or none if the mirror does not hold
    /// that listing. A child may name another listing than its parent, and then belongs to that
    /// one. If no child of the list names the parent, an unknown name is one of the parent.
    fn owned_by<'r>(
        &self,
        parent: &Record,
        child: &'r Record,
        has_own: bool,
    ) -> rusqlite::Result<Option<Cow<'r, Record>>> {
        let named = child
            .listing_key
            .as_deref()
            .filter(|named| **named != *parent.key);
        let Some(named) = named else {
            return Ok(Some(Cow::Borrowed(child)));
        };
        Ok(match self.write.listing_is_live(named)? {
            Some(true) => Some(Cow::Borrowed(child)),
            Some(false) => None,
            None if has_own => None,
            None => Some(Cow::Owned(Record {
                listing_key: Some(parent.key.clone()),
                ..child.clone()
            })),
        })
    }

    /// Notes children that their listing no longer lists. The reader asks the feed for
    /// them by key before it deletes them.
    fn children_unlisted(&mut self, resource: Resource, keys: Vec<String>) -> rusqlite::Result<()> {
        for key in keys {
            self.write.mark_missing(self.runs.job(), resource, &key)?;
            self.missing.insert(resource);
            self.unlisted.push((resource, key));
        }
        Ok(())
    }

    /// Deletes children that are not in their listing's list. A full sync deletes them
    /// at its end, if they are not seen elsewhere and are not too many.
    fn children_deleted(
        &mut self,
        parent: &Record,
        resource: Resource,
        keys: Vec<String>,
    ) -> rusqlite::Result<()> {
        let job = self.runs.job();
        for key in keys {
            if job == Job::Full {
                self.write.mark_missing(job, resource, &key)?;
                self.missing.insert(resource);
            } else {
                let subject = ChangedRecord {
                    resource,
                    key: &key,
                    listing_key: Some(&parent.key),
                    source_timestamp: None,
                };
                self.delete_row(subject, DeletedReason::Replaced)?;
            }
        }
        Ok(())
    }

    /// Soft-deletes a record and its children. `announced` is the time that the feed
    /// gives for its deletion, in storage form.
    pub fn delete(
        &mut self,
        resource: Resource,
        key: &str,
        reason: DeletedReason,
        announced: Option<&str>,
    ) -> rusqlite::Result<()> {
        let listing_key = match resource {
            Resource::PROPERTY => Some(key.to_owned()),
            child if self.write.has_parent(child)? => self.write.listing_of(child, key)?,
            _ => None,
        };
        let subject = ChangedRecord {
            resource,
            key,
            listing_key: listing_key.as_deref(),
            source_timestamp: announced,
        };
        self.delete_row(subject, reason)?;
        if resource == Resource::PROPERTY {
            self.delete_children(key, announced)?;
        }
        Ok(())
    }

    fn delete_children(&mut self, listing: &str, announced: Option<&str>) -> rusqlite::Result<()> {
        for child in self.write.child_resources()? {
            for key in self.write.live_children(child, listing)? {
                let subject = ChangedRecord {
                    resource: child,
                    key: &key,
                    listing_key: Some(listing),
                    source_timestamp: announced,
                };
                self.delete_row(subject, DeletedReason::Parent)?;
            }
        }
        Ok(())
    }

    fn delete_row(
        &mut self,
        subject: ChangedRecord<'_>,
        reason: DeletedReason,
    ) -> rusqlite::Result<()> {
        let resource = subject.resource;
        self.write.delete_row(resource, subject.key, reason)?;
        self.runs.count_deleted(resource, reason);
        // A child without its own run is logged by the run of its listing.
        let has_own = self.runs.get(resource).is_some();
        let run_of = if has_own {
            resource
        } else {
            Resource::PROPERTY
        };
        if let Some(run) = self.runs.get_mut(run_of) {
            run.counts.deleted += u64::from(has_own);
            run.log(self.write, |log| log.record(subject, ChangeKind::Delete))?;
        }
        Ok(())
    }
}

/// Returns whether a record has the mark of deleted ones.
fn is_marked(mark: Option<(&DeletedWhen, usize)>, record: &Record) -> bool {
    mark.is_some_and(|(mark, at)| mark.holds(&record.values[at]))
}

/// Loads what the mirror holds of a record.
fn load(
    write: &WriteTx<'_>,
    shape: &Shape,
    rows: &mut Rows<'_>,
    record: &Record,
) -> rusqlite::Result<LoadedRecord> {
    let held = rows.compare(record)?;
    let mut undeclared = BTreeMap::new();
    for field in newly_undeclared(shape, record, &held) {
        if let Some(value) = write.column_value(shape.resource, &record.key, &field)? {
            undeclared.insert(field, value);
        }
    }
    Ok(LoadedRecord { held, undeclared })
}

fn subject<'r>(shape: &Shape, record: &'r Record) -> ChangedRecord<'r> {
    ChangedRecord {
        resource: shape.resource,
        key: &record.key,
        listing_key: match shape.resource {
            Resource::PROPERTY => Some(&record.key),
            _ => record.listing_key.as_deref(),
        },
        source_timestamp: shape.modified_of(&record.values),
    }
}

/// Returns the number of children in the listing's own fields. Listings count only their
/// photos.
fn count_of_children(shape: &Shape, listing: &Record, child: Resource) -> Option<usize> {
    let position = shape.position(PHOTOS_COUNT)?;
    match listing.values[position] {
        Value::Integer(count) if child == Resource::MEDIA => usize::try_from(count).ok(),
        _ => None,
    }
}
