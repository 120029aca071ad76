//! The profiles. Support for another kind of server is another entry.

use chrono_tz::Tz;

use super::dialect::{Dialect, Precision};
use super::nearest_name::nearest_name;
use super::profile::Profile;

/// Every profile. The first is the default.
pub static PROFILES: [Profile; 2] = [WFRMLS, RESO];

/// UtahRealEstate.com, formerly WFRMLS.
const WFRMLS: Profile = Profile {
    name: "wfrmls",
    base_url: Some("https://resoapi.utahrealestate.com/reso/odata"),
    token_env: "WFRMLS_BEARER_TOKEN",
    page_size: 200,
    largest_page: Some(200),
    rates: [100, 6_000, 50_000],
    // The resource Deleted announces deletions.
    reconcile: "",
    timezone: Tz::America__Denver,
    active: "Odata.Models.StandardStatus'Active'",
    dialect: Dialect {
        // Its timestamps have whole seconds.
        timestamps: Precision::AsStored,
        keys_at_once: 50,
    },
};

/// Any server that follows the RESO Web API.
const RESO: Profile = Profile {
    name: "reso",
    base_url: None,
    token_env: "RESO_BEARER_TOKEN",
    // RESO's reference server sends 100 by default and 2,000 at most. A page of 500 listings
    // with every field (about 22 KB each) has about 10 MB, and larger pages would save few
    // requests.
    page_size: 500,
    largest_page: None,
    rates: [0, 0, 0],
    reconcile: "0 4 * * *",
    timezone: Tz::UTC,
    active: "'Active'",
    dialect: Dialect {
        // RESO's reference server compares timestamps as text with three digits.
        timestamps: Precision::Millis,
        // Other servers use this profile too, and MLS Grid documents a limit of five.
        keys_at_once: 5,
    },
};

/// The name is not that of a profile.
#[derive(Debug, thiserror::Error)]
#[error("unknown profile `{name}`; {}", remedy(.name))]
pub struct UnknownProfile {
    /// The unknown name.
    pub name: String,
}

/// Returns the profile of a name.
pub fn profile(name: &str) -> Result<&'static Profile, UnknownProfile> {
    let found = PROFILES.iter().find(|profile| profile.name == name);
    found.ok_or_else(|| UnknownProfile {
        name: name.to_owned(),
    })
}

fn remedy(name: &str) -> String {
    let known: Vec<&str> = PROFILES.iter().map(|profile| profile.name).collect();
    match nearest_name(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("known are {}", known.join(", ")),
    }
}
