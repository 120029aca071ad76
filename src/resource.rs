//! The resources that a mirror can hold: their names, and facts from the RESO Data
//! Dictionary.
//!
//! Which resources, keys and relations a feed has is in its `$metadata`: see
//! `feed::odata::roles`.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, PoisonError};

/// A resource: a kind of records of the feed, with a table of its own.
///
/// The order is the order in which jobs process them: listings come before all others.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Resource(&'static Definition);

/// The facts about a resource that do not depend on its `$metadata`.
#[derive(PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Definition {
    /// The place in the order of jobs. Resources without a constant share the last place.
    place: usize,
    name: &'static str,
    table: &'static str,
    key: Option<&'static str>,
    nouns: (&'static str, &'static str),
}

impl Resource {
    /// Listings.
    pub const PROPERTY: Resource = Resource(&Definition {
        place: 0,
        name: "Property",
        table: "listings",
        key: Some("ListingKey"),
        nouns: ("listing", "listings"),
    });

    /// Photos and other media of listings.
    pub const MEDIA: Resource = Resource(&Definition {
        place: 1,
        name: "Media",
        table: "media",
        key: Some("MediaKey"),
        nouns: ("photo", "photos"),
    });

    /// Open houses of listings.
    pub const OPEN_HOUSE: Resource = Resource(&Definition {
        place: 2,
        name: "OpenHouse",
        table: "open_houses",
        key: Some("OpenHouseKey"),
        nouns: ("open house", "open houses"),
    });

    /// Unit types of multi-family listings.
    pub const PROPERTY_UNIT_TYPES: Resource = Resource(&Definition {
        place: 3,
        name: "PropertyUnitTypes",
        table: "unit_types",
        key: Some("UnitTypeKey"),
        nouns: ("unit type", "unit types"),
    });

    /// Accessory dwelling units of listings (a resource of WFRMLS).
    pub const ADU: Resource = Resource(&Definition {
        place: 4,
        name: "Adu",
        table: "adus",
        key: Some("AduKeyNumeric"),
        nouns: ("ADU", "ADUs"),
    });

    /// Agents.
    pub const MEMBER: Resource = Resource(&Definition {
        place: 5,
        name: "Member",
        table: "members",
        key: Some("MemberKey"),
        nouns: ("member", "members"),
    });

    /// Brokerages and their branches.
    pub const OFFICE: Resource = Resource(&Definition {
        place: 6,
        name: "Office",
        table: "offices",
        key: Some("OfficeKey"),
        nouns: ("office", "offices"),
    });

    /// The values of enumerations.
    pub const LOOKUP: Resource = Resource(&Definition {
        place: 7,
        name: "Lookup",
        table: "lookups",
        key: Some("LookupKey"),
        nouns: ("lookup", "lookups"),
    });

    /// The resources with names of their own for tables and records, in the order of jobs.
    pub const NAMED: [Resource; 8] = [
        Resource::PROPERTY,
        Resource::MEDIA,
        Resource::OPEN_HOUSE,
        Resource::PROPERTY_UNIT_TYPES,
        Resource::ADU,
        Resource::MEMBER,
        Resource::OFFICE,
        Resource::LOOKUP,
    ];

    /// Returns the name of the resource. It is also the name of its entity set, unless the
    /// feed has another one.
    pub fn entity_set(self) -> &'static str {
        self.0.name
    }

    /// Returns the name of the table.
    pub fn table(self) -> &'static str {
        self.0.table
    }

    /// Returns the name of the key field by the RESO Data Dictionary, if it is known.
    pub fn reso_key(self) -> Option<&'static str> {
        self.0.key
    }

    /// Returns the common names of one record and of several records.
    pub fn nouns(self) -> (&'static str, &'static str) {
        self.0.nouns
    }

    /// Returns a number of records with their noun: `1 listing`, `200 listings`.
    pub fn counted(self, number: u64) -> String {
        let (one, several) = self.nouns();
        format!("{number} {}", if number == 1 { one } else { several })
    }

    /// Returns whether the RESO Data Dictionary defines the resource as a record of people,
    /// organizations, and their work with listings. Such a record may name a listing, but
    /// it does not describe a part of it, and it stays when the listing is deleted.
    /// Source: RESO Data Dictionary 2.0.
    pub fn stands_alone(self) -> bool {
        const ALONE: [&str; 18] = [
            "ContactListingNotes",
            "ContactListings",
            "EntityEvent",
            "HistoryTransactional",
            "InternetTracking",
            "InternetTrackingSummary",
            "LockOrBox",
            "Lookup",
            "Member",
            "Office",
            "Property",
            "Prospecting",
            "Queue",
            "SavedSearch",
            "Showing",
            "ShowingAppointment",
            "ShowingRequest",
            "TransactionManagement",
        ];
        ALONE.contains(&self.0.name)
    }
}

/// The keys of other resources by the RESO Data Dictionary. A feed may declare a field as
/// their key that several records share (the listing's id, seen in Constellation1's
/// `$metadata`).
const OTHER_KEYS: [(&str, &str); 4] = [
    ("PropertyGreenVerification", "GreenBuildingVerificationKey"),
    ("PropertyPowerProduction", "PowerProductionKey"),
    ("PropertyPowerStorage", "PowerStorageKey"),
    ("PropertyRooms", "RoomKey"),
];

/// The named resources in addition to [`Resource::NAMED`]. They come from configurations
/// and databases, so there are few.
static OTHERS: Mutex<Vec<&'static Definition>> = Mutex::new(Vec::new());

impl Resource {
    /// Returns the resource with this name. Returns none if the name is not an identifier of
    /// OData: up to 128 letters, digits and underscores. The first is not a digit.
    pub fn named(name: &str) -> Option<Resource> {
        let mut named = Resource::NAMED.into_iter();
        if let Some(resource) = named.find(|resource| resource.0.name == name) {
            return Some(resource);
        }
        if !is_identifier(name) {
            return None;
        }
        let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.iter().find(|known| known.name == name) {
            return Some(Resource(known));
        }
        let definition: &'static Definition = Box::leak(Box::new(Definition::of(name)));
        others.push(definition);
        Some(Resource(definition))
    }
}

impl Resource {
    /// Returns every resource that was named so far, in the order of jobs: those of the
    /// configuration and of the mirror, and [`Resource::NAMED`].
    pub fn all() -> Vec<Resource> {
        let others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
        let others = others.iter().map(|other| Resource(other));
        let mut all: Vec<Resource> = Resource::NAMED.into_iter().chain(others).collect();
        all.sort_unstable();
        all
    }
}

fn is_identifier(name: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    name.len() <= 128
        && name.chars().all(is_part)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && name.contains(|letter: char| letter.is_ascii_alphabetic())
}

impl Definition {
    fn of(name: &str) -> Definition {
        let leaked = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
        let known = OTHER_KEYS.iter().find(|(resource, _)| *resource == name);
        Definition {
            place: Resource::NAMED.len(),
            name: leaked(name.to_owned()),
            table: leaked(table_name(name)),
            key: known.map(|(_, key)| *key),
            nouns: (
                leaked(format!("{name} record")),
                leaked(format!("{name} records")),
            ),
        }
    }
}

/// Returns the name of a table: the resource's name in snake case, in the plural. A name that
/// the mirror or SQL uses gets `feed_` in front.
fn table_name(resource: &str) -> String {
    let table = plural(&snake_case(resource));
    let is_named = Resource::NAMED.iter().any(|named| named.0.table == table);
    if is_named || RESERVED.contains(&table.as_str()) || table.starts_with("sqlite_") {
        return format!("feed_{table}");
    }
    table
}

/// The mirror's own tables and views, and words that SQL does not allow as names.
const RESERVED: [&str; 18] = [
    "active_listings",
    "changes",
    "deletions",
    "displayable_listings",
    "exists",
    "listing_history",
    "listing_photos",
    "new_listings",
    "price_changes",
    "references",
    "refinery_schema_histories",
    "rejects",
    "status_changes",
    "sync_health",
    "sync_runs",
    "upcoming_open_houses",
    "values",
    "watermarks",
];

fn snake_case(name: &str) -> String {
    let letters: Vec<char> = name.trim_start_matches('_').chars().collect();
    let mut snake = String::with_capacity(name.len() + 8);
    for (at, letter) in letters.iter().enumerate() {
        let before = at.checked_sub(1).map(|before| letters[before]);
        let after = letters.get(at + 1);
        // `OUIDLookup` has the words `OUID` and `Lookup`.
        let begins_word = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                before.is_ascii_lowercase()
                    || before.is_ascii_digit()
                    || (before.is_ascii_uppercase() && after.is_some_and(char::is_ascii_lowercase))
            });
        if begins_word {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// Returns the plural of a word in snake case. Its last part may be one already.
fn plural(word: &str) -> String {
    let ends = |ends: &[&str]| ends.iter().any(|end| word.ends_with(end));
    if ends(&["media", "data"]) {
        return word.to_owned();
    }
    if let Some(stem) = word.strip_suffix('y')
        && !ends(&["ay", "ey", "oy", "uy"])
    {
        return format!("{stem}ies");
    }
    if ends(&["ss", "x", "ch", "sh", "status"]) {
        return format!("{word}es");
    }
    if word.ends_with('s') {
        return word.to_owned();
    }
    format!("{word}s")
}

/// The field with the time of a record's last change by the RESO Data Dictionary.
pub const MODIFICATION_TIMESTAMP: &str = "ModificationTimestamp";

/// The fields that can have the time of a record's last change, the preferred one first.
/// Bridge's servers set a timestamp of their own.
/// Source: bridgeinteractive.com/developers.
pub const TIMESTAMPS: [&str; 2] = ["BridgeModificationTimestamp", MODIFICATION_TIMESTAMP];

/// The field with the URL of a photo's file.
pub const MEDIA_URL: &str = "MediaURL";

/// The field with the time of the last change of a listing's photos.
pub const PHOTOS_CHANGE_TIMESTAMP: &str = "PhotosChangeTimestamp";

/// The field with a listing's number of photos.
pub const PHOTOS_COUNT: &str = "PhotosCount";

/// The values of StandardStatus in the order of a listing's life. The statuses that end it come
/// last.
/// Source: RESO Data Dictionary 2.0, lookup StandardStatus
pub const STANDARD_STATUSES: [&str; 11] = [
    "Incomplete",
    "Coming Soon",
    "Active",
    "Active Under Contract",
    "Pending",
    "Hold",
    "Closed",
    "Withdrawn",
    "Canceled",
    "Expired",
    "Delete",
];

/// Returns the position of a status in the life of a listing. Unknown statuses share the position
/// after all others; no status comes last.
pub fn life_cycle(status: Option<&str>) -> usize {
    let Some(status) = status else {
        return usize::MAX;
    };
    let mut known = STANDARD_STATUSES.iter();
    let found = known.position(|name| folded_name(name).eq(folded_name(status)));
    found.unwrap_or(STANDARD_STATUSES.len())
}

/// Normalizes the name of a status or of a property type, so that its two spellings are equal
/// (`Active Under Contract` and `ActiveUnderContract`).
pub fn folded_name(name: &str) -> impl Iterator<Item = char> {
    let letters = name.chars().filter(|letter| *letter != ' ');
    letters.map(|letter| letter.to_ascii_lowercase())
}

impl fmt::Debug for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entity_set())
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.entity_set())
    }
}

/// The text is not the name of a resource.
#[derive(Debug, thiserror::Error)]
#[error("`{0}` is not the name of a resource")]
pub struct NotAResource(pub String);

impl FromStr for Resource {
    type Err = NotAResource;

    fn from_str(name: &str) -> Result<Self, NotAResource> {
        Resource::named(name).ok_or_else(|| NotAResource(name.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::Resource;

    #[test]
    fn a_table_has_the_name_of_its_resource_in_snake_case_and_in_the_plural() {
        for (name, table) in [
            ("PropertyUnitTypes", "unit_types"),
            ("PropertyRooms", "property_rooms"),
            ("HistoryTransactional", "history_transactionals"),
            ("SocialMedia", "social_media"),
            ("OUID", "ouids"),
            ("SavedSearch", "saved_searches"),
            ("X_Local2Thing", "x_local2_things"),
            ("InternetTrackingSummary", "internet_tracking_summaries"),
            ("Listing", "feed_listings"),
            ("Change", "feed_changes"),
        ] {
            let found = Resource::named(name).map(Resource::table);
            assert_eq!(found, Some(table), "{name}");
        }
    }

    #[test]
    fn a_resource_has_the_name_of_an_odata_identifier() {
        assert_eq!(Resource::named("Rooms"), Resource::named("Rooms"));
        for name in ["", "_", "1st", "a b", "a\"b", "Rooms;", "a.b"] {
            assert_eq!(Resource::named(name), None, "{name}");
        }
    }
}
