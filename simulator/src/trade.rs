//! A day's trade: a plausible mix of moves, the same for the same seed.

use fastrand::Rng;
use serde::Serialize;
use serde_json::{Value as Json, json};

use super::dice::mix;
use super::market::Market;
use super::moves::{fields, stamp_json};
use super::row::Row;
use super::schema::Set;
use super::value::{DECIMAL_ONE, Value};

/// How often a listing that suits a move is looked for before it is given up.
const TRIES: usize = 60;

/// What moved, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Moved {
    /// Price changes.
    pub price_changes: u32,
    /// Pendings.
    pub pendings: u32,
    /// Closings.
    pub closings: u32,
    /// Back on market.
    pub back_on_market: u32,
    /// Withdrawals.
    pub withdrawals: u32,
    /// New listings.
    pub new_listings: u32,
    /// Remarks.
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
    /// Members.
    pub members: u32,
    /// Deletions.
    pub deletions: u32,
    /// Moves for which nothing suited.
    pub skipped: u32,
}

impl Moved {
    /// Moves that were made.
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

/// Makes this many moves, all stamped with `now`.
pub fn move_market(market: &mut Market, steps: u32, now: i64) -> Moved {
    let rng = Rng::with_seed(mix(market.base.seed ^ mix(market.moves)));
    market.moves += 1;
    let mut trade = Trade {
        market,
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

struct Trade<'m> {
    market: &'m mut Market,
    rng: Rng,
    now: i64,
    moved: Moved,
}

impl Trade<'_> {
    /// One move; none where nothing suited it.
    fn step(&mut self) -> Option<()> {
        let (now, active) = (self.now, &["Active"][..]);
        match self.rng.u32(0..100) {
            0..24 => self.cut_price(),
            24..36 => self.go_pending(),
            36..46 => self.close(),
            46..49 => {
                self.set_status(&["Pending", "ActiveUnderContract"], "Active", "Active", json!({
                    "PurchaseContractDate": null, "ContingentDate": null, "ContractStatusChangeDate": self.today(),
                }))?;
                self.moved.back_on_market += 1;
                Some(())
            }
            49..54 => {
                let (today, status) = (
                    self.today(),
                    *self.rng.choice(&["Withdrawn", "Expired", "Canceled"])?,
                );
                self.set_status(active, status, status, json!({
                    "OffMarketDate": today,
                    "WithdrawnDate": if status == "Withdrawn" { today.clone() } else { Json::Null },
                    "CancellationDate": if status == "Canceled" { today.clone() } else { Json::Null },
                }))?;
                self.moved.withdrawals += 1;
                Some(())
            }
            54..66 => {
                self.market.insert_listing(now).ok()?;
                self.moved.new_listings += 1;
                Some(())
            }
            66..71 => {
                let (_, listing) = self.listing(active)?;
                let remarks = format!(
                    "Updated {}: open to \"all\" offers \u{1f3e1}",
                    self.rng.u32(0..1_000_000)
                );
                self.market
                    .edit(
                        Set::Property,
                        &listing.to_string(),
                        fields(json!({"PublicRemarks": remarks})),
                        Some(now),
                    )
                    .ok()?;
                self.moved.remarks += 1;
                Some(())
            }
            71..84 => self.change_photos(),
            84..92 => {
                let (_, listing) = self.listing(active)?;
                self.market.add_open_house(listing, now).ok()?;
                self.moved.open_houses_added += 1;
                Some(())
            }
            92..94 => {
                let key = self.child(Set::OpenHouse)?;
                self.market.delete(Set::OpenHouse, &key, true, now).ok()?;
                self.moved.open_houses_removed += 1;
                Some(())
            }
            94..96 => {
                let members = self.market.end(Set::Member);
                let key = self
                    .market
                    .key(Set::Member, self.rng.u64(0..members.max(1)));
                let phone = format!("801-555-{:04}", self.rng.u32(0..10_000));
                self.market
                    .edit(
                        Set::Member,
                        &key,
                        fields(json!({"MemberMobilePhone": phone})),
                        Some(now),
                    )
                    .ok()?;
                self.moved.members += 1;
                Some(())
            }
            _ => {
                let (_, listing) = self.listing(&["Closed", "Expired", "Withdrawn", "Canceled"])?;
                self.market
                    .delete(Set::Property, &listing.to_string(), true, now)
                    .ok()?;
                self.moved.deletions += 1;
                Some(())
            }
        }
    }

    fn today(&self) -> Json {
        let mut text = Vec::new();
        Value::Date(self.now.div_euclid(86_400)).write(&mut text, super::behaviour::Names::Display);
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// A listing in one of these states: its index and its key.
    fn listing(&mut self, states: &[&str]) -> Option<(u64, i64)> {
        let end = self.market.end(Set::Property);
        (0..TRIES).find_map(|_| {
            let index = self.rng.u64(0..end.max(1));
            let suits =
                self.market.exists(Set::Property, index) && states.contains(&self.status(index));
            suits.then(|| (index, self.market.base.listing_key(index)))
        })
    }

    /// The member of StandardStatus that a listing has.
    fn status(&self, index: u64) -> &'static str {
        let row = Row::new(self.market, self.market.table(Set::Property), index);
        match row.named("StandardStatus") {
            Value::Members(e, bits) => e
                .members
                .get(bits.trailing_zeros() as usize)
                .map_or("", |member| member.name),
            _ => "",
        }
    }

    fn price(&self, index: u64) -> i64 {
        match Row::new(self.market, self.market.table(Set::Property), index).named("ListPrice") {
            Value::Decimal(price) => price / DECIMAL_ONE,
            _ => 0,
        }
    }

    /// The key of some child of some listing.
    fn child(&mut self, set: Set) -> Option<String> {
        let end = self.market.end(Set::Property);
        (0..TRIES * 4).find_map(|_| {
            let children = self.market.children(set, self.rng.u64(0..end.max(1)));
            self.rng.choice(children).map(|id| self.market.key(set, id))
        })
    }

    fn set_status(
        &mut self,
        from: &[&str],
        status: &str,
        mls_status: &str,
        more: Json,
    ) -> Option<u64> {
        let (index, listing) = self.listing(from)?;
        let mut changes = fields(json!({
            "StandardStatus": status, "MlsStatus": mls_status, "StatusChangeTimestamp": stamp_json(self.now),
        }));
        changes.extend(fields(more));
        self.market
            .edit(Set::Property, &listing.to_string(), changes, Some(self.now))
            .ok()?;
        Some(index)
    }

    fn cut_price(&mut self) -> Option<()> {
        let (index, listing) = self.listing(&["Active"])?;
        let cut = self.rng.i64(10..80);
        let price = (self.price(index) * (1_000 - cut) / 1_000).max(1);
        let changes =
            fields(json!({"ListPrice": price, "PriceChangeTimestamp": stamp_json(self.now)}));
        self.market
            .edit(Set::Property, &listing.to_string(), changes, Some(self.now))
            .ok()?;
        self.moved.price_changes += 1;
        Some(())
    }

    fn go_pending(&mut self) -> Option<()> {
        let today = self.today();
        let with_contingency = self.rng.bool();
        let (status, mls) = if with_contingency {
            ("Active Under Contract", "Active T/C")
        } else {
            ("Pending", "Under Contract")
        };
        let dates = json!({
            "PurchaseContractDate": today, "ContingentDate": today, "ContractStatusChangeDate": today,
        });
        self.set_status(&["Active"], status, mls, dates)?;
        self.moved.pendings += 1;
        Some(())
    }

    fn close(&mut self) -> Option<()> {
        let today = self.today();
        let index = self.set_status(
            &["Pending", "ActiveUnderContract"],
            "Closed",
            "Sold",
            json!({"CloseDate": today}),
        )?;
        let price = self.price(index) * self.rng.i64(945..1_030) / 1_000;
        let agent = super::people::Agent::new(
            &self.market.base,
            self.rng.u64(0..self.market.base.members.max(1)),
        );
        let changes = fields(json!({
            "ClosePrice": price,
            "BuyerAgentKey": agent.key.to_string(),
            "BuyerAgentKeyNumeric": agent.key,
            "BuyerAgentFullName": agent.full_name(),
        }));
        let key = self.market.key(Set::Property, index);
        self.market
            .edit(Set::Property, &key, changes, Some(self.now))
            .ok()?;
        self.moved.closings += 1;
        Some(())
    }

    fn change_photos(&mut self) -> Option<()> {
        let now = self.now;
        match self.rng.u32(0..10) {
            0..5 => {
                let (_, listing) = self.listing(&["Active"])?;
                self.market.add_photo(listing, true, now).ok()?;
                self.moved.photos_added += 1;
            }
            5..7 => {
                let key = self.child(Set::Media)?;
                self.market.replace_photo(&key, true, now).ok()?;
                self.moved.photos_replaced += 1;
            }
            7..9 => {
                let key = self.child(Set::Media)?;
                self.market.remove_photo(&key, true, true, now).ok()?;
                self.moved.photos_removed += 1;
            }
            _ => {
                let (_, listing) = self.listing(&["Active"])?;
                self.market.reorder_photos(listing, true, now).ok()?;
                self.moved.photos_reordered += 1;
            }
        }
        Some(())
    }
}
