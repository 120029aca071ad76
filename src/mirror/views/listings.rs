//! Views of listings as they are, and of what went.

use super::Table;
use crate::mirror::photos::PhotoSql;
use crate::mirror::sql::quoted;

/// What a reader wants to see of a listing first.
const SHOWN: [&str; 7] = [
    "City",
    "StateOrProvince",
    "PostalCode",
    "PropertyType",
    "ListPrice",
    "BedroomsTotal",
    "BathroomsTotalInteger",
];

/// When a listing was entered, as far as the feed tells.
const ENTERED: [&str; 3] = [
    "OriginalEntryTimestamp",
    "OnMarketDate",
    "ListingContractDate",
];

/// The indexes that the views need, by name.
pub(super) fn indexes(listings: &Table) -> Vec<(&'static str, String)> {
    if !listings.has("StandardStatus") {
        return Vec::new();
    }
    let create = |name: &str, columns: &[String]| {
        let columns = columns.join(", ");
        format!(
            "CREATE INDEX {name} ON listings (\"StandardStatus\", {columns}) WHERE deleted_at IS NULL"
        )
    };
    // In the order of the view of active listings.
    let newest = [entered(listings), "ListingKey"].map(|name| format!("{} DESC", quoted(name)));
    // What is counted and averaged most often stands in the index, since the rows
    // themselves are some kilobytes long.
    let counted = [
        "City",
        "ListPrice",
        "PostalCode",
        "PropertyType",
        "DaysOnMarket",
    ];
    let counted: Vec<String> = (counted.into_iter())
        .filter(|name| listings.has(name))
        .map(quoted)
        .collect();
    let mut indexes = vec![("listings_by_status", create("listings_by_status", &newest))];
    if !counted.is_empty() {
        indexes.push(("listings_counted", create("listings_counted", &counted)));
    }
    indexes
}

/// The field that tells when a listing was entered.
fn entered(listings: &Table) -> &'static str {
    let declared = ENTERED.into_iter().find(|name| listings.has(name));
    declared.unwrap_or("ListingKey")
}

/// What is shown of a listing: its names, where it is, what it costs and has, who sells
/// it, and its first photo.
fn shown(listings: &Table, media: Option<&Table>) -> String {
    let days = match listings.has("DaysOnMarket") {
        true => listings.column("DaysOnMarket"),
        false => format!(
            "CAST(julianday('now') - julianday({}) AS INTEGER) AS \"DaysOnMarket\"",
            listings.first_value(&["OnMarketDate", "ListingContractDate"])
        ),
    };
    format!(
        "listings.\"ListingKey\", {id}, {status}, {address} AS address,\n       {shown},\n       \
         {area} AS \"LivingArea\", {year}, {days}, {entered} AS entered_at,\n       {sold_by},\n       \
         {photo} AS photo_file, {changed}",
        id = listings.column("ListingId"),
        status = listings.column("StandardStatus"),
        address = listings.address(),
        shown = listings.columns(&SHOWN),
        area = listings.first_value(&["LivingArea", "BuildingAreaTotal"]),
        year = listings.column("YearBuilt"),
        entered = listings.first_value(&ENTERED),
        sold_by = listings.columns(&["ListAgentFullName", "ListOfficeName"]),
        photo = media.and_then(first_photo).unwrap_or("NULL".to_owned()),
        changed = listings.column("ModificationTimestamp"),
    )
}

/// The file of a listing's first photo.
fn first_photo(media: &Table) -> Option<String> {
    let sql = PhotoSql::for_columns(&media.columns)?;
    Some(format!(
        "(SELECT media.file_path FROM media WHERE media.listing_key = listings.\"ListingKey\" \
         AND media.deleted_at IS NULL AND media.file_path IS NOT NULL \
         ORDER BY {order}, media.\"MediaKey\" LIMIT 1)",
        order = sql.order("media.")
    ))
}

/// Listings that are active, the newest first.
pub(super) fn active(listings: &Table, media: Option<&Table>) -> String {
    let entered = listings.value(entered(listings));
    let is_active = if listings.has("StandardStatus") {
        "listings.deleted_at IS NULL AND listings.\"StandardStatus\" = 'Active'"
    } else {
        "listings.deleted_at IS NULL"
    };
    format!(
        "SELECT {}\nFROM listings WHERE {is_active}\nORDER BY {entered} DESC, listings.\"ListingKey\" DESC",
        shown(listings, media)
    )
}

/// Listings that a sync found new and that are still there, the newest first.
pub(super) fn new(listings: &Table, media: Option<&Table>) -> String {
    format!(
        "SELECT changes.recorded_at AS found_at, {}\n\
         FROM changes JOIN listings ON listings.\"ListingKey\" = changes.record_key\n\
         WHERE changes.resource = 'Property' AND changes.change = 'insert' AND listings.deleted_at IS NULL\n\
         ORDER BY changes.id DESC",
        shown(listings, media)
    )
}

/// What was soft-deleted, the last first: listings, and what the other tables held.
pub(super) fn deletions(listings: &Table, others: &[Table]) -> String {
    let mut selects = vec![format!(
        "SELECT 'Property' AS resource, listings.\"ListingKey\" AS record_key, \
         listings.\"ListingKey\" AS \"ListingKey\",\n       \
         listings.deleted_at AS deleted_at, listings.deleted_reason AS deleted_reason,\n       \
         {address} AS address, {}, {}, {}\n\
         FROM listings WHERE listings.deleted_at IS NOT NULL",
        listings.column("City"),
        listings.column("StandardStatus"),
        listings.column("ListPrice"),
        address = listings.address(),
    )];
    selects.extend(others.iter().map(|other| {
        let (table, resource) = (other.name(), other.resource());
        format!(
            "SELECT '{set}', {table}.{key}, {listing}, {table}.deleted_at, \
             {table}.deleted_reason, NULL, NULL, NULL, NULL\n\
             FROM {table} WHERE {table}.deleted_at IS NOT NULL",
            set = resource.entity_set(),
            key = quoted(resource.key()),
            listing = other.value("listing_key"),
        )
    }));
    format!(
        "{}\nORDER BY deleted_at DESC",
        selects.join("\nUNION ALL\n")
    )
}

/// Each live listing's photos in their order, with their files.
pub(super) fn photos(media: &Table) -> String {
    // Where photos cannot be told from other media, none are shown.
    let is_photo =
        PhotoSql::for_columns(&media.columns).map_or("false".to_owned(), |sql| sql.is_photo);
    format!(
        "SELECT media.listing_key AS \"ListingKey\", {order}, media.file_path, media.file_bytes,\n       \
         media.downloaded_at, media.download_error, {}\n\
         FROM media JOIN listings ON listings.\"ListingKey\" = media.listing_key\n\
         WHERE media.deleted_at IS NULL AND listings.deleted_at IS NULL AND ({is_photo})\n\
         ORDER BY media.listing_key, \"Order\", media.\"MediaKey\"",
        media.columns(&[
            "MediaKey",
            "ShortDescription",
            "LongDescription",
            "MediaURL",
        ]),
        order = media.column("Order"),
    )
}
