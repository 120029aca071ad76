//! The feed's `$metadata`, with the configured selection.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use chrono::TimeDelta;

use crate::config::{self, Config, DeletedWhen};
use crate::feed::metadata::{EntityType, ReadAt};
use crate::feed::query::{self, Literal};
use crate::feed::{
    Feed, Known, Metadata, ShapeError, Sweep, Wanted, columns, declared, is_nested, parent, shape,
};
use crate::mirror::Mirror;
use crate::record::{FieldShape, HeldTable, Shape};
use crate::resource::Resource;
use crate::sync::context::Context;
use crate::sync::feed_address::other_feed;
use crate::sync::progress::Note;
use crate::sync::sync_error::{Result, SyncError};
use crate::value::stored_instant;

/// The resources and fields that the feed declares, with the configured selection.
pub struct Catalog {
    pub(super) metadata: Metadata,
    settings: config::Sync,
    /// The part of every request that can decide which records the feed sends.
    feed_scope: String,
    /// The filters of the records that are not marked as deleted, of resources with marks.
    live: BTreeMap<Resource, String>,
    /// The configured entity sets.
    sets: BTreeMap<Resource, String>,
    /// The tables that exist.
    held: BTreeMap<Resource, HeldTable>,
    /// The shapes that were asked for.
    shapes: Mutex<BTreeMap<ShapeOf, Arc<Shape>>>,
}

/// A resource with its children, or without them the key and the timestamp only.
type ShapeOf = (Resource, Option<Vec<Resource>>);

impl Catalog {
    /// Reads the feed's `$metadata`. If the feed does not answer, the document that it
    /// gave last is used, unless it has another address now.
    pub fn ask(feed: &Feed, mirror: &Mirror, config: &Config) -> Result<Catalog> {
        let metadata = match feed.metadata() {
            Ok(metadata) => settled(metadata, feed, mirror)?,
            Err(error) if error.is_refusal() && other_feed(config, mirror)?.is_none() => {
                match mirror.saved_metadata()? {
                    Some((document, fetched_at)) => {
                        tracing::warn!(%error, fetched_at, "$metadata: using the document that was read before");
                        serde_json::from_str(&document).context("reading the saved $metadata")?
                    }
                    None => return Err(SyncError::Metadata(error)),
                }
            }
            Err(error) => return Err(SyncError::Metadata(error)),
        };
        Ok(Catalog::of(metadata, config, held_tables(mirror)?))
    }

    fn of(metadata: Metadata, config: &Config, held: BTreeMap<Resource, HeldTable>) -> Catalog {
        let mut catalog = Catalog {
            metadata,
            settings: config.sync.clone(),
            feed_scope: config.feed.scope(),
            live: BTreeMap::new(),
            sets: config.feed.sets.clone(),
            held,
            shapes: Mutex::default(),
        };
        if catalog.settings.download_media {
            catalog.select_photo_fields();
        }
        if let Some(size) = &config.media.size {
            catalog.filter_photo_sizes(size);
        }
        if let Some(mark) = &config.feed.deleted_when {
            catalog.keep_live_only(mark);
        }
        catalog
    }

    /// Reads the feed's `$metadata`. A mirror that does not exist yet has no columns.
    pub fn ask_only(feed: &Feed, mirror: Option<&Mirror>, config: &Config) -> Result<Catalog> {
        match mirror {
            Some(mirror) => Catalog::ask(feed, mirror, config),
            None => {
                let metadata = feed.metadata().map_err(SyncError::Metadata)?;
                Ok(Catalog::of(metadata, config, BTreeMap::new()))
            }
        }
    }

    /// Returns the shape of a resource's records, with these children expanded.
    ///
    /// # Errors
    /// [`ShapeError`] if the feed does not declare what is wanted.
    pub fn shape(
        &self,
        resource: Resource,
        children: &[Resource],
    ) -> Result<Arc<Shape>, ShapeError> {
        self.remembered((resource, Some(children.to_vec())), || {
            let wanted = self.wanted(&self.settings.select, children);
            shape(&self.metadata, resource, wanted)
        })
    }

    /// Returns the shape of only a resource's key and timestamp.
    ///
    /// # Errors
    /// [`ShapeError`] if the feed does not declare the resource.
    pub fn key_shape(&self, resource: Resource) -> Result<Arc<Shape>, ShapeError> {
        self.remembered((resource, None), || {
            let select = [(resource, Vec::new())].into();
            shape(&self.metadata, resource, self.wanted(&select, &[]))
        })
    }

    /// Returns a shape that was found before, or finds it. Finding one looks at all fields.
    fn remembered(
        &self,
        of: ShapeOf,
        find: impl FnOnce() -> Result<Shape, ShapeError>,
    ) -> Result<Arc<Shape>, ShapeError> {
        let mut shapes = self.shapes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(shape) = shapes.get(&of) {
            return Ok(shape.clone());
        }
        let found = Arc::new(find()?);
        shapes.insert(of, found.clone());
        Ok(found)
    }

    /// Returns the shape of a listing's key and timestamp with children expanded: their keys and
    /// timestamps, or the whole children.
    ///
    /// # Errors
    /// [`ShapeError`] if the feed does not declare what is wanted.
    pub fn listings_with(
        &self,
        children: &[Resource],
        whole: bool,
    ) -> Result<Arc<Shape>, ShapeError> {
        let mut select = self.settings.select.clone();
        select.insert(Resource::PROPERTY, Vec::new());
        if !whole {
            select.extend(children.iter().map(|child| (*child, Vec::new())));
        }
        let wanted = self.wanted(&select, children);
        shape(&self.metadata, Resource::PROPERTY, wanted).map(Arc::new)
    }

    fn wanted<'a>(
        &'a self,
        select: &'a BTreeMap<Resource, Vec<String>>,
        expand: &'a [Resource],
    ) -> Wanted<'a> {
        Wanted {
            select,
            expand,
            known: self.known(),
        }
    }

    fn known(&self) -> Known<'_> {
        Known {
            sets: &self.sets,
            held: &self.held,
        }
    }

    /// Returns the type of a resource's records, if the feed declares it.
    pub(super) fn entity(&self, resource: Resource) -> Option<&EntityType> {
        let declared = declared(&self.metadata, resource, self.known());
        declared.ok().map(|(_, entity)| entity)
    }

    /// Returns whether the records of a resource belong to listings and are deleted with
    /// them.
    pub fn is_child(&self, resource: Resource) -> bool {
        parent(&self.metadata, resource, self.known()).is_some()
    }

    /// Returns whether the records of a child come only with their listings.
    pub fn comes_only_with_listings(&self, child: Resource) -> bool {
        is_nested(&self.metadata, child, self.known())
    }

    /// Returns the fields of a resource that are columns of its table.
    pub(super) fn columns(&self, resource: Resource) -> Result<Vec<FieldShape>, ShapeError> {
        let wanted = self.wanted(&self.settings.select, &[]);
        columns(&self.metadata, resource, wanted)
    }

    /// Returns the number of declared fields of a resource that have no column, and notes it
    /// if there are any.
    pub fn note_fields_without_column(&self, context: &Context<'_>, resource: Resource) -> usize {
        let (Some(entity), Ok(columns)) = (self.entity(resource), self.columns(resource)) else {
            return 0;
        };
        let count = entity.fields.len() - columns.len();
        if count > 0 {
            let note = Note::FieldsInExtra(resource, count);
            context.progress.note(&note);
        }
        count
    }

    /// Returns whether the feed declares a resource.
    pub fn declares(&self, resource: Resource) -> bool {
        self.near_undeclared(resource).is_none()
    }

    /// Returns the declared set with a similar name, if there is one, for a resource that the
    /// feed does not declare.
    pub fn near_undeclared(&self, resource: Resource) -> Option<Option<String>> {
        match declared(&self.metadata, resource, self.known()) {
            Err(ShapeError::Undeclared { near, .. }) => Some(near),
            _ => None,
        }
    }

    /// Returns whether a sync leaves the resource out without a failure if the feed does not
    /// declare it: children, since many feeds have no open houses, and resources that only
    /// some feeds have.
    pub fn leaves_out(&self, resource: Resource) -> bool {
        let is_optional = self.is_child(resource) || !Resource::NAMED.contains(&resource);
        is_optional && !self.declares(resource)
    }

    /// Returns whether the feed declares an entity set, whether it can be mirrored or not.
    pub fn declares_set(&self, entity_set: &str) -> bool {
        self.metadata.entity_of_set(entity_set).is_some()
    }

    /// Returns whether the configuration selects fields of the resource.
    pub fn selects(&self, resource: Resource) -> bool {
        self.settings.select.contains_key(&resource)
    }

    /// Returns the configured filter of the resource.
    pub fn filter(&self, resource: Resource) -> Option<&str> {
        self.settings.filter.get(&resource).map(String::as_str)
    }

    /// Returns a sweep of the records in a shape, with the configured filter and selection.
    pub fn sweep(&self, feed: &Feed, shape: Arc<Shape>) -> Sweep {
        let filter = self.filter(shape.resource).map(str::to_owned);
        let select = self.selects(shape.resource);
        feed.sweep(shape, filter, select)
    }

    /// Returns a sweep as [`Catalog::sweep`] does, without the records that are marked as
    /// deleted.
    pub fn live_sweep(&self, feed: &Feed, shape: Arc<Shape>) -> Sweep {
        Sweep {
            filter: self.live_filter(shape.resource).map(str::to_owned),
            ..self.sweep(feed, shape)
        }
    }

    /// Returns everything that decides which records of the resource the feed sends: the
    /// scope of the whole feed, and the configured filter.
    pub fn scope_filter(&self, resource: Resource) -> Option<String> {
        let feed = Some(self.feed_scope.as_str()).filter(|scope| !scope.is_empty());
        let parts: Vec<&str> = feed.into_iter().chain(self.filter(resource)).collect();
        (!parts.is_empty()).then(|| parts.join(" & "))
    }

    /// Returns the filter of the records that the mirror holds: the configured filter without
    /// the records that the feed marks as deleted.
    pub fn live_filter(&self, resource: Resource) -> Option<&str> {
        let live = self.live.get(&resource).map(String::as_str);
        live.or_else(|| self.filter(resource))
    }
}

/// Returns the configured resources that the last sync left out, because the feed did not declare
/// them.
pub fn left_out(config: &Config, mirror: &Mirror) -> anyhow::Result<Vec<Resource>> {
    let Some((document, _)) = mirror.saved_metadata()? else {
        return Ok(Vec::new());
    };
    let metadata = serde_json::from_str(&document).context("reading the saved $metadata")?;
    let catalog = Catalog::of(metadata, config, held_tables(mirror)?);
    let resources = config.sync.resources.iter().copied();
    Ok(resources
        .filter(|resource| catalog.leaves_out(*resource))
        .collect())
}

fn held_tables(mirror: &Mirror) -> rusqlite::Result<BTreeMap<Resource, HeldTable>> {
    let mut held = BTreeMap::new();
    for resource in mirror.resources()? {
        held.extend(mirror.table(resource)?.map(|table| (resource, table)));
    }
    Ok(held)
}

/// Adds to `$metadata` what the document before declares and may be declared again.
fn settled(mut metadata: Metadata, feed: &Feed, mirror: &Mirror) -> Result<Metadata> {
    let Some((before, _)) = mirror.saved_metadata()? else {
        return Ok(metadata);
    };
    let before = serde_json::from_str(&before).context("reading the saved $metadata")?;
    let now = feed.now();
    let at = ReadAt {
        now: &stored_instant(now),
        day_before: &stored_instant(now - TimeDelta::days(1)),
    };
    metadata.settle(before, at);
    Ok(metadata)
}

/// The field with the size of a photo, on servers with a row for each size.
/// Source: developer.ampre.ca/docs/resources/media
const PHOTO_SIZE: &str = "ImageSizeDescription";

impl Catalog {
    /// Adds the filters of live records of those resources that have the field of the mark,
    /// and adds the field to a configured selection.
    fn keep_live_only(&mut self, mark: &DeletedWhen) {
        for resource in self.settings.resources.clone() {
            if !self.has_field(resource, &mark.field) {
                continue;
            }
            let filter = self.with_configured(resource, mark.live_filter());
            self.live.insert(resource, filter);
            if let Some(select) = self.settings.select.get_mut(&resource)
                && !select.contains(&mark.field)
            {
                select.push(mark.field.clone());
            }
        }
    }

    /// Adds a filter for the photos of one size and those without a size, if the feed declares
    /// the size.
    fn filter_photo_sizes(&mut self, size: &str) {
        if self.has_field(Resource::MEDIA, PHOTO_SIZE) {
            let of_size = query::eq(PHOTO_SIZE, &Literal::Text(size.to_owned()));
            let of_size = query::or([of_size, format!("{PHOTO_SIZE} eq null")]);
            let filter = self.with_configured(Resource::MEDIA, of_size);
            self.settings.filter.insert(Resource::MEDIA, filter);
        }
    }

    /// Returns the configured filter of a resource, joined with another one.
    fn with_configured(&self, resource: Resource, other: String) -> String {
        let configured = self.filter(resource).map(query::group);
        query::and([configured.unwrap_or_default(), other])
    }

    fn has_field(&self, resource: Resource, name: &str) -> bool {
        let entity = self.entity(resource);
        entity.is_some_and(|entity| entity.field(name).is_some())
    }

    /// Adds the fields that photos need to a configured selection.
    fn select_photo_fields(&mut self) {
        const FIELDS: [&str; 5] = [
            "MediaURL",
            "MediaCategory",
            "MediaType",
            "MediaModificationTimestamp",
            "Order",
        ];
        let declared = FIELDS
            .into_iter()
            .filter(|name| self.has_field(Resource::MEDIA, name));
        let declared: Vec<&str> = declared.collect();
        let Some(select) = self.settings.select.get_mut(&Resource::MEDIA) else {
            return;
        };
        for name in declared {
            if !select.iter().any(|selected| selected == name) {
                select.push(name.to_owned());
            }
        }
    }
}
