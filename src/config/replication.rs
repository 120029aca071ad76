//! An endpoint for a whole copy of a resource, as data.

/// An endpoint that sends all records of a resource, or all keys with their timestamps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// What follows the name of the entity set in the path.
    pub suffix: &'static str,
    /// The query option that starts it, or an empty text.
    pub option: &'static str,
    /// Whether one answer has everything, without query options.
    pub is_one_answer: bool,
    /// Whether a link leads to the same page when it is requested again.
    pub is_repeatable: bool,
    /// The entity sets that have the endpoint. Empty = all of them.
    pub sets: &'static [&'static str],
}
