//! Finds the records that a query asks for, in its order.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use super::base::stride;
use super::market::Market;
use super::predicate::Predicate;
use super::row::Row;
use super::schema::{Set, Table};
use super::span::{Span, span};
use super::value::Value;

/// One term of an order: the field's place in its table, and whether it falls.
pub type Order = (usize, bool);

/// What to find.
#[derive(Debug)]
pub struct Wanted<'a> {
    pub table: &'a Table,
    pub filter: Option<&'a Predicate>,
    pub order: &'a [Order],
    pub skip: usize,
    /// Records at most.
    pub limit: usize,
    /// Whether all that match are to be counted.
    pub counts: bool,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Found {
    pub ids: Vec<u64>,
    /// Whether more match behind these.
    pub has_more: bool,
    pub count: Option<u64>,
}

/// Finds what is wanted.
pub fn find(market: &Market, wanted: &Wanted<'_>) -> Found {
    let span = span(market, wanted.table, wanted.filter);
    match key_order(wanted) {
        Some(falls) => in_key_order(market, wanted, span, falls),
        None => sorted(market, wanted, span),
    }
}

/// Whether the order is that of keys, and then whether it falls.
fn key_order(wanted: &Wanted<'_>) -> Option<bool> {
    let Some((at, falls)) = wanted.order.first() else {
        return Some(false);
    };
    let is_key = match (wanted.table.set, wanted.table.fields[*at].name.as_str()) {
        // Keys of these have a fixed number of digits, so that texts order as numbers do.
        (Set::Property, "ListingKey") | (Set::OpenHouse, "OpenHouseKey") => true,
        (Set::Member, "MemberKey") | (Set::Office, "OfficeKey") => true,
        _ => wanted.table.fields[*at].is_key,
    };
    is_key.then_some(*falls)
}

fn in_key_order(market: &Market, wanted: &Wanted<'_>, mut span: Span, falls: bool) -> Found {
    let set = wanted.table.set;
    let mut found = Found::default();
    let mut skip = wanted.skip;
    if wanted.filter.is_none() {
        found.count = wanted.counts.then(|| market.count(set));
        if !falls {
            let first = first_after(market, set, &mut skip);
            span = Span::Range(first, market.end(set));
        }
    }
    let counts_here = wanted.counts && found.count.is_none();
    let mut seen = 0_usize;
    let _ = each(market, wanted, &span, falls, |id| {
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

/// The id to begin with when so many records are skipped and none is filtered;
/// `skip` is left with what is to be skipped from there.
fn first_after(market: &Market, set: Set, skip: &mut usize) -> u64 {
    if !set.is_child() {
        let gone = market.absent(set).into_iter().flatten();
        let first = gone.fold(*skip as u64, |at, gone| at + u64::from(*gone <= at));
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

/// Visits the ids of a span that exist and match, in the order of their keys.
fn each(
    market: &Market,
    wanted: &Wanted<'_>,
    span: &Span,
    falls: bool,
    mut visit: impl FnMut(u64) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let set = wanted.table.set;
    let matches = |id| {
        wanted
            .filter
            .is_none_or(|filter| filter.holds(&Row::new(market, wanted.table, id)))
    };
    let mut each_of = |listing: u64, keep: &dyn Fn(u64) -> bool| {
        let ids = market.children_that(set, listing, |id| keep(id) && matches(id));
        turned(ids, falls).into_iter().try_for_each(&mut visit)
    };
    match span {
        Span::Points(points) if set.is_child() => {
            let mut parents: Vec<u64> = points.iter().map(|id| id / stride(set)).collect();
            parents.dedup();
            let keep = |id| points.binary_search(&id).is_ok();
            turned(parents, falls)
                .into_iter()
                .try_for_each(|listing| each_of(listing, &keep))
        }
        Span::Range(from, end) if set.is_child() => {
            let (from, end) = (*from, (*end).min(market.end(set)));
            let keep = |id| (from..end).contains(&id);
            let mut listings = from / stride(set)..end.div_ceil(stride(set));
            match falls {
                true => listings
                    .rev()
                    .try_for_each(|listing| each_of(listing, &keep)),
                false => listings.try_for_each(|listing| each_of(listing, &keep)),
            }
        }
        Span::Points(points) => {
            let ids = points
                .iter()
                .copied()
                .filter(|&id| market.exists(set, id) && matches(id));
            turned(ids.collect(), falls).into_iter().try_for_each(visit)
        }
        Span::Range(from, end) => {
            let ids = *from..(*end).min(market.end(set));
            let mut ids = ids.filter(|&id| market.exists(set, id) && matches(id));
            if falls {
                ids.rev().try_for_each(visit)
            } else {
                ids.try_for_each(visit)
            }
        }
    }
}

fn turned(mut ids: Vec<u64>, falls: bool) -> Vec<u64> {
    if falls {
        ids.reverse();
    }
    ids
}

/// All that match, sorted by the order; what ties keeps the order of keys.
fn sorted(market: &Market, wanted: &Wanted<'_>, span: Span) -> Found {
    let mut matching = Vec::new();
    // A million timestamps are sorted as numbers.
    let only_stamp = match wanted.order {
        [(at, falls)] if Some(*at) == wanted.table.stamp => Some((*at, *falls)),
        [(at, falls), (key, false)]
            if Some(*at) == wanted.table.stamp && wanted.table.fields[*key].is_key =>
        {
            Some((*at, *falls))
        }
        _ => None,
    };
    let _ = each(market, wanted, &span, false, |id| {
        let row = Row::new(market, wanted.table, id);
        let keys = match only_stamp {
            Some((at, falls)) => {
                let stamp = if let Value::Stamp(stamp) = row.value(at) {
                    stamp
                } else {
                    i64::MIN
                };
                Keys::Stamp(if falls { stamp.saturating_neg() } else { stamp })
            }
            None => Keys::Any(wanted.order.iter().map(|(at, _)| row.value(*at)).collect()),
        };
        matching.push((keys, matching.len(), id));
        ControlFlow::Continue(())
    });
    let order = |a: &(Keys, usize, u64), b: &(Keys, usize, u64)| {
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
    Stamp(i64),
    Any(Vec<Value>),
}

fn compare(a: &Keys, b: &Keys, order: &[Order]) -> Ordering {
    match (a, b) {
        (Keys::Stamp(a), Keys::Stamp(b)) => a.cmp(b),
        (Keys::Any(a), Keys::Any(b)) => {
            let pairs = a.iter().zip(b).zip(order);
            pairs.fold(Ordering::Equal, |so_far, ((a, b), (_, falls))| {
                so_far.then_with(|| {
                    let order = a.order(b).unwrap_or(Ordering::Equal);
                    if *falls { order.reverse() } else { order }
                })
            })
        }
        _ => Ordering::Equal,
    }
}
