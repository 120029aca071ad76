//! Views of all live listings, with the fields that are read most.

use super::listings::{ENTIRE_DISPLAY, entered_at, living_area, photo_file};
use crate::mirror::record_table::Table;
use crate::mirror::sql::quoted;

/// The columns between the address and the time of entry.
const FIRST: [&str; 22] = [
    "City",
    "StateOrProvince",
    "PostalCode",
    "CountyOrParish",
    "SubdivisionName",
    "PropertyType",
    "PropertySubType",
    "ListPrice",
    "OriginalListPrice",
    "ClosePrice",
    "BedroomsTotal",
    "BathroomsTotalInteger",
    "YearBuilt",
    "LotSizeAcres",
    "GarageSpaces",
    "AssociationFee",
    "TaxAnnualAmount",
    "DaysOnMarket",
    "ListingContractDate",
    "OnMarketDate",
    "PurchaseContractDate",
    "CloseDate",
];

/// The columns after it.
const LAST: [&str; 11] = [
    "ListAgentFullName",
    "ListAgentMlsId",
    "ListOfficeName",
    "ListOfficePhone",
    "BuyerAgentFullName",
    "BuyerOfficeName",
    "ElementarySchool",
    "HighSchool",
    "PhotosCount",
    "PublicRemarks",
    "ModificationTimestamp",
];

/// The fields that show where a listing is, in addition to its address.
const PLACES: [&str; 3] = ["Latitude", "Longitude", "VirtualTourURLUnbranded"];

/// Returns the view of all live listings.
pub(super) fn overview(listings: &Table, media: Option<&Table>) -> String {
    select(listings, media, None)
}

/// Returns the view of the live listings that websites may show. A listing without an address
/// that may be shown has none, and no field that shows where it is.
pub(super) fn displayable(listings: &Table, media: Option<&Table>) -> String {
    let shows_address = listings
        .has("InternetAddressDisplayYN")
        .then(|| is_allowed(listings, "InternetAddressDisplayYN"));
    let mut view = select(listings, media, shows_address.as_deref());
    if listings.has(ENTIRE_DISPLAY) {
        view += "\n  AND ";
        view += &is_allowed(listings, ENTIRE_DISPLAY);
    }
    view
}

/// Returns the condition that the seller did not forbid something. A server may declare the
/// field as text.
fn is_allowed(listings: &Table, name: &str) -> String {
    let value = listings.value(name);
    format!("lower(coalesce({value}, 1)) NOT IN ('0', 'n', 'no', 'false')")
}

fn select(listings: &Table, media: Option<&Table>, shows_address: Option<&str>) -> String {
    let shown = |value: String| match shows_address {
        Some(condition) => format!("CASE WHEN {condition} THEN {value} END"),
        None => value,
    };
    let places = PLACES.map(|name| match (shows_address, listings.has(name)) {
        (Some(_), true) => format!("{} AS {}", shown(listings.value(name)), quoted(name)),
        _ => listings.column(name),
    });
    format!(
        "SELECT {key}, {id}, {status}, {address} AS address,\n       {first},\n       \
         {area} AS \"LivingArea\", {entered} AS entered_at,\n       {last},\n       \
         {places}, {photo} AS photo_file\n\
         FROM listings WHERE listings.deleted_at IS NULL",
        key = listings.named_key(),
        id = listings.column("ListingId"),
        status = listings.column("StandardStatus"),
        address = shown(listings.address()),
        first = listings.columns(&FIRST),
        area = living_area(listings),
        entered = entered_at(listings),
        last = listings.columns(&LAST),
        places = places.join(", "),
        photo = photo_file(listings, media),
    )
}
