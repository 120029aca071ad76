//! The status changes that an alert reports.

use std::fmt;

/// A status change, written `Active>Pending`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// The status before.
    pub from: String,
    /// The status after.
    pub to: String,
}

impl Transition {
    /// Returns the status changes that `[monitor]` reports by default.
    pub fn defaults() -> Vec<Transition> {
        let defaults = [
            "Active>Pending",
            "Pending>Closed",
            "Active>Withdrawn",
            "Active>Expired",
        ];
        defaults
            .into_iter()
            .filter_map(|text| Transition::parse(text).ok())
            .collect()
    }

    /// Parses `Active>Pending`.
    ///
    /// # Errors
    /// If the text does not name two statuses, with `>` alone between them. The error is the
    /// second half of a sentence that begins with the key.
    pub fn parse(text: &str) -> Result<Transition, String> {
        let wrong =
            || format!(r#"must list changes such as "Active>Pending", and {text:?} is none"#);
        let parts: Vec<&str> = text.split('>').map(str::trim).collect();
        let [from, to] = parts.as_slice() else {
            return Err(wrong());
        };
        // No status ends in a part of an arrow.
        let start = from.trim_end_matches(['-', '=']).trim_end();
        if start.is_empty() || to.is_empty() {
            return Err(wrong());
        }
        if start.len() < from.len() {
            return Err(format!("{}; did you mean \"{start}>{to}\"?", wrong()));
        }
        Ok(Transition {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.from, self.to)
    }
}
