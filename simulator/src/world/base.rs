//! The market as it stood when the feed started: pure functions of the seed and
//! an index. Nothing is kept for a listing, so that a million cost nothing.

use crate::dice::{Dice, salt};
use crate::fields::Set;

/// The first listing's key, about; keys stay in seven digits, where they order
/// as texts as they do as numbers.
const FIRST_KEY: i64 = 1_000_000;
/// How far keys are apart, on average.
const KEY_STEP: i64 = 3;
/// The first keys of members and of offices: six and five digits, for the same reason.
const MEMBER_FIRST_KEY: i64 = 100_000;
const OFFICE_FIRST_KEY: i64 = 20_000;
/// Listings that fit in seven digits.
pub const MAX_LISTINGS: u64 = 2_900_000;

const SECONDS_A_DAY: i64 = 86_400;
/// How far back listings were last changed.
const HISTORY_SECONDS: f64 = 3.0 * 365.0 * SECONDS_A_DAY as f64;

const KEYS: u64 = salt!("keys");
const TIMESTAMPS: u64 = salt!("stamps");
const LISTINGS: u64 = salt!("listings");

/// Records of a listing's children of one kind have numbers below this.
pub const fn stride(set: Set) -> u64 {
    match set {
        Set::Media => 1024,
        Set::OpenHouse => 64,
        Set::PropertyUnitTypes => 16,
        Set::Adu => 4,
        _ => 1,
    }
}

/// What the market is made from.
#[derive(Clone, Debug)]
pub struct Base {
    pub seed: u64,
    /// Listings at first; those that came later have indexes from here on.
    pub listings: u64,
    pub offices: u64,
    pub members: u64,
    /// When the feed started, in seconds since 1970: nothing at first is newer.
    pub start: i64,
    pub photos: u32,
    pub open_houses: bool,
    pub units: bool,
    /// Length that remarks are to have.
    pub remarks_length: usize,
    /// Where photos are.
    pub asset_url: String,
}

/// What stands on a listing's lot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dwelling {
    House,
    Townhouse,
    Condo,
    Mobile,
    /// With this many units, 2 to 4.
    Multi(u32),
    Land,
    Farm,
    Commercial,
    Rental,
}

/// Where a listing stands in its sale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListingStatus {
    Active,
    UnderContract,
    Pending,
    Closed,
    Withdrawn,
    Expired,
    Canceled,
    Hold,
}

impl Base {
    pub fn dice(&self, index: u64) -> Dice {
        Dice::new(self.seed, LISTINGS, index)
    }

    /// ListingKeyNumeric of the listing at `index`: rising, with gaps.
    pub fn listing_key(&self, index: u64) -> i64 {
        let jitter = Dice::new(self.seed, KEYS, index).roll(0) % KEY_STEP as u64;
        FIRST_KEY + index as i64 * KEY_STEP + jitter as i64
    }

    /// The first index whose key is `key` or more.
    pub fn first_index_from(&self, key: i64) -> u64 {
        if key <= FIRST_KEY {
            return 0;
        }
        let index = ((key - FIRST_KEY) / KEY_STEP) as u64;
        if self.listing_key(index) >= key {
            index
        } else {
            index + 1
        }
    }

    /// The index of the listing with this key, whether or not there is one yet.
    pub fn listing_index(&self, key: i64) -> Option<u64> {
        let index = self.first_index_from(key);
        (index < MAX_LISTINGS && self.listing_key(index) == key).then_some(index)
    }

    /// When the listing at `index` had last changed when the feed started, in
    /// seconds. One of six was touched by a bulk update, most of them in one second.
    pub fn timestamp(&self, index: u64) -> i64 {
        const BULK: [i64; 8] = [40, 40, 40, 40, 40, 40, 11, 90];
        let dice = Dice::new(self.seed, TIMESTAMPS, index);
        let roll = dice.roll(1);
        if roll.is_multiple_of(6) {
            return self.start - BULK[(roll >> 8) as usize % BULK.len()] * SECONDS_A_DAY - 4_321;
        }
        let age = dice.unit(2);
        self.start - 90 - (age * age * age * HISTORY_SECONDS) as i64
    }

    pub fn status(&self, index: u64) -> ListingStatus {
        if index >= self.listings {
            return ListingStatus::Active;
        }
        let age_days = (self.start - self.timestamp(index)) / SECONDS_A_DAY;
        let of_100 = self.dice(index).below(salt!("status"), 100);
        match (age_days < 90, of_100) {
            (true, 0..45) => ListingStatus::Active,
            (true, 45..57) => ListingStatus::Pending,
            (true, 57..65) => ListingStatus::UnderContract,
            (true, 65..87) => ListingStatus::Closed,
            (true, 87..91) => ListingStatus::Withdrawn,
            (true, 91..95) => ListingStatus::Expired,
            (true, 95..99) => ListingStatus::Canceled,
            (true, _) => ListingStatus::Hold,
            (false, 0..82) => ListingStatus::Closed,
            (false, 82..91) => ListingStatus::Expired,
            (false, 91..95) => ListingStatus::Withdrawn,
            (false, _) => ListingStatus::Canceled,
        }
    }

    pub fn dwelling(&self, index: u64) -> Dwelling {
        match self.dice(index).below(salt!("dwelling"), 100) {
            0..52 => Dwelling::House,
            52..63 => Dwelling::Townhouse,
            63..73 => Dwelling::Condo,
            73..75 => Dwelling::Mobile,
            75 => Dwelling::Multi(2),
            76 => Dwelling::Multi(3),
            77 => Dwelling::Multi(4),
            78..88 => Dwelling::Land,
            88..90 => Dwelling::Farm,
            90..94 => Dwelling::Commercial,
            _ => Dwelling::Rental,
        }
    }

    /// How many children of a kind a listing has to begin with.
    pub fn children(&self, set: Set, listing: u64) -> u64 {
        let dice = self.dice(listing);
        match set {
            // One in twelve has no photo yet.
            Set::Media if self.photos == 0 || dice.chance(salt!("no photos"), 1.0 / 12.0) => 0,
            Set::Media => 1 + dice.below(salt!("photos"), u64::from(self.photos)),
            Set::OpenHouse if self.open_houses && listing < self.listings => {
                let wants = dice.below(salt!("open houses"), 15);
                if wants < 4 && self.status(listing) == ListingStatus::Active {
                    1 + wants / 3
                } else {
                    0
                }
            }
            Set::PropertyUnitTypes if self.units => match self.dwelling(listing) {
                Dwelling::Multi(units) => u64::from(units),
                _ => 0,
            },
            Set::Adu if self.units => {
                let is_house = self.dwelling(listing) == Dwelling::House;
                u64::from(is_house && dice.chance(salt!("adu"), 0.06))
            }
            _ => 0,
        }
    }

    /// The agent of a listing, an index of members.
    pub fn agent(&self, listing: u64, salt: u64) -> u64 {
        self.dice(listing).below(salt, self.members)
    }

    /// The office of a member, an index of offices.
    pub fn office_of(&self, member: u64) -> u64 {
        Dice::new(self.seed, salt!("office of"), member).below(0, self.offices)
    }

    pub fn member_key(&self, member: u64) -> i64 {
        MEMBER_FIRST_KEY
            + member as i64 * 7
            + (Dice::new(self.seed, KEYS, member).roll(1) % 7) as i64
    }

    pub fn member_index(&self, key: i64) -> Option<u64> {
        let index = u64::try_from((key - MEMBER_FIRST_KEY).div_euclid(7)).ok()?;
        (self.member_key(index) == key).then_some(index)
    }

    pub fn office_key(&self, office: u64) -> i64 {
        OFFICE_FIRST_KEY
            + office as i64 * 5
            + (Dice::new(self.seed, KEYS, office).roll(2) % 5) as i64
    }

    pub fn office_index(&self, key: i64) -> Option<u64> {
        let index = u64::try_from((key - OFFICE_FIRST_KEY).div_euclid(5)).ok()?;
        (self.office_key(index) == key).then_some(index)
    }
}
