//! Views of current listings, photos and deletions.

use crate::mirror::photos::{PhotoSql, is_photo};
use crate::mirror::record_table::Table;
use crate::mirror::sql::quoted;

/// The columns that come first in views of listings.
const SHOWN: [&str; 7] = [
    "City",
    "StateOrProvince",
    "PostalCode",
    "PropertyType",
    "ListPrice",
    "BedroomsTotal",
    "BathroomsTotalInteger",
];

/// The fields for the time of entry, the best one first.
const ENTERED: [&str; 3] = [
    "OriginalEntryTimestamp",
    "OnMarketDate",
    "ListingContractDate",
];

/// The field that says whether a website may show a listing.
pub(super) const ENTIRE_DISPLAY: &str = "InternetEntireListingDisplayYN";

/// Returns the indexes that the views need, by name.
pub(super) fn indexes(listings: &Table) -> Vec<(&'static str, String)> {
    let mut indexes = Vec::new();
    if listings.has("ListingId") {
        let by_id = "CREATE INDEX listings_by_id ON listings (\"ListingId\")";
        indexes.push(("listings_by_id", by_id.to_owned()));
    }
    if listings.has(ENTIRE_DISPLAY) {
        // This index counts the listings that may be shown without reading their rows.
        let displayable = format!(
            "CREATE INDEX listings_displayable ON listings ({}) WHERE deleted_at IS NULL",
            quoted(ENTIRE_DISPLAY)
        );
        indexes.push(("listings_displayable", displayable));
    }
    if !listings.has("StandardStatus") {
        return indexes;
    }
    let create = |name: &str, columns: &[String]| {
        let columns = columns.join(", ");
        format!(
            "CREATE INDEX {name} ON listings (\"StandardStatus\", {columns}) WHERE deleted_at IS NULL"
        )
    };
    // This index has the order of the view of active listings.
    let newest = [entered(listings), listings.key_column()].map(|name| format!("{name} DESC"));
    // This index covers the columns that are counted and averaged most often, because a
    // row has some kilobytes.
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
    indexes.push(("listings_by_status", create("listings_by_status", &newest)));
    if !counted.is_empty() {
        indexes.push(("listings_counted", create("listings_counted", &counted)));
    }
    indexes
}

/// Returns the field for a listing's time of entry.
pub(in crate::mirror) fn entered(listings: &Table) -> String {
    let declared = ENTERED.into_iter().find(|name| listings.has(name));
    declared.map_or(listings.key_column(), quoted)
}

/// Returns the columns of a view of listings.
fn shown(listings: &Table, media: Option<&Table>) -> String {
    let days = if listings.has("DaysOnMarket") {
        listings.column("DaysOnMarket")
    } else {
        format!(
            "CAST(julianday('now') - julianday({}) AS INTEGER) AS \"DaysOnMarket\"",
            listings.first_value(&["OnMarketDate", "ListingContractDate"])
        )
    };
    format!(
        "{key}, {id}, {status}, {address} AS address,\n       {shown},\n       \
         {area} AS \"LivingArea\", {year}, {days}, {entered} AS entered_at,\n       {sold_by},\n       \
         {photo} AS photo_file, {changed}",
        key = listings.named_key(),
        id = listings.column("ListingId"),
        status = listings.column("StandardStatus"),
        address = listings.address(),
        shown = listings.columns(&SHOWN),
        area = living_area(listings),
        year = listings.column("YearBuilt"),
        entered = entered_at(listings),
        sold_by = listings.columns(&["ListAgentFullName", "ListOfficeName"]),
        photo = photo_file(listings, media),
        changed = listings.column("ModificationTimestamp"),
    )
}

/// Returns the expression for the living area, or for the area of the building.
pub(super) fn living_area(listings: &Table) -> String {
    listings.first_value(&["LivingArea", "BuildingAreaTotal"])
}

/// Returns the expression for the time of entry. Its type is text, because the feed may fill
/// it from a date or from a timestamp.
pub(super) fn entered_at(listings: &Table) -> String {
    format!("CAST({} AS TEXT)", listings.first_value(&ENTERED))
}

/// Returns the expression for the file of a listing's first photo; NULL without photos.
pub(in crate::mirror) fn photo_file(listings: &Table, media: Option<&Table>) -> String {
    let photos = media.and_then(|media| Some((media, PhotoSql::for_columns(&media.columns)?)));
    let Some((media, sql)) = photos else {
        return "NULL".to_owned();
    };
    format!(
        "(SELECT media.file_path FROM media WHERE media.listing_key = {listing} \
         AND media.deleted_at IS NULL AND media.file_path IS NOT NULL \
         ORDER BY {order}, {key} LIMIT 1)",
        listing = listings.key(),
        key = media.key(),
        order = sql.order("media.")
    )
}

/// Returns the view of active listings, newest first.
pub(super) fn active(listings: &Table, media: Option<&Table>) -> String {
    let entered = format!("listings.{}", entered(listings));
    let is_active = if listings.has("StandardStatus") {
        "listings.deleted_at IS NULL AND listings.\"StandardStatus\" = 'Active'"
    } else {
        "listings.deleted_at IS NULL"
    };
    format!(
        "SELECT {}\nFROM listings WHERE {is_active}\nORDER BY {entered} DESC, {} DESC",
        shown(listings, media),
        listings.key()
    )
}

/// Returns the view of new listings that are still live, newest first.
pub(super) fn new(listings: &Table, media: Option<&Table>) -> String {
    format!(
        "SELECT changes.recorded_at AS found_at, {}\n\
         FROM changes JOIN listings ON {} = changes.record_key\n\
         WHERE changes.resource = 'Property' AND changes.change = 'insert' AND listings.deleted_at IS NULL\n\
         ORDER BY changes.id DESC",
        shown(listings, media),
        listings.key()
    )
}

/// Returns the view of all soft-deleted rows, newest first.
pub(super) fn deletions(listings: &Table, others: &[Table]) -> String {
    let mut selects = vec![format!(
        "SELECT 'Property' AS resource, {key} AS record_key, \
         {key} AS \"ListingKey\",\n       \
         listings.deleted_at AS deleted_at, listings.deleted_reason AS deleted_reason,\n       \
         {address} AS address, {}, {}, {}\n\
         FROM listings WHERE listings.deleted_at IS NOT NULL",
        listings.column("City"),
        listings.column("StandardStatus"),
        listings.column("ListPrice"),
        key = listings.key(),
        address = listings.address(),
    )];
    selects.extend(others.iter().map(|other| {
        let (table, resource) = (other.name(), other.resource());
        format!(
            "SELECT '{set}', {key}, {listing}, {table}.deleted_at, \
             {table}.deleted_reason, NULL, NULL, NULL, NULL\n\
             FROM {table} WHERE {table}.deleted_at IS NOT NULL",
            set = resource.entity_set(),
            key = other.key(),
            listing = other.value("listing_key"),
        )
    }));
    format!(
        "{}\nORDER BY deleted_at DESC",
        selects.join("\nUNION ALL\n")
    )
}

/// Returns the view of the photos of live listings, in their order, with their files.
pub(super) fn photos(listings: &Table, media: &Table) -> String {
    let is_photo = is_photo(&media.columns, "media.");
    format!(
        "SELECT media.listing_key AS \"ListingKey\", {order}, media.file_path, media.file_bytes,\n       \
         media.downloaded_at, media.download_error, {named_key}, {}\n\
         FROM media JOIN listings ON {listing} = media.listing_key\n\
         WHERE media.deleted_at IS NULL AND listings.deleted_at IS NULL AND ({is_photo})\n\
         ORDER BY media.listing_key, {place}, {key}",
        media.columns(&["ShortDescription", "LongDescription", "MediaURL",]),
        order = media.column("Order"),
        place = media.value("Order"),
        listing = listings.key(),
        key = media.key(),
        named_key = media.named_key(),
    )
}
