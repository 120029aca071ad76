//! How behaviours change pages, counts and links.

use serde_json::{Map, Value as Json, json};

use super::altered_children;
use super::answer::Answer;
use super::asked::Asked;
use super::query::Query;
use crate::behaviour::Behaviour;
use crate::dice::salt_of;
use crate::fields::{MODIFICATION_TIMESTAMP, Set};
use crate::market::{Market, Row};

const COUNT: &str = "@odata.count";
const NEXT_LINK: &str = "@odata.nextLink";

/// The token that next links repeat.
const LINK_TOKEN: &str = "a-token-that-links-repeat";

/// The timestamp of an older version.
const OLD: &str = "2001-01-01T00:00:00Z";

/// Changes the answer with the records of a set, as the server's behaviours demand.
pub fn alter(
    market: &Market,
    asked: &Asked<'_>,
    set: Set,
    query: &Query,
    answer: Answer,
) -> Answer {
    if market.behaviour.behaviours.is_empty() {
        return answer;
    }
    let Ok(Json::Object(mut document)) = serde_json::from_slice(&answer.body) else {
        return answer;
    };
    match document.get_mut("value") {
        Some(Json::Array(records)) => {
            records
                .iter_mut()
                .for_each(|record| altered_children::alter(market, asked, set, query, record));
            alter_page(market, asked, set, query, records);
        }
        _ => {
            let mut record = Json::Object(document);
            altered_children::alter(market, asked, set, query, &mut record);
            return Answer::json(record.to_string().into_bytes());
        }
    }
    alter_links(market, set, &mut document);
    let mut next_link = None;
    if market.behaviour.has(Behaviour::NextLinkInHeader) {
        next_link = document.remove(NEXT_LINK);
    }
    Answer {
        next_link: next_link.and_then(|link| link.as_str().map(str::to_owned)),
        ..Answer::json(Json::Object(document).to_string().into_bytes())
    }
}

fn alter_page(
    market: &Market,
    asked: &Asked<'_>,
    set: Set,
    query: &Query,
    records: &mut Vec<Json>,
) {
    let has = |behaviour| market.behaviour.has(behaviour);
    if has(Behaviour::CountedButNotSent) && set == Set::Property {
        records.retain(|record| !is_held_back(market, record));
    }
    if has(Behaviour::PageRepeatsARecord)
        && let Some(Json::Object(first)) = records.first()
    {
        records.insert(1, Json::Object(older_version(first)));
    }
    if has(Behaviour::LargestKeyAtPageEnd)
        && !records.is_empty()
        && let Some(last) = largest(market, set, query)
        && !records.contains(&last)
    {
        records.push(last);
    }
    let url = format!("{}?{}", asked.path, asked.raw_query);
    if has(Behaviour::EmptyAnswers) && asked.earlier < 2 && salt_of(&url).is_multiple_of(3) {
        records.clear();
    }
}

/// Returns whether a listing was added after the start and has an even number among the added.
fn is_held_back(market: &Market, listing: &Json) -> bool {
    let key = listing["ListingKeyNumeric"].as_i64();
    let id = key.and_then(|key| market.id(Set::Property, &key.to_string()));
    id.and_then(|id| id.checked_sub(market.listings_at_start()))
        .is_some_and(|added| added.is_multiple_of(2))
}

/// Returns a record as it was before its last changes.
fn older_version(record: &Map<String, Json>) -> Map<String, Json> {
    let mut old = record.clone();
    for (field, value) in [
        (MODIFICATION_TIMESTAMP, json!(OLD)),
        ("ListPrice", json!(1.0)),
        ("Order", json!(99)),
        ("OpenHouseRemarks", json!("Older remarks")),
    ] {
        if let Some(known) = old.get_mut(field) {
            *known = value;
        }
    }
    old
}

/// Returns the matching record with the largest key. Conditions on keys and timestamps do not
/// count: clients read one page after the other by these.
fn largest(market: &Market, set: Set, query: &Query) -> Option<Json> {
    let fields = &market.table(set).fields;
    let is_ignored = |at: usize| altered_children::is_key_or_timestamp(set, &fields[at].name);
    let matches = |id: u64| {
        let row = Row::new(market, set, id);
        let filter = query.filter.as_ref();
        filter.is_none_or(|filter| filter.holds_but_for(&row, &is_ignored))
    };
    let mut ids = (0..market.end(set)).rev();
    let id = ids.find(|&id| market.exists(set, id) && matches(id))?;
    Some(Json::Object(Row::new(market, set, id).to_map()))
}

fn alter_links(market: &Market, set: Set, document: &mut Map<String, Json>) {
    let has = |behaviour| market.behaviour.has(behaviour);
    let length = document["value"].as_array().map_or(0, Vec::len);
    if let Some(count) = document.get_mut(COUNT) {
        if has(Behaviour::FilterIgnoredByCount) {
            *count = market.count(set).into();
        }
        if has(Behaviour::CountIsPageSize) {
            *count = length.into();
        }
        if has(Behaviour::CountAsText) {
            *count = count.to_string().into();
        }
    }
    if has(Behaviour::NullPages) && length == 0 {
        document.insert("value".to_owned(), Json::Null);
    }
    if has(Behaviour::ShortPagesWithoutLink) {
        document.remove(NEXT_LINK);
    }
    let link = document.get(NEXT_LINK).and_then(Json::as_str);
    match link.and_then(|link| link.find('?').map(|at| link[at..].to_owned())) {
        Some(query) if has(Behaviour::NextLinkRelative) => {
            document.insert(NEXT_LINK.to_owned(), query.into());
        }
        Some(_) if has(Behaviour::NextLinkWithToken) => {
            let link = document[NEXT_LINK].as_str().unwrap_or_default();
            let link = format!("{link}&access_token={}", LINK_TOKEN);
            document.insert(NEXT_LINK.to_owned(), link.into());
        }
        None if has(Behaviour::NextLinkEmpty) => {
            document.insert(NEXT_LINK.to_owned(), "".into());
        }
        _ => {}
    }
}
