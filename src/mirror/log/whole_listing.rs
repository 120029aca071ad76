//! A listing with all that belongs to it: as it is, or as the log tells that it was.

use rusqlite::{Connection, params_from_iter};

use super::change_reader::{ChangeRow, entries};
use super::past::Past;
use crate::mirror::objects::columns;
use crate::mirror::rows::rows_where;
use crate::mirror::sql::{SqlValue, quoted};
use crate::mirror::views::Table;
use crate::mirror::{HeldRecord, Mirror, ReadTx};
use crate::resource::Resource;
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
    pub purged: usize,
}

/// There is no such listing to show.
#[derive(Debug, thiserror::Error)]
pub enum NoListing {
    /// The mirror never held it.
    #[error("the mirror holds no listing whose ListingKey is {key}; {}", hint(.key, .same_id))]
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
    Purged {
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

fn hint(key: &str, same_id: &[String]) -> String {
    match same_id {
        [] => format!("if the feed does, `mlsmirror refresh {key}` fetches it"),
        keys => format!(
            "as their ListingId have it the listings {}",
            keys.join(", ")
        ),
    }
}

impl Mirror {
    /// A listing by its key: as it is, or as it was once everything had been logged
    /// that was recorded at a moment (in storage form) or before.
    ///
    /// # Errors
    /// [`NoListing`] if there is none to show, or the database cannot be read.
    pub fn listing(&mut self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        // All of it from one moment, also while a sync writes.
        self.read()?.listing(key, at)
    }
}

impl ReadTx<'_> {
    fn listing(&self, key: &str, at: Option<&str>) -> anyhow::Result<WholeListing> {
        let db = &*self.transaction;
        if let (Some(at), Some(since)) = (at, self.log_begins()?)
            && at < since.as_str()
        {
            let at = at.to_owned();
            return Err(NoListing::LogBegins { at, since }.into());
        }
        let Some(listings) = Table::of(db, Resource::Property)? else {
            return Err(self.unknown(key)?.into());
        };
        let past = at.map(|at| Past::at(db, key, at)).transpose()?;
        let mut history = entries(db, "listing_key = ?1 ORDER BY id", &[&key])?;
        let Some(mut listing) =
            rows_where(db, Resource::Property, "\"ListingKey\" = ?1", key)?.pop()
        else {
            return Err(match history.is_empty() {
                true => self.unknown(key)?,
                false => NoListing::Purged {
                    key: key.to_owned(),
                },
            }
            .into());
        };
        let mut children = Vec::new();
        for resource in Resource::ALL.into_iter().filter(|one| one.is_child()) {
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
