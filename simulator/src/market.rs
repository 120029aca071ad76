//! The market as it stands now: what it is made from, and what moved since.

use std::collections::{BTreeSet, HashMap};

use serde_json::{Map, Value as Json};

use super::base::{Base, MAX_LISTINGS, stride};
use super::behaviour::{DeletedNames, ServerBehaviour, Spoil};
use super::children;
use super::reference::{DESCRIBED, Deletion, Term};
use super::schema::{Set, Table, tables};

/// What is different about one record from how it was made.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Fields that were edited, as answers give them.
    pub patch: Map<String, Json>,
    /// When it came, in seconds, if that was after the feed started.
    pub born: Option<i64>,
    /// How often a photo's file was replaced.
    pub version: u32,
    pub spoil: Option<Spoil>,
}

/// A change to the market; while it is held, changes wait.
#[derive(Clone, Debug)]
pub enum Change {
    Edit {
        set: Set,
        id: u64,
        fields: Map<String, Json>,
    },
    Appear {
        set: Set,
        id: u64,
    },
    Vanish {
        set: Set,
        id: u64,
    },
    NewFile {
        id: u64,
    },
    Announce(Deletion),
}

/// Every record that the feed holds.
#[derive(Debug)]
pub struct Market {
    pub base: Base,
    pub behaviour: ServerBehaviour,
    pub tables: Vec<Table>,
    deleted_tables: [(DeletedNames, Table); 3],
    /// Listings that ever were.
    listings: u64,
    overlays: HashMap<Set, HashMap<u64, Overlay>>,
    absent: HashMap<Set, BTreeSet<u64>>,
    /// How many children of a kind a listing ever had, where that is not as it began.
    serials: HashMap<(Set, u64), u64>,
    pub deletions: Vec<Deletion>,
    held: Option<Vec<Change>>,
    /// How often the market was moved as a whole.
    pub moves: u64,
}

impl Market {
    pub fn new(base: Base, behaviour: ServerBehaviour) -> Market {
        let names = [
            DeletedNames::Live,
            DeletedNames::Guide,
            DeletedNames::Resource,
        ];
        Market {
            listings: base.listings,
            base,
            behaviour,
            tables: tables(),
            deleted_tables: names.map(|names| (names, Table::deleted(names))),
            overlays: HashMap::new(),
            absent: HashMap::new(),
            serials: HashMap::new(),
            deletions: Vec::new(),
            held: None,
            moves: 0,
        }
    }

    pub fn table(&self, set: Set) -> &Table {
        let deleted = || {
            let named = self
                .deleted_tables
                .iter()
                .find(|(names, _)| *names == self.behaviour.deleted_names);
            named.map_or(&self.deleted_tables[0].1, |(_, table)| table)
        };
        self.tables
            .iter()
            .find(|table| table.set == set && set != Set::Deleted)
            .unwrap_or_else(deleted)
    }

    pub fn table_mut(&mut self, set: Set) -> Option<&mut Table> {
        self.tables.iter_mut().find(|table| table.set == set)
    }

    pub fn overlay(&self, set: Set, id: u64) -> Option<&Overlay> {
        self.overlays.get(&set)?.get(&id)
    }

    pub fn overlay_mut(&mut self, set: Set, id: u64) -> &mut Overlay {
        self.overlays.entry(set).or_default().entry(id).or_default()
    }

    pub fn absent(&self, set: Set) -> Option<&BTreeSet<u64>> {
        self.absent.get(&set).filter(|absent| !absent.is_empty())
    }

    /// One past the highest id that a record of this kind can have.
    pub fn end(&self, set: Set) -> u64 {
        match set {
            Set::Property => self.listings,
            Set::Member => self.base.members,
            Set::Office => self.base.offices,
            Set::Lookup => Term::count(),
            Set::Resource => DESCRIBED.len() as u64,
            Set::DataSystem => 1,
            Set::Deleted => self.deletions.len() as u64,
            _ => self.listings * stride(set),
        }
    }

    /// How many children of a kind a listing ever had.
    pub fn serials(&self, set: Set, listing: u64) -> u64 {
        if !self.serials.is_empty()
            && let Some(serials) = self.serials.get(&(set, listing))
        {
            return *serials;
        }
        self.base.children(set, listing)
    }

    fn is_absent(&self, set: Set, id: u64) -> bool {
        self.absent(set).is_some_and(|absent| absent.contains(&id))
    }

    /// Whether the feed holds this record now. A child goes with its listing.
    pub fn exists(&self, set: Set, id: u64) -> bool {
        if id >= self.end(set) || self.is_absent(set, id) {
            return false;
        }
        if !set.is_child() {
            return true;
        }
        let (listing, serial) = (id / stride(set), id % stride(set));
        !self.is_absent(Set::Property, listing) && serial < self.serials(set, listing)
    }

    /// Ids of a listing's children that the feed holds, in the order of their keys.
    pub fn children(&self, set: Set, listing: u64) -> Vec<u64> {
        self.children_that(set, listing, |_| true)
    }

    /// Those of a listing's children that are to be kept, in the order of their keys.
    pub fn children_that(&self, set: Set, listing: u64, keep: impl Fn(u64) -> bool) -> Vec<u64> {
        let serials = self.serials(set, listing);
        if serials == 0 || self.is_absent(Set::Property, listing) {
            return Vec::new();
        }
        let first = listing * stride(set);
        let ids = first..first + serials;
        let mut ids: Vec<u64> = ids
            .filter(|&id| !self.is_absent(set, id) && keep(id))
            .collect();
        // Only the keys of photos are not in the order of ids.
        if set == Set::Media && ids.len() > 1 {
            ids.sort_by_cached_key(|&id| self.key(set, id));
        }
        ids
    }

    /// How many children of a kind a listing has.
    pub fn count_children(&self, set: Set, listing: u64) -> u64 {
        if self.is_absent(Set::Property, listing) {
            return 0;
        }
        let first = listing * stride(set);
        let serials = self.serials(set, listing);
        let gone = self
            .absent(set)
            .map_or(0, |absent| absent.range(first..first + serials).count());
        serials - gone as u64
    }

    /// How many records of a kind the feed holds.
    pub fn count(&self, set: Set) -> u64 {
        if set.is_child() {
            return (0..self.listings)
                .map(|listing| self.count_children(set, listing))
                .sum();
        }
        self.end(set) - self.absent(set).map_or(0, |absent| absent.len() as u64)
    }

    /// The key, as text, of a record.
    pub fn key(&self, set: Set, id: u64) -> String {
        match set {
            Set::Property => self.base.listing_key(id).to_string(),
            Set::Member => self.base.member_key(id).to_string(),
            Set::Office => self.base.office_key(id).to_string(),
            Set::Lookup => Term::key(id),
            Set::Resource => DESCRIBED
                .get(id as usize)
                .map_or(String::new(), |set| set.name().to_owned()),
            Set::DataSystem => super::make_listing::ORIGIN.to_owned(),
            Set::Deleted => id.to_string(),
            _ => children::key(&self.base, set, id),
        }
    }

    /// The id of the record with this key, whether or not the feed holds it now.
    pub fn id(&self, set: Set, key: &str) -> Option<u64> {
        let number = || key.parse::<i64>().ok();
        let id = match set {
            Set::Property => self.base.listing_index(number()?)?,
            Set::Member => self.base.member_index(number()?)?,
            Set::Office => self.base.office_index(number()?)?,
            Set::Lookup | Set::Resource | Set::DataSystem => {
                (0..self.end(set)).find(|&id| self.key(set, id) == key)?
            }
            Set::Deleted => return None,
            _ => children::id_of(&self.base, set, key)?,
        };
        (id < self.end(set)).then_some(id)
    }

    /// Makes a change, or keeps it until the market is released.
    pub fn change(&mut self, change: Change) {
        match &mut self.held {
            Some(held) => held.push(change),
            None => self.apply(change),
        }
    }

    fn apply(&mut self, change: Change) {
        match change {
            Change::Edit { set, id, fields } => self.overlay_mut(set, id).patch.extend(fields),
            Change::Appear { set, id } => {
                self.absent.entry(set).or_default().remove(&id);
            }
            Change::Vanish { set, id } => {
                self.absent.entry(set).or_default().insert(id);
            }
            Change::NewFile { id } => self.overlay_mut(Set::Media, id).version += 1,
            Change::Announce(deletion) => self.deletions.push(deletion),
        }
    }

    /// Adds a listing and gives its id; none where there is no key left.
    pub fn add_listing(&mut self, born: i64) -> Option<u64> {
        let id = self.listings;
        if id >= MAX_LISTINGS {
            return None;
        }
        self.listings += 1;
        self.add(Set::Property, id, born);
        Some(id)
    }

    /// Adds a child to a listing and gives its id; none where it can have no more.
    pub fn add_child(&mut self, set: Set, listing: u64, born: i64) -> Option<u64> {
        let serial = self.serials(set, listing);
        if serial >= stride(set) {
            return None;
        }
        self.serials.insert((set, listing), serial + 1);
        let id = listing * stride(set) + serial;
        self.add(set, id, born);
        Some(id)
    }

    fn add(&mut self, set: Set, id: u64, born: i64) {
        self.overlay_mut(set, id).born = Some(born);
        if self.held.is_some() {
            self.apply(Change::Vanish { set, id });
            self.change(Change::Appear { set, id });
        }
    }

    /// From now on changes wait.
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Makes the changes that waited.
    pub fn release(&mut self) {
        for change in self.held.take().unwrap_or_default() {
            self.apply(change);
        }
    }
}
