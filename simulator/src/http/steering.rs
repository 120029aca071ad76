//! Changes to the market of a running feed, and to the way it responds.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};

use super::control::set;
use super::faults::FaultRule;
use super::running::Simulator;
use crate::behaviour::{Behaviour, Dialect, ServerBehaviour, Spoil};
use crate::fields::Kind;
use crate::market::{Fields, Moved, Moves, trade};

/// Methods with `announced` list the deletion in the Deleted feed, or mark the record, if it is
/// true.
/// Methods with `touches` update the listing's timestamps too if it is true.
impl Simulator {
    fn moves<T>(&self, change: impl FnOnce(Moves<'_>) -> T) -> T {
        self.moves_at(self.now(), change)
    }

    fn moves_at<T>(&self, time: DateTime<Utc>, change: impl FnOnce(Moves<'_>) -> T) -> T {
        change(Moves::at(time.timestamp(), &mut self.shared.market_mut()))
    }

    /// Sets fields of a record, and its timestamp to now.
    pub fn edit(&self, entity_set: &str, key: &str, fields: Fields) -> anyhow::Result<()> {
        self.edit_at(entity_set, key, fields, self.now())
    }

    /// Sets fields of a record, and its timestamp to the given time.
    pub fn edit_at(
        &self,
        entity_set: &str,
        key: &str,
        fields: Fields,
        time: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        self.moves_at(time, |mut moves| moves.edit(set, key, fields))
    }

    /// Sets fields of a record and keeps its timestamp.
    pub fn edit_silently(&self, entity_set: &str, key: &str, fields: Fields) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        self.moves(|mut moves| moves.edit_silently(set, key, fields))
    }

    /// Adds a listing with its children and returns its key.
    pub fn insert_listing(&self) -> anyhow::Result<i64> {
        self.insert_listing_at(self.now())
    }

    /// Adds a listing with its children, with the given timestamp, and returns its key.
    pub fn insert_listing_at(&self, time: DateTime<Utc>) -> anyhow::Result<i64> {
        self.moves_at(time, |mut moves| moves.insert_listing())
    }

    /// Deletes a record and its children.
    pub fn delete(&self, entity_set: &str, key: &str, announced: bool) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        self.moves(|mut moves| moves.delete(set, key, announced))
    }

    /// Restores a deleted listing with its key and its children.
    pub fn bring_back(&self, listing: i64) -> anyhow::Result<()> {
        self.moves(|mut moves| moves.bring_back(listing))
    }

    /// Adds a photo after the others and returns its key.
    pub fn add_photo(&self, listing: i64, touches: bool) -> anyhow::Result<String> {
        self.moves(|mut moves| moves.add_photo(listing, touches))
    }

    /// Replaces a photo's file, under the same key and URL.
    pub fn replace_photo(&self, media_key: &str, touches: bool) -> anyhow::Result<()> {
        self.moves(|mut moves| moves.replace_photo(media_key, touches))
    }

    /// Deletes a photo.
    pub fn remove_photo(
        &self,
        media_key: &str,
        announced: bool,
        touches: bool,
    ) -> anyhow::Result<()> {
        self.moves(|mut moves| moves.remove_photo(media_key, announced, touches))
    }

    /// Reverses the order of a listing's photos.
    pub fn reorder_photos(&self, listing: i64, touches: bool) -> anyhow::Result<()> {
        self.moves(|mut moves| moves.reorder_photos(listing, touches))
    }

    /// Adds an open house in the coming days and returns its key.
    pub fn add_open_house(&self, listing: i64) -> anyhow::Result<String> {
        self.moves(|mut moves| moves.add_open_house(listing))
    }

    /// Makes this many moves of a plausible mix, the same for the same seed.
    pub fn move_market(&self, steps: u32) -> Moved {
        let now = self.now().timestamp();
        trade::move_market(&mut self.shared.market_mut(), steps, now)
    }

    /// Hides later changes until [`Simulator::release`]. Records keep the timestamps of
    /// their changes, as in a feed whose transactions commit late.
    pub fn hold(&self) {
        self.shared.market_mut().hold();
    }

    /// Makes the hidden changes visible.
    pub fn release(&self) {
        self.shared.market_mut().release();
    }

    /// Declares a field in `$metadata` and adds values for it to the records.
    pub fn declare_field(
        &self,
        entity_set: &str,
        field: &str,
        edm_type: &str,
    ) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        let kind =
            Kind::named(edm_type).with_context(|| format!("there is no type `{edm_type}`"))?;
        let mut market = self.shared.market_mut();
        market.made_table_mut(set).declare(field, kind);
        Ok(())
    }

    /// Removes a field from `$metadata`. Records still contain it.
    pub fn undeclare_field(&self, entity_set: &str, field: &str) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        let mut market = self.shared.market_mut();
        if !market.made_table_mut(set).undeclare(field) {
            bail!("{entity_set} has no field {field}");
        }
        Ok(())
    }

    /// Whether `$metadata` declares a field.
    pub fn declares(&self, entity_set: &str, field: &str) -> bool {
        let market = self.shared.market();
        set(entity_set).is_ok_and(|set| market.table(set).declared(field).is_some())
    }

    /// Sends a record in an invalid form until it is repaired.
    pub fn spoil(&self, entity_set: &str, key: &str, spoil: Spoil) -> anyhow::Result<()> {
        self.set_spoil(entity_set, key, Some(spoil))
    }

    /// Sends a spoiled record in its valid form again.
    pub fn repair(&self, entity_set: &str, key: &str) -> anyhow::Result<()> {
        self.set_spoil(entity_set, key, None)
    }

    fn set_spoil(&self, entity_set: &str, key: &str, spoil: Option<Spoil>) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        let mut market = self.shared.market_mut();
        let id = market.existing(set, key)?;
        market.overlay_mut(set, id).spoil = spoil;
        Ok(())
    }

    /// Adds a fault.
    pub fn fault(&self, rule: FaultRule) {
        self.shared.faults().add(rule);
    }

    /// Returns the number of responses that the current faults have hit.
    pub fn fault_hits(&self) -> u64 {
        self.shared.faults().hits()
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Switches behaviours on, in place of earlier ones.
    pub fn behave(&self, behaviours: &[Behaviour]) {
        self.shared.behave(behaviours);
    }

    /// Switches the behaviours and the error bodies of a dialect on, without its limits.
    pub fn speak(&self, dialect: &Dialect) {
        self.behave(dialect.behaviours);
        self.set_server(|server| server.errors = dialect.errors);
    }

    /// Changes how the server behaves.
    pub fn set_server(&self, change: impl FnOnce(&mut ServerBehaviour)) {
        self.shared.market_mut().set_server(change);
    }
}
