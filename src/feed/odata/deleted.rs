//! The `Deleted` resource, in which a feed announces deletions.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::query::{self, Literal, Order, Precision, Query, timestamp_literal};
use crate::feed::http::{BadBody, FeedError};
use crate::value::timestamp;

/// The name of the entity set. WFRMLS does not declare it in `$metadata`.
const ENTITY_SET: &str = "Deleted";

/// The field names of a server's `Deleted` resource.
#[derive(Debug, PartialEq, Eq)]
pub struct DeletedNames {
    /// The identifier of these names in the mirror's state.
    pub name: &'static str,
    /// The field with the resource's name. None if the server announces only listings.
    resource: Option<&'static str>,
    key: &'static str,
    timestamp: &'static str,
    /// Whether the filter must name the resource.
    needs_resource: bool,
}

/// The known names, in the order in which they are tried. They come from the live WFRMLS
/// service and from the guides of its clients.
pub static DELETED_NAMES: [DeletedNames; 4] = [
    DeletedNames {
        name: "live",
        resource: Some("resource"),
        key: "primary_key",
        timestamp: "ts",
        needs_resource: false,
    },
    DeletedNames {
        name: "resource",
        resource: Some("ResourceName"),
        key: "ResourceRecordKey",
        timestamp: "DeletedDateTime",
        needs_resource: false,
    },
    DeletedNames {
        name: "guide",
        resource: None,
        key: "ListingId",
        timestamp: "DeletedDate",
        needs_resource: false,
    },
    DeletedNames {
        name: "live by resource",
        resource: Some("resource"),
        key: "primary_key",
        timestamp: "ts",
        needs_resource: true,
    },
];

impl DeletedNames {
    /// Returns the query for the records that were deleted after a time in storage form,
    /// without the first `skip`. `entity_set` is none for all entity sets.
    pub fn query(
        &self,
        entity_set: Option<&str>,
        after: &str,
        skip: u64,
        timestamps: Precision,
    ) -> Query {
        let after = Literal::Timestamp(timestamp_literal(after, timestamps));
        let of_set = entity_set
            .zip(self.resource)
            .map(|(entity_set, field)| query::eq(field, &Literal::Text(entity_set.to_owned())));
        let filter = [
            of_set.unwrap_or_default(),
            query::gt(self.timestamp, &after),
        ];
        let query = Query::of(ENTITY_SET)
            .filter(query::and(filter))
            .order_by(self.timestamp, Order::Asc)
            .order_by(self.key, Order::Asc)
            .count();
        if skip > 0 { query.skip(skip) } else { query }
    }

    /// Returns the entity sets that need a query of their own. None stands for one query for
    /// all entity sets.
    pub fn queries<'r>(&self, resources: &[&'r str]) -> Vec<Option<&'r str>> {
        if self.needs_resource {
            resources.iter().copied().map(Some).collect()
        } else {
            vec![None]
        }
    }
}

/// The announcement that a record was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The entity set of the record.
    pub resource: String,
    /// The key of the record.
    pub key: String,
    /// The time of the deletion, in storage form.
    pub timestamp: String,
}

/// A page of announcements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// The valid announcements.
    pub announcements: Vec<Announcement>,
    /// The timestamps of the other entries. None for an entry without a timestamp.
    pub unreadable: Vec<Option<String>>,
    /// Whether this is the last page.
    pub is_last: bool,
}

impl Announced {
    /// Returns the number of entries in the page.
    pub fn entries(&self) -> usize {
        self.announcements.len() + self.unreadable.len()
    }
}

/// The body of a response from `Deleted`.
#[derive(Deserialize)]
pub struct DeletedBody {
    value: Vec<Json>,
    #[serde(rename = "@odata.count", alias = "@count")]
    count: Option<u64>,
    #[serde(rename = "@odata.nextLink", alias = "@nextLink")]
    next_link: Option<String>,
}

impl DeletedBody {
    /// Decodes a body.
    pub fn decode(body: &[u8]) -> Result<DeletedBody, BadBody> {
        serde_json::from_slice(body).map_err(|error| BadBody(error.to_string()))
    }

    /// Reads the entries. `skip` and `page_size` are those of the request.
    ///
    /// # Errors
    /// [`FeedError::Stuck`] if the page is empty although the count says that more follow.
    pub fn read(
        &self,
        names: &DeletedNames,
        skip: u64,
        page_size: u32,
    ) -> Result<Announced, FeedError> {
        let read = skip + self.value.len() as u64;
        let is_empty = self.value.is_empty();
        if is_empty && self.count.is_some_and(|count| count > read) {
            let problem = "a page of Deleted is empty, but its count says that more follow";
            return Err(FeedError::Stuck(problem.to_owned()));
        }

        let is_full = self.value.len() >= page_size as usize;
        let has_more = self.next_link.is_some() || self.count.is_none_or(|count| count > read);
        let mut page = Announced {
            is_last: is_empty || !(has_more || is_full),
            ..Announced::default()
        };
        for entry in &self.value {
            match announcement(names, entry) {
                Ok(announcement) => page.announcements.push(announcement),
                Err(timestamp) => page.unreadable.push(timestamp),
            }
        }
        Ok(page)
    }
}

/// Reads one entry. The error is the timestamp of an invalid entry, if it has one.
fn announcement(names: &DeletedNames, entry: &Json) -> Result<Announcement, Option<String>> {
    let none = Map::new();
    let fields = entry.as_object().unwrap_or(&none);
    let text = |name: &str| match fields.get(name) {
        Some(Json::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let timestamp = text(names.timestamp)
        .and_then(|text| timestamp(&text))
        .map(String::from);
    let resource = match names.resource {
        Some(name) => text(name),
        None => Some("Property".to_owned()),
    };
    match (resource, text(names.key), timestamp) {
        (Some(resource), Some(key), Some(timestamp)) => Ok(Announcement {
            resource,
            key,
            timestamp,
        }),
        (_, _, timestamp) => Err(timestamp),
    }
}
