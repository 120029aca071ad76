//! The precision of timestamps in a filter.

/// The precision of timestamps in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// With the stored fraction, if any.
    AsStored,
    /// With exactly three digits, for servers that compare timestamps as text. Further
    /// digits are cut off, because rounding up would skip records.
    Millis,
}

impl Precision {
    /// Returns the name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Precision::AsStored => "as-sent",
            Precision::Millis => "milliseconds",
        }
    }

    /// Returns the precision with this name.
    pub fn named(name: &str) -> Option<Precision> {
        [Precision::AsStored, Precision::Millis]
            .into_iter()
            .find(|one| one.name() == name)
    }
}
