//! Pages of records, and single records.

use super::answer::Answer;
use super::asked::Asked;
use super::find::{Wanted, find};
use super::limited;
use super::query::{self, Query};
use super::record::write_record;
use crate::behaviour::Behaviour;
use crate::fields::{Set, write_text};
use crate::market::Market;

/// Returns one page of the records that a query selects.
pub fn page(market: &Market, asked: &Asked<'_>, set: Set, query: &Query) -> Answer {
    let (root, server) = (asked.root, &market.behaviour);
    let page_size = limited::page_size(server, asked.page_size);
    let limit = query.top.unwrap_or(usize::MAX).min(page_size);
    let found = find(
        market,
        &Wanted {
            table: market.table(set),
            filter: query.filter.as_ref(),
            order: &query.order,
            skip: query.skip,
            limit,
            counts: query.counts,
            is_scattered: server.has(Behaviour::OrderbyIgnored)
                || server.has(Behaviour::OrderbyFirstFieldOnly),
        },
    );

    let record_size = if set == Set::Property {
        8 << 10
    } else {
        1 << 10
    };
    let mut body = Vec::with_capacity(1024 + found.ids.len() * record_size);
    body.push(b'{');
    write_context(root, set.name(), &mut body);
    if let Some(count) = found.count {
        body.extend_from_slice(format!(",\"@odata.count\":{count}").as_bytes());
    }
    body.extend_from_slice(b",\"value\":[");
    for (at, id) in found.ids.iter().enumerate() {
        if at > 0 {
            body.push(b',');
        }
        write_record(market, root, set, *id, query, &mut body);
    }
    body.push(b']');

    let left = query.top.map(|top| top.saturating_sub(limit));
    if found.has_more && left != Some(0) {
        let link = next_link(root, set.name(), asked.raw_query, query.skip + limit, left);
        body.extend_from_slice(b",\"@odata.nextLink\":");
        write_text(&link, &mut body);
    }
    body.push(b'}');
    Answer::json(body)
}

/// Returns the URL of the next page: the same query with other values of `$skip` and `$top`.
fn next_link(root: &str, name: &str, raw_query: &str, skip: usize, top: Option<usize>) -> String {
    let is_replaced = |part: &&str| {
        let name = query::decode(part.split('=').next().unwrap_or_default());
        matches!(name.as_deref(), Some("$skip" | "$top"))
    };
    let mut link = format!("{root}/{name}?");
    for part in raw_query
        .split('&')
        .filter(|part| !part.is_empty() && !is_replaced(part))
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

/// Returns one record by its key. `key` is the rest of the path after `(`.
pub fn one(
    market: &Market,
    root: &str,
    set: Set,
    key: &str,
    query: &Query,
) -> Result<Answer, Answer> {
    let name = set.name();
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
    let id = market
        .id(set, &key)
        .filter(|&id| market.exists(set, id))
        .ok_or_else(|| Answer::error(404, &format!("{name}({key}) was not found")))?;

    let mut body = vec![b'{'];
    write_context(root, &format!("{name}/$entity"), &mut body);
    if market.behaviour.wrap_single {
        body.extend_from_slice(b",\"value\":");
        write_record(market, root, set, id, query, &mut body);
        body.push(b'}');
        return Ok(Answer::json(body));
    }

    let mut record = Vec::new();
    write_record(market, root, set, id, query, &mut record);
    let Some(fields) = record.strip_prefix(b"{") else {
        return Ok(Answer::json(record));
    };
    if fields.len() > 1 {
        body.push(b',');
    }
    body.extend_from_slice(fields);
    Ok(Answer::json(body))
}

fn write_context(root: &str, name: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\"@odata.context\":");
    write_text(&format!("{root}/$metadata#{name}"), out);
}
