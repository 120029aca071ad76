//! How servers differ, as data: a further server is a further entry here.

use super::query::Precision;
use crate::config::Profile;

/// How a server leads from page to page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paging {
    /// `$orderby=KEY&$filter=KEY gt LAST&$top=N`: each page starts behind the
    /// last key, so that nothing is missed while records change.
    Keyset,
    /// The answer's `@odata.nextLink`, with `Prefer: odata.maxpagesize=N`.
    NextLink,
}

/// What is particular to a server.
#[derive(Debug)]
pub struct Dialect {
    /// How it pages a whole resource.
    pub paging: Paging,
    /// How timestamps must be written in `$filter`.
    pub timestamps: Precision,
    /// How many keys are asked for in one request. Every key is a term of an `or`.
    pub keys_at_once: usize,
}

/// UtahRealEstate.com. Its vendor recommends keyset paging over `$skip`, four
/// times faster; its timestamps have whole seconds.
static WFRMLS: Dialect = Dialect {
    paging: Paging::Keyset,
    timestamps: Precision::AsStored,
    keys_at_once: 50,
};

/// The RESO reference server (seen running). `$top` counts from row 0 there
/// and is not for paging; timestamps compare as text with three digits.
static RESO: Dialect = Dialect {
    paging: Paging::NextLink,
    timestamps: Precision::Millis,
    // A profile for every other server too, and MLS Grid documents that it takes
    // no more than five.
    keys_at_once: 5,
};

impl Dialect {
    /// The dialect of a profile.
    pub fn of(profile: Profile) -> &'static Dialect {
        match profile {
            Profile::Wfrmls => &WFRMLS,
            Profile::Reso => &RESO,
        }
    }
}
