//! The documents of the service: entity sets, single records, `$metadata` and the service document.

use super::answer::Answer;
use super::page::{one, page};
use super::{metadata, query};
use crate::behaviour::DeletedNames;
use crate::fields::Set;
use crate::market::Market;

/// Answers a request. `path` is decoded and starts after `root`, the service's URL;
/// `raw_query` is encoded.
pub fn answer(
    market: &Market,
    page_size: usize,
    root: &str,
    path: &str,
    raw_query: &str,
) -> Answer {
    let answered = match path.trim_matches('/') {
        "" => Ok(service_document(root)),
        "$metadata" => Ok(metadata_document(market)),
        path => records(market, page_size, root, path, raw_query),
    };
    answered.unwrap_or_else(|refusal| refusal)
}

fn records(
    market: &Market,
    page_size: usize,
    root: &str,
    path: &str,
    raw_query: &str,
) -> Result<Answer, Answer> {
    let (name, key) = match path.split_once('(') {
        Some((name, key)) => (name, Some(key)),
        None => (path, None),
    };
    let set = entity_set(market, name)?;
    let query = query::read(raw_query, market, set)?;
    check_expand(market, &query)?;
    match key {
        Some(key) => one(market, root, set, key, &query),
        None => Ok(page(market, page_size, root, set, raw_query, &query)),
    }
}

/// Returns the entity set with this name, if the service has it.
fn entity_set(market: &Market, name: &str) -> Result<Set, Answer> {
    let missing = || Answer::error(404, &format!("Resource not found for the segment '{name}'"));
    let set = Set::named(name).ok_or_else(missing)?;
    let server = &market.behaviour;
    match set {
        // ADUs have no field with their listing's key, so only `$expand` returns them.
        Set::Adu => Err(missing()),
        Set::Deleted if server.deleted_names == DeletedNames::Absent => Err(missing()),
        Set::Media => match server.media_status {
            Some(status) => Err(Answer::error(status, "The resource does not answer")),
            None => Ok(set),
        },
        set => Ok(set),
    }
}

fn check_expand(market: &Market, query: &query::Query) -> Result<(), Answer> {
    let server = &market.behaviour;
    if query.expand.is_empty() {
        return Ok(());
    }
    if let Some(status) = server.expand_refused {
        return Err(Answer::error(status, "$expand is not supported"));
    }
    if let Some(status) = server.media_expand_status
        && query.expand.iter().any(|one| one.set == Set::Media)
    {
        return Err(Answer::error(status, "The resource does not answer"));
    }
    Ok(())
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

fn metadata_document(market: &Market) -> Answer {
    let server = &market.behaviour;
    if let Some(status) = server.metadata_status {
        return Answer::error(status, "The metadata cannot be read now");
    }
    let tables: Vec<_> = Set::ALL
        .into_iter()
        .filter(|set| *set != Set::Deleted)
        .map(|set| market.table(set))
        .collect();
    let mut body = metadata::render(&tables).into_bytes();
    if server.metadata_cut {
        body.truncate(body.len() / 2);
    }
    Answer {
        status: 200,
        content_type: "application/xml",
        body,
    }
}
