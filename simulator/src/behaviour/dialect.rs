//! The habits of vendors' servers, as groups of behaviours.

use super::named::Behaviour;

/// How the servers of one vendor answer, as far as the simulator can. The comments give the
/// sources of the facts; a fact without a source is one of the group `reso`.
#[derive(Debug)]
pub struct Dialect {
    /// The name of the vendor, as that of its profile.
    pub name: &'static str,
    /// The largest number of records per page.
    pub page_size: usize,
    /// The behaviours.
    pub behaviours: &'static [Behaviour],
}

impl Dialect {
    /// Every dialect.
    pub const ALL: &[Dialect] = &[
        Dialect {
            name: "wfrmls",
            page_size: 200,
            behaviours: &[],
        },
        // Public clients: the engine of WFRMLS. Nothing says that it has a resource Deleted.
        Dialect {
            name: "rmls",
            page_size: 250,
            behaviours: &[Behaviour::NoDeletionsAnnounced],
        },
        // Observed at RESO's reference server: no Deleted resource, timestamps compare as text.
        Dialect {
            name: "reso",
            page_size: 2_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced],
        },
        // trestle-documentation.corelogic.com: no signal for deletions. Public clients: a full
        // page always has a next link, so that the last page may be empty.
        Dialect {
            name: "trestle",
            page_size: 1_000,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ReplicationParameter,
            ],
        },
        // bridgeinteractive.com: expanded lists are capped at 10 without $top. Captured answers:
        // next links repeat the token.
        Dialect {
            name: "bridge",
            page_size: 200,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ExpandCapped,
                Behaviour::NextLinkWithToken,
                Behaviour::ReplicationPath,
            ],
        },
        // sparkplatform.com/docs/reso/replication: keys are compared to find deletions.
        Dialect {
            name: "spark",
            page_size: 1_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced],
        },
        // docs.mlsgrid.com: gzip is required, $orderby is not usable, and $expand has no options.
        // Deleted records have `MlgCanView` false for 7 days; it does not say of which resources.
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
        },
        // Public clients: no next link, $expand gets 501, short pages under load.
        Dialect {
            name: "paragon",
            page_size: 200,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::ExpandRefused,
                Behaviour::ShortPagesWithoutLink,
            ],
        },
        // Public clients: next links and $count are used.
        Dialect {
            name: "rapattoni",
            page_size: 1_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced],
        },
        // ddfapi-docs.realtor.ca: $skip is capped, open houses are only current and future.
        Dialect {
            name: "crea",
            page_size: 100,
            behaviours: &[
                Behaviour::NoDeletionsAnnounced,
                Behaviour::SkipCapped,
                Behaviour::ExpandFutureOpenHousesOnly,
                Behaviour::KeyListFunction,
            ],
        },
        // developer.ampre.ca/docs/defaults-and-limits: $skip is capped.
        Dialect {
            name: "ampre",
            page_size: 10_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::SkipCapped],
        },
        // Public clients: @odata.count is the number of records in the page.
        Dialect {
            name: "constellation",
            page_size: 1_000,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::CountIsPageSize],
        },
        // Public clients: $orderby has no effect.
        Dialect {
            name: "perchwell",
            page_size: 200,
            behaviours: &[Behaviour::NoDeletionsAnnounced, Behaviour::OrderbyIgnored],
        },
        // realtyna.atlassian.net: next links.
        Dialect {
            name: "realtyna",
            page_size: 200,
            behaviours: &[Behaviour::NoDeletionsAnnounced],
        },
    ];

    /// Returns the dialect with this name.
    pub fn named(name: &str) -> Option<&'static Dialect> {
        Dialect::ALL.iter().find(|one| one.name == name)
    }
}
