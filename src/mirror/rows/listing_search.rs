//! Finding listings by the names that people use: the MLS number, or the address.

use rusqlite::{Connection, params_from_iter};
use serde::Serialize;

use crate::mirror::record_table::Table;
use crate::mirror::{Mirror, ReadTx};
use crate::resource::Resource;

/// The greatest number of listings that a search returns.
const MATCHES: usize = 50;

/// The listings that a text names.
#[derive(Clone, Debug)]
pub enum NamedListing {
    /// The key of one listing. If no listing matches, this is the text itself.
    Key(String),
    /// Several listings, the live ones first.
    Several {
        /// The first 50 of them.
        listings: Vec<FoundListing>,
        /// Whether there are more.
        has_more: bool,
    },
}

/// A listing that a search found.
#[derive(Clone, Debug, Serialize)]
pub struct FoundListing {
    /// Its ListingKey.
    pub listing_key: String,
    /// Its ListingId: the MLS number.
    pub listing_id: Option<String>,
    /// Its address.
    pub address: Option<String>,
    /// Its City.
    pub city: Option<String>,
    /// Its StandardStatus.
    pub status: Option<String>,
    /// Whether it is soft-deleted.
    pub is_deleted: bool,
}

impl Mirror {
    /// Finds a listing by its key, else by its ListingId, else by its address. An address
    /// matches if it, the city, the state and the postal code have every word of the text; if
    /// none does, the starts of words are enough. Case does not matter. A search by address
    /// reads every listing.
    pub fn find_listing(&mut self, text: &str) -> rusqlite::Result<NamedListing> {
        self.read()?.find_listing(text)
    }

    /// Finds a listing by its key, else by its ListingId. Indexes make that fast.
    pub fn find_listing_by_id(&mut self, text: &str) -> rusqlite::Result<NamedListing> {
        self.read()?.find_listing_by_id(text)
    }

    /// Returns whether a listing has this key, or had it once and is in the log.
    pub fn knows_listing(&mut self, key: &str) -> rusqlite::Result<bool> {
        self.read()?.knows_listing(key)
    }
}

impl ReadTx<'_> {
    fn find_listing(&self, text: &str) -> rusqlite::Result<NamedListing> {
        let (db, text) = (&*self.transaction, text.trim());
        let Some(listings) = Table::of(db, Resource::PROPERTY)? else {
            return Ok(NamedListing::Key(text.to_owned()));
        };
        let mut found = with_id(db, &listings, text)?;
        if found.is_empty() && is_logged(db, text)? {
            return Ok(NamedListing::Key(text.to_owned()));
        }
        for end in [" ", ""] {
            if found.is_empty() {
                let words = words(text, end);
                found = matching(db, &listings, &has_words(&listings, &words), &words)?;
            }
        }
        Ok(named(text, found))
    }

    fn find_listing_by_id(&self, text: &str) -> rusqlite::Result<NamedListing> {
        let (db, text) = (&*self.transaction, text.trim());
        let found = match Table::of(db, Resource::PROPERTY)? {
            Some(listings) => with_id(db, &listings, text)?,
            None => Vec::new(),
        };
        Ok(named(text, found))
    }

    fn knows_listing(&self, key: &str) -> rusqlite::Result<bool> {
        let db = &*self.transaction;
        let found = match Table::of(db, Resource::PROPERTY)? {
            Some(listings) => with_key(db, &listings, key)?,
            None => Vec::new(),
        };
        Ok(!found.is_empty() || is_logged(db, key)?)
    }
}

fn named(text: &str, mut found: Vec<FoundListing>) -> NamedListing {
    match &*found {
        [] => NamedListing::Key(text.to_owned()),
        [one] => NamedListing::Key(one.listing_key.clone()),
        _ => {
            let has_more = found.len() > MATCHES;
            found.truncate(MATCHES);
            NamedListing::Several {
                listings: found,
                has_more,
            }
        }
    }
}

/// Returns the listing with this key, or else those with this ListingId. The log still has
/// the key of a listing whose row retention removed.
fn with_id(db: &Connection, listings: &Table, text: &str) -> rusqlite::Result<Vec<FoundListing>> {
    let found = with_key(db, listings, text)?;
    if !found.is_empty() || !listings.has("ListingId") || is_logged(db, text)? {
        return Ok(found);
    }
    let is_id = "listings.\"ListingId\" = ?1";
    matching(db, listings, is_id, &[text.to_owned()])
}

fn with_key(db: &Connection, listings: &Table, key: &str) -> rusqlite::Result<Vec<FoundListing>> {
    let is_key = format!("{} = ?1", listings.key());
    matching(db, listings, &is_key, &[key.to_owned()])
}

fn is_logged(db: &Connection, key: &str) -> rusqlite::Result<bool> {
    db.prepare("SELECT 1 FROM changes WHERE listing_key = ?1")?
        .exists([key])
}

/// Returns the words of an address, each with a space before it and this end.
fn words(text: &str, end: &str) -> Vec<String> {
    let text = text.to_ascii_lowercase().replace([',', '#'], " ");
    text.split_whitespace()
        .map(|word| format!(" {word}{end}"))
        .collect()
}

/// Returns the condition that an address has all words; false without words.
fn has_words(listings: &Table, words: &[String]) -> String {
    let place = format!(
        "lower(' ' || replace(replace(coalesce({}, '') || ' ' || coalesce({}, '') || ' ' \
         || coalesce({}, '') || ' ' || coalesce({}, ''), ',', ' '), '#', ' ') || ' ')",
        listings.address(),
        listings.value("City"),
        listings.value("StateOrProvince"),
        listings.value("PostalCode"),
    );
    let conditions: Vec<String> = (1..=words.len())
        .map(|at| format!("instr({place}, ?{at}) > 0"))
        .collect();
    if conditions.is_empty() {
        return "false".to_owned();
    }
    conditions.join(" AND ")
}

fn matching(
    db: &Connection,
    listings: &Table,
    condition: &str,
    values: &[String],
) -> rusqlite::Result<Vec<FoundListing>> {
    let sql = format!(
        "SELECT CAST({key} AS TEXT), CAST({} AS TEXT), {}, {}, {}, deleted_at IS NOT NULL
         FROM listings WHERE {condition}
         ORDER BY deleted_at IS NOT NULL, {key} LIMIT {MATCHES} + 1",
        listings.value("ListingId"),
        listings.address(),
        listings.value("City"),
        listings.value("StandardStatus"),
        key = listings.key(),
    );
    let found = |row: &rusqlite::Row<'_>| {
        Ok(FoundListing {
            listing_key: row.get(0)?,
            listing_id: row.get(1)?,
            address: row.get(2)?,
            city: row.get(3)?,
            status: row.get(4)?,
            is_deleted: row.get(5)?,
        })
    };
    db.prepare(&sql)?
        .query_map(params_from_iter(values), found)?
        .collect()
}
