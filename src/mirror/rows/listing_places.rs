//! The current addresses of listings.

use rusqlite::{OptionalExtension, Statement};

use crate::mirror::Mirror;
use crate::mirror::record_table::Table;
use crate::resource::Resource;

/// The address and the city of a listing, as far as they are known.
#[derive(Clone, Debug, Default)]
pub struct ListingPlace {
    /// The address.
    pub address: Option<String>,
    /// The City.
    pub city: Option<String>,
}

/// Looks up the places of listings, one after another.
pub struct ListingPlaces<'m> {
    /// None without a table of listings.
    statement: Option<Statement<'m>>,
    last_key: Option<String>,
    last: ListingPlace,
}

impl Mirror {
    /// Prepares to look up the places of listings.
    pub fn listing_places(&self) -> rusqlite::Result<ListingPlaces<'_>> {
        let listings = Table::of(&self.connection, Resource::PROPERTY)?;
        let statement = listings.map(|listings| {
            self.connection.prepare(&format!(
                "SELECT {}, {} FROM listings WHERE {} = ?1",
                listings.address(),
                listings.value("City"),
                listings.key()
            ))
        });
        Ok(ListingPlaces {
            statement: statement.transpose()?,
            last_key: None,
            last: ListingPlace::default(),
        })
    }
}

impl ListingPlaces<'_> {
    /// Returns the place of a listing. It is empty if the mirror has no row of the listing.
    pub fn of(&mut self, key: Option<&str>) -> rusqlite::Result<&ListingPlace> {
        if key != self.last_key.as_deref() {
            let place = |row: &rusqlite::Row<'_>| {
                Ok(ListingPlace {
                    address: row.get(0)?,
                    city: row.get(1)?,
                })
            };
            self.last = match &mut self.statement {
                Some(statement) => statement.query_row([key], place).optional()?,
                None => None,
            }
            .unwrap_or_default();
            self.last_key = key.map(str::to_owned);
        }
        Ok(&self.last)
    }
}
