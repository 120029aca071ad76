//! Listings that arguments name.

use super::display_text::{counted, printable};
use super::exit::UsageError;
use crate::mirror::{FoundListing, Mirror, NamedListing};

/// Returns the key of the listing that a text names by its ListingKey or ListingId. A text
/// that names no listing of the mirror is the key itself.
///
/// # Errors
/// [`UsageError`] with the listings if several have this ListingId, or an error of the
/// database.
pub fn listing_key(mirror: &mut Mirror, text: &str) -> anyhow::Result<String> {
    match mirror.find_listing_by_id(text)? {
        NamedListing::Key(key) => Ok(key),
        NamedListing::Several { listings, has_more } => {
            let lines: Vec<String> = listings.iter().map(line).collect();
            let problem = several_match(text, &listings, has_more);
            Err(UsageError(format!("{problem}: {}", lines.join("; "))).into())
        }
    }
}

/// Says that several listings match, and how to name one.
pub fn several_match(text: &str, found: &[FoundListing], has_more: bool) -> String {
    format!(
        "{}{} match {text}; name one by its ListingKey, the first column",
        if has_more { "more than " } else { "" },
        counted(found.len() as u64, ("listing", "listings"))
    )
}

/// Describes a listing in one line, which begins with its ListingKey.
pub fn line(listing: &FoundListing) -> String {
    let place = [&listing.address, &listing.city].into_iter().flatten();
    let place: Vec<&str> = place.map(String::as_str).collect();
    let state = if listing.is_deleted {
        Some("deleted")
    } else {
        listing.status.as_deref()
    };
    let parts = [
        Some(&*listing.listing_key),
        listing.listing_id.as_deref(),
        Some(&*place.join(", ")),
        state,
    ];
    let parts: Vec<&str> = parts.into_iter().flatten().collect();
    printable(&parts.join("  ")).into_owned()
}
