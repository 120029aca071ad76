//! The habits of vendors' servers, as groups of behaviours and limits.

use super::error_form::ErrorForm;
use super::limit::{DAY, HOUR, Limit, MINUTE, QuotaHeaders, SECOND};
use super::named::Behaviour;

/// How the servers of one vendor answer, as far as the simulator can. The comments give the
/// sources of the facts. A fact without a source is one of `reso`, or the simulator's own.
#[derive(Debug)]
pub struct Dialect {
    /// The name of the vendor, as that of its profile.
    pub name: &'static str,
    /// The largest number of records per page.
    pub page_size: usize,
    /// The behaviours.
    pub behaviours: &'static [Behaviour],
    /// How the service writes errors.
    pub errors: ErrorForm,
    /// The rate limits of the service. A 429 has the headers of a limit and no others.
    pub limits: &'static [Limit],
    /// The rate limits of the photo host.
    pub photo_limits: &'static [Limit],
    /// Whether requests for photos count in the limits of the service.
    pub photos_share_limits: bool,
}

/// Observed at RESO's reference server: no Deleted resource, no limits, its errors. The other
/// dialects write errors as OData does, unless a source says otherwise.
const RESO: Dialect = Dialect {
    name: "reso",
    page_size: 2_000,
    behaviours: &[Behaviour::NoDeletionsAnnounced],
    errors: ErrorForm::FiveDigits,
    limits: &[],
    photo_limits: &[],
    photos_share_limits: false,
};

/// The values of a vendor about which nothing else is known.
const UNKNOWN: Dialect = Dialect {
    errors: ErrorForm::OData,
    ..RESO
};

impl Dialect {
    /// Every dialect.
    pub const ALL: &[Dialect] = &[
        // A client's documentation: the limits and their headers, and the errors.
        Dialect {
            name: "wfrmls",
            page_size: 200,
            behaviours: &[],
            limits: &[
                Limit::requests(100, MINUTE),
                Limit::requests(6_000, HOUR),
                Limit::requests(50_000, DAY),
            ],
            errors: ErrorForm::MessageOnly,
            ..UNKNOWN
        },
        // Public clients: the engine of WFRMLS. Nothing says that it has a resource Deleted, and
        // nothing names its limits.
        Dialect {
            name: "rmls",
            page_size: 250,
            errors: ErrorForm::MessageOnly,
            ..UNKNOWN
        },
        RESO,
        // trestle-documentation.corelogic.com: no signal for deletions; the limits of photos. A
        // transcription of it: the limits of a product. Public clients: the headers of limits; a
        // full page always has a next link, so that the last page may be empty.
        Dialect {
            name: "trestle",
            page_size: 1_000,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ReplicationParameter,
            ],
            limits: &[
                Limit::requests(180, MINUTE).reported(QuotaHeaders::MinuteQuota),
                Limit::requests(7_200, HOUR).reported(QuotaHeaders::HourQuota),
            ],
            photo_limits: &[
                Limit::requests(480, MINUTE).reported(QuotaHeaders::None),
                Limit::requests(18_000, HOUR).reported(QuotaHeaders::None),
            ],
            ..UNKNOWN
        },
        // bridgeinteractive.com: expanded lists are capped at 10 without $top. Captured answers:
        // next links repeat the token. Public clients: the limits and their headers, with the
        // reset as seconds in one and as a time in another.
        Dialect {
            name: "bridge",
            page_size: 200,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ExpandCapped,
                Behaviour::NextLinkWithToken,
                Behaviour::ReplicationPath,
            ],
            limits: &[
                Limit::requests(334, MINUTE).reported(QuotaHeaders::Burst),
                Limit::requests(5_000, HOUR).reported(QuotaHeaders::Application),
            ],
            ..UNKNOWN
        },
        // sparkplatform.com/docs/reso/replication: keys are compared to find deletions. Its
        // limits are not published. sparkplatform.com, error codes: the errors.
        Dialect {
            name: "spark",
            page_size: 1_000,
            errors: ErrorForm::Spark,
            ..UNKNOWN
        },
        // docs.mlsgrid.com: gzip is required, $orderby is not usable, and $expand has no options.
        // Deleted records have `MlgCanView` false for 7 days. It does not name the resources.
        // It has the limits of requests; a notice of August 2026 has those of bytes, and says
        // that photos count. Public clients: the windows are those of the clock in UTC.
        Dialect {
            name: "mlsgrid",
            page_size: 500,
            behaviours: &[
                Behaviour::DeletedByFlag,
                Behaviour::OrderbyRefused,
                Behaviour::GzipRequired,
                Behaviour::ExpandOptionsRefused,
                Behaviour::MediaUrlSignedAnew,
            ],
            limits: &[
                Limit::requests(2, SECOND)
                    .aligned()
                    .reported(QuotaHeaders::None),
                Limit::requests(7_200, HOUR)
                    .aligned()
                    .reported(QuotaHeaders::None),
                Limit::requests(40_000, DAY)
                    .aligned()
                    .reported(QuotaHeaders::None),
                Limit::bytes(3_072_000_000, HOUR).aligned(),
                Limit::bytes(40_000_000_000, DAY).aligned(),
            ],
            photos_share_limits: true,
            ..UNKNOWN
        },
        // Public clients: no next link, $expand gets 501, short pages under load, and a page with
        // 403 for some clients. Its limits are not published. vendorsupport.paragonrels.com,
        // question 9902: the limit of photos; a faster client is blocked for hours, and nothing
        // says with which answer.
        Dialect {
            name: "paragon",
            page_size: 200,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ExpandRefused,
                Behaviour::ShortPagesWithoutLink,
            ],
            photo_limits: &[Limit::requests(5_000, 5 * MINUTE).reported(QuotaHeaders::None)],
            errors: ErrorForm::PageFor403,
            ..UNKNOWN
        },
        // Public clients: next links and $count are used; a body with the status 200 says that a
        // token expired.
        Dialect {
            name: "rapattoni",
            page_size: 1_000,
            errors: ErrorForm::InvalidGrantWith200,
            ..UNKNOWN
        },
        // ddfapi-docs.realtor.ca: $skip is capped, open houses are only current and future. It
        // documents no limits and no 429. A transcription of it has the errors.
        Dialect {
            name: "crea",
            page_size: 100,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::SkipCapped,
                Behaviour::ExpandFutureOpenHousesOnly,
                Behaviour::KeyListFunction,
            ],
            errors: ErrorForm::Details,
            ..UNKNOWN
        },
        // developer.ampre.ca/docs/defaults-and-limits: $skip is capped; the limit and its headers.
        Dialect {
            name: "ampre",
            page_size: 10_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::SkipCapped],
            limits: &[Limit::requests(60_000, MINUTE).reported(QuotaHeaders::RetryAfterSeconds)],
            ..UNKNOWN
        },
        // Public clients: @odata.count is the number of records in the page.
        Dialect {
            name: "constellation",
            page_size: 1_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::CountIsPageSize],
            ..UNKNOWN
        },
        // Public clients: $orderby has no effect.
        Dialect {
            name: "perchwell",
            page_size: 200,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::OrderbyIgnored],
            ..UNKNOWN
        },
        // realtyna.atlassian.net: next links.
        Dialect {
            name: "realtyna",
            page_size: 200,
            ..UNKNOWN
        },
    ];

    /// Returns the dialect with this name.
    pub fn named(name: &str) -> Option<&'static Dialect> {
        Dialect::ALL.iter().find(|one| one.name == name)
    }
}
