//! What the kind of server sets by default.

use std::fmt;
use std::str::FromStr;

use chrono_tz::Tz;

/// A kind of server; it sets every default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// UtahRealEstate.com, formerly WFRMLS.
    #[default]
    Wfrmls,
    /// A server that follows the RESO Web API without ways of its own.
    Reso,
}

impl Profile {
    /// Every profile.
    pub const ALL: [Profile; 2] = [Profile::Wfrmls, Profile::Reso];

    /// Its name in the configuration.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Wfrmls => "wfrmls",
            Profile::Reso => "reso",
        }
    }

    /// The root of the service, where there is only one.
    pub(super) fn base_url(self) -> Option<&'static str> {
        match self {
            Profile::Wfrmls => Some("https://resoapi.utahrealestate.com/reso/odata"),
            Profile::Reso => None,
        }
    }

    pub(super) fn token_env(self) -> &'static str {
        match self {
            Profile::Wfrmls => "WFRMLS_BEARER_TOKEN",
            Profile::Reso => "RESO_BEARER_TOKEN",
        }
    }

    /// WFRMLS answers at most 200. RESO's reference server answers 100 unless
    /// asked, at most 2,000: 500 saves most round trips, while a page with every
    /// field (some 22 KB a listing) stays near 10 MB.
    pub(super) fn page_size(self) -> u32 {
        match self {
            Profile::Wfrmls => 200,
            Profile::Reso => 500,
        }
    }

    /// The most records that its servers answer at once.
    pub(super) fn largest_page(self) -> Option<u32> {
        match self {
            Profile::Wfrmls => Some(200),
            Profile::Reso => None,
        }
    }

    /// Requests a minute, an hour and a day; 0 = no limit is known.
    pub(super) fn rates(self) -> [u32; 3] {
        match self {
            Profile::Wfrmls => [100, 6_000, 50_000],
            Profile::Reso => [0, 0, 0],
        }
    }

    pub(super) fn timezone(self) -> Tz {
        match self {
            Profile::Wfrmls => Tz::America__Denver,
            Profile::Reso => Tz::UTC,
        }
    }
}

impl fmt::Display for Profile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The name is not one of a profile.
#[derive(Debug, thiserror::Error)]
#[error("unknown profile `{0}`; known are {known}", known = Profile::ALL.map(Profile::name).join(", "))]
pub struct UnknownProfile(pub String);

impl FromStr for Profile {
    type Err = UnknownProfile;

    fn from_str(name: &str) -> Result<Profile, UnknownProfile> {
        let known = Profile::ALL
            .into_iter()
            .find(|profile| profile.name() == name);
        known.ok_or_else(|| UnknownProfile(name.to_owned()))
    }
}
