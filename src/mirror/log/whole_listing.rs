//! A listing with all its children: as it is, or as it was.

use rusqlite::{Connection, params_from_iter};

use super::change_reader::{ChangeRow, entries};
use super::past::Past;
use crate::mirror::record_table::Table;
use crate::mirror::rows::rows_where;
use crate::mirror::sql::{SqlValue, quoted};
use crate::mirror::{HeldRecord, Mirror, ReadTx};
use crate::resource::Resource;
use crate::value::Value;

/// A listing with its photos, open houses and other children, and its history.
#[derive(Clone, Debug)]
pub struct WholeListing {
    /// The listing itself.
    pub listing: HeldRecord,
    /// Its address.
    pub address: Option<String>,
    /// Its live children, by resource, in order.
    pub children: Vec<HeldRecord>,
    /// The log of the listing and its children, oldest first.
    pub history: Vec<ChangeRow>,
    /// The number of its children whose rows have been purged.
    pub purged: usize,
}

/// Why a listing cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum NoListing {
    /// The mirror has never held it.
    #[error("the mirror holds no listing with the ListingKey, ListingId or address {key}")]
    Unknown {
        /// The requested key.
        key: String,
    },
    /// No listing has this key or this ListingId, and addresses were not searched.
    #[error("the mirror holds no listing with the ListingKey or ListingId {key}")]
    NoSuchKey {
        /// The requested key.
        key: String,
    },
    /// The mirror did not hold it yet.
    #[error("the mirror did not hold listing {key} at {at}; it has held it since {since}")]
    NotYet {
        /// The listing's key.
        key: String,
        /// The requested time.
        at: String,
        /// When the mirror first held it.
        since: String,
    },
    /// It was deleted, and `[retention]` purged its row.
    #[error("listing {key} was deleted and removed for good")]
    Purged {
        /// The listing's key.
        key: String,
    },
    /// The log does not reach back to that time.
    #[error(
        "the mirror at {at} cannot be reconstructed: `[retention] changes` removed the log before {since}"
    )]
    LogBegins {
        /// The requested time.
        at: String,
        /// Since when the log is complete.
        since: String,
    },
}

impl NoListing {
    /// Returns it with its times written in another form.
    #[must_use]
    pub fn with_times(mut self, write: impl Fn(&str) -> String) -> NoListing {
        if let NoListing::NotYet { at, since, .. } | NoListing::LogBegins { at, since } = &mut self
        {
            (*at, *since) = (write(at), write(since));
        }
        self
    }
}

impl Mirror {
    /// Returns a listing by its key: as it is, or as it was at a moment in storage
    /// form, with every change recorded until then.
    ///
    /// # Errors
    ///
    /// [`NoListing`] if there is no such listing to show.
    pub fn listing(&mut self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        // One transaction gives a consistent view while a sync writes.
        self.read()?.listing(key, at)
    }
}

impl ReadTx<'_> {
    fn listing(&self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        let db = &*self.transaction;
        let unknown = || NoListing::Unknown {
            key: key.to_owned(),
        };
        if let (Some(at), Some(since)) = (at, self.log_begins()?)
            && at < since.as_str()
        {
            let at = at.to_owned();
            return Err(NoListing::LogBegins { at, since }.into());
        }
        let Some(listings) = Table::of(db, Resource::PROPERTY)? else {
            return Err(unknown().into());
        };
        let past = at.map(|at| Past::at(db, key, at)).transpose()?;
        let mut history = entries(db, "listing_key = ?1 ORDER BY id", &[&key])?;
        let Some(mut listing) = rows_where(
            db,
            Resource::PROPERTY,
            &format!("{} = ?1", listings.key()),
            key,
        )?
        .pop() else {
            if history.is_empty() {
                return Err(unknown().into());
            }
            let key = key.to_owned();
            return Err(NoListing::Purged { key }.into());
        };
        let mut children = Vec::new();
        for resource in self.child_resources()? {
            children.extend(rows_where(db, resource, "listing_key = ?1", key)?);
        }
        let mut purged = 0;
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
            purged = past.purged(&children, &history);
            history.retain(|entry| entry.id <= past.last);
        }
        children.retain(|child| !child.is_deleted);
        children.sort_by_cached_key(HeldRecord::place);
        Ok(WholeListing {
            address: address(db, &listings, &listing)?,
            listing,
            children,
            history,
            purged,
        })
    }
}

/// Returns a listing's address from its values.
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
