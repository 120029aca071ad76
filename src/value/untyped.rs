//! Values without their types, to compare values of a field whose type has changed.

use super::canonical::real;
use super::storage::Value;
use super::time::timestamp;

/// Returns what a value denotes: the number, boolean or timestamp that a text spells, or a
/// list of texts with commas between them.
/// Values of different types are equal if they denote the same.
pub fn untyped(value: &Value) -> Value {
    let Value::Text(text) = value else {
        return value.clone();
    };
    if let Ok(number) = text.parse() {
        return Value::Integer(number);
    }
    if let Ok(number) = text.parse::<f64>()
        && number.is_finite()
    {
        return real(number);
    }
    match text.to_ascii_lowercase().as_str() {
        "" => Value::Null,
        "true" => Value::Integer(1),
        "false" => Value::Integer(0),
        _ => {
            if let Ok(items) = serde_json::from_str::<Vec<String>>(text) {
                return Value::Text(items.join(",").into());
            }
            let moment = timestamp(text).unwrap_or_else(|| text.clone());
            let plain = moment.trim_end_matches(" 00:00:00");
            Value::Text(plain.replace(", ", ",").into())
        }
    }
}
