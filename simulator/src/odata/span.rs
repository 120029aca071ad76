//! Which ids a filter can possibly match, read from its conditions on keys.

use super::predicate::{Operator, Predicate, Term};
use crate::fields::{DECIMAL_ONE, Value};
use crate::fields::{Set, Table};
use crate::market::Market;
use crate::world::children;
use crate::world::{Base, stride};

/// Ids to look at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// From the first to below the second.
    Range(u64, u64),
    /// These, rising.
    Points(Vec<u64>),
}

/// The ids of a table's records that the filter can match. It may give too many, never too few.
pub fn span(market: &Market, table: &Table, filter: Option<&Predicate>) -> Span {
    let whole = Span::Range(0, market.end(table.set));
    filter
        .and_then(|filter| narrow(market, table, filter))
        .map_or(whole.clone(), |span| meet(whole, span))
}

/// What one condition says of ids; none where it says nothing.
fn narrow(market: &Market, table: &Table, predicate: &Predicate) -> Option<Span> {
    match predicate {
        Predicate::All(all) => all
            .iter()
            .filter_map(|one| narrow(market, table, one))
            .reduce(meet),
        Predicate::Any(any) => {
            let spans = any
                .iter()
                .map(|one| narrow(market, table, one))
                .collect::<Option<Vec<_>>>()?;
            spans.into_iter().reduce(join)
        }
        Predicate::Compare(Term::Field(at), operator, Term::Literal(value)) => {
            condition(market, table.set, &table.fields[*at].name, *operator, value)
        }
        Predicate::In(Term::Field(at), values) => {
            let name = &table.fields[*at].name;
            let one = |value| condition(market, table.set, name, Operator::Equal, value);
            values
                .iter()
                .map(one)
                .collect::<Option<Vec<_>>>()?
                .into_iter()
                .reduce(join)
        }
        _ => None,
    }
}

fn condition(
    market: &Market,
    set: Set,
    field: &str,
    operator: Operator,
    value: &Value,
) -> Option<Span> {
    let base = &market.base;
    match (set, field) {
        (Set::Property, "ListingKeyNumeric" | "ListingKey") => listings(base, 1, operator, value),
        (Set::Media, "ResourceRecordKeyNumeric" | "ResourceRecordKey")
        | (Set::OpenHouse | Set::PropertyUnitTypes, "ListingKeyNumeric" | "ListingKey") => {
            listings(base, stride(set), operator, value)
        }
        (Set::Media, "MediaKey") => match (operator, value) {
            (Operator::Equal, value) => point(market, set, value),
            (Operator::Greater | Operator::AtLeast, Value::Text(text)) => {
                let listing = children::first_listing_from_photo_key(base, text)?;
                Some(Span::Range(listing * stride(set), u64::MAX))
            }
            _ => None,
        },
        (_, field) if set.is_key_field(field) && operator == Operator::Equal => {
            point(market, set, value)
        }
        _ => None,
    }
}

/// The record with this key, or none at all.
fn point(market: &Market, set: Set, value: &Value) -> Option<Span> {
    let key = match value {
        Value::Text(text) => text.clone().into_owned(),
        Value::Decimal(n) => (n / DECIMAL_ONE).to_string(),
        _ => return None,
    };
    Some(Span::Points(market.id(set, &key).into_iter().collect()))
}

/// The ids that belong to listings whose key compares so.
fn listings(base: &Base, stride: u64, operator: Operator, value: &Value) -> Option<Span> {
    // Below and from: the first key that is above is the next whole number's.
    let (from, above) = match value {
        Value::Decimal(n) => {
            let floor = n.div_euclid(DECIMAL_ONE);
            (
                floor + i64::from(n.rem_euclid(DECIMAL_ONE) != 0),
                floor.saturating_add(1),
            )
        }
        // Seven digits order as text as they do as numbers; others are left to the filter.
        Value::Text(text) if text.len() == 7 => {
            let key = text.parse::<i64>().ok()?;
            (key, key + 1)
        }
        _ => return None,
    };
    let (from, above) = (
        base.first_index_from(from) * stride,
        base.first_index_from(above) * stride,
    );
    Some(match operator {
        Operator::Equal => Span::Range(from, above),
        Operator::Greater => Span::Range(above, u64::MAX),
        Operator::AtLeast => Span::Range(from, u64::MAX),
        Operator::Less => Span::Range(0, from),
        Operator::AtMost => Span::Range(0, above),
        Operator::NotEqual => return None,
    })
}

fn meet(a: Span, b: Span) -> Span {
    match (a, b) {
        (Span::Range(a, b), Span::Range(c, d)) => Span::Range(a.max(c), b.min(d)),
        (Span::Points(points), Span::Range(from, end))
        | (Span::Range(from, end), Span::Points(points)) => Span::Points(
            points
                .into_iter()
                .filter(|id| (from..end).contains(id))
                .collect(),
        ),
        (Span::Points(a), Span::Points(b)) => Span::Points(
            a.into_iter()
                .filter(|id| b.binary_search(id).is_ok())
                .collect(),
        ),
    }
}

fn join(a: Span, b: Span) -> Span {
    /// Ranges of one listing's records are cheap to write out.
    const FEW: u64 = 1024;
    match (points(a, FEW), points(b, FEW)) {
        (Ok(mut a), Ok(b)) => {
            a.extend(b);
            a.sort_unstable();
            a.dedup();
            Span::Points(a)
        }
        (a, b) => {
            let (a, b) = (ends(a), ends(b));
            Span::Range(a.0.min(b.0), a.1.max(b.1))
        }
    }
}

/// The span as points, or its ends where it is long.
fn points(span: Span, few: u64) -> Result<Vec<u64>, (u64, u64)> {
    match span {
        Span::Points(points) => Ok(points),
        Span::Range(from, end) if end.saturating_sub(from) <= few => Ok((from..end).collect()),
        Span::Range(from, end) => Err((from, end)),
    }
}

fn ends(span: Result<Vec<u64>, (u64, u64)>) -> (u64, u64) {
    match span {
        Ok(points) => match (points.first(), points.last()) {
            (Some(first), Some(last)) => (*first, last + 1),
            _ => (u64::MAX, 0),
        },
        Err(ends) => ends,
    }
}
