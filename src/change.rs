//! The differences between a stored row and a record of the feed; pure.

use crate::value::{Value, ValueRef};

/// A column whose value changed.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    /// The position of the field in the shape. The position after the last field is the
    /// column `extra`.
    pub position: usize,
    /// The value before, in storage form.
    pub old: Value,
}

/// Returns the fields in which `stored` differs from `found`, both in the order of the
/// shape. Equal values in another spelling do not differ.
pub fn differences<'a>(
    stored: impl Iterator<Item = ValueRef<'a>>,
    found: impl Iterator<Item = ValueRef<'a>>,
) -> Vec<FieldChange> {
    stored
        .zip(found)
        .enumerate()
        .filter(|(_, (stored, found))| stored != found)
        .map(|(position, (stored, _))| FieldChange {
            position,
            old: stored.to_owned(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_differs_is_a_change() {
        let stored = [
            ValueRef::Integer(1),
            ValueRef::Text("a"),
            ValueRef::Null,
            ValueRef::Null,
        ];
        let found = [
            ValueRef::Real(1.0),
            ValueRef::Text("b"),
            ValueRef::Null,
            ValueRef::Integer(0),
        ];
        let changes = differences(stored.into_iter(), found.into_iter());
        assert_eq!(
            changes,
            [
                FieldChange {
                    position: 1,
                    old: Value::Text("a".into())
                },
                FieldChange {
                    position: 3,
                    old: Value::Null
                },
            ]
        );
    }
}
