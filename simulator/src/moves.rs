//! Single moves of the market: what an agent, a photographer or the MLS does.

use anyhow::{Context, bail};
use serde_json::{Map, Value as Json, json};

use super::base::stride;
use super::market::{Change, Market};
use super::reference::Deletion;
use super::row::{Row, names_record};
use super::schema::Set;
use super::value::Value;
use crate::schema::MODIFICATION_TIMESTAMP;

/// Fields as an edit gives them.
pub type Fields = Map<String, Json>;

/// A timestamp as answers give it.
pub fn stamp_json(seconds: i64) -> Json {
    let mut text = Vec::new();
    Value::seconds(seconds).write(&mut text, super::behaviour::Names::Display);
    serde_json::from_slice(&text).unwrap_or_default()
}

/// The fields of an object literal.
pub fn fields(object: Json) -> Fields {
    match object {
        Json::Object(fields) => fields,
        _ => Fields::new(),
    }
}

impl Market {
    /// The id of a record that the feed holds.
    pub fn held(&self, set: Set, key: &str) -> anyhow::Result<u64> {
        let id = self.id(set, key).filter(|&id| self.exists(set, id));
        id.with_context(|| format!("the feed holds no {} {key}", set.name()))
    }

    /// Sets fields of a record, and its timestamp to `stamp` if there is one.
    pub fn edit(
        &mut self,
        set: Set,
        key: &str,
        mut fields: Fields,
        stamp: Option<i64>,
    ) -> anyhow::Result<()> {
        let id = self.held(set, key)?;
        if let Some(name) = fields.keys().find(|name| names_record(name, set)) {
            bail!(
                "{name} is the key of {} {key} and stays as it is",
                set.name()
            );
        }
        if let Some(stamp) = stamp
            && self.table(set).stamp.is_some()
        {
            fields
                .entry(MODIFICATION_TIMESTAMP.to_owned())
                .or_insert_with(|| stamp_json(stamp));
        }
        self.change(Change::Edit { set, id, fields });
        Ok(())
    }

    /// Takes a record away; its children go along.
    pub fn delete(&mut self, set: Set, key: &str, announced: bool, now: i64) -> anyhow::Result<()> {
        let id = self.held(set, key)?;
        self.change(Change::Vanish { set, id });
        if announced {
            self.change(Change::Announce(Deletion {
                set,
                key: key.to_owned(),
                at: now,
            }));
        }
        Ok(())
    }

    /// Creates a deleted listing again, under its old key and with its children.
    pub fn bring_back(&mut self, listing: i64, now: i64) -> anyhow::Result<()> {
        let id = self
            .base
            .listing_index(listing)
            .filter(|&id| id < self.end(Set::Property));
        let id = id.with_context(|| format!("there never was a listing {listing}"))?;
        if self.exists(Set::Property, id) {
            bail!("listing {listing} was not deleted");
        }
        self.change(Change::Appear {
            set: Set::Property,
            id,
        });
        let fields = fields(json!({ MODIFICATION_TIMESTAMP: stamp_json(now) }));
        self.change(Change::Edit {
            set: Set::Property,
            id,
            fields,
        });
        Ok(())
    }

    /// Adds a listing and gives its key.
    pub fn insert_listing(&mut self, stamp: i64) -> anyhow::Result<i64> {
        let id = self
            .add_listing(stamp)
            .context("there is no key left for another listing")?;
        Ok(self.base.listing_key(id))
    }

    /// Stamps a listing whose photos changed.
    fn touch_photos(&mut self, listing: u64, touches: bool, now: i64) {
        if touches {
            let fields = fields(
                json!({"PhotosChangeTimestamp": stamp_json(now), MODIFICATION_TIMESTAMP: stamp_json(now)}),
            );
            self.change(Change::Edit {
                set: Set::Property,
                id: listing,
                fields,
            });
        }
    }

    /// Adds a photo behind the others and gives its key.
    pub fn add_photo(&mut self, listing: i64, touches: bool, now: i64) -> anyhow::Result<String> {
        let index = self.held(Set::Property, &listing.to_string())?;
        let id = self
            .add_child(Set::Media, index, now)
            .context("the listing can have no more photos")?;
        self.touch_photos(index, touches, now);
        Ok(self.key(Set::Media, id))
    }

    /// Gives a photo another file under the same key and URL.
    pub fn replace_photo(&mut self, key: &str, touches: bool, now: i64) -> anyhow::Result<()> {
        let id = self.held(Set::Media, key)?;
        self.change(Change::NewFile { id });
        let fields = fields(
            json!({"MediaModificationTimestamp": stamp_json(now), MODIFICATION_TIMESTAMP: stamp_json(now)}),
        );
        self.change(Change::Edit {
            set: Set::Media,
            id,
            fields,
        });
        self.touch_photos(id / stride(Set::Media), touches, now);
        Ok(())
    }

    pub fn remove_photo(
        &mut self,
        key: &str,
        announced: bool,
        touches: bool,
        now: i64,
    ) -> anyhow::Result<()> {
        let id = self.held(Set::Media, key)?;
        self.delete(Set::Media, key, announced, now)?;
        self.touch_photos(id / stride(Set::Media), touches, now);
        Ok(())
    }

    /// Turns the order of a listing's photos around.
    pub fn reorder_photos(&mut self, listing: i64, touches: bool, now: i64) -> anyhow::Result<()> {
        let index = self.held(Set::Property, &listing.to_string())?;
        let mut ids = self.children(Set::Media, index);
        let table = self.table(Set::Media);
        ids.sort_by_key(|&id| match Row::new(self, table, id).named("Order") {
            Value::Int(order) => order,
            _ => i64::MAX,
        });
        for (order, id) in ids.into_iter().rev().enumerate() {
            let fields = fields(json!({"Order": order, MODIFICATION_TIMESTAMP: stamp_json(now)}));
            self.change(Change::Edit {
                set: Set::Media,
                id,
                fields,
            });
        }
        self.touch_photos(index, touches, now);
        Ok(())
    }

    /// Adds an open house in the coming days and gives its key.
    pub fn add_open_house(&mut self, listing: i64, now: i64) -> anyhow::Result<String> {
        let index = self.held(Set::Property, &listing.to_string())?;
        let id = self
            .add_child(Set::OpenHouse, index, now)
            .context("the listing can have no more open houses")?;
        Ok(self.key(Set::OpenHouse, id))
    }
}
