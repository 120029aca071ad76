//! Single listings with their photos.

use std::path::Path;

use maud::{Markup, html};

use super::thumbnail::thumbnail;
use crate::mirror::ListingCard;
use crate::report::headline_tables::{percent, place};
use crate::report::market::{Market, PriceCut, is_status};
use crate::report::words::{dollars, rounded};

/// Renders the largest price cuts.
pub fn largest_cuts(market: &Market, media_dir: &Path) -> Markup {
    let price = |cut: &PriceCut| {
        html! {
            strong { (dollars(cut.new_price)) } " "
            s { (dollars(cut.old_price)) } " "
            span class="cut" { "−" (percent(cut.share())) }
        }
    };

    html! {
        ul class="cards" {
            @for cut in &market.largest_cuts { (card(&cut.listing, &price(cut), media_dir)) }
        }
    }
}

/// Renders the newest active listings.
pub fn newest(market: &Market, media_dir: &Path) -> Markup {
    let price = |listing: &ListingCard| {
        html! { strong { (listing.list_price.map(dollars).unwrap_or_default()) } }
    };

    html! {
        ul class="cards" {
            @for listing in &market.newest { (card(listing, &price(listing), media_dir)) }
        }
    }
}

fn card(listing: &ListingCard, price: &Markup, media_dir: &Path) -> Markup {
    let photo = listing.photo_file.as_deref();
    let photo = photo.and_then(|file| thumbnail(media_dir, file));
    let rooms = [(listing.bedrooms, "bd"), (listing.bathrooms, "ba")];
    let rooms = rooms
        .into_iter()
        .filter_map(|(number, unit)| Some(format!("{} {unit}", rounded(number?))));
    let status = listing.status.clone();
    let status = status.filter(|status| !is_status(Some(status), "Active"));
    let number = listing.listing_id.as_ref().map(|id| format!("MLS {id}"));
    let facts = rooms.chain(status).chain(number);
    let facts: Vec<String> = facts.collect();

    html! {
        li {
            @if let Some(photo) = photo {
                img src=(photo) alt="" width="320" height="240";
            } @else {
                div class="no-photo" { "no photo" }
            }
            p { (price) }
            p { (place(listing)) }
            p { (listing.city.as_deref().unwrap_or_default()) }
            p class="faint" { (facts.join(" · ")) }
        }
    }
}
