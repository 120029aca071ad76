//! The JSON of a record with its expanded children.

use super::order::{Order, compare};
use super::query::{Expand, Query};
use crate::fields::{Set, write_text};
use crate::market::{Market, Row};

/// Appends a record with its expanded children.
pub fn write_record(
    market: &Market,
    root: &str,
    set: Set,
    id: u64,
    query: &Query,
    out: &mut Vec<u8>,
) {
    let row = Row::new(market, set, id);
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

/// Appends the array of a listing's children, with a next link if `expand_cap` cuts it.
fn write_children(market: &Market, root: &str, listing: u64, expand: &Expand, out: &mut Vec<u8>) {
    let set = expand.set;
    let name = set.name();
    let mut ids = ordered_children(market, listing, expand);
    let cap = market
        .behaviour
        .expand_cap
        .unwrap_or(usize::MAX)
        .min(expand.top.unwrap_or(usize::MAX));
    let is_cut = ids.len() > cap && expand.top.is_none();
    ids.truncate(cap);

    out.extend_from_slice(format!("\"{name}\":[").as_bytes());
    for (at, id) in ids.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        let row = Row::new(market, set, *id);
        if row.is_object() {
            row.write_open(expand.select.as_deref(), out);
            out.push(b'}');
        } else {
            write_text("spoiled", out);
        }
    }
    out.push(b']');

    if is_cut {
        let key = market.base.listing_key(listing);
        out.extend_from_slice(format!(",\"{name}@odata.nextLink\":").as_bytes());
        write_text(&rest_of_children(root, set, key, cap), out);
    }
}

/// Returns the ids of a listing's children in the wanted order. Photos order by `Order`
/// if the request names no order.
fn ordered_children(market: &Market, listing: u64, expand: &Expand) -> Vec<u64> {
    let set = expand.set;
    let ids = market.children(set, listing);
    let order: Vec<Order> = match market.table(set).position("Order") {
        Some(at) if set == Set::Media && expand.order.is_empty() => vec![(at, false)],
        _ => expand.order.clone(),
    };
    if order.is_empty() || ids.len() < 2 {
        return ids;
    }

    let mut keyed: Vec<_> = ids
        .into_iter()
        .map(|id| {
            let row = Row::new(market, set, id);
            let values: Vec<_> = order.iter().map(|(at, _)| row.value(*at)).collect();
            (values, id)
        })
        .collect();
    keyed.sort_by(|(a, a_id), (b, b_id)| compare(a, b, &order).then(a_id.cmp(b_id)));
    keyed.into_iter().map(|(_, id)| id).collect()
}

/// Returns the URL of a listing's children after the first `skip`.
fn rest_of_children(root: &str, set: Set, listing_key: i64, skip: usize) -> String {
    let (parent, order) = if set == Set::Media {
        ("ResourceRecordKeyNumeric", "&$orderby=Order")
    } else {
        ("ListingKeyNumeric", "")
    };
    let name = set.name();
    format!("{root}/{name}?$filter={parent}%20eq%20{listing_key}{order}&$skip={skip}")
}
