//! The differences between servers, as data. Support for another server is another entry.

use super::query::Precision;
use crate::config::Profile;

/// How a server pages a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// By key: `$orderby=KEY&$filter=KEY gt LAST&$top=N`. Each page starts after the last
    /// key, so no record is skipped while records change.
    Keyset,
    /// By the `@odata.nextLink` of each response, with `Prefer: odata.maxpagesize=N`.
    NextLink,
}

/// The particulars of a server.
#[derive(Debug)]
pub struct Dialect {
    /// How it pages a resource.
    pub paging: Paging,
    /// The precision of timestamps in `$filter`.
    pub timestamps: Precision,
    /// The number of keys in one request. Every key is a term of an `or`.
    pub keys_at_once: usize,
}

/// UtahRealEstate.com. Its vendor recommends paging by key, which is four times faster than
/// `$skip`. Its timestamps have whole seconds.
static WFRMLS: Dialect = Dialect {
    paging: Paging::Keyset,
    timestamps: Precision::AsStored,
    keys_at_once: 50,
};

/// The RESO reference server, as observed. It applies `$top` to all pages together, so `$top`
/// cannot set the page size. It compares timestamps as text with three digits.
static RESO: Dialect = Dialect {
    paging: Paging::NextLink,
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
