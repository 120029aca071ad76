//! Views of the change log.

use crate::mirror::record_table::Table;

/// Returns the view of all price changes, newest first.
pub(super) fn price_changes(listings: &Table) -> String {
    format!(
        "SELECT changes.listing_key AS \"ListingKey\", {address} AS address, {}, {},\n       \
         {old} AS old_price, {new} AS new_price, ({new}) - ({old}) AS difference,\n       \
         round(100.0 * (({new}) - ({old})) / nullif({old}, 0), 1) AS percent,\n       \
         changes.source_timestamp AS changed_at, changes.recorded_at\n\
         {}",
        listings.column("City"),
        listings.column("StandardStatus"),
        of_field(listings, "ListPrice"),
        address = listings.address(),
        // The log's values have no declared type: DuckDB reads them as bytes, and may
        // convert a value before it checks the field.
        old = price("old_value"),
        new = price("new_value"),
    )
}

fn price(column: &str) -> String {
    format!(
        "CASE WHEN changes.field = 'ListPrice' THEN CAST(CAST(changes.{column} AS TEXT) AS NUMERIC) END"
    )
}

/// Returns the view of all status changes, newest first.
pub(super) fn status_changes(listings: &Table) -> String {
    format!(
        "SELECT changes.listing_key AS \"ListingKey\", {address} AS address, {}, {},\n       \
         CAST(changes.old_value AS TEXT) AS from_status, CAST(changes.new_value AS TEXT) AS to_status,\n       \
         changes.source_timestamp AS changed_at, changes.recorded_at\n\
         {}",
        listings.column("City"),
        listings.column("ListPrice"),
        of_field(listings, "StandardStatus"),
        address = listings.address(),
    )
}

fn of_field(listings: &Table, field: &str) -> String {
    format!(
        "FROM changes LEFT JOIN listings ON {} = changes.listing_key\n\
         WHERE changes.resource = 'Property' AND changes.field = '{field}' AND changes.change = 'update'\n\
         ORDER BY changes.id DESC",
        listings.key()
    )
}

/// The view of all changes of listings and their children, in order.
pub(super) const LISTING_HISTORY: &str = "\
SELECT listing_key AS \"ListingKey\", recorded_at, source_timestamp, resource, record_key,
       CASE change
           WHEN 'insert' THEN 'new'
           WHEN 'delete' THEN 'deleted'
           WHEN 'restore' THEN 'restored'
           ELSE field || ': ' || coalesce(old_value, 'nothing') || ' → ' || coalesce(new_value, 'nothing')
       END AS what,
       change, field, old_value, new_value, id
FROM changes WHERE listing_key IS NOT NULL
ORDER BY listing_key, id";
