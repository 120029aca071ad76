//! Finds the records that a query selects, in its order.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::order::{self, Order};
use super::predicate::Predicate;
use super::span::{Span, span};
use crate::dice::mix;
use crate::fields::{Set, Table, Value};
use crate::market::{Market, Row};
use crate::world::stride;

/// A search for records.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub table: &'a Table,
    pub filter: Option<&'a Predicate>,
    pub order: &'a [Order],
    pub skip: usize,
    /// The maximum number of records to return.
    pub limit: usize,
    /// Whether to count all matching records.
    pub counts: bool,
    /// Whether records that compare equal come in an order of their own instead of by key.
    pub is_scattered: bool,
}

/// The result of a search.
#[derive(Debug, Default)]
pub struct Found {
    pub ids: Vec<u64>,
    /// Whether more records match after these.
    pub has_more: bool,
    pub count: Option<u64>,
}

pub fn find(market: &Market, wanted: &Wanted<'_>) -> Found {
    let span = span(market, wanted.table, wanted.filter);
    match key_order(wanted) {
        Some(descends) => in_key_order(market, wanted, span, descends),
        None => sorted(market, wanted, span),
    }
}

/// Returns whether the order descends if it is the order of keys, otherwise `None`.
fn key_order(wanted: &Wanted<'_>) -> Option<bool> {
    let Some((at, descends)) = wanted.order.first() else {
        return (!wanted.is_scattered).then_some(false);
    };
    let is_key = match (wanted.table.set, wanted.table.fields[*at].name.as_str()) {
        // These keys have a fixed number of digits, so texts order like numbers.
        (Set::Property, "ListingKey") | (Set::OpenHouse, "OpenHouseKey") => true,
        (Set::Member, "MemberKey") | (Set::Office, "OfficeKey") => true,
        _ => wanted.table.fields[*at].is_key,
    };
    is_key.then_some(*descends)
}

fn in_key_order(market: &Market, wanted: &Wanted<'_>, mut span: Span, descends: bool) -> Found {
    let set = wanted.table.set;
    let mut found = Found::default();
    let mut skip = wanted.skip;
    if wanted.filter.is_none() {
        found.count = wanted.counts.then(|| market.count(set));
        if !descends {
            let first = first_after(market, set, &mut skip);
            span = Span::Range(first, market.end(set));
        }
    }
    let counts_here = wanted.counts && found.count.is_none();
    let mut seen = 0_usize;
    let _ = each(market, wanted, &span, descends, |id| {
        seen += 1;
        if seen > skip && found.ids.len() < wanted.limit {
            found.ids.push(id);
        } else if seen > skip {
            found.has_more = true;
            if !counts_here {
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    });
    if counts_here {
        found.count = Some(seen as u64);
    }
    found
}

/// Returns an id to start from if no filter applies, so that the search need not visit the
/// first `skip` records. Sets `skip` to the number of records to skip from that id.
fn first_after(market: &Market, set: Set, skip: &mut usize) -> u64 {
    if !set.is_child() {
        let deleted = market.absent(set).into_iter().flatten();
        let first = deleted.fold(*skip as u64, |at, id| at + u64::from(*id <= at));
        *skip = 0;
        return first;
    }
    let mut listing = 0;
    while listing < market.end(Set::Property) {
        match skip.checked_sub(market.count_children(set, listing) as usize) {
            Some(left) => *skip = left,
            None => break,
        }
        listing += 1;
    }
    listing * stride(set)
}

/// Visits the ids of a span whose records exist and match, in the order of their keys.
fn each(
    market: &Market,
    wanted: &Wanted<'_>,
    span: &Span,
    descends: bool,
    mut visit: impl FnMut(u64) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let set = wanted.table.set;
    let matches = |id| {
        wanted
            .filter
            .is_none_or(|filter| filter.holds(&Row::new(market, wanted.table.set, id)))
    };
    let mut each_of = |listing: u64, keep: &dyn Fn(u64) -> bool| {
        let ids = market.children_that(set, listing, |id| keep(id) && matches(id));
        in_direction(ids, descends)
            .into_iter()
            .try_for_each(&mut visit)
    };
    match span {
        Span::Points(points) if set.is_child() => {
            let mut parents: Vec<u64> = points.iter().map(|id| id / stride(set)).collect();
            parents.dedup();
            let keep = |id| points.binary_search(&id).is_ok();
            in_direction(parents, descends)
                .into_iter()
                .try_for_each(|listing| each_of(listing, &keep))
        }
        Span::Range(from, end) if set.is_child() => {
            let (from, end) = (*from, (*end).min(market.end(set)));
            let keep = |id| (from..end).contains(&id);
            let mut listings = from / stride(set)..end.div_ceil(stride(set));
            if descends {
                listings
                    .rev()
                    .try_for_each(|listing| each_of(listing, &keep))
            } else {
                listings.try_for_each(|listing| each_of(listing, &keep))
            }
        }
        Span::Points(points) => {
            let ids = points
                .iter()
                .copied()
                .filter(|&id| market.exists(set, id) && matches(id));
            in_direction(ids.collect(), descends)
                .into_iter()
                .try_for_each(visit)
        }
        Span::Range(from, end) => {
            let ids = *from..(*end).min(market.end(set));
            let mut ids = ids.filter(|&id| market.exists(set, id) && matches(id));
            if descends {
                ids.rev().try_for_each(visit)
            } else {
                ids.try_for_each(visit)
            }
        }
    }
}

fn in_direction(mut ids: Vec<u64>, descends: bool) -> Vec<u64> {
    if descends {
        ids.reverse();
    }
    ids
}

/// Returns the matching records, sorted. Records that compare equal keep the order of keys.
fn sorted(market: &Market, wanted: &Wanted<'_>, span: Span) -> Found {
    let mut matching = Vec::new();
    // Sorting a million timestamps as numbers is much faster than sorting values.
    let only_timestamp = match wanted.order {
        [(at, descends)] if Some(*at) == wanted.table.timestamp => Some((*at, *descends)),
        [(at, descends), (key, false)]
            if Some(*at) == wanted.table.timestamp && wanted.table.fields[*key].is_key =>
        {
            Some((*at, *descends))
        }
        _ => None,
    };
    let _ = each(market, wanted, &span, false, |id| {
        let row = Row::new(market, wanted.table.set, id);
        let keys = match only_timestamp {
            Some((at, descends)) => {
                let timestamp = if let Value::Timestamp(timestamp) = row.value(at) {
                    timestamp
                } else {
                    i64::MIN
                };
                Keys::Timestamp(if descends {
                    timestamp.saturating_neg()
                } else {
                    timestamp
                })
            }
            None => Keys::Any(wanted.order.iter().map(|(at, _)| row.value(*at)).collect()),
        };
        let place = if wanted.is_scattered {
            mix(id)
        } else {
            matching.len() as u64
        };
        matching.push((keys, place, id));
        ControlFlow::Continue(())
    });
    let order = |a: &(Keys, u64, u64), b: &(Keys, u64, u64)| {
        compare(&a.0, &b.0, wanted.order).then(a.1.cmp(&b.1))
    };
    let count = matching.len();
    let end = wanted.skip.saturating_add(wanted.limit);
    if end > 0 && end < count {
        matching.select_nth_unstable_by(end - 1, order);
        matching.truncate(end);
    }
    matching.sort_unstable_by(order);
    Found {
        ids: matching
            .into_iter()
            .skip(wanted.skip)
            .take(wanted.limit)
            .map(|(_, _, id)| id)
            .collect(),
        has_more: end < count,
        count: wanted.counts.then_some(count as u64),
    }
}

enum Keys {
    Timestamp(i64),
    Any(Vec<Value>),
}

fn compare(a: &Keys, b: &Keys, order: &[Order]) -> Ordering {
    match (a, b) {
        (Keys::Timestamp(a), Keys::Timestamp(b)) => a.cmp(b),
        (Keys::Any(a), Keys::Any(b)) => order::compare(a, b, order),
        _ => Ordering::Equal,
    }
}
