//! Checks that the keys of a page ascend.

use crate::value::Value;

/// The orders in which servers sort text keys: by bytes, without case, shorter keys first
/// as for numbers, punctuation before digits and letters, and without punctuation.
const TEXT_ORDERS: [fn(&str) -> Vec<u8>; 5] = [
    |text| text.as_bytes().to_vec(),
    |text| folded(text).collect(),
    |text| [&(text.len() as u64).to_be_bytes()[..], text.as_bytes()].concat(),
    |text| {
        folded(text)
            .map(|byte| if byte.is_ascii_punctuation() { 1 } else { byte })
            .collect()
    },
    |text| {
        folded(text)
            .filter(|byte| !byte.is_ascii_punctuation())
            .collect()
    },
];

fn folded(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().map(|byte| byte.to_ascii_lowercase())
}

/// Returns whether the second key of each pair may come after the first. Equal keys are the
/// same record twice. All text keys must be in the same one of the known orders.
pub fn ascend(pairs: &[(&Value, &Value)]) -> bool {
    let mut texts = Vec::new();
    for pair in pairs {
        match pair {
            (Value::Integer(one), Value::Integer(next)) if one > next => return false,
            (Value::Text(one), Value::Text(next)) => texts.push((&**one, &**next)),
            _ => {}
        }
    }
    let is_in = |order: &fn(&str) -> Vec<u8>| {
        let mut pairs = texts.iter();
        pairs.all(|(one, next)| order(one) <= order(next))
    };
    TEXT_ORDERS.iter().any(is_in)
}

#[cfg(test)]
mod tests {
    use super::ascend;
    use crate::value::Value;

    #[test]
    fn text_keys_ascend_in_one_of_the_known_orders() {
        let ascends = |keys: &[&str]| {
            let keys: Vec<Value> = keys.iter().map(|key| Value::Text((*key).into())).collect();
            let pairs: Vec<_> = keys.iter().zip(&keys[1..]).collect();
            ascend(&pairs)
        };
        assert!(ascends(&["1000", "200", "A", "b"]));
        assert!(ascends(&["a", "B", "c"]));
        assert!(ascends(&["9", "10", "11"]));
        assert!(ascends(&["100_b", "1000_a", "1000_b"]));
        assert!(ascends(&["1000-a", "100-b", "100-c"]));
        assert!(!ascends(&["b", "a"]));
        assert!(!ascends(&["9", "10", "2"]));
    }
}
