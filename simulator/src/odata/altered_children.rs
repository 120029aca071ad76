//! How behaviours change records and their expanded children.

use serde_json::Value as Json;

use super::asked::Asked;
use super::query::{Expand, Query};
use crate::behaviour::Behaviour;
use crate::fields::{Set, parse_timestamp};
use crate::market::{Market, Row};

/// The maximum length of an expanded list of a service that limits it.
const LIST_MAX: usize = 2;

/// Changes a record and its expanded children.
pub fn alter(market: &Market, asked: &Asked<'_>, set: Set, query: &Query, record: &mut Json) {
    let Json::Object(fields) = record else {
        return;
    };
    for expand in &query.expand {
        let name = expand.set.name();
        let Some(list) = fields.get_mut(name) else {
            continue;
        };
        if let Json::Array(children) = list {
            alter_list(market, asked, expand, children);
        }
        if market.behaviour.has(Behaviour::ExpandNull) {
            *list = Json::Null;
        }
        if market.behaviour.has(Behaviour::ExpandCapped) {
            fields.remove(&format!("{name}@odata.nextLink"));
        }
    }
    if set == Set::Media {
        sign(market, asked, record);
    }
}

fn alter_list(market: &Market, asked: &Asked<'_>, expand: &Expand, children: &mut Vec<Json>) {
    let set = expand.set;
    let has = |behaviour| market.behaviour.has(behaviour);
    if has(Behaviour::ExpandFutureOpenHousesOnly) {
        children.retain(|child| begins_later(child, asked.now));
    }
    if has(Behaviour::ExpandEmpty) {
        children.clear();
    }
    if has(Behaviour::ExpandCapped) && expand.top.is_none() {
        children.truncate(LIST_MAX);
    }
    if has(Behaviour::ChildOfAnotherListing)
        && set == Set::Media
        && let Some(photo) = photo_of_another_listing(market, children)
    {
        children.push(photo);
    }
    for child in children.iter_mut() {
        if has(Behaviour::ExpandPoorer) {
            make_poorer(set, child);
        }
        if set == Set::Media {
            sign(market, asked, child);
        }
    }
}

/// Returns whether the start time of an open house is later than `now`. True for a photo.
fn begins_later(child: &Json, now: i64) -> bool {
    let begin = child["OpenHouseStartTime"]
        .as_str()
        .and_then(parse_timestamp);
    begin.is_none_or(|ms| ms > now * 1000)
}

/// Returns the first photo of a listing other than that of these photos.
fn photo_of_another_listing(market: &Market, children: &[Json]) -> Option<Json> {
    let own = &children.first()?["ResourceRecordKey"];
    let photos = (0..market.end(Set::Property))
        .flat_map(|listing| market.children(Set::Media, listing).into_iter().take(1));
    photos
        .map(|id| Json::Object(Row::new(market, Set::Media, id).to_map()))
        .find(|photo| photo["ResourceRecordKey"] != *own)
}

/// Removes every second field, but no key and no timestamp.
fn make_poorer(set: Set, child: &mut Json) {
    let Json::Object(fields) = child else {
        return;
    };
    let mut at = 0;
    fields.retain(|name, _| {
        at += 1;
        is_key_or_timestamp(set, name) || at % 2 == 0
    });
}

/// Returns whether a field is a key of the record or of another one, or a timestamp.
pub fn is_key_or_timestamp(set: Set, name: &str) -> bool {
    set.is_key_field(name) || name.contains("Key") || name.ends_with("Timestamp")
}

/// Adds a signature of this answer to a photo's URL.
fn sign(market: &Market, asked: &Asked<'_>, photo: &mut Json) {
    if market.behaviour.has(Behaviour::MediaUrlSignedAnew)
        && let Some(Json::String(url)) = photo.get_mut("MediaURL")
    {
        url.push_str(&format!("?signature={}", asked.number));
    }
}
