//! The ids that a filter can match, by its conditions on keys.

use super::predicate::{Operator, Predicate, Term};
use crate::fields::{DECIMAL_ONE, Value};
use crate::fields::{Set, Table};
use crate::market::Market;
use crate::world::children;
use crate::world::{Base, stride};

/// The ids that a search must check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Span {
    /// All ids from the first up to, but without, the second.
    Range(u64, u64),
    /// Single ids, ascending.
    Points(Vec<u64>),
}

/// Returns the ids that the filter can match. There may be too many of them, but never too few.
pub fn span(market: &Market, table: &Table, filter: Option<&Predicate>) -> Span {
    let whole = Span::Range(0, market.end(table.set));
    filter
        .and_then(|filter| narrow(market, table, filter))
        .map_or(whole.clone(), |span| meet(whole, span))
}

/// Returns the ids that one condition allows, or `None` if it does not restrict them.
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

/// Returns the id of the record with this key, or an empty span if there is none.
fn point(market: &Market, set: Set, value: &Value) -> Option<Span> {
    let key = match value {
        Value::Text(text) => text.clone().into_owned(),
        Value::Decimal(n) => (n / DECIMAL_ONE).to_string(),
        _ => return None,
    };
    Some(Span::Points(market.id(set, &key).into_iter().collect()))
}

/// Returns the ids that belong to listings whose keys fulfil the comparison.
fn listings(base: &Base, stride: u64, operator: Operator, value: &Value) -> Option<Span> {
    // `from` is the lowest key at or above the value, `above` the lowest key above it.
    let (from, above) = match value {
        Value::Decimal(n) => {
            let floor = n.div_euclid(DECIMAL_ONE);
            (
                floor + i64::from(n.rem_euclid(DECIMAL_ONE) != 0),
                floor.saturating_add(1),
            )
        }
        // Seven digits order the same as text and as numbers. The filter checks other texts.
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
    /// The maximum length of a range that is expanded: enough for one listing's children.
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

/// Returns the ids of a span, or its ends if it is a long range.
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
