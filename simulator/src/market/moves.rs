//! Single changes to the market: what an agent, a photographer or the MLS does.

use anyhow::{Context, bail};
use serde_json::{Map, Value as Json, json};

use super::records::{Change, Market};
use super::row::Row;
use crate::behaviour::Spelling;
use crate::fields::{MODIFICATION_TIMESTAMP, Set, Value};
use crate::world::{Deletion, stride};

/// Field values of an edit, by field name.
pub type Fields = Map<String, Json>;

/// Returns a time, in seconds, as the JSON of a timestamp field.
pub fn timestamp_json(seconds: i64) -> Json {
    value_json(&Value::seconds(seconds))
}

/// Returns the JSON that the feed sends for a value.
pub fn value_json(value: &Value) -> Json {
    let mut text = Vec::new();
    value.write(&mut text, Spelling::default());
    serde_json::from_slice(&text).unwrap_or_default()
}

/// Returns the fields of an object literal.
pub fn fields(object: Json) -> Fields {
    match object {
        Json::Object(fields) => fields,
        _ => Fields::new(),
    }
}

/// Changes the market at one point in time.
pub struct Moves<'m> {
    pub market: &'m mut Market,
    /// The timestamp of the changed records, in seconds.
    now: i64,
}

impl<'m> Moves<'m> {
    pub fn at(now: i64, market: &'m mut Market) -> Moves<'m> {
        Moves { market, now }
    }

    /// Sets fields of a record, and its timestamp unless `fields` contains one.
    pub fn edit(&mut self, set: Set, key: &str, mut fields: Fields) -> anyhow::Result<()> {
        if self.market.table(set).timestamp.is_some() {
            fields
                .entry(MODIFICATION_TIMESTAMP)
                .or_insert_with(|| timestamp_json(self.now));
        }
        self.edit_silently(set, key, fields)
    }

    /// Sets fields of a record and keeps its timestamp.
    pub fn edit_silently(&mut self, set: Set, key: &str, fields: Fields) -> anyhow::Result<()> {
        let id = self.market.existing(set, key)?;
        if let Some(name) = fields.keys().find(|name| set.is_key_field(name)) {
            bail!(
                "{name} is the key of {} {key} and cannot change",
                set.name()
            );
        }
        self.market.change(Change::Edit { set, id, fields });
        Ok(())
    }

    /// Deletes a record and its children. If `announced`, the Deleted feed lists it, or a flag
    /// marks it.
    pub fn delete(&mut self, set: Set, key: &str, announced: bool) -> anyhow::Result<()> {
        let id = self.market.existing(set, key)?;
        self.market.change(Change::Vanish { set, id });
        if announced {
            if self.market.flags(set) {
                self.stamp(set, id, &[]);
            }
            self.market.change(Change::Announce(Deletion {
                set,
                key: key.to_owned(),
                at: self.now,
            }));
        }
        Ok(())
    }

    /// Restores a deleted listing with its key and its children.
    pub fn bring_back(&mut self, listing: i64) -> anyhow::Result<()> {
        let set = Set::Property;
        let id = self
            .market
            .id(set, &listing.to_string())
            .with_context(|| format!("listing {listing} never existed"))?;
        if self.market.is_live(set, id) {
            bail!("listing {listing} is not deleted");
        }
        self.market.change(Change::Appear { set, id });
        self.stamp(set, id, &[]);
        Ok(())
    }

    /// Adds a listing and returns its key.
    pub fn insert_listing(&mut self) -> anyhow::Result<i64> {
        let id = self
            .market
            .add_listing(self.now)
            .context("there is no key left for another listing")?;
        Ok(self.market.base.listing_key(id))
    }

    /// Adds a photo after the others and returns its key.
    ///
    /// In this and the following methods, `touches` updates the listing's timestamps too.
    pub fn add_photo(&mut self, listing: i64, touches: bool) -> anyhow::Result<String> {
        let index = self.market.existing(Set::Property, &listing.to_string())?;
        let id = self
            .market
            .add_child(Set::Media, index, self.now)
            .context("the listing can have no more photos")?;
        self.touch_photos(index, touches);
        Ok(self.market.key(Set::Media, id))
    }

    /// Replaces a photo's file, under the same key and URL.
    pub fn replace_photo(&mut self, key: &str, touches: bool) -> anyhow::Result<()> {
        let id = self.market.existing(Set::Media, key)?;
        self.market.change(Change::NewFile { id });
        self.stamp(Set::Media, id, &["MediaModificationTimestamp"]);
        self.touch_photos(id / stride(Set::Media), touches);
        Ok(())
    }

    /// Deletes a photo. If `announced`, the Deleted feed lists it.
    pub fn remove_photo(
        &mut self,
        key: &str,
        announced: bool,
        touches: bool,
    ) -> anyhow::Result<()> {
        let id = self.market.existing(Set::Media, key)?;
        self.delete(Set::Media, key, announced)?;
        self.touch_photos(id / stride(Set::Media), touches);
        Ok(())
    }

    /// Reverses the order of a listing's photos.
    pub fn reorder_photos(&mut self, listing: i64, touches: bool) -> anyhow::Result<()> {
        let set = Set::Media;
        let index = self.market.existing(Set::Property, &listing.to_string())?;
        let mut ids = self.market.children(set, index);
        ids.sort_by_key(|&id| match Row::new(self.market, set, id).named("Order") {
            Value::Int(order) => order,
            _ => i64::MAX,
        });
        for (order, id) in ids.into_iter().rev().enumerate() {
            let now = timestamp_json(self.now);
            let fields = fields(json!({"Order": order, MODIFICATION_TIMESTAMP: now}));
            self.market.change(Change::Edit { set, id, fields });
        }
        self.touch_photos(index, touches);
        Ok(())
    }

    /// Adds an open house in the coming days and returns its key.
    pub fn add_open_house(&mut self, listing: i64) -> anyhow::Result<String> {
        let index = self.market.existing(Set::Property, &listing.to_string())?;
        let id = self
            .market
            .add_child(Set::OpenHouse, index, self.now)
            .context("the listing can have no more open houses")?;
        Ok(self.market.key(Set::OpenHouse, id))
    }

    fn touch_photos(&mut self, listing: u64, touches: bool) {
        if touches {
            self.stamp(Set::Property, listing, &["PhotosChangeTimestamp"]);
        }
    }

    /// Sets `ModificationTimestamp` and other timestamp fields of a record.
    fn stamp(&mut self, set: Set, id: u64, others: &[&str]) {
        let fields = others
            .iter()
            .chain([&MODIFICATION_TIMESTAMP])
            .map(|name| ((*name).to_owned(), timestamp_json(self.now)))
            .collect();
        self.market.change(Change::Edit { set, id, fields });
    }
}
