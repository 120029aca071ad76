//! The documents of the service: entity sets, single records, `$metadata` and the service document.

use super::answer::Answer;
use super::asked::Asked;
use super::page::{one, page};
use super::replication::Replication;
use super::{altered, limited, metadata, query};
use crate::behaviour::Behaviour;
use crate::fields::Set;
use crate::market::Market;

/// The field of listings that every second `$metadata` lacks, if they alternate.
const ALTERNATING: &str = "PublicRemarks";

/// Answers a request.
pub fn answer(market: &Market, asked: &Asked<'_>) -> Answer {
    let answered = match asked.path.trim_matches('/') {
        "" => Ok(service_document(asked.root)),
        "$metadata" => Ok(metadata_document(market, asked)),
        path => records(market, asked, path),
    };
    answered.unwrap_or_else(|refusal| refusal)
}

fn records(market: &Market, asked: &Asked<'_>, path: &str) -> Result<Answer, Answer> {
    if let Some((replication, name)) = Replication::of(market, asked, path) {
        let set = entity_set(market, name)?;
        let mut query = query::read(asked.raw_query, market, set)?;
        limited::check(market, set, &query)?;
        limited::ignore(&market.behaviour, &mut query);
        let page = replication.page(market, asked, set, &mut query)?;
        let answer = altered::alter(market, asked, set, &query, page);
        return Ok(replication.finished(answer));
    }
    let (name, key) = match path.split_once('(') {
        Some((name, key)) => (name, Some(key)),
        None => (path, None),
    };
    let set = entity_set(market, name)?;
    let mut query = query::read(asked.raw_query, market, set)?;
    limited::check(market, set, &query)?;
    limited::ignore(&market.behaviour, &mut query);
    let answer = match key {
        Some(key) => one(market, asked.root, set, key, &query)?,
        None => {
            let older = asked.older.filter(|_| is_page(market, set, &query));
            page(older.unwrap_or(market), asked, set, &query)
        }
    };
    Ok(altered::alter(market, asked, set, &query, answer))
}

/// Returns whether a query asks for records by anything but their keys, and not for a count.
fn is_page(market: &Market, set: Set, query: &query::Query) -> bool {
    let is_by_key = query.filter.as_ref().is_some_and(|filter| {
        filter.names_only(&|at| set.is_key_field(&market.table(set).fields[at].name))
    });
    !is_by_key && query.top.is_none_or(|top| top > 1)
}

/// Returns the entity set with this name, if the service has it.
fn entity_set(market: &Market, name: &str) -> Result<Set, Answer> {
    let missing = || Answer::error(404, &format!("Resource not found for the segment '{name}'"));
    let set = Set::named(name).ok_or_else(missing)?;
    let server = &market.behaviour;
    match set {
        // ADUs have no field with their listing's key, so only `$expand` returns them.
        Set::Adu => Err(missing()),
        set if limited::lacks(server, set) => Err(missing()),
        Set::Media => match server.media_status {
            Some(status) => Err(Answer::error(status, "The resource does not answer")),
            None => Ok(set),
        },
        set => Ok(set),
    }
}

fn service_document(root: &str) -> Answer {
    let sets = Set::ALL
        .into_iter()
        .filter(|set| *set != Set::Deleted)
        .map(|set| {
            let name = set.name();
            format!("{{\"name\":\"{name}\",\"kind\":\"EntitySet\",\"url\":\"{name}\"}}")
        })
        .collect::<Vec<_>>()
        .join(",");
    let document = format!("{{\"@odata.context\":\"{root}/$metadata\",\"value\":[{sets}]}}");
    Answer::json(document.into_bytes())
}

fn metadata_document(market: &Market, asked: &Asked<'_>) -> Answer {
    let server = &market.behaviour;
    if let Some(status) = server.metadata_status {
        return Answer::error(status, "The metadata cannot be read now");
    }
    let lacks_field = server.has(Behaviour::MetadataAlternates) && asked.earlier % 2 == 1;
    let mut tables: Vec<_> = Set::ALL
        .into_iter()
        .filter(|set| *set != Set::Deleted && !limited::lacks(server, *set))
        .map(|set| market.table(set))
        .collect();
    let mut listings = market.table(Set::Property).clone();
    if lacks_field {
        listings.undeclare(ALTERNATING);
        tables[0] = &listings;
    }
    let mut body = metadata::render(&tables).into_bytes();
    if server.metadata_cut {
        body.truncate(body.len() / 2);
    }
    Answer {
        status: 200,
        content_type: "application/xml",
        body,
        next_link: None,
    }
}
