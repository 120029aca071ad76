//! A plausible mix of changes, the same for the same seed.

use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::moves::{Fields, Moves, fields, timestamp_json, value_json};
use super::records::Market;
use super::row::Row;
use crate::dice::mix;
use crate::fields::{DECIMAL_ONE, Set, Value};
use crate::world::Agent;

/// The number of random listings that are tried for one move.
const TRIES: usize = 60;

/// The number of moves by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Price changes.
    pub price_changes: u32,
    /// Listings with a contract.
    pub pendings: u32,
    /// Closed sales.
    pub closings: u32,
    /// Listings back on market.
    pub back_on_market: u32,
    /// Withdrawals.
    pub withdrawals: u32,
    /// New listings.
    pub new_listings: u32,
    /// Changed remarks.
    pub remarks: u32,
    /// Photos added.
    pub photos_added: u32,
    /// Photos replaced.
    pub photos_replaced: u32,
    /// Photos removed.
    pub photos_removed: u32,
    /// Photos reordered.
    pub photos_reordered: u32,
    /// Open houses added.
    pub open_houses_added: u32,
    /// Open houses removed.
    pub open_houses_removed: u32,
    /// Changed members.
    pub members: u32,
    /// Deleted listings.
    pub deletions: u32,
    /// Moves that found no suitable listing.
    pub skipped: u32,
}

impl Moved {
    /// Returns the number of moves made, without the skipped ones.
    pub fn total(&self) -> u32 {
        self.price_changes
            + self.pendings
            + self.closings
            + self.back_on_market
            + self.withdrawals
            + self.new_listings
            + self.remarks
            + self.photos_added
            + self.photos_replaced
            + self.photos_removed
            + self.photos_reordered
            + self.open_houses_added
            + self.open_houses_removed
            + self.members
            + self.deletions
    }
}

/// Makes this many moves, with the timestamp `now`.
pub fn move_market(market: &mut Market, steps: u32, now: i64) -> Moved {
    let rng = Rng::with_seed(mix(market.base.seed ^ mix(market.moves)));
    market.moves += 1;
    let mut trade = Trade {
        moves: Moves::at(now, market),
        rng,
        now,
        moved: Moved::default(),
    };
    for _ in 0..steps {
        if trade.step().is_none() {
            trade.moved.skipped += 1;
        }
    }
    trade.moved
}

/// The states from which a sale can close or fail.
const UNDER_CONTRACT: &[&str] = &["Pending", "ActiveUnderContract"];

/// The states in which a listing may be deleted.
const OFF_MARKET: &[&str] = &["Closed", "Expired", "Withdrawn", "Canceled"];

struct Trade<'m> {
    moves: Moves<'m>,
    rng: Rng,
    now: i64,
    moved: Moved,
}

/// Each move returns `None` if it found no suitable record.
impl Trade<'_> {
    fn step(&mut self) -> Option<()> {
        match self.rng.u32(0..100) {
            0..24 => self.cut_price(),
            24..36 => self.go_pending(),
            36..46 => self.close(),
            46..49 => self.return_to_market(),
            49..54 => self.leave_market(),
            54..66 => self.list(),
            66..71 => self.edit_remarks(),
            71..84 => self.change_photos(),
            84..92 => self.add_open_house(),
            92..94 => self.remove_open_house(),
            94..96 => self.edit_member(),
            _ => self.delete(),
        }
    }

    fn cut_price(&mut self) -> Option<()> {
        let (index, listing) = self.listing(&["Active"])?;
        let cut = self.rng.i64(10..80);
        let price = (self.price(index) * (1_000 - cut) / 1_000).max(1);
        let changes = json!({"ListPrice": price, "PriceChangeTimestamp": timestamp_json(self.now)});
        self.edit_listing(listing, fields(changes))?;
        self.moved.price_changes += 1;
        Some(())
    }

    fn go_pending(&mut self) -> Option<()> {
        let today = self.today();
        let (status, mls_status) = if self.rng.bool() {
            ("Active Under Contract", "Active T/C")
        } else {
            ("Pending", "Under Contract")
        };
        let dates = json!({
            "PurchaseContractDate": today, "ContingentDate": today, "ContractStatusChangeDate": today,
        });
        self.set_status(&["Active"], status, mls_status, dates)?;
        self.moved.pendings += 1;
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let date = json!({"CloseDate": self.today()});
        let (index, listing) = self.set_status(UNDER_CONTRACT, "Closed", "Sold", date)?;
        let price = self.price(index) * self.rng.i64(945..1_030) / 1_000;
        let base = &self.moves.market.base;
        let agent = Agent::new(base, self.rng.u64(0..base.members.max(1)));
        let changes = json!({
            "ClosePrice": price,
            "BuyerAgentKey": agent.key.to_string(),
            "BuyerAgentKeyNumeric": agent.key,
            "BuyerAgentFullName": agent.full_name(),
        });
        self.edit_listing(listing, fields(changes))?;
        self.moved.closings += 1;
        Some(())
    }

    fn return_to_market(&mut self) -> Option<()> {
        let dates = json!({
            "PurchaseContractDate": null, "ContingentDate": null, "ContractStatusChangeDate": self.today(),
        });
        self.set_status(UNDER_CONTRACT, "Active", "Active", dates)?;
        self.moved.back_on_market += 1;
        Some(())
    }

    fn leave_market(&mut self) -> Option<()> {
        let today = self.today();
        let status = *self.rng.choice(&["Withdrawn", "Expired", "Canceled"])?;
        let date_of = |one: &str| {
            if status == one {
                today.clone()
            } else {
                Json::Null
            }
        };
        let dates = json!({
            "OffMarketDate": today,
            "WithdrawnDate": date_of("Withdrawn"),
            "CancellationDate": date_of("Canceled"),
        });
        self.set_status(&["Active"], status, status, dates)?;
        self.moved.withdrawals += 1;
        Some(())
    }

    fn list(&mut self) -> Option<()> {
        self.moves.insert_listing().ok()?;
        self.moved.new_listings += 1;
        Some(())
    }

    fn edit_remarks(&mut self) -> Option<()> {
        let (_, listing) = self.listing(&["Active"])?;
        let number = self.rng.u32(0..1_000_000);
        let remarks = format!("Updated {number}: open to \"all\" offers \u{1f3e1}");
        self.edit_listing(listing, fields(json!({"PublicRemarks": remarks})))?;
        self.moved.remarks += 1;
        Some(())
    }

    fn change_photos(&mut self) -> Option<()> {
        match self.rng.u32(0..10) {
            0..5 => {
                let (_, listing) = self.listing(&["Active"])?;
                self.moves.add_photo(listing, true).ok()?;
                self.moved.photos_added += 1;
            }
            5..7 => {
                let key = self.child(Set::Media)?;
                self.moves.replace_photo(&key, true).ok()?;
                self.moved.photos_replaced += 1;
            }
            7..9 => {
                let key = self.child(Set::Media)?;
                self.moves.remove_photo(&key, true, true).ok()?;
                self.moved.photos_removed += 1;
            }
            _ => {
                let (_, listing) = self.listing(&["Active"])?;
                self.moves.reorder_photos(listing, true).ok()?;
                self.moved.photos_reordered += 1;
            }
        }
        Some(())
    }

    fn add_open_house(&mut self) -> Option<()> {
        let (_, listing) = self.listing(&["Active"])?;
        self.moves.add_open_house(listing).ok()?;
        self.moved.open_houses_added += 1;
        Some(())
    }

    fn remove_open_house(&mut self) -> Option<()> {
        let key = self.child(Set::OpenHouse)?;
        self.moves.delete(Set::OpenHouse, &key, true).ok()?;
        self.moved.open_houses_removed += 1;
        Some(())
    }

    fn edit_member(&mut self) -> Option<()> {
        let members = self.moves.market.end(Set::Member);
        let index = self.rng.u64(0..members.max(1));
        let key = self.moves.market.key(Set::Member, index);
        let phone = format!("801-555-{:04}", self.rng.u32(0..10_000));
        let changes = fields(json!({"MemberMobilePhone": phone}));
        self.moves.edit(Set::Member, &key, changes).ok()?;
        self.moved.members += 1;
        Some(())
    }

    fn delete(&mut self) -> Option<()> {
        let (_, listing) = self.listing(OFF_MARKET)?;
        self.moves
            .delete(Set::Property, &listing.to_string(), true)
            .ok()?;
        self.moved.deletions += 1;
        Some(())
    }

    fn today(&self) -> Json {
        value_json(&Value::Date(self.now.div_euclid(86_400)))
    }

    /// Returns the index and the key of a random listing in one of these states.
    fn listing(&mut self, states: &[&str]) -> Option<(u64, i64)> {
        let end = self.moves.market.end(Set::Property);
        (0..TRIES).find_map(|_| {
            let index = self.rng.u64(0..end.max(1));
            let suits = self.moves.market.is_live(Set::Property, index)
                && states.contains(&self.status(index));
            suits.then(|| (index, self.moves.market.base.listing_key(index)))
        })
    }

    /// Returns the key of a random child of a random listing.
    fn child(&mut self, set: Set) -> Option<String> {
        let end = self.moves.market.end(Set::Property);
        (0..TRIES * 4).find_map(|_| {
            let children = self.moves.market.children(set, self.rng.u64(0..end.max(1)));
            self.rng
                .choice(children)
                .map(|id| self.moves.market.key(set, id))
        })
    }

    /// Returns a listing's member of `StandardStatus`.
    fn status(&self, index: u64) -> &'static str {
        match self.row(index).named("StandardStatus") {
            Value::Members(e, bits) => e
                .members
                .get(bits.trailing_zeros() as usize)
                .map_or("", |member| member.name),
            _ => "",
        }
    }

    fn price(&self, index: u64) -> i64 {
        match self.row(index).named("ListPrice") {
            Value::Decimal(price) => price / DECIMAL_ONE,
            _ => 0,
        }
    }

    fn row(&self, index: u64) -> Row<'_> {
        Row::new(self.moves.market, Set::Property, index)
    }

    /// Sets the status of a random listing, and returns its index and its key.
    fn set_status(
        &mut self,
        from: &[&str],
        status: &str,
        mls_status: &str,
        more: Json,
    ) -> Option<(u64, i64)> {
        let (index, listing) = self.listing(from)?;
        let mut changes = fields(json!({
            "StandardStatus": status,
            "MlsStatus": mls_status,
            "StatusChangeTimestamp": timestamp_json(self.now),
        }));
        changes.extend(fields(more));
        self.edit_listing(listing, changes)?;
        Some((index, listing))
    }

    fn edit_listing(&mut self, listing: i64, changes: Fields) -> Option<()> {
        self.moves
            .edit(Set::Property, &listing.to_string(), changes)
            .ok()
    }
}
