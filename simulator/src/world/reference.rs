//! Records outside the market: lookups, the description of the service, and deletions.

use super::base::Base;
use crate::fields::{Enumeration, Set, enumerations};

/// One record of Lookup.
#[derive(Clone, Copy, Debug)]
pub struct Term {
    pub index: u64,
    pub enumeration: &'static Enumeration,
    pub member: usize,
    pub timestamp: i64,
}

impl Term {
    /// Returns the record at `index`, in the order of the enumerations.
    pub fn at(index: u64, start: i64) -> Option<Term> {
        let mut left = index as usize;
        for enumeration in enumerations() {
            if left < enumeration.members.len() {
                return Some(Term {
                    index,
                    enumeration,
                    member: left,
                    timestamp: start - 200 * 86_400,
                });
            }
            left -= enumeration.members.len();
        }
        None
    }

    pub fn count() -> u64 {
        enumerations().iter().map(|e| e.members.len() as u64).sum()
    }

    pub fn key(index: u64) -> String {
        format!("L{index:05}")
    }
}

/// One record of DataSystem or Resource.
#[derive(Clone, Copy, Debug)]
pub struct Fixed<'m> {
    pub base: &'m Base,
    /// The described resource, or `None` for the data system.
    pub describes: Option<Set>,
}

/// The resources that Resource lists, in the order of their keys.
pub const DESCRIBED: [Set; 7] = [
    Set::Lookup,
    Set::Media,
    Set::Member,
    Set::Office,
    Set::OpenHouse,
    Set::Property,
    Set::PropertyUnitTypes,
];

/// One record of Deleted.
#[derive(Clone, Debug)]
pub struct Deletion {
    pub set: Set,
    pub key: String,
    /// In seconds.
    pub at: i64,
}
