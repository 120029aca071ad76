//! How a feed marks deleted records that it still sends.

use crate::value::Value;

/// The mark of a deleted record: a field with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletedWhen {
    /// The field.
    pub field: String,
    mark: Mark,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Mark {
    Flag(bool),
    Text(String),
}

impl DeletedWhen {
    /// Parses an expression such as `MlgCanView eq false` or `StandardStatus eq 'Delete'`.
    pub fn parse(text: &str) -> Option<DeletedWhen> {
        let (field, value) = text.trim().split_once(" eq ")?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mark = match value.trim() {
            "true" => Mark::Flag(true),
            "false" => Mark::Flag(false),
            text => {
                let inner = text.strip_prefix('\'')?.strip_suffix('\'')?;
                (!inner.contains('\'')).then(|| Mark::Text(inner.to_owned()))?
            }
        };
        let field = field.trim();
        (!field.is_empty() && field.chars().all(is_name)).then(|| DeletedWhen {
            field: field.to_owned(),
            mark,
        })
    }

    /// Returns the filter for the records that are not deleted.
    pub fn live_filter(&self) -> String {
        match &self.mark {
            Mark::Flag(deleted) => format!("{} eq {}", self.field, !deleted),
            Mark::Text(text) => format!("{} ne '{text}'", self.field),
        }
    }

    /// Returns whether a value of the field, in storage form, marks a record as deleted.
    pub fn holds(&self, value: &Value) -> bool {
        match &self.mark {
            Mark::Flag(deleted) => *value == Value::Integer((*deleted).into()),
            Mark::Text(text) => value.as_text() == Some(text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_gives_the_filter_of_the_other_records() {
        for (text, live, deleted) in [
            (
                "MlgCanView eq false",
                "MlgCanView eq true",
                Value::Integer(0),
            ),
            (
                "StandardStatus eq 'Delete'",
                "StandardStatus ne 'Delete'",
                Value::Text("Delete".into()),
            ),
        ] {
            let mark = DeletedWhen::parse(text).expect("a mark");
            assert_eq!(mark.live_filter(), live);
            assert!(mark.holds(&deleted) && !mark.holds(&Value::Null));
        }
        for text in [
            "",
            "a",
            "a eq b",
            "a ne true",
            "a b eq true",
            "a eq ''' or b eq '",
        ] {
            assert_eq!(DeletedWhen::parse(text), None, "{text}");
        }
    }
}
