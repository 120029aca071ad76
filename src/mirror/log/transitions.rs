//! Status changes of listings, as they are reported.

use rusqlite::named_params;
use serde::Serialize;

use crate::mirror::Mirror;
use crate::mirror::views::Table;
use crate::resource::Resource;

/// A listing's status change.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Transition {
    /// The id of its change.
    pub change_id: i64,
    /// The listing's key.
    pub listing_key: String,
    /// The listing's address, if it is known.
    pub address: Option<String>,
    /// The listing's city.
    pub city: Option<String>,
    /// The listing's current price.
    pub list_price: Option<f64>,
    /// The status before, as the feed spells it.
    pub from: Option<String>,
    /// The status after.
    pub to: Option<String>,
    /// The listing's ModificationTimestamp of this change, UTC.
    pub source_timestamp: Option<String>,
    /// When the mirror found it, UTC.
    pub recorded_at: String,
}

impl Mirror {
    /// Returns the id of the newest change, or 0 if there is none.
    pub fn newest_change(&self) -> rusqlite::Result<i64> {
        self.connection
            .query_row("SELECT coalesce(max(id), 0) FROM changes", [], |row| {
                row.get(0)
            })
    }

    /// Returns all status changes after an entry of the log, in its order.
    pub fn transitions_after(&self, after: i64) -> rusqlite::Result<Vec<Transition>> {
        let Some(listings) = Table::of(&self.connection, Resource::PROPERTY)? else {
            return Ok(Vec::new());
        };
        let sql = format!(
            "SELECT changes.id, changes.record_key, CAST(changes.old_value AS TEXT),
                    CAST(changes.new_value AS TEXT), changes.source_timestamp,
                    changes.recorded_at, {address} AS address, {city}, {price}
             FROM changes LEFT JOIN listings ON {key} = changes.record_key
             WHERE changes.id > :after AND changes.resource = 'Property'
               AND changes.change = 'update' AND changes.field = 'StandardStatus'
             ORDER BY changes.id",
            key = listings.key(),
            address = listings.address(),
            city = listings.column("City"),
            price = listings.column("ListPrice"),
        );
        self.connection
            .prepare(&sql)?
            .query_map(named_params! { ":after": after }, |row| {
                Ok(Transition {
                    change_id: row.get(0)?,
                    listing_key: row.get(1)?,
                    from: row.get(2)?,
                    to: row.get(3)?,
                    source_timestamp: row.get(4)?,
                    recorded_at: row.get(5)?,
                    address: row.get(6)?,
                    city: row.get(7)?,
                    list_price: row.get(8)?,
                })
            })?
            .collect()
    }
}
