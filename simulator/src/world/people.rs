//! Agents and their offices.

use super::base::Base;
use super::places::{BROKERAGES, FIRST_NAMES, LAST_NAMES, Place, place_at};
use crate::dice::{Dice, salt};

/// An agent without edits.
#[derive(Clone, Copy, Debug)]
pub struct Agent<'m> {
    pub base: &'m Base,
    pub key: i64,
    pub dice: Dice,
    pub first: &'static str,
    pub last: &'static str,
    pub office: u64,
}

impl<'m> Agent<'m> {
    pub fn new(base: &'m Base, index: u64) -> Agent<'m> {
        let dice = Dice::new(base.seed, salt!("agents"), index);
        Agent {
            base,
            key: base.member_key(index),
            dice,
            first: dice.pick(salt!("first"), FIRST_NAMES),
            last: dice.pick(salt!("last"), LAST_NAMES),
            office: base.office_of(index),
        }
    }

    pub fn full_name(&self) -> String {
        format!("{} {}", self.first, self.last)
    }

    pub fn mls_id(&self) -> String {
        (self.key + 1_000).to_string()
    }

    pub fn license(&self) -> String {
        format!("{}-SA00", 5_000_000 + self.key * 7)
    }

    pub fn phone(&self, which: u64) -> String {
        phone(self.dice, which)
    }

    /// Returns the timestamp without edits, in seconds.
    pub fn timestamp(&self) -> i64 {
        self.base.start - 3_600 - self.dice.below(salt!("stamp"), 500 * 86_400) as i64
    }

    pub fn in_office(&self) -> Branch<'m> {
        Branch::new(self.base, self.office)
    }
}

/// An office without edits.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'m> {
    pub base: &'m Base,
    pub index: u64,
    pub key: i64,
    pub dice: Dice,
    pub place: &'static Place,
    pub brokerage: &'static str,
    /// The index of the brokerage's main office, its first one.
    pub main: u64,
}

impl<'m> Branch<'m> {
    pub fn new(base: &'m Base, index: u64) -> Branch<'m> {
        let dice = Dice::new(base.seed, salt!("offices"), index);
        let at = index as usize % BROKERAGES.len();
        Branch {
            base,
            index,
            key: base.office_key(index),
            dice,
            place: place_at(dice.roll(salt!("place"))),
            brokerage: BROKERAGES[at],
            main: at as u64,
        }
    }

    pub fn name(&self) -> String {
        if self.index == self.main {
            return self.brokerage.to_owned();
        }
        format!("{} - {} ({})", self.brokerage, self.place.name, self.index)
    }

    pub fn mls_id(&self) -> String {
        (self.key + 500).to_string()
    }

    pub fn phone(&self, which: u64) -> String {
        phone(self.dice, which)
    }

    pub fn timestamp(&self) -> i64 {
        self.base.start - 7_200 - self.dice.below(salt!("stamp"), 800 * 86_400) as i64
    }
}

/// Returns a Utah phone number that is not assigned.
fn phone(dice: Dice, which: u64) -> String {
    let area = dice.pick(which, &["801", "385", "435"]);
    format!(
        "{area}-555-{:04}",
        dice.below(which.wrapping_add(1), 10_000)
    )
}
