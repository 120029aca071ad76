//! Every record of the market as it is now.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::Context;
use serde_json::{Map, Value as Json};

use crate::behaviour::{Behaviour, DeletedNames, ServerBehaviour, Spoil};
use crate::fields::{CAN_VIEW, Kind, Set, Table, tables};
use crate::makers::{MadeTable, ORIGIN};
use crate::world::{Base, DESCRIBED, Deletion, MAX_LISTINGS, Term, children, stride};

/// The changes to one record since the feed started.
#[derive(Clone, Debug, Default)]
pub struct Overlay {
    /// Edited fields, as JSON.
    pub patch: Map<String, Json>,
    /// The time at which the record was added, in seconds; `None` if it was there at the start.
    pub born: Option<i64>,
    /// The number of times that a photo's file was replaced.
    pub version: u32,
    pub spoil: Option<Spoil>,
}

/// The entity sets that mark deleted records.
const FLAGGED: [Set; 2] = [Set::Property, Set::OpenHouse];

/// The time for which marked records stay, in seconds. Source: docs.mlsgrid.com
const FLAGGED_FOR: i64 = 7 * 86_400;

/// 2097-01-01, in seconds since 1970.
const YEAR_2097: i64 = 4_007_836_800;

/// A change to the market. While the market is held, changes wait.
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
#[derive(Clone, Debug)]
pub struct Market {
    pub base: Base,
    pub behaviour: ServerBehaviour,
    /// The entity types, in the order of [`Set::ALL`].
    tables: Vec<MadeTable>,
    /// The possible entity types of the Deleted feed.
    deleted_tables: [(DeletedNames, MadeTable); 3],
    /// The number of listings that have ever existed.
    listings: u64,
    overlays: HashMap<Set, HashMap<u64, Overlay>>,
    absent: HashMap<Set, BTreeSet<u64>>,
    /// The deleted records that the feed still sends, with the times of their deletion, in
    /// seconds.
    flagged: HashMap<Set, BTreeMap<u64, i64>>,
    /// The number of children that a listing has ever had, if some were added.
    serials: HashMap<(Set, u64), u64>,
    pub deletions: Vec<Deletion>,
    held: Option<Vec<Change>>,
    /// The number of times that [`super::trade::move_market`] ran.
    pub moves: u64,
}

impl Market {
    pub fn new(base: Base, behaviour: ServerBehaviour) -> Market {
        let names = [
            DeletedNames::Live,
            DeletedNames::Guide,
            DeletedNames::Resource,
        ];
        let mut market = Market {
            listings: base.listings,
            base,
            behaviour: ServerBehaviour::default(),
            tables: tables().into_iter().map(MadeTable::new).collect(),
            deleted_tables: names.map(|names| (names, MadeTable::new(Table::deleted(names)))),
            overlays: HashMap::new(),
            absent: HashMap::new(),
            flagged: HashMap::new(),
            serials: HashMap::new(),
            deletions: Vec::new(),
            held: None,
            moves: 0,
        };
        market.set_server(|server| *server = behaviour);
        market
    }

    /// Changes how the server behaves. A field that a behaviour needs stays declared.
    pub fn set_server(&mut self, change: impl FnOnce(&mut ServerBehaviour)) {
        change(&mut self.behaviour);
        for set in FLAGGED {
            if self.flags(set) {
                self.made_table_mut(set).declare(CAN_VIEW, Kind::Boolean);
            }
        }
    }

    /// Returns the entity type of a set, with its makers.
    pub fn made_table(&self, set: Set) -> &MadeTable {
        if set == Set::Deleted {
            let names = self.behaviour.deleted_names;
            let mut tables = self.deleted_tables.iter();
            let found = tables.find(|(known, _)| *known == names);
            return &found.unwrap_or(&self.deleted_tables[0]).1;
        }
        &self.tables[Self::position(set)]
    }

    pub fn table(&self, set: Set) -> &Table {
        self.made_table(set).table()
    }

    pub fn made_table_mut(&mut self, set: Set) -> &mut MadeTable {
        &mut self.tables[Self::position(set)]
    }

    fn position(set: Set) -> usize {
        Set::ALL
            .iter()
            .position(|one| *one == set)
            .unwrap_or_default()
    }

    pub fn overlay(&self, set: Set, id: u64) -> Option<&Overlay> {
        self.overlays.get(&set)?.get(&id)
    }

    pub fn overlay_mut(&mut self, set: Set, id: u64) -> &mut Overlay {
        self.overlays.entry(set).or_default().entry(id).or_default()
    }

    /// Returns the number of listings at the start. Later ones have ids from this one on.
    pub fn listings_at_start(&self) -> u64 {
        self.base.listings
    }

    pub fn absent(&self, set: Set) -> Option<&BTreeSet<u64>> {
        self.absent.get(&set).filter(|absent| !absent.is_empty())
    }

    /// Returns the first id above those of a set's records.
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

    /// Returns the number of children of a set that a listing has ever had.
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

    /// Returns whether deleted records of a set are marked.
    pub fn flags(&self, set: Set) -> bool {
        self.behaviour.has(Behaviour::DeletedByFlag) && FLAGGED.contains(&set)
    }

    /// Returns whether a record is marked as deleted.
    pub fn is_flagged(&self, set: Set, id: u64) -> bool {
        (self.flagged.get(&set)).is_some_and(|flagged| flagged.contains_key(&id))
    }

    /// Returns whether a record exists and neither it nor its listing is marked as deleted.
    pub fn is_live(&self, set: Set, id: u64) -> bool {
        let is_parent_flagged =
            || set.is_child() && self.is_flagged(Set::Property, id / stride(set));
        self.exists(set, id) && !self.is_flagged(set, id) && !is_parent_flagged()
    }

    /// Returns the ids of the records that are not deleted, in the order of their keys; those of
    /// children listing by listing.
    pub fn live(&self, set: Set) -> Vec<u64> {
        let ids: Vec<u64> = if set.is_child() {
            let listings = 0..self.listings;
            listings.flat_map(|one| self.children(set, one)).collect()
        } else {
            (0..self.end(set)).collect()
        };
        ids.into_iter()
            .filter(|&id| self.is_live(set, id))
            .collect()
    }

    /// Removes the marked records that were deleted too long before `now`.
    pub fn remove_old_flagged(&mut self, now: i64) {
        for (set, flagged) in &mut self.flagged {
            let old = flagged.extract_if(.., |_, at| now - *at > FLAGGED_FOR);
            let absent = self.absent.entry(*set).or_default();
            absent.extend(old.map(|(id, _)| id));
        }
    }

    /// Whether the feed sends this record now. A child is deleted with its listing.
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

    /// Returns the ids of a listing's existing children, in the order of their keys.
    pub fn children(&self, set: Set, listing: u64) -> Vec<u64> {
        self.children_that(set, listing, |_| true)
    }

    /// Returns the ids of a listing's existing children that `keep` accepts, in the order of
    /// their keys.
    pub fn children_that(&self, set: Set, listing: u64, keep: impl Fn(u64) -> bool) -> Vec<u64> {
        let serials = self.serials(set, listing);
        if serials == 0 || self.is_absent(Set::Property, listing) {
            return Vec::new();
        }
        let first = listing * stride(set);
        let mut ids: Vec<u64> = (first..first + serials)
            .filter(|&id| !self.is_absent(set, id) && keep(id))
            .collect();
        // Photos are the only children whose ids and keys order differently.
        if set == Set::Media && ids.len() > 1 {
            ids.sort_by_cached_key(|&id| self.key(set, id));
        }
        ids
    }

    /// Returns the number of existing children of a listing.
    pub fn count_children(&self, set: Set, listing: u64) -> u64 {
        if self.is_absent(Set::Property, listing) {
            return 0;
        }
        let first = listing * stride(set);
        let serials = self.serials(set, listing);
        let deleted = self
            .absent(set)
            .map_or(0, |absent| absent.range(first..first + serials).count());
        serials - deleted as u64
    }

    /// Returns the number of records in a set.
    pub fn count(&self, set: Set) -> u64 {
        if set.is_child() {
            return (0..self.listings)
                .map(|listing| self.count_children(set, listing))
                .sum();
        }
        self.end(set) - self.absent(set).map_or(0, |absent| absent.len() as u64)
    }

    /// Returns a record's key as text.
    pub fn key(&self, set: Set, id: u64) -> String {
        match set {
            Set::Property => self.base.listing_key(id).to_string(),
            Set::Member => self.base.member_key(id).to_string(),
            Set::Office => self.base.office_key(id).to_string(),
            Set::Lookup => Term::key(id),
            Set::Resource => DESCRIBED
                .get(id as usize)
                .map_or(String::new(), |set| set.name().to_owned()),
            Set::DataSystem => ORIGIN.to_owned(),
            Set::Deleted => id.to_string(),
            _ => children::key(&self.base, set, id),
        }
    }

    /// Returns the id of the record with this key, even if the record is deleted.
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

    /// Returns the id of an existing record.
    pub fn existing(&self, set: Set, key: &str) -> anyhow::Result<u64> {
        self.id(set, key)
            .filter(|&id| self.exists(set, id))
            .with_context(|| format!("the feed has no {} {key}", set.name()))
    }

    /// Applies a change, or keeps it until the market is released.
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
                self.flagged.entry(set).or_default().remove(&id);
            }
            Change::Vanish { set, id } => {
                self.absent.entry(set).or_default().insert(id);
            }
            Change::NewFile { id } => self.overlay_mut(Set::Media, id).version += 1,
            Change::Announce(deletion) => self.announce(deletion),
        }
    }

    fn announce(&mut self, deletion: Deletion) {
        let Deletion { set, at, .. } = deletion;
        if self.flags(set) {
            if let Some(id) = self.id(set, &deletion.key) {
                self.apply(Change::Appear { set, id });
                self.flagged.entry(set).or_default().insert(id, at);
            }
            return;
        }
        if self.behaviour.has(Behaviour::DeletedWithoutKey) {
            let key = String::new();
            self.deletions.push(Deletion { set, key, at });
        }
        let from = self.deletions.len() as u64 % self.end(set).max(1);
        let staying = (from..self.end(set)).find(|&id| self.exists(set, id));
        self.deletions.push(deletion);
        if let Some(id) = staying
            && self.behaviour.has(Behaviour::AnnouncedButAlive)
        {
            let is_first = self.deletions.iter().all(|one| one.at != YEAR_2097);
            let later = is_first.then_some(YEAR_2097);
            for at in [at].into_iter().chain(later) {
                let key = self.key(set, id);
                self.deletions.push(Deletion { set, key, at });
            }
        }
    }

    /// Adds a listing and returns its id, or `None` if there is no key left.
    pub fn add_listing(&mut self, born: i64) -> Option<u64> {
        let id = self.listings;
        if id >= MAX_LISTINGS {
            return None;
        }
        self.listings += 1;
        self.add(Set::Property, id, born);
        Some(id)
    }

    /// Adds a child to a listing and returns its id, or `None` if the listing is full.
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

    /// Makes changes wait until [`Market::release`].
    pub fn hold(&mut self) {
        self.held.get_or_insert_default();
    }

    /// Applies the changes that waited.
    pub fn release(&mut self) {
        for change in self.held.take().unwrap_or_default() {
            self.apply(change);
        }
    }
}
