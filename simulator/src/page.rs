//! Answers of the service: pages of records, single records, and its own description.

use super::base::stride;
use super::behaviour::DeletedNames;
use super::find::{Wanted, find};
use super::market::Market;
use super::metadata;
use super::query::{self, Expand, Query};
use super::row::Row;
use super::schema::Set;
use super::tokens::BadQuery;
use super::value::write_text;

/// An answer before it is sent.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub body: Vec<u8>,
}

const JSON: &str = "application/json;odata.metadata=minimal;charset=utf-8";

impl Answer {
    fn json(body: Vec<u8>) -> Answer {
        Answer {
            status: 200,
            content_type: JSON,
            body,
        }
    }

    /// An error as the service words it.
    pub fn error(status: u16, message: &str) -> Answer {
        let mut body = format!("{{\"error\":{{\"code\":\"{status}\",\"message\":").into_bytes();
        write_text(message, &mut body);
        body.extend_from_slice(b"}}");
        Answer {
            status,
            content_type: JSON,
            body,
        }
    }
}

impl From<BadQuery> for Answer {
    fn from(bad: BadQuery) -> Answer {
        Answer::error(400, &bad.0)
    }
}

/// Answers a request. `path` is what follows the root, decoded; `query` is raw;
/// `root` is the service's own URL.
pub fn answer(market: &Market, page_size: usize, root: &str, path: &str, query: &str) -> Answer {
    let answered = match path.trim_matches('/') {
        "" => Ok(Answer::json(service_document(market, root))),
        "$metadata" => Ok(metadata_document(market)),
        path => match path.split_once('(') {
            Some((set, key)) => one(market, root, set, key, query),
            None => page(market, page_size, root, path, query),
        },
    };
    answered.unwrap_or_else(|refusal| refusal)
}

/// The kind of record that a path names, if the service has an entity set of it.
fn entity_set(market: &Market, name: &str) -> Result<Set, Answer> {
    let missing = || Answer::error(404, &format!("Resource not found for the segment '{name}'"));
    let set = Set::named(name).ok_or_else(missing)?;
    let server = &market.behaviour;
    match set {
        // It has no listing's key: it comes with its listing only.
        Set::Adu => Err(missing()),
        Set::Deleted if server.deleted_names == DeletedNames::Absent => Err(missing()),
        Set::Media => match server.media_status {
            Some(status) => Err(Answer::error(status, "The resource does not answer")),
            None => Ok(set),
        },
        set => Ok(set),
    }
}

fn check_expand(market: &Market, expand: &[Expand]) -> Result<(), Answer> {
    let server = &market.behaviour;
    if let Some(status) = server.expand_refused.filter(|_| !expand.is_empty()) {
        return Err(Answer::error(status, "$expand is not supported"));
    }
    if let Some(status) = server
        .media_expand_status
        .filter(|_| expand.iter().any(|one| one.set == Set::Media))
    {
        return Err(Answer::error(status, "The resource does not answer"));
    }
    Ok(())
}

fn page(
    market: &Market,
    page_size: usize,
    root: &str,
    name: &str,
    raw: &str,
) -> Result<Answer, Answer> {
    let set = entity_set(market, name)?;
    let query = query::read(raw, market, set)?;
    check_expand(market, &query.expand)?;
    let table = market.table(set);
    let page_size = market
        .behaviour
        .page_cap
        .unwrap_or(page_size)
        .min(page_size)
        .max(1);
    let limit = query.top.unwrap_or(usize::MAX).min(page_size);
    let wanted = Wanted {
        table,
        filter: query.filter.as_ref(),
        order: &query.order,
        skip: query.skip,
        limit,
        counts: query.counts,
    };
    let found = find(market, &wanted);

    let mut body = Vec::with_capacity(
        1024 + found.ids.len()
            * if set == Set::Property {
                8 << 10
            } else {
                1 << 10
            },
    );
    body.push(b'{');
    write_context(root, name, &mut body);
    if let Some(count) = found.count {
        body.extend_from_slice(format!(",\"@odata.count\":{count}").as_bytes());
    }
    body.extend_from_slice(b",\"value\":[");
    for (at, id) in found.ids.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        write_record(market, root, set, *id, &query, &mut body);
    }
    body.push(b']');
    let left = query.top.map(|top| top.saturating_sub(limit));
    if found.has_more && left != Some(0) {
        body.extend_from_slice(b",\"@odata.nextLink\":");
        write_text(
            &next_link(root, name, raw, query.skip + limit, left),
            &mut body,
        );
    }
    body.push(b'}');
    Ok(Answer::json(body))
}

/// The same URL, from `skip` on.
fn next_link(root: &str, name: &str, raw: &str, skip: usize, top: Option<usize>) -> String {
    let is = |part: &str, name: &str| {
        query::decode(part.split('=').next().unwrap_or_default())
            .is_some_and(|decoded| decoded == name)
    };
    let mut link = format!("{root}/{name}?");
    for part in raw
        .split('&')
        .filter(|part| !part.is_empty() && !is(part, "$skip") && !is(part, "$top"))
    {
        link.push_str(part);
        link.push('&');
    }
    if let Some(top) = top {
        link.push_str(&format!("$top={top}&"));
    }
    link.push_str(&format!("$skip={skip}"));
    link
}

fn one(market: &Market, root: &str, name: &str, key: &str, raw: &str) -> Result<Answer, Answer> {
    let set = entity_set(market, name)?;
    let query = query::read(raw, market, set)?;
    check_expand(market, &query.expand)?;
    let key = key
        .strip_suffix(')')
        .ok_or_else(|| Answer::error(400, "Malformed key"))?;
    let key = match key.strip_prefix('\'') {
        Some(quoted) => quoted
            .strip_suffix('\'')
            .unwrap_or(quoted)
            .replace("''", "'"),
        None => key.to_owned(),
    };
    let id = market.id(set, &key).filter(|&id| market.exists(set, id));
    let id = id.ok_or_else(|| Answer::error(404, &format!("{name}({key}) was not found")))?;
    let mut body = vec![b'{'];
    write_context(root, &format!("{name}/$entity"), &mut body);
    if market.behaviour.wrap_single {
        body.extend_from_slice(b",\"value\":");
        write_record(market, root, set, id, &query, &mut body);
        body.push(b'}');
        return Ok(Answer::json(body));
    }
    let mut record = Vec::new();
    write_record(market, root, set, id, &query, &mut record);
    if let Some(fields) = record.strip_prefix(b"{") {
        if fields.len() > 1 {
            body.push(b',');
        }
        body.extend_from_slice(fields);
        return Ok(Answer::json(body));
    }
    Ok(Answer::json(record))
}

/// Appends a record with its expanded children.
fn write_record(market: &Market, root: &str, set: Set, id: u64, query: &Query, out: &mut Vec<u8>) {
    let row = Row::new(market, market.table(set), id);
    if !row.is_object() {
        return write_text("spoiled", out);
    }
    let from = out.len();
    row.write_open(query.select.as_deref(), out);
    for expand in &query.expand {
        if out.len() > from + 1 {
            out.push(b',');
        }
        write_children(market, root, id, expand, out);
    }
    out.push(b'}');
}

fn write_children(market: &Market, root: &str, listing: u64, expand: &Expand, out: &mut Vec<u8>) {
    let (set, table) = (expand.set, market.table(expand.set));
    let mut ids = market.children(set, listing);
    let by_order = table
        .position("Order")
        .filter(|_| set == Set::Media)
        .map(|at| vec![(at, false)]);
    let order = if expand.order.is_empty() {
        by_order.unwrap_or_default()
    } else {
        expand.order.clone()
    };
    if !order.is_empty() && ids.len() > 1 {
        let first = listing * stride(set);
        let mut keyed: Vec<_> = ids
            .iter()
            .map(|&id| {
                let row = Row::new(market, table, id);
                (
                    order
                        .iter()
                        .map(|(at, _)| row.value(*at))
                        .collect::<Vec<_>>(),
                    id,
                )
            })
            .collect();
        keyed.sort_by(|(a, a_id), (b, b_id)| {
            let pairs = a.iter().zip(b).zip(&order).map(|((a, b), (_, falls))| {
                let order = a.order(b).unwrap_or(std::cmp::Ordering::Equal);
                if *falls { order.reverse() } else { order }
            });
            pairs
                .fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
                .then(a_id.cmp(b_id))
        });
        ids = keyed.into_iter().map(|(_, id)| id.max(first)).collect();
    }
    let cap = market
        .behaviour
        .expand_cap
        .unwrap_or(usize::MAX)
        .min(expand.top.unwrap_or(usize::MAX));
    let is_cut = ids.len() > cap && expand.top.is_none();
    ids.truncate(cap);
    let name = set.name();
    out.extend_from_slice(format!("\"{name}\":[").as_bytes());
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let row = Row::new(market, table, *id);
        if !row.is_object() {
            write_text("spoiled", out);
            continue;
        }
        row.write_open(expand.select.as_deref(), out);
        out.push(b'}');
    }
    out.push(b']');
    if is_cut {
        let parent = if set == Set::Media {
            "ResourceRecordKeyNumeric"
        } else {
            "ListingKeyNumeric"
        };
        let order = if set == Set::Media {
            "&$orderby=Order"
        } else {
            ""
        };
        let key = market.base.listing_key(listing);
        out.extend_from_slice(format!(",\"{name}@odata.nextLink\":").as_bytes());
        write_text(
            &format!("{root}/{name}?$filter={parent}%20eq%20{key}{order}&$skip={cap}"),
            out,
        );
    }
}

fn write_context(root: &str, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"@odata.context\":");
    write_text(&format!("{root}/$metadata#{name}"), out);
}

fn service_document(market: &Market, root: &str) -> Vec<u8> {
    let sets = market
        .tables
        .iter()
        .map(|table| table.set)
        .filter(|set| *set != Set::Deleted);
    let sets = sets.map(|set| {
        let name = set.name();
        format!("{{\"name\":\"{name}\",\"kind\":\"EntitySet\",\"url\":\"{name}\"}}")
    });
    let sets = sets.collect::<Vec<_>>().join(",");
    format!("{{\"@odata.context\":\"{root}/$metadata\",\"value\":[{sets}]}}").into_bytes()
}

fn metadata_document(market: &Market) -> Answer {
    let server = &market.behaviour;
    if let Some(status) = server.metadata_status {
        return Answer::error(status, "The metadata cannot be read now");
    }
    let mut body = metadata::render(&market.tables).into_bytes();
    if server.metadata_cut {
        body.truncate(body.len() / 2);
    }
    Answer {
        status: 200,
        content_type: "application/xml",
        body,
    }
}
