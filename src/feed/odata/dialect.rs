//! The differences between servers, as data. Support for another server is another entry.

use super::query::Precision;
use crate::config::Profile;

/// The particulars of a server.
#[derive(Debug)]
pub struct Dialect {
    /// The precision of timestamps in `$filter`.
    pub timestamps: Precision,
    /// The number of keys in one request. Every key is a term of an `or`.
    pub keys_at_once: usize,
}

/// UtahRealEstate.com. Its timestamps have whole seconds.
static WFRMLS: Dialect = Dialect {
    timestamps: Precision::AsStored,
    keys_at_once: 50,
};

/// The RESO reference server, as observed. It compares timestamps as text with three digits.
static RESO: Dialect = Dialect {
    timestamps: Precision::Millis,
    // Other servers use this profile too, and MLS Grid documents a limit of five.
    keys_at_once: 5,
};

impl Dialect {
    /// Returns the dialect of a profile.
    pub fn of(profile: Profile) -> &'static Dialect {
        match profile {
            Profile::Wfrmls => &WFRMLS,
            Profile::Reso => &RESO,
        }
    }
}
