//! The terms of an `$orderby`.

use std::cmp::Ordering;

use crate::fields::Value;

/// One term: the field's position in its table, and whether the order is descending.
pub type Order = (usize, bool);

/// Compares two records by the values of the ordered fields.
pub fn compare(a: &[Value], b: &[Value], order: &[Order]) -> Ordering {
    let pairs = a.iter().zip(b).zip(order);
    pairs.fold(Ordering::Equal, |so_far, ((a, b), (_, descends))| {
        so_far.then_with(|| {
            let order = a.order(b).unwrap_or(Ordering::Equal);
            if *descends { order.reverse() } else { order }
        })
    })
}
