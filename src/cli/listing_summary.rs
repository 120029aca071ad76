//! The summary of a listing for a person.

use super::display_text::{dollars, printable, rounded, value};
use super::local_times::LocalTimes;
use crate::mirror::{ChangeRow, HeldRecord, WholeListing};
use crate::resource::Resource;

/// The fields that a summary shows.
pub const SUMMARIZED: [&str; 24] = [
    "ListingId",
    "StandardStatus",
    "PropertyType",
    "PropertySubType",
    "ListPrice",
    "OriginalListPrice",
    "ClosePrice",
    "CloseDate",
    "BedroomsTotal",
    "BathroomsTotalInteger",
    "LivingArea",
    "LivingAreaUnits",
    "YearBuilt",
    "LotSizeAcres",
    "DaysOnMarket",
    "ListAgentFullName",
    "ListAgentPreferredPhone",
    "ListOfficeName",
    "ListOfficePhone",
    "City",
    "StateOrProvince",
    "PostalCode",
    "PhotosCount",
    "StatusChangeTimestamp",
];

/// Returns the summary: the address, the MLS number, and a line for each fact that the feed
/// has.
pub fn summary(whole: &WholeListing, times: LocalTimes) -> String {
    let listing = &whole.listing;
    let number = shown(listing, "ListingId").map(|id| format!("MLS number {id}, "));
    let mut text = format!(
        "{}\n{}ListingKey {}\n",
        place(whole),
        number.unwrap_or_default(),
        printable(&listing.key)
    );
    let facts = [
        ("Status", status(whole, times)),
        (
            "Type",
            joined(listing, &["PropertyType", "PropertySubType"]),
        ),
        ("Price", price(listing)),
        ("", price_history(whole, times)),
        ("Sold", sold(listing)),
        ("Beds, baths", rooms(listing)),
        ("Area", area(listing)),
        ("Days", days(listing)),
        (
            "Agent",
            joined(listing, &["ListAgentFullName", "ListAgentPreferredPhone"]),
        ),
        (
            "Office",
            joined(listing, &["ListOfficeName", "ListOfficePhone"]),
        ),
        ("Photos", photos(whole)),
    ];
    for (name, fact) in facts {
        for (at, line) in fact.iter().flat_map(|fact| fact.lines()).enumerate() {
            let name = if at == 0 { name } else { "" };
            text += &format!("{name:11}  {line}\n");
        }
    }
    text
}

/// Returns the address with city, state and postal code, or the key.
fn place(whole: &WholeListing) -> String {
    let listing = &whole.listing;
    let state = [
        shown(listing, "StateOrProvince"),
        shown(listing, "PostalCode"),
    ];
    let state: Vec<String> = state.into_iter().flatten().collect();
    let parts = [
        (whole.address.as_deref()).map(|address| printable(address).into_owned()),
        shown(listing, "City"),
        Some(state.join(" ")).filter(|state| !state.is_empty()),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() {
        return format!("Listing {}", printable(&listing.key));
    }
    parts.join(", ")
}

fn status(whole: &WholeListing, times: LocalTimes) -> Option<String> {
    let status = shown(&whole.listing, "StandardStatus")?;
    let found = changes_of(whole, "StandardStatus").last();
    let found = found.map(|change| change.recorded_at.as_str());
    let stated = whole.listing.value("StatusChangeTimestamp");
    let stated = stated.and_then(|value| value.as_text());
    Some(match found.max(stated) {
        Some(since) => format!("{status} since {}", times.named_stored(since)),
        None => status,
    })
}

fn price(listing: &HeldRecord) -> Option<String> {
    let price = number(listing, "ListPrice")?;
    let mut text = dollars(price);
    let original = number(listing, "OriginalListPrice").filter(|original| *original > 0.0);
    if let Some(original) = original.filter(|original| *original != price) {
        let percent = (price - original).abs() / original * 100.0;
        let side = if price < original { "below" } else { "above" };
        text += &format!(", {percent:.1}% {side} the original {}", dollars(original));
    }
    let units = shown(listing, "LivingAreaUnits");
    let is_feet =
        units.is_none_or(|units| units.replace(' ', "").eq_ignore_ascii_case("squarefeet"));
    let area = number(listing, "LivingArea").filter(|area| *area > 0.0 && is_feet);
    if let Some(area) = area {
        text += &format!("; {} per square foot", dollars((price / area).round()));
    }
    Some(text)
}

fn price_history(whole: &WholeListing, times: LocalTimes) -> Option<String> {
    let line = |change: &ChangeRow| {
        let at = times.plain_stored(&change.recorded_at);
        let ends = [&change.old_value, &change.new_value].map(|end| {
            let amount = end.as_number().map(dollars);
            amount.unwrap_or_else(|| printable(&value(end)).into_owned())
        });
        format!("{at}  {}", ends.join(" → "))
    };
    let lines: Vec<String> = changes_of(whole, "ListPrice").map(line).collect();
    Some(lines.join("\n"))
}

fn sold(listing: &HeldRecord) -> Option<String> {
    let price = number(listing, "ClosePrice")?;
    let mut text = dollars(price);
    if let Some(date) = shown(listing, "CloseDate") {
        text += &format!(" on {date}");
    }
    if let Some(asked) = number(listing, "ListPrice").filter(|asked| *asked > 0.0) {
        text += &format!(", {:.1}% of the list price", price / asked * 100.0);
    }
    Some(text)
}

fn rooms(listing: &HeldRecord) -> Option<String> {
    let counted = |field, nouns: (&str, &str)| {
        let number = shown(listing, field)?;
        let noun = if number == "1" { nouns.0 } else { nouns.1 };
        Some(format!("{number} {noun}"))
    };
    all([
        counted("BedroomsTotal", ("bed", "beds")),
        counted("BathroomsTotalInteger", ("bath", "baths")),
    ])
}

fn area(listing: &HeldRecord) -> Option<String> {
    let units = shown(listing, "LivingAreaUnits").unwrap_or_default();
    let area = number(listing, "LivingArea").map(|area| {
        let area = format!("{} {}", rounded(area), units.to_lowercase());
        area.trim_end().to_owned()
    });
    let built = shown(listing, "YearBuilt").map(|year| format!("built {year}"));
    let lot = shown(listing, "LotSizeAcres").map(|acres| format!("lot {acres} acres"));
    all([area, built, lot])
}

fn days(listing: &HeldRecord) -> Option<String> {
    let days = shown(listing, "DaysOnMarket").map(|days| format!("{days} on the market"));
    let listed = shown(listing, "OnMarketDate").or_else(|| shown(listing, "ListingContractDate"));
    all([days, listed.map(|date| format!("listed {date}"))])
}

fn photos(whole: &WholeListing) -> Option<String> {
    let photos = whole.children.iter();
    let photos = photos.filter(|child| child.resource == Resource::MEDIA);
    let has_file = |photo: &HeldRecord| photo.value("file_path").is_some();
    let (count, files) = photos.fold((0, 0), |(count, files), photo| {
        (count + 1, files + usize::from(has_file(photo)))
    });
    match (count, files) {
        (0, _) => None,
        (count, 0) => Some(count.to_string()),
        (count, files) => Some(format!("{count}, {files} with a file")),
    }
}

fn changes_of<'a>(whole: &'a WholeListing, field: &str) -> impl Iterator<Item = &'a ChangeRow> {
    let is_of = move |change: &&ChangeRow| {
        change.resource == "Property" && change.field.as_deref() == Some(field)
    };
    whole.history.iter().filter(is_of)
}

fn joined(listing: &HeldRecord, fields: &[&str]) -> Option<String> {
    all(fields.iter().map(|field| shown(listing, field)))
}

/// Joins the parts that exist.
fn all(parts: impl IntoIterator<Item = Option<String>>) -> Option<String> {
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}

fn number(listing: &HeldRecord, field: &str) -> Option<f64> {
    listing.value(field)?.as_number()
}

/// Formats a column's value, if it has one.
pub fn shown(record: &HeldRecord, column: &str) -> Option<String> {
    let held = record.value(column)?;
    let text = printable(&value(held)).into_owned();
    Some(text).filter(|text| text != "\"\"")
}
