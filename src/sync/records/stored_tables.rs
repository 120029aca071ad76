//! The tables and descriptions of the fields that the feed declares.

use std::collections::{BTreeMap, HashSet};

use anyhow::Context as _;

use super::catalog::Catalog;
use crate::mirror::{DescribedField, FieldRow, Mirror, WriteTx};
use crate::record::{FieldShape, Shape};
use crate::resource::Resource;
use crate::sync::glossary::meaning;
use crate::sync::sync_error::Result;

impl Catalog {
    /// Creates the tables of `resources`, or adapts them, and saves the descriptions of their
    /// fields. Resources that the feed does not declare are left out. If nothing has
    /// changed, nothing is written.
    pub fn store(&self, mirror: &mut Mirror, resources: &[Resource]) -> Result<()> {
        let document = serde_json::to_string(&self.metadata).context("saving $metadata")?;
        let saved = mirror.saved_metadata()?;
        let is_known = saved.is_some_and(|(saved, _)| saved == document);
        let tx = mirror.write()?;
        for &resource in resources {
            self.store_table(&tx, resource, is_known)?;
        }
        if !is_known {
            tx.describe_lookups(self.metadata.enumerations.iter().flat_map(|enumeration| {
                enumeration.members.iter().map(|member| {
                    let display = member.display.as_deref().unwrap_or(&member.name);
                    (enumeration.name.as_str(), member.name.as_str(), display)
                })
            }))?;
            tx.save_metadata(&document)?;
        }
        tx.commit()?;
        Ok(())
    }

    fn store_table(&self, tx: &WriteTx<'_>, resource: Resource, is_known: bool) -> Result<()> {
        let (Ok(columns), Ok(shape)) = (self.columns(resource), self.shape(resource, &[])) else {
            return Ok(());
        };
        let is_known = is_known && tx.has_table(resource)?;
        let before = tx.described_fields(resource)?;
        let fields = self.descriptions(resource, &columns, &shape);
        let mut retyped = tx.ensure_table(&shape, &columns)?;
        retyped.extend(with_other_form(&before, &fields));
        if let Some(mut scope) = tx.scope(resource)?.filter(|_| !retyped.is_empty()) {
            // The values may have another spelling: all records must be read again.
            scope.fields.retain(|field| !retyped.contains(field));
            tx.save_scope(resource, &scope)?;
        }

        let changed = newly_left_out(&before, &fields);
        if is_known && changed.is_empty() {
            return Ok(());
        }
        tx.describe_fields(resource, &fields)?;
        let reasons = changed
            .into_iter()
            .filter_map(|(name, reason)| Some((name, reason?)));
        let mut emptied = Vec::new();
        for (name, reason) in reasons {
            tx.leave_out(resource, name, reason)?;
            emptied.push(name);
        }
        if !shape.keeps_extra && !emptied.is_empty() {
            emptied.push("extra");
        }
        Ok(tx.empty_columns(resource, &emptied)?)
    }

    /// Returns the descriptions of a resource's declared fields.
    fn descriptions(
        &self,
        resource: Resource,
        columns: &[FieldShape],
        shape: &Shape,
    ) -> Vec<FieldRow<'_>> {
        let columns: HashSet<&str> = columns.iter().map(|field| field.name.as_str()).collect();
        let left_out = |name: &str| match shape.position(name) {
            Some(_) => None,
            None if !shape.keeps_extra => Some("not selected"),
            None if columns.contains(name) => Some(NOT_DECLARED),
            None => Some("in extra"),
        };
        let declared = self.entity(resource);
        let fields = declared.iter().flat_map(|entity| &entity.fields);
        let described = fields.map(|field| FieldRow {
            field: &field.name,
            edm_type: &field.edm_type,
            description: (field.description.as_deref()).or_else(|| meaning(resource, &field.name)),
            enumeration: field.enumeration.as_deref(),
            left_out: left_out(&field.name),
        });
        described.collect()
    }
}

/// Returns the fields that have become lists, or no longer are lists: their columns have the
/// same type as before.
fn with_other_form(
    before: &BTreeMap<String, DescribedField>,
    fields: &[FieldRow<'_>],
) -> impl Iterator<Item = String> {
    let is_list = |edm_type: &str| edm_type.starts_with("Collection(");
    let is_other = move |field: &&FieldRow<'_>| {
        let before = before.get(field.field);
        before.is_some_and(|before| is_list(&before.edm_type) != is_list(field.edm_type))
    };
    let others = fields.iter().filter(is_other);
    others.map(|field| field.field.to_owned())
}

/// Returns the fields whose reason to be left out has changed.
fn newly_left_out<'a>(
    before: &'a BTreeMap<String, DescribedField>,
    fields: &[FieldRow<'a>],
) -> Vec<(&'a str, Option<&'a str>)> {
    let now: BTreeMap<&str, Option<&str>> = (before.keys())
        .map(|name| (name.as_str(), Some(NOT_DECLARED)))
        .chain(fields.iter().map(|field| (field.field, field.left_out)))
        .collect();
    let is_new = |(name, reason): &(&str, Option<&str>)| {
        let before = before.get(*name);
        before.is_none_or(|before| before.left_out.as_deref() != *reason)
    };
    now.into_iter().filter(is_new).collect()
}

/// Why the column of a field is not filled that the feed declared earlier.
const NOT_DECLARED: &str = "not declared";
