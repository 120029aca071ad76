//! Values that several makers share.

use crate::dice::Dice;
use crate::fields::{Field, Kind, Value};
use crate::world::STREETS;

/// The originating system of every record.
pub const ORIGIN: &str = "UtahRealEstate.com (simulated)";

/// Returns one member of the field's enumeration, or null if it has no such member.
pub fn member(field: &Field, name: &str) -> Value {
    match field.kind {
        Kind::Enumeration(e) => e
            .one(name)
            .map_or(Value::Null, |bit| Value::Members(e, bit)),
        _ => Value::Null,
    }
}

/// Returns `value` with the given probability, otherwise null.
pub fn sometimes(
    dice: Dice,
    field: &Field,
    probability: f64,
    value: impl FnOnce() -> Value,
) -> Value {
    if dice.chance(field.salt, probability) {
        value()
    } else {
        Value::Null
    }
}

/// Returns a random value of the field's type, or null: for fields without a rule of their own.
pub fn anything(dice: Dice, timestamp: i64, field: &Field) -> Value {
    let filled = match field.kind {
        Kind::Enumeration(_) => 0.4,
        Kind::Boolean => 0.7,
        _ => 0.25,
    };
    sometimes(dice, field, filled, || of_kind(dice, timestamp, field))
}

fn of_kind(dice: Dice, timestamp: i64, field: &Field) -> Value {
    let salt = field.salt;
    match field.kind {
        Kind::Int32 => Value::Int(dice.between(salt ^ 1, 0, 12)),
        Kind::Decimal => Value::Decimal(dice.between(salt ^ 1, 0, 4_000) * 2_500),
        Kind::Boolean => Value::Flag(dice.chance(salt ^ 1, 0.4)),
        Kind::Text => Value::text(dice.pick(salt ^ 1, STREETS)),
        Kind::Date => Value::Date(timestamp.div_euclid(86_400) - dice.between(salt ^ 1, 0, 300)),
        Kind::Timestamp => Value::seconds(timestamp - dice.between(salt ^ 1, 0, 9_000_000)),
        Kind::Enumeration(e) => {
            let count = if e.is_flags {
                1 + dice.below(salt ^ 2, 4)
            } else {
                1
            };
            let one = |turn: u64| {
                1_u128 << dice.below(salt ^ (turn + 3), e.members.len().min(128) as u64)
            };
            Value::Members(e, (0..count).map(one).fold(0, |bits, bit| bits | bit))
        }
        Kind::Point => Value::Null,
    }
}
