//! The profiles. Support for another kind of server is another entry.
//!
//! A comment gives the source of each value. `client` is code of others that runs against the
//! live service. A value without a comment is that of [`RESO`].

use std::time::Duration;

use chrono_tz::Tz;

use super::nearest_name::nearest_name;
use super::photo_defaults::{PhotoDefaults, SendToken};
use super::precision::Precision;
use super::profile::{OAuthDefaults, Profile};
use super::replication::Replication;

/// Every profile. The first is the default.
pub static PROFILES: [Profile; 14] = [
    WFRMLS,
    RMLS,
    RESO,
    TRESTLE,
    BRIDGE,
    SPARK,
    MLSGRID,
    PARAGON,
    RAPATTONI,
    CREA,
    AMPRE,
    CONSTELLATION,
    PERCHWELL,
    REALTYNA,
];

const WFRMLS: Profile = Profile {
    name: "wfrmls",
    service: "UtahRealEstate.com (WFRMLS)",
    untried: true,
    base_url: Some("https://resoapi.utahrealestate.com/reso/odata"),
    // Source: the vendor's documentation. It sends fewer to some accounts.
    page_size: 200,
    largest_page: Some(200),
    // Source: client's documentation; the vendor has not confirmed it.
    rates: [0, 100, 6_000, 50_000],
    // The resource Deleted announces deletions.
    reconcile: "",
    timezone: Tz::America__Denver,
    active: "Odata.Models.StandardStatus'Active'",
    // Its timestamps have whole seconds.
    timestamps: Precision::AsStored,
    ..RESO
};

/// The engine is that of WFRMLS.
const RMLS: Profile = Profile {
    name: "rmls",
    service: "RMLS (Portland)",
    // Source: client.
    base_url: Some("https://resoapi.rmlsweb.com/reso/odata"),
    // Source: client. Nothing says how many it sends at most.
    page_size: 250,
    largest_page: None,
    // Its limits are not known, and neither is a resource Deleted.
    rates: [0, 0, 0, 0],
    reconcile: DAILY,
    timezone: Tz::America__Los_Angeles,
    ..WFRMLS
};

/// Any server that follows the RESO Web API.
const RESO: Profile = Profile {
    name: "reso",
    service: "RESO Web API",
    untried: false,
    base_url: None,
    oauth: None,
    // RESO's reference server sends 100 by default and 2,000 at most. A page of 500 listings
    // with every field (about 22 KB each) has about 10 MB, and larger pages would save few
    // requests.
    page_size: 500,
    largest_page: None,
    expand_top: None,
    rates: [0, 0, 0, 0],
    bytes: [0, 0],
    filter: "",
    deleted_when: "",
    reconcile: DAILY,
    overlap: Duration::from_secs(20 * 60),
    timezone: Tz::UTC,
    active: "'Active'",
    photos: PhotoDefaults {
        send_token: SendToken::Never,
        token_hosts: &[],
        requests_per_minute: 0,
        requests_per_hour: 0,
        shares_limits: false,
        size: "",
        url_life: Duration::ZERO,
    },
    // RESO's reference server compares timestamps as text with three digits.
    timestamps: Precision::Millis,
    replication: None,
    key_list: None,
};

/// A time of day after the full sync.
const DAILY: &str = "0 4 * * *";

const TRESTLE: Profile = Profile {
    name: "trestle",
    service: "Trestle (Cotality)",
    untried: true,
    // Source: trestle-documentation.corelogic.com/webapi.html
    base_url: Some("https://api.cotality.com/trestle/odata"),
    oauth: Some(OAuthDefaults {
        token_url: "https://api.cotality.com/trestle/oidc/connect/token",
        grant: "client_credentials",
        scope: Some("api"),
        basic: false,
    }),
    // Source: webapi-reference.html
    largest_page: Some(1_000),
    // Source: a transcription of the documentation. The base of each product; a contract may
    // give more, and headers such as Minute-Quota-Limit say so.
    rates: [0, 180, 7_200, 0],
    // Source: webapi-at-scale.html. Other queries fail after 1 million records. All pages have
    // one URL.
    replication: Some(Replication {
        suffix: "",
        option: "replication=true",
        is_one_answer: false,
        is_repeatable: false,
        sets: &[],
    }),
    photos: PhotoDefaults {
        // Source: webapi.html. Whether the hosts demand the token is not known: clients differ.
        requests_per_minute: 480,
        requests_per_hour: 18_000,
        ..RESO.photos
    },
    ..RESO
};

const BRIDGE: Profile = Profile {
    name: "bridge",
    service: "Bridge Interactive",
    untried: true,
    // Source: bridgedataoutput.com/docs/platform
    base_url: Some("https://api.bridgedataoutput.com/api/v2/OData/{dataset}"),
    // Source: bridgedataoutput.com/docs/platform
    page_size: 200,
    largest_page: Some(200),
    // Source: bridgeinteractive.com, October 2024. It sends 10 children of each kind without
    // `$top`. The largest page has 200 records.
    expand_top: Some(200),
    // Source: client. The burst limit is a fifteenth of the hourly limit.
    rates: [0, 334, 5_000, 0],
    // Source: bridgedataoutput.com/docs/platform. It is meant for more than 10,000 records. The
    // MLS decides whether an account has it.
    replication: Some(Replication {
        suffix: "/replication",
        option: "",
        is_one_answer: false,
        is_repeatable: true,
        sets: &[],
    }),
    ..RESO
};

const SPARK: Profile = Profile {
    name: "spark",
    service: "Spark (FBS, Flexmls)",
    untried: true,
    // Source: sparkplatform.com/docs/reso/replication. Version 3 has the Data Dictionary 2.0.
    base_url: Some("https://replication.sparkapi.com/Version/3/Reso/OData"),
    // Source: sparkplatform.com/docs; only with the role for replication.
    largest_page: Some(1_000),
    // Source: sparkplatform.com/docs/reso/replication: its servers have caches.
    overlap: Duration::from_secs(20 * 60),
    // Source: sparkplatform.com/docs/reso/replication: whole seconds.
    timestamps: Precision::AsStored,
    ..RESO
};

const MLSGRID: Profile = Profile {
    name: "mlsgrid",
    service: "MLS Grid",
    untried: true,
    // Source for all values: docs.mlsgrid.com/api-documentation/api-version-2.0
    base_url: Some("https://api.mlsgrid.com/v2"),
    // 5,000 without $expand.
    largest_page: Some(1_000),
    // A notice of August 2026 says the same per hour.
    rates: [2, 120, 7_200, 40_000],
    // The documentation says 4 GB per hour, and that notice 3,072 MB, and 40 GB in 24 hours.
    // Source of the notice: client. Photos count.
    bytes: [3_000_000_000, 40_000_000_000],
    // Exactly one name, and no request without it.
    filter: "OriginatingSystemName eq '{system}'",
    // For 7 days.
    deleted_when: "MlgCanView eq false",
    reconcile: "",
    // Source: docs.mlsgrid.com/releases/changes-to-mls-grid-media-access
    photos: PhotoDefaults {
        // A request with an `Authorization` header is refused.
        send_token: SendToken::UserAgent,
        token_hosts: &["media.mlsgrid.com"],
        shares_limits: true,
        // A URL works once, and for about an hour.
        url_life: Duration::from_secs(50 * 60),
        ..RESO.photos
    },
    ..RESO
};

const PARAGON: Profile = Profile {
    name: "paragon",
    service: "Paragon (ICE)",
    untried: true,
    // Source: client. Some MLSs have another name in place of DD1.7.
    base_url: Some("https://{mls}.paragonrels.com/OData/{MLS}/DD1.7"),
    // Source: client.
    oauth: Some(OAuthDefaults {
        token_url: "https://{mls}.paragonrels.com/identity/connect/token",
        grant: "client_credentials",
        scope: Some("OData"),
        basic: true,
    }),
    // Source: client. A request takes 4 to 6 seconds.
    page_size: 200,
    // Source: client. Not every MLS may set this status, so the keys are compared, too.
    deleted_when: "StandardStatus eq 'Delete'",
    photos: PhotoDefaults {
        // Source: vendorsupport.paragonrels.com, question 9902. 5,000 in 5 minutes; a faster
        // client is blocked for hours.
        requests_per_minute: 1_000,
        ..RESO.photos
    },
    ..RESO
};

const RAPATTONI: Profile = Profile {
    name: "rapattoni",
    service: "Rapattoni",
    untried: true,
    // Source: www.rapattoni.com/dev/562-dev_reso, and client for the host.
    base_url: Some("https://retsapi.raprets.com/{MLS}/RESO/OData"),
    // Source: www.rapattoni.com/dev/562-dev_reso
    oauth: Some(OAuthDefaults {
        token_url: "https://retsidentityapi.raprets.com/{MLS}/oauth/token",
        grant: "password",
        scope: None,
        basic: false,
    }),
    // The size of its pages is not documented. One client asks for 1,000.
    ..RESO
};

const CREA: Profile = Profile {
    name: "crea",
    service: "CREA DDF",
    untried: true,
    // Source for all values: ddfapi-docs.realtor.ca
    base_url: Some("https://ddfapi.realtor.ca/odata/v1"),
    oauth: Some(OAuthDefaults {
        token_url: "https://identity.crea.ca/connect/token",
        grant: "client_credentials",
        scope: Some("DDFApi_Read"),
        basic: false,
    }),
    page_size: 100,
    largest_page: Some(100),
    key_list: Some(Replication {
        suffix: "Replication()",
        option: "",
        is_one_answer: true,
        is_repeatable: true,
        sets: &["Property", "Member", "Office"],
    }),
    timezone: Tz::America__Toronto,
    // Two digits since June 2023.
    timestamps: Precision::AsStored,
    ..RESO
};

const AMPRE: Profile = Profile {
    name: "ampre",
    service: "AMPRE (PropTx)",
    untried: true,
    // Source: developer.ampre.ca
    base_url: Some("https://query.ampre.ca/odata"),
    // Source: developer.ampre.ca/docs/replication
    page_size: 1_000,
    // Source: developer.ampre.ca/docs/defaults-and-limits
    largest_page: Some(10_000),
    rates: [0, 60_000, 0, 0],
    photos: PhotoDefaults {
        // Source: developer.ampre.ca/docs/resources/media. A photo has a row for each size.
        size: "Largest",
        ..RESO.photos
    },
    timezone: Tz::America__Toronto,
    ..RESO
};

const CONSTELLATION: Profile = Profile {
    name: "constellation",
    service: "Constellation1",
    untried: true,
    // Source: docs.cdatalabs.com
    base_url: Some("https://listings.cdatalabs.com/odata"),
    // Source: docs.cdatalabs.com/listings
    oauth: Some(OAuthDefaults {
        token_url: "https://authenticate.constellation1apis.com/oauth2/token",
        grant: "client_credentials",
        scope: None,
        basic: true,
    }),
    // Source: client.
    largest_page: Some(1_000),
    ..RESO
};

const PERCHWELL: Profile = Profile {
    name: "perchwell",
    service: "Perchwell",
    untried: true,
    // Source: a transcription of docs.perchwell.com, also for the pages.
    base_url: Some("https://www.perchwell.com/api/v2/OData/{system}"),
    page_size: 200,
    largest_page: Some(200),
    timezone: Tz::America__New_York,
    ..RESO
};

const REALTYNA: Profile = Profile {
    name: "realtyna",
    service: "Realtyna MLS Router",
    untried: true,
    // Source: client, for all values. Some accounts use another address for tokens.
    base_url: Some("https://api.realtyfeed.com/reso/odata"),
    oauth: Some(OAuthDefaults {
        token_url: "https://api.realtyfeed.com/reso/oauth2/token",
        grant: "client_credentials",
        scope: Some("api/read"),
        basic: false,
    }),
    // Some accounts get 100 at most, others 200.
    page_size: 100,
    largest_page: Some(200),
    ..RESO
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
