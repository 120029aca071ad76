//! The facts of a listing. All its fields follow from them.

use super::base::{Base, Dwelling, ListingStatus};
use super::people::Agent;
use super::places::{Place, STREETS, SUFFIXES, place_at};
use crate::dice::{Dice, salt};

const SECONDS_A_DAY: i64 = 86_400;

/// A street address.
#[derive(Clone, Debug)]
pub enum Address {
    /// An address in the street grid: 1234 E 4500 S.
    Grid {
        number: i64,
        prefix: &'static str,
        cross: i64,
        suffix: &'static str,
    },
    /// An address in a named street: 88 N Maple LN #4.
    Named {
        number: i64,
        prefix: Option<&'static str>,
        street: &'static str,
        suffix: &'static str,
    },
}

/// A listing without edits. Its dates, prices and status are consistent.
#[derive(Clone, Debug)]
pub struct Listing<'m> {
    pub base: &'m Base,
    pub index: u64,
    pub key: i64,
    pub dice: Dice,
    /// The timestamp without edits, in seconds.
    pub timestamp: i64,
    /// The number of photos it has now.
    pub photos: u64,
    pub status: ListingStatus,
    pub dwelling: Dwelling,
    pub place: &'static Place,
    pub address: Address,
    pub unit: Option<i64>,
    pub list_price: i64,
    pub original_price: i64,
    pub close_price: Option<i64>,
    /// Days since 1970.
    pub on_market: i64,
    pub contract: Option<i64>,
    pub closed: Option<i64>,
    pub off_market: Option<i64>,
    pub bedrooms: i64,
    pub full_baths: i64,
    pub half_baths: i64,
    pub area: i64,
    pub year_built: i64,
    pub acres_in_hundredths: i64,
    pub agent: Agent<'m>,
    pub buyer_agent: Option<Agent<'m>>,
    pub co_agent: Option<Agent<'m>>,
}

impl<'m> Listing<'m> {
    /// Returns the listing at `index`. `born` is the time of its addition, in seconds, if that
    /// was after the start.
    pub fn new(base: &'m Base, index: u64, born: Option<i64>, photos: u64) -> Listing<'m> {
        let dice = base.dice(index);
        let timestamp = born.unwrap_or_else(|| base.timestamp(index));
        let status = base.status(index);
        let dwelling = base.dwelling(index);
        let place = place_at(dice.roll(salt!("place")));
        let today = timestamp.div_euclid(SECONDS_A_DAY);
        let days_on_market = if born.is_some() {
            0
        } else {
            dice.between(salt!("days on market"), 1, 120)
        };

        let closed =
            (status == ListingStatus::Closed).then(|| today - dice.between(salt!("closed"), 0, 5));
        let contract = match status {
            ListingStatus::Closed => closed.map(|day| day - dice.between(salt!("escrow"), 20, 45)),
            ListingStatus::Pending | ListingStatus::UnderContract => {
                Some(today - dice.between(salt!("escrow"), 0, 20))
            }
            _ => None,
        };
        let off_market = match status {
            ListingStatus::Withdrawn | ListingStatus::Expired | ListingStatus::Canceled => {
                Some(today - dice.between(salt!("off market"), 0, 3))
            }
            _ => closed.map(|_| contract.unwrap_or(today)),
        };
        let on_market = contract.or(off_market).unwrap_or(today) - days_on_market;

        let list_price = price(dice, place, dwelling);
        let was_cut = born.is_none() && dice.chance(salt!("was cut"), 0.35);
        let original_price = if was_cut {
            list_price * dice.between(salt!("cut"), 102, 112) / 100
        } else {
            list_price
        };
        let close_price =
            closed.map(|_| list_price * dice.between(salt!("close price"), 940, 1_030) / 1_000);

        let bedrooms = match dwelling {
            Dwelling::Land | Dwelling::Commercial => 0,
            Dwelling::Condo | Dwelling::Rental => dice.between(salt!("bedrooms"), 1, 3),
            _ => dice.between(salt!("bedrooms"), 2, 6),
        };
        let has_co_agent = dice.chance(salt!("has co-agent"), 0.15);
        Listing {
            base,
            index,
            key: base.listing_key(index),
            dice,
            timestamp,
            photos,
            status,
            dwelling,
            place,
            address: address(dice),
            unit: matches!(
                dwelling,
                Dwelling::Condo | Dwelling::Townhouse | Dwelling::Rental
            )
            .then(|| dice.between(salt!("unit"), 1, 420)),
            list_price,
            original_price,
            close_price,
            on_market,
            contract,
            closed,
            off_market,
            bedrooms,
            full_baths: if bedrooms == 0 { 0 } else { 1 + bedrooms / 3 },
            half_baths: if bedrooms > 2 {
                dice.between(salt!("half baths"), 0, 1)
            } else {
                0
            },
            area: bedrooms * dice.between(salt!("area"), 380, 720) + 300,
            year_built: 2_024 - (dice.unit(salt!("year built")).powi(2) * 120.0) as i64,
            acres_in_hundredths: 4 + (dice.unit(salt!("acres")).powi(4) * 2_000.0) as i64,
            agent: Agent::new(base, base.agent(index, salt!("agent"))),
            buyer_agent: closed.map(|_| Agent::new(base, base.agent(index, salt!("buyer agent")))),
            co_agent: has_co_agent.then(|| Agent::new(base, base.agent(index, salt!("co-agent")))),
        }
    }

    pub fn has_building(&self) -> bool {
        !matches!(self.dwelling, Dwelling::Land)
    }

    /// Returns the members of `StandardStatus` and `MlsStatus`.
    pub fn status_names(&self) -> (&'static str, &'static str) {
        match self.status {
            ListingStatus::Active => ("Active", "Active"),
            ListingStatus::UnderContract => ("ActiveUnderContract", "ActiveTC"),
            ListingStatus::Pending => ("Pending", "UnderContract"),
            ListingStatus::Closed => ("Closed", "Sold"),
            ListingStatus::Withdrawn => ("Withdrawn", "Withdrawn"),
            ListingStatus::Expired => ("Expired", "Expired"),
            ListingStatus::Canceled => ("Canceled", "Canceled"),
            ListingStatus::Hold => ("Hold", "ActiveNoShow"),
        }
    }

    /// Returns the members of `PropertyType` and `PropertySubType`.
    pub fn type_names(&self) -> (&'static str, &'static str) {
        match self.dwelling {
            Dwelling::House => ("Residential", "SingleFamilyResidence"),
            Dwelling::Townhouse => ("Residential", "Townhouse"),
            Dwelling::Condo => ("Residential", "Condominium"),
            Dwelling::Mobile => ("Residential", "MobileHome"),
            Dwelling::Multi(2) => ("Residential", "Duplex"),
            Dwelling::Multi(3) => ("Residential", "Triplex"),
            Dwelling::Multi(_) => ("Residential", "Quadruplex"),
            Dwelling::Land => ("Land", "Residential"),
            Dwelling::Farm => ("Farm", "Agriculture"),
            Dwelling::Commercial => ("CommercialSale", "Office"),
            Dwelling::Rental => ("ResidentialLease", "SingleFamilyResidence"),
        }
    }

    /// Returns the address in one line.
    pub fn one_line(&self) -> String {
        let street = match &self.address {
            Address::Grid {
                number,
                prefix,
                cross,
                suffix,
            } => format!("{number} {prefix} {cross} {suffix}"),
            Address::Named {
                number,
                prefix,
                street,
                suffix,
            } => match prefix {
                Some(prefix) => format!("{number} {prefix} {street} {suffix}"),
                None => format!("{number} {street} {suffix}"),
            },
        };
        let unit = self
            .unit
            .map(|unit| format!(" #{unit}"))
            .unwrap_or_default();
        format!(
            "{street}{unit}, {}, UT {}",
            self.place.name,
            self.postal_code()
        )
    }

    pub fn postal_code(&self) -> &'static str {
        self.dice
            .pick(salt!("postal code"), self.place.postal_codes)
    }

    pub fn coordinates(&self) -> (f64, f64) {
        (
            self.place.longitude + self.dice.normal(salt!("longitude")) * 0.02,
            self.place.latitude + self.dice.normal(salt!("latitude")) * 0.02,
        )
    }
}

/// Returns a log-normal price around the place's median, in whole thousands or 100 below.
fn price(dice: Dice, place: &Place, dwelling: Dwelling) -> i64 {
    let part = match dwelling {
        Dwelling::House => 1.0,
        Dwelling::Townhouse => 0.8,
        Dwelling::Condo => 0.65,
        Dwelling::Mobile => 0.25,
        Dwelling::Multi(_) => 1.5,
        Dwelling::Land => 0.45,
        Dwelling::Farm => 1.9,
        Dwelling::Commercial => 2.2,
        Dwelling::Rental => 1.0 / 240.0,
    };
    let price = place.median_price as f64 * part * (0.35 * dice.normal(salt!("price"))).exp();
    if dwelling == Dwelling::Rental {
        return (price / 25.0).round() as i64 * 25;
    }
    let below = if dice.chance(salt!("just below"), 0.4) {
        100
    } else {
        0
    };
    ((price / 1_000.0).round() as i64 * 1_000 - below).max(4_900)
}

fn address(dice: Dice) -> Address {
    let (is_north, is_east) = (
        dice.chance(salt!("north"), 0.3),
        dice.chance(salt!("east"), 0.5),
    );
    let (north_south, east_west) = (
        if is_north { "N" } else { "S" },
        if is_east { "E" } else { "W" },
    );
    let number = dice.between(salt!("street number"), 12, 9_999);
    if dice.chance(salt!("grid"), 0.45) {
        let cross =
            dice.between(salt!("cross"), 1, 140) * 50 + dice.between(salt!("odd"), 0, 1) * 25;
        let (prefix, suffix) = if dice.chance(salt!("runs east"), 0.5) {
            (east_west, north_south)
        } else {
            (north_south, east_west)
        };
        return Address::Grid {
            number,
            prefix,
            cross,
            suffix,
        };
    }
    Address::Named {
        number,
        prefix: dice
            .chance(salt!("has prefix"), 0.6)
            .then_some(if is_north { north_south } else { east_west }),
        street: dice.pick(salt!("street"), STREETS),
        suffix: dice.pick(salt!("suffix"), SUFFIXES),
    }
}
