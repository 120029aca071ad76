//! The view of upcoming open houses, in the feed's time zone.

use crate::mirror::record_table::Table;

/// Returns the view of open houses that have not ended, the next one first.
pub(super) fn upcoming(houses: &Table, listings: &Table) -> String {
    let start = houses.value("OpenHouseStartTime");
    let end = houses.first_value(&["OpenHouseEndTime", "OpenHouseStartTime"]);
    format!(
        "SELECT strftime('%Y-%m-%d', {local_start}) AS local_date, strftime('%H:%M', {local_start}) AS local_start,\n       \
         strftime('%H:%M', {local_end}) AS local_end, {address} AS address, {shown},\n       \
         {house}, {named_key}, open_houses.listing_key AS \"ListingKey\", {start} AS starts_at, {ends} AS ends_at\n\
         FROM open_houses JOIN listings ON {listing} = open_houses.listing_key\n\
         WHERE open_houses.deleted_at IS NULL AND listings.deleted_at IS NULL AND {end} >= datetime('now')\n  \
         AND coalesce({status}, '') NOT IN ('Canceled', 'Cancelled', 'Ended')\n\
         ORDER BY {start}, {}",
        houses.key(),
        local_start = local_time(&start),
        local_end = local_time(&end),
        address = listings.address(),
        shown = listings.columns(&["City", "ListPrice", "StandardStatus"]),
        ends = houses.value("OpenHouseEndTime"),
        house = houses.column("OpenHouseType"),
        named_key = houses.named_key(),
        listing = listings.key(),
        status = houses.value("OpenHouseStatus"),
    )
}

/// Returns a UTC moment as local time in the feed's time zone.
pub(in crate::mirror) fn local_time(moment: &str) -> String {
    format!(
        "datetime({moment}, coalesce((SELECT offset_minutes FROM _utc_offsets WHERE since <= {moment} \
         ORDER BY since DESC LIMIT 1), 0) || ' minutes')"
    )
}
