//! The parts that a report omits, with the reasons.

use std::fmt;

/// A reason to omit parts of a report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Omission {
    /// The mirror has no table of listings.
    NoListings,
    /// The listings have not completed their first full sync.
    NeverSynced,
    /// The feed does not declare the field that these parts need.
    Undeclared(&'static str, &'static str),
    /// `sync.ignore_fields` names the field that these parts need.
    Ignored(&'static str, &'static str),
    /// Retention removed the log before this time.
    LogRemoved(String),
}

impl fmt::Display for Omission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Omission::NoListings => f.write_str("there are no listings yet"),
            Omission::NeverSynced => {
                f.write_str("Property has not completed its first full sync: no inventory")
            }
            Omission::Undeclared(field, parts) => {
                write!(f, "the feed does not declare {field}: no {parts}")
            }
            Omission::Ignored(field, parts) => write!(
                f,
                "sync.ignore_fields names {field}, so the log has no changes of it: no {parts}"
            ),
            Omission::LogRemoved(begins) => write!(
                f,
                "`[retention] changes` removed the log before {begins} UTC: no changes of that day or earlier"
            ),
        }
    }
}
