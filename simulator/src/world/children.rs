//! The children of listings: photos, open houses, unit types and ADUs.

use super::base::{Base, stride};
use crate::dice::{Dice, salt};
use crate::fields::Set;
use crate::fields::date_of;
use chrono::{Datelike, NaiveDate, Weekday};

const SECONDS_A_DAY: i64 = 86_400;
/// The lowest numbers in keys.
const PHOTO_FIRST_NUMBER: u64 = 2_000_000;
const OPEN_HOUSE_FIRST_KEY: i64 = 10_000_000;
const ADU_FIRST_KEY: i64 = 5_000_000;

/// A child's facts.
#[derive(Clone, Debug)]
pub struct Child<'m> {
    pub base: &'m Base,
    pub set: Set,
    /// The index of its listing.
    pub listing: u64,
    /// Its position among the listing's children, including deleted ones.
    pub serial: u64,
    pub listing_key: i64,
    pub dice: Dice,
    /// The timestamp without edits, in seconds.
    pub timestamp: i64,
    /// The time at which the child was added, if that was after the start.
    pub born: Option<i64>,
}

impl<'m> Child<'m> {
    /// `parent_timestamp` is the listing's timestamp without edits.
    pub fn new(
        base: &'m Base,
        set: Set,
        id: u64,
        born: Option<i64>,
        parent_timestamp: i64,
    ) -> Child<'m> {
        let (listing, serial) = (id / stride(set), id % stride(set));
        let dice = child_dice(base, set, id);
        let latest = parent_timestamp.min(base.start);
        let timestamp = match born {
            Some(born) => born,
            None if parent_timestamp > base.start => parent_timestamp,
            None => latest - dice.below(salt!("stamp"), 7_200) as i64,
        };
        Child {
            base,
            set,
            listing,
            serial,
            listing_key: base.listing_key(listing),
            dice,
            timestamp,
            born,
        }
    }

    /// Returns the key as text.
    pub fn key(&self) -> String {
        key(
            self.base,
            self.set,
            self.listing * stride(self.set) + self.serial,
        )
    }

    /// Returns the start and end of an open house, in seconds.
    pub fn hours(&self) -> (i64, i64) {
        let from = self
            .born
            .unwrap_or(self.base.start)
            .div_euclid(SECONDS_A_DAY);
        let day = from + self.dice.between(salt!("day"), 1, 10);
        let hour = self.dice.between(salt!("hour"), 9, 17);
        let begin = day * SECONDS_A_DAY + hour * 3_600 + utah_offset(day);
        (
            begin,
            begin + self.dice.between(salt!("hours"), 2, 6) * 1_800,
        )
    }

    pub fn photo_url(&self) -> String {
        format!("{}/photos/640x480/{}", self.base.asset_url, self.key())
    }
}

fn child_dice(base: &Base, set: Set, id: u64) -> Dice {
    Dice::new(base.seed, salt!("children").wrapping_add(set as u64), id)
}

/// Returns the key, as text, of the child with this id.
pub fn key(base: &Base, set: Set, id: u64) -> String {
    let listing = id / stride(set);
    match set {
        Set::Media => {
            let dice = child_dice(base, set, id);
            let (high, low) = (
                dice.roll(salt!("name")),
                dice.roll(salt!("more of the name")),
            );
            let number = PHOTO_FIRST_NUMBER + id;
            format!(
                "{}_{high:016x}{low:016x}_{number}.jpg",
                base.listing_key(listing)
            )
        }
        Set::OpenHouse => (OPEN_HOUSE_FIRST_KEY + id as i64).to_string(),
        Set::Adu => (ADU_FIRST_KEY + id as i64).to_string(),
        _ => format!("{:07}{:02}", base.listing_key(listing), id % stride(set)),
    }
}

/// Returns the id of this key, even if there is no such child.
pub fn id_of(base: &Base, set: Set, text: &str) -> Option<u64> {
    let id = match set {
        Set::Media => {
            let (_, number) = text.strip_suffix(".jpg")?.rsplit_once('_')?;
            number
                .parse::<u64>()
                .ok()?
                .checked_sub(PHOTO_FIRST_NUMBER)?
        }
        Set::OpenHouse => u64::try_from(
            text.parse::<i64>()
                .ok()?
                .checked_sub(OPEN_HOUSE_FIRST_KEY)?,
        )
        .ok()?,
        Set::Adu => u64::try_from(text.parse::<i64>().ok()?.checked_sub(ADU_FIRST_KEY)?).ok()?,
        _ => {
            let (listing, serial) = text.split_at_checked(7)?;
            base.listing_index(listing.parse().ok()?)? * stride(set) + serial.parse::<u64>().ok()?
        }
    };
    (id / stride(set) < super::base::MAX_LISTINGS && key(base, set, id) == text).then_some(id)
}

/// Returns the index of the listing whose key starts a photo's key, or of the next listing.
pub fn first_listing_from_photo_key(base: &Base, text: &str) -> Option<u64> {
    let listing = text.split_once('_').map_or(text, |(listing, _)| listing);
    (listing.len() == 7)
        .then(|| listing.parse().ok())
        .flatten()
        .map(|key| base.first_index_from(key))
}

/// Returns the seconds to add to Utah's local time for UTC on this day. Daylight saving time
/// runs from the second Sunday of March to the first Sunday of November.
pub fn utah_offset(day: i64) -> i64 {
    let date = date_of(day);
    let sunday =
        |month, nth| NaiveDate::from_weekday_of_month_opt(date.year(), month, Weekday::Sun, nth);
    let saves = matches!((sunday(3, 2), sunday(11, 1)), (Some(from), Some(to)) if from <= date && date < to);
    if saves { 6 * 3_600 } else { 7 * 3_600 }
}
