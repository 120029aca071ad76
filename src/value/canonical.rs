//! One spelling for equal numbers and equal JSON.

use super::storage::Value;

/// Returns a JSON value in its one spelling: object members sorted by name, whole
/// numbers without a fraction. Members that are null are kept.
pub fn canonical(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value as Json;
    match value {
        Json::Number(number) => match number.as_f64().map(real) {
            Some(Value::Integer(whole)) if number.is_f64() => whole.into(),
            _ => Json::Number(number),
        },
        Json::Array(items) => items.into_iter().map(canonical).collect(),
        Json::Object(members) => {
            let mut members: Vec<_> = members.into_iter().collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            members
                .into_iter()
                .map(|(name, member)| (name, canonical(member)))
                .collect()
        }
        other => other,
    }
}

/// The largest integer up to which every integer is also a float.
pub(super) const EXACT_WHOLE: f64 = 9_007_199_254_740_992.0;

/// Returns a number in storage form: an integer if it has no fraction.
pub(super) fn real(number: f64) -> Value {
    if number.fract() == 0.0 && number.abs() <= EXACT_WHOLE {
        Value::Integer(number as i64)
    } else {
        Value::Real(number)
    }
}
