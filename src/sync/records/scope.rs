//! The filter and the fields with which a resource is mirrored.

use super::catalog::Catalog;
use crate::feed::ShapeError;
use crate::mirror::{Mirror, Scope, WriteTx};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::progress::Note;
use crate::sync::sync_error::Result;

/// Returns whether a resource has to be read completely, because it never was, or not
/// with the filter and the fields that are configured now.
pub(in crate::sync) fn needs_full(
    context: &Context<'_>,
    catalog: &Catalog,
    mirror: &Mirror,
    resource: Resource,
) -> Result<bool> {
    if !mirror.has_finished_full(resource)? || mirror.watermark(resource)?.is_none() {
        return Ok(true);
    }
    let reason = match (mirror.scope(resource)?, catalog.scope(resource)) {
        (_, Err(_)) => return Ok(false),
        _ if mirror.has_many_due_children(resource)? => "it was not read with most listings",
        _ if is_incomplete(mirror, resource)? => "its pages lacked records that the feed counts",
        (None, _) => "it is not known with which fields it was read",
        (Some(held), Ok(wanted)) if held.filter != wanted.filter => "its filter has changed",
        (Some(held), Ok(wanted)) if !wanted.fields.is_subset(&held.fields) => {
            "fields are new or have another type"
        }
        _ => return Ok(false),
    };
    context.progress.note(&Note::ReadsAll(resource, reason));
    Ok(true)
}

/// The value in `_state` for a resource whose last full sync lacked counted records.
const INCOMPLETE: &str = "incomplete";

/// Returns the key in `_state` of whether the last full sync of a resource was complete.
fn incomplete(resource: Resource) -> String {
    format!("full_sync:{resource}")
}

/// Returns whether the last full sync of a resource lacked records that the feed counts.
pub(super) fn is_incomplete(mirror: &Mirror, resource: Resource) -> rusqlite::Result<bool> {
    let saved = mirror.state(&incomplete(resource))?;
    Ok(saved.as_deref() == Some(INCOMPLETE))
}

/// Saves whether a full sync of a resource lacked records that the feed counts.
pub(super) fn save_incomplete(
    write: &WriteTx<'_>,
    resource: Resource,
    is_incomplete: bool,
) -> rusqlite::Result<()> {
    let value = if is_incomplete {
        INCOMPLETE
    } else {
        "complete"
    };
    write.set_state(&incomplete(resource), value)
}

/// Removes fields that are no longer selected from the mirror's scopes: if they are
/// selected again later, the resource has to be read again.
pub(super) fn narrow(catalog: &Catalog, mirror: &mut Mirror, resources: &[Resource]) -> Result<()> {
    for &resource in resources {
        let (Some(mut held), Ok(wanted)) = (mirror.scope(resource)?, catalog.scope(resource))
        else {
            continue;
        };
        if held.fields.is_subset(&wanted.fields) {
            continue;
        }
        held.fields.retain(|field| wanted.fields.contains(field));
        let write = mirror.write()?;
        write.save_scope(resource, &held)?;
        write.commit()?;
    }
    Ok(())
}

impl Catalog {
    /// Returns the configured filter and fields of a resource, with the declared fields that
    /// `extra` keeps.
    pub fn scope(&self, resource: Resource) -> Result<Scope, ShapeError> {
        let shape = self.shape(resource, &[])?;
        let in_columns = shape.fields.iter().map(|field| &field.name);
        let declared = self.entity(resource).filter(|_| shape.keeps_extra);
        let declared = declared.iter().flat_map(|entity| &entity.fields);
        let fields = in_columns.chain(declared.map(|field| &field.name));
        Ok(Scope {
            filter: self.scope_filter(resource),
            fields: fields.cloned().collect(),
        })
    }
}
