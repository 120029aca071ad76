//! A listing with all that belongs to it: as it is, or as the log tells that it was.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::{Connection, OptionalExtension, ToSql, params_from_iter};
use serde::{Serialize, Serializer};

use super::changes::ChangeRow;
use super::photos::is_file_column;
use super::retention::LOG_BEGINS;
use super::rows::{SqlValue, stored};
use super::schema::columns;
use super::views::Table;
use super::{Mirror, Writing, quoted};
use crate::resource::{MODIFICATION_TIMESTAMP, Resource};
use crate::value::Value;

/// A listing with its photos, open houses and other children, and its history.
#[derive(Clone, Debug)]
pub struct WholeListing {
    /// The listing itself.
    pub listing: HeldRecord,
    /// Where it is, in the form that fits.
    pub address: Option<String>,
    /// What belongs to it and is live, resource by resource, in order.
    pub children: Vec<HeldRecord>,
    /// The log of the listing and its children, oldest first.
    pub history: Vec<ChangeRow>,
    /// How many of its children were there, but were removed for good since.
    pub forgotten: usize,
}

/// What the mirror holds, or held, of a record.
#[derive(Clone, Debug)]
pub struct HeldRecord {
    /// Of which resource.
    pub resource: Resource,
    /// Its key.
    pub key: String,
    /// The columns that have a value, in the order of the table.
    pub values: Vec<(String, Value)>,
}

/// There is no such listing to show.
#[derive(Debug, thiserror::Error)]
pub enum NoListing {
    /// The mirror never held it.
    #[error("the mirror holds no listing whose ListingKey is {key}{}", hint(.same_id))]
    Unknown {
        /// What was asked for.
        key: String,
        /// The keys of listings that have it as their ListingId.
        same_id: Vec<String>,
    },
    /// It came later than that.
    #[error(
        "the mirror did not hold listing {key} at {at} UTC: it has held it since {since}; ask for a later time"
    )]
    NotYet {
        /// The listing.
        key: String,
        /// The time that was asked for.
        at: String,
        /// When the mirror first held it.
        since: String,
    },
    /// It was deleted, and its content was removed by `[retention]`.
    #[error(
        "listing {key} was deleted and removed for good; `mlsmirror changes --listing {key}` prints what is left of it in the log"
    )]
    Forgotten {
        /// The listing.
        key: String,
    },
    /// The log does not reach back that far.
    #[error(
        "what was at {at} UTC cannot be told: `[retention] changes` removed what was logged before {since}; ask for a later time"
    )]
    LogBegins {
        /// The time that was asked for.
        at: String,
        /// From when on the log is whole.
        since: String,
    },
}

fn hint(same_id: &[String]) -> String {
    match same_id {
        [] => String::new(),
        keys => format!(
            "; as their ListingId have it the listings {}",
            keys.join(", ")
        ),
    }
}

/// Finds the entries by which children went from one listing to another. Word for word
/// the condition of the index `changes_moved`.
const MOVED: &str = "resource <> 'Property' AND field IN \
     ('ResourceRecordKey', 'ResourceRecordKeyNumeric', 'ListingKey', 'ListingKeyNumeric')";

impl Mirror {
    /// A listing by its key: as it is, or as it was once everything had been logged
    /// that was recorded at a moment (in storage form) or before.
    ///
    /// # Errors
    /// [`NoListing`] if there is none to show, or the database cannot be read.
    pub fn listing(&mut self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        let log_begins = self.learned(LOG_BEGINS)?;
        if let (Some(at), Some(since)) = (at, log_begins)
            && at < since.as_str()
        {
            let at = at.to_owned();
            return Err(NoListing::LogBegins { at, since }.into());
        }
        // All of it from one moment, also while a sync writes.
        self.look()?.listing(key, at)
    }
}

impl Writing<'_> {
    fn listing(&self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        let db = &*self.transaction;
        let Some(listings) = Table::of(db, Resource::Property)? else {
            return Err(self.unknown(key)?.into());
        };
        let past = at.map(|at| Past::at(db, key, at)).transpose()?;
        let mut history = entries(db, "listing_key = ?1 ORDER BY id", &[&key])?;
        let Some(mut listing) = row(db, Resource::Property, "\"ListingKey\" = ?1", key)?.pop()
        else {
            return Err(match history.is_empty() {
                true => self.unknown(key)?,
                false => NoListing::Forgotten {
                    key: key.to_owned(),
                },
            }
            .into());
        };
        let mut children = Vec::new();
        for resource in Resource::ALL.into_iter().filter(|one| one.is_child()) {
            children.extend(row(db, resource, "listing_key = ?1", key)?);
        }
        let mut forgotten = 0;
        if let Some(past) = &past {
            let since = listing.text("first_seen_at");
            listing = past
                .of(listing, &history)
                .ok_or_else(|| NoListing::NotYet {
                    key: key.to_owned(),
                    at: past.at.clone(),
                    since,
                })?;
            children = past.children(db, key, children, &history)?;
            forgotten = past.forgotten(&children, &history);
            history.retain(|entry| entry.id <= past.last);
        }
        children.retain(|child| child.deleted().is_none());
        children.sort_by_cached_key(HeldRecord::place);
        Ok(WholeListing {
            address: address(db, &listings, &listing)?,
            listing,
            children,
            history,
            forgotten,
        })
    }

    fn unknown(&self, key: &str) -> rusqlite::Result<NoListing> {
        let known = columns(&self.transaction, "listings")?;
        let same_id = match known.iter().any(|column| column == "ListingId") {
            true => self
                .transaction
                .prepare("SELECT \"ListingKey\" FROM listings WHERE \"ListingId\" = ?1 LIMIT 3")?
                .query_map([key], |row| row.get(0))?
                .collect::<Result<_, _>>()?,
            false => Vec::new(),
        };
        Ok(NoListing::Unknown {
            key: key.to_owned(),
            same_id,
        })
    }
}

impl Serialize for HeldRecord {
    /// An object of the columns that have a value.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values.iter().map(|(name, value)| (name, value)))
    }
}

impl HeldRecord {
    /// A column's value, if it has one.
    pub fn value(&self, column: &str) -> Option<&Value> {
        let held = self.values.iter().find(|(name, _)| name == column);
        held.map(|(_, value)| value)
    }

    /// When it was soft-deleted, if it was.
    pub fn deleted(&self) -> Option<&str> {
        self.value("deleted_at").and_then(Value::as_text)
    }

    fn text(&self, column: &str) -> String {
        let text = self.value(column).and_then(Value::as_text);
        text.unwrap_or_default().to_owned()
    }

    fn set(&mut self, column: &str, value: Value) {
        let held = self.values.iter().position(|(name, _)| name == column);
        match (held, value) {
            (Some(at), Value::Null) => {
                self.values.remove(at);
            }
            (Some(at), value) => self.values[at].1 = value,
            (None, Value::Null) => {}
            (None, value) => self.values.push((column.to_owned(), value)),
        }
    }

    /// Where it stands among its listing's children.
    fn place(&self) -> (Resource, i64, String, String) {
        let (order, start) = match self.resource {
            Resource::Media => (self.value("Order"), None),
            _ => (None, self.value("OpenHouseStartTime")),
        };
        let order = match order {
            Some(Value::Integer(order)) => *order,
            _ => i64::MAX,
        };
        let start = start
            .and_then(Value::as_text)
            .unwrap_or_default()
            .to_owned();
        (self.resource, order, start, self.key.clone())
    }
}

/// The rows of a resource that a condition finds.
fn row(
    db: &Connection,
    resource: Resource,
    condition: &str,
    key: &str,
) -> rusqlite::Result<Vec<HeldRecord>> {
    let table = resource.table();
    let columns = columns(db, table)?;
    if columns.is_empty() {
        return Ok(Vec::new());
    }
    let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    let sql = format!(
        "SELECT CAST({} AS TEXT), {} FROM {table} WHERE {condition}",
        quoted(resource.key()),
        names.join(", ")
    );
    let held = |row: &rusqlite::Row<'_>| {
        let values = columns.iter().enumerate().map(|(at, name)| {
            let value = stored(row, at + 1).to_owned();
            (name.clone(), value)
        });
        Ok(HeldRecord {
            resource,
            key: row.get(0)?,
            values: values.filter(|(_, value)| *value != Value::Null).collect(),
        })
    };
    db.prepare(&sql)?.query_map([key], held)?.collect()
}

fn entries(
    db: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<Vec<ChangeRow>> {
    let columns = ChangeRow::COLUMNS.join(", ");
    db.prepare(&format!("SELECT {columns} FROM changes WHERE {condition}"))?
        .query_map(parameters, ChangeRow::from_row)?
        .collect()
}

/// The address of a listing's values, by the one rule that there is.
fn address(
    db: &Connection,
    listings: &Table,
    listing: &HeldRecord,
) -> rusqlite::Result<Option<String>> {
    let values: Vec<String> = (listings.columns.iter().enumerate())
        .map(|(at, name)| format!("?{} AS {}", at + 1, quoted(name)))
        .collect();
    let sql = format!(
        "SELECT {} FROM (SELECT {}) AS listings",
        listings.address(),
        values.join(", ")
    );
    let held = |name: &String| SqlValue(listing.value(name).unwrap_or(&Value::Null).as_ref());
    let address: Option<String> = db.query_row(
        &sql,
        params_from_iter(listings.columns.iter().map(held)),
        |row| row.get(0),
    )?;
    Ok(address.filter(|address| !address.is_empty()))
}

/// A moment that the log leads back to.
struct Past {
    at: String,
    /// The last entry of the log that had been written by then.
    last: i64,
    /// The children that went from one listing to another since.
    moved: BTreeSet<(String, String)>,
}

impl Past {
    fn at(db: &Connection, key: &str, at: &str) -> rusqlite::Result<Past> {
        let last: Option<i64> = db
            .query_row(
                "SELECT id FROM changes WHERE recorded_at <= ?1
                 ORDER BY recorded_at DESC, id DESC LIMIT 1",
                [at],
                |row| row.get(0),
            )
            .optional()?;
        let last = last.unwrap_or(0);
        let moves = entries(db, &format!("{MOVED} AND id > ?1"), &[&last])?;
        let concerns = |entry: &ChangeRow| {
            let values = [&entry.old_value, &entry.new_value];
            let mut keys = values.into_iter().filter_map(Value::to_key);
            entry.listing_key.as_deref() == Some(key) || keys.any(|named| &*named == key)
        };
        let moved = moves.into_iter().filter(concerns);
        Ok(Past {
            at: at.to_owned(),
            last,
            moved: moved
                .map(|entry| (entry.resource, entry.record_key))
                .collect(),
        })
    }

    /// A record as it was, from what it is and its entries of the log; none if the
    /// mirror did not hold it then.
    fn of(&self, mut record: HeldRecord, entries: &[ChangeRow]) -> Option<HeldRecord> {
        let is_its = |entry: &&ChangeRow| {
            entry.resource == record.resource.entity_set() && entry.record_key == record.key
        };
        let entries: Vec<&ChangeRow> = entries.iter().filter(is_its).collect();
        let (before, since): (Vec<&ChangeRow>, Vec<&ChangeRow>) =
            entries.iter().partition(|entry| entry.id <= self.last);
        for entry in since.iter().rev() {
            match (entry.change.as_str(), &entry.field) {
                ("insert", _) => return None,
                ("delete", _) => {
                    record.set("deleted_at", Value::Null);
                    record.set("deleted_reason", Value::Null);
                }
                ("restore", _) => {
                    let deleted = before.iter().rfind(|entry| entry.change == "delete");
                    let at = deleted.map_or("", |entry| &entry.recorded_at);
                    record.set("deleted_at", Value::Text(at.into()));
                }
                (_, Some(field)) => record.set(field, entry.old_value.clone()),
                _ => {}
            }
        }
        if record.text("first_seen_at") > self.at {
            return None;
        }
        // What the log does not tell is left out rather than told of another time.
        record
            .values
            .retain(|(name, _)| name != "updated_at" && !is_file_column(name));
        if record.text(MODIFICATION_TIMESTAMP) > self.at || !since.is_empty() {
            let mut told = before.iter().rev().filter(|entry| entry.change != "delete");
            let stamp = told.find_map(|entry| entry.source_timestamp.as_deref());
            let stamp = stamp.map_or(Value::Null, |stamp| Value::Text(stamp.into()));
            record.set(MODIFICATION_TIMESTAMP, stamp);
        }
        Some(record)
    }

    /// The listing's children as they were, from those that it has now.
    fn children(
        &self,
        db: &Connection,
        key: &str,
        now: Vec<HeldRecord>,
        history: &[ChangeRow],
    ) -> rusqlite::Result<Vec<HeldRecord>> {
        let has_moved = |record: &HeldRecord| {
            let name = (record.resource.entity_set().to_owned(), record.key.clone());
            self.moved.contains(&name)
        };
        let stayed = now.into_iter().filter(|record| !has_moved(record));
        let mut children: Vec<HeldRecord> = stayed
            .filter_map(|record| self.of(record, history))
            .collect();
        for (resource, record_key) in &self.moved {
            let Ok(resource) = resource.parse::<Resource>() else {
                continue;
            };
            let condition = format!("{} = ?1", quoted(resource.key()));
            let Some(record) = row(db, resource, &condition, record_key)?.pop() else {
                continue;
            };
            let set = resource.entity_set();
            // Its log is of several listings.
            let log = entries(
                db,
                "resource = ?1 AND record_key = ?2 ORDER BY id",
                &[&set, record_key],
            )?;
            let belonged = |record: &HeldRecord| {
                let mut parents = resource.parent_fields().iter();
                let parent = parents.find_map(|field| record.value(field)?.to_key());
                parent.as_deref() == Some(key)
            };
            children.extend(self.of(record, &log).filter(belonged));
        }
        Ok(children)
    }

    /// How many children were there that no row is left of.
    fn forgotten(&self, children: &[HeldRecord], history: &[ChangeRow]) -> usize {
        let mut first = BTreeMap::new();
        for entry in history.iter().filter(|entry| entry.id > self.last) {
            let name = (entry.resource.as_str(), entry.record_key.as_str());
            first.entry(name).or_insert(entry.change.as_str());
        }
        let is_held = |name: (&str, &str)| {
            let mut held = children.iter();
            held.any(|child| (child.resource.entity_set(), child.key.as_str()) == name)
        };
        let was_there = first.into_iter().filter(|(_, change)| *change == "delete");
        was_there
            .filter(|(name, _)| name.0 != "Property" && !is_held(*name) && !self.has_moved(*name))
            .count()
    }

    fn has_moved(&self, (resource, key): (&str, &str)) -> bool {
        let name = (resource.to_owned(), key.to_owned());
        self.moved.contains(&name)
    }
}
