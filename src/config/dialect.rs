//! The particulars of a server that shape requests.

/// The particulars of a server that shape requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dialect {
    /// The precision of timestamps in `$filter`.
    pub timestamps: Precision,
}

/// The precision of timestamps in a filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// With the stored fraction, if any.
    AsStored,
    /// With exactly three digits, for servers that compare timestamps as text. Further
    /// digits are cut off, because rounding up would skip records.
    Millis,
}
