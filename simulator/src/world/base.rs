//! The market at the start, as pure functions of the seed and an index. No listing uses
//! memory, so the market can have millions of them.

use crate::dice::{Dice, salt};
use crate::fields::Set;

/// The lowest possible key of a listing. Keys have seven digits, so that they order the
/// same as texts and as numbers.
const FIRST_KEY: i64 = 1_000_000;
/// The average distance between keys.
const KEY_STEP: i64 = 3;
/// The first keys of members and of offices: six and five digits, for the same reason.
const MEMBER_FIRST_KEY: i64 = 100_000;
const OFFICE_FIRST_KEY: i64 = 20_000;
/// The maximum number of listings whose keys have seven digits.
pub const MAX_LISTINGS: u64 = 2_900_000;

const SECONDS_A_DAY: i64 = 86_400;
/// The age of the oldest timestamp.
const HISTORY_SECONDS: f64 = 3.0 * 365.0 * SECONDS_A_DAY as f64;

const KEYS: u64 = salt!("keys");
const TIMESTAMPS: u64 = salt!("stamps");
const LISTINGS: u64 = salt!("listings");

/// Returns the maximum number of children of this set that a listing can ever have.
pub const fn stride(set: Set) -> u64 {
    match set {
        Set::Media => 1024,
        Set::OpenHouse => 64,
        Set::PropertyUnitTypes => 16,
        Set::Adu => 4,
        _ => 1,
    }
}

/// The parameters of the market.
#[derive(Clone, Debug)]
pub struct Base {
    pub seed: u64,
    /// The number of listings at the start. Listings added later have higher indexes.
    pub listings: u64,
    pub offices: u64,
    pub members: u64,
    /// The start time, in seconds since 1970. No record is newer at the start.
    pub start: i64,
    pub photos: u32,
    pub open_houses: bool,
    pub units: bool,
    /// The approximate length of remarks.
    pub remarks_length: usize,
    /// The URL of the photo host.
    pub asset_url: String,
}

/// What kind of property a listing offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dwelling {
    House,
    Townhouse,
    Condo,
    Mobile,
    /// A building with 2 to 4 units.
    Multi(u32),
    Land,
    Farm,
    Commercial,
    Rental,
}

/// The state of a listing's sale.
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

    /// Returns the key of the listing at `index`. Keys ascend with gaps.
    pub fn listing_key(&self, index: u64) -> i64 {
        let jitter = Dice::new(self.seed, KEYS, index).roll(0) % KEY_STEP as u64;
        FIRST_KEY + index as i64 * KEY_STEP + jitter as i64
    }

    /// Returns the first index whose key is `key` or higher.
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

    /// Returns the index of this key, even if there is no such listing yet.
    pub fn listing_index(&self, key: i64) -> Option<u64> {
        let index = self.first_index_from(key);
        (index < MAX_LISTINGS && self.listing_key(index) == key).then_some(index)
    }

    /// Returns the listing's timestamp at the start, in seconds. Bulk updates changed one
    /// listing of six, most of them in the same second.
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

    /// Returns the number of a listing's children at the start.
    pub fn children(&self, set: Set, listing: u64) -> u64 {
        let dice = self.dice(listing);
        match set {
            // One listing of twelve has no photo yet.
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

    /// Returns the index of a listing's agent among the members.
    pub fn agent(&self, listing: u64, salt: u64) -> u64 {
        self.dice(listing).below(salt, self.members)
    }

    /// Returns the index of a member's office.
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
