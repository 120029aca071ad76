//! The status changes that the monitor reports.

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
    /// Parses `Active>Pending`. Returns None if the text does not name two statuses.
    pub fn parse(text: &str) -> Option<Transition> {
        let (from, to) = text.split_once('>')?;
        let (from, to) = (from.trim(), to.trim());
        if from.is_empty() || to.is_empty() || to.contains('>') {
            return None;
        }
        Some(Transition {
            from: from.to_owned(),
            to: to.to_owned(),
        })
    }
}

impl fmt::Display for Transition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}>{}", self.from, self.to)
    }
}
