//! Moving the market of a running feed, and letting it misbehave.

use anyhow::{Context, bail};
use chrono::{DateTime, Utc};

use super::behaviour::{ServerBehaviour, Spoil};
use super::control::set;
use super::faults::FaultRule;
use super::moves::Fields;
use super::running::Simulator;
use super::schema::{Field, Kind};
use super::trade::{self, Moved};

impl Simulator {
    fn seconds(&self) -> i64 {
        self.shared.now().timestamp()
    }

    /// Sets fields of a record and stamps it with now.
    pub fn edit(&self, entity_set: &str, key: &str, fields: Fields) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared
            .market_mut()
            .edit(set(entity_set)?, key, fields, Some(now))
    }

    /// Sets fields of a record and stamps it with any time.
    pub fn edit_at(
        &self,
        entity_set: &str,
        key: &str,
        fields: Fields,
        stamp: DateTime<Utc>,
    ) -> anyhow::Result<()> {
        self.shared
            .market_mut()
            .edit(set(entity_set)?, key, fields, Some(stamp.timestamp()))
    }

    /// Sets fields of a record and leaves its timestamp.
    pub fn edit_silently(&self, entity_set: &str, key: &str, fields: Fields) -> anyhow::Result<()> {
        self.shared
            .market_mut()
            .edit(set(entity_set)?, key, fields, None)
    }

    /// Adds a listing with its children, stamped with now, and gives its key.
    pub fn insert_listing(&self) -> anyhow::Result<i64> {
        self.insert_listing_at(self.now())
    }

    /// Adds a listing with its children, stamped with any time, and gives its key.
    pub fn insert_listing_at(&self, stamp: DateTime<Utc>) -> anyhow::Result<i64> {
        self.shared.market_mut().insert_listing(stamp.timestamp())
    }

    /// Takes a record away, a listing with its children; `announced` says so in Deleted.
    pub fn delete(&self, entity_set: &str, key: &str, announced: bool) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared
            .market_mut()
            .delete(set(entity_set)?, key, announced, now)
    }

    /// Creates a deleted listing again, with its children, stamped with now.
    pub fn bring_back(&self, listing: i64) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared.market_mut().bring_back(listing, now)
    }

    /// Adds a photo and gives its key; `touches` stamps the listing too.
    pub fn add_photo(&self, listing: i64, touches: bool) -> anyhow::Result<String> {
        let now = self.seconds();
        self.shared.market_mut().add_photo(listing, touches, now)
    }

    /// Gives a photo another file under the same key and URL.
    pub fn replace_photo(&self, media_key: &str, touches: bool) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared
            .market_mut()
            .replace_photo(media_key, touches, now)
    }

    /// Takes a photo away; `announced` says so in Deleted.
    pub fn remove_photo(
        &self,
        media_key: &str,
        announced: bool,
        touches: bool,
    ) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared
            .market_mut()
            .remove_photo(media_key, announced, touches, now)
    }

    /// Turns the order of a listing's photos around.
    pub fn reorder_photos(&self, listing: i64, touches: bool) -> anyhow::Result<()> {
        let now = self.seconds();
        self.shared
            .market_mut()
            .reorder_photos(listing, touches, now)
    }

    /// Adds an open house in the coming days and gives its key.
    pub fn add_open_house(&self, listing: i64) -> anyhow::Result<String> {
        let now = self.seconds();
        self.shared.market_mut().add_open_house(listing, now)
    }

    /// Sets fields of an open house and stamps it with now.
    pub fn edit_open_house(&self, key: &str, fields: Fields) -> anyhow::Result<()> {
        self.edit("OpenHouse", key, fields)
    }

    /// Takes an open house away; `announced` says so in Deleted.
    pub fn remove_open_house(&self, key: &str, announced: bool) -> anyhow::Result<()> {
        self.delete("OpenHouse", key, announced)
    }

    /// Makes so many moves of a plausible mix, the same for the same seed.
    pub fn move_market(&self, steps: u32) -> Moved {
        let now = self.seconds();
        trade::move_market(&mut self.shared.market_mut(), steps, now)
    }

    /// From now on moves are stamped as they are made, but nobody sees them.
    pub fn hold(&self) {
        self.shared.market_mut().hold();
    }

    /// Lets everybody see the moves that were held.
    pub fn release(&self) {
        self.shared.market_mut().release();
    }

    /// Declares a field in `$metadata`; records have values for it from now on.
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
        let table = market
            .table_mut(set)
            .with_context(|| format!("{entity_set} has no fields"))?;
        table.declare(Field::new(set, field, kind));
        Ok(())
    }

    /// Takes a field out of `$metadata`; records go on having it.
    pub fn undeclare_field(&self, entity_set: &str, field: &str) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        let mut market = self.shared.market_mut();
        match market
            .table_mut(set)
            .is_some_and(|table| table.undeclare(field))
        {
            true => Ok(()),
            false => bail!("{entity_set} has no field {field}"),
        }
    }

    /// Whether `$metadata` declares a field.
    pub fn declares(&self, entity_set: &str, field: &str) -> bool {
        let market = self.shared.market();
        set(entity_set).is_ok_and(|set| market.table(set).declared(field).is_some())
    }

    /// Lets a record come spoiled until it is mended.
    pub fn spoil(&self, entity_set: &str, key: &str, spoil: Spoil) -> anyhow::Result<()> {
        self.set_spoil(entity_set, key, Some(spoil))
    }

    /// Lets a spoiled record come sound again.
    pub fn mend(&self, entity_set: &str, key: &str) -> anyhow::Result<()> {
        self.set_spoil(entity_set, key, None)
    }

    fn set_spoil(&self, entity_set: &str, key: &str, spoil: Option<Spoil>) -> anyhow::Result<()> {
        let set = set(entity_set)?;
        let mut market = self.shared.market_mut();
        let id = market.held(set, key)?;
        market.overlay_mut(set, id).spoil = spoil;
        Ok(())
    }

    /// Adds a fault.
    pub fn fault(&self, rule: FaultRule) {
        self.shared.faults().add(rule);
    }

    /// How many answers the faults in force have hit so far.
    pub fn fault_hits(&self) -> u64 {
        self.shared.faults().hits()
    }

    /// Takes all faults away.
    pub fn clear_faults(&self) {
        self.shared.faults().clear();
    }

    /// Changes how the server behaves.
    pub fn set_server(&self, change: impl FnOnce(&mut ServerBehaviour)) {
        change(&mut self.shared.market_mut().behaviour);
    }
}
