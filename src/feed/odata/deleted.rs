//! The feed's announcements of what was deleted.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::query::{self, Literal, Order, Precision, Query, timestamp_literal};
use crate::feed::http::{BadBody, FeedError};
use crate::value::timestamp;

/// The entity set, which WFRMLS does not declare in `$metadata`.
const ENTITY_SET: &str = "Deleted";

/// By which names a server's Deleted resource answers.
#[derive(Debug, PartialEq, Eq)]
pub struct DeletedNames {
    /// What these names are called where they are remembered.
    pub name: &'static str,
    /// The field with the resource's name; none where only listings are announced.
    resource: Option<&'static str>,
    key: &'static str,
    stamp: &'static str,
    /// Whether the resource has to be named in the filter.
    names_resource: bool,
}

/// The names that are known, in the order in which they are tried: what the live
/// WFRMLS service answers to, and what clients' guides to it show.
pub static DELETED_NAMES: [DeletedNames; 4] = [
    DeletedNames {
        name: "live",
        resource: Some("resource"),
        key: "primary_key",
        stamp: "ts",
        names_resource: false,
    },
    DeletedNames {
        name: "resource",
        resource: Some("ResourceName"),
        key: "ResourceRecordKey",
        stamp: "DeletedDateTime",
        names_resource: false,
    },
    DeletedNames {
        name: "guide",
        resource: None,
        key: "ListingId",
        stamp: "DeletedDate",
        names_resource: false,
    },
    DeletedNames {
        name: "live by resource",
        resource: Some("resource"),
        key: "primary_key",
        stamp: "ts",
        names_resource: true,
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
        let filter = [of_set.unwrap_or_default(), query::gt(self.stamp, &after)];
        let query = Query::of(ENTITY_SET)
            .filter(query::and(filter))
            .order_by(self.stamp, Order::Asc)
            .order_by(self.key, Order::Asc)
            .count();
        if skip > 0 { query.skip(skip) } else { query }
    }

    /// For which resources there is a query of its own; one for all where the
    /// filter need not name them.
    pub fn queries<'r>(&self, resources: &[&'r str]) -> Vec<Option<&'r str>> {
        if self.names_resource {
            resources.iter().copied().map(Some).collect()
        } else {
            vec![None]
        }
    }
}

/// That a record was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// The entity set it was in.
    pub resource: String,
    /// Its key.
    pub key: String,
    /// When, in storage form.
    pub stamp: String,
}

/// A page of announcements.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Announced {
    /// Those that can be read.
    pub announcements: Vec<Announcement>,
    /// The stamps of those that cannot, as far as they have one.
    pub unreadable: Vec<Option<String>>,
    /// Whether nothing lies behind this page.
    pub is_last: bool,
}

impl Announced {
    /// How many entries the page had.
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

/// Reads one entry; of one that is no announcement, its stamp at least.
fn announcement(names: &DeletedNames, entry: &Json) -> Result<Announcement, Option<String>> {
    let none = Map::new();
    let fields = entry.as_object().unwrap_or(&none);
    let text = |name: &str| match fields.get(name) {
        Some(Json::String(text)) if !text.is_empty() => Some(text.clone()),
        Some(Json::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let stamp = text(names.stamp)
        .and_then(|text| timestamp(&text))
        .map(String::from);
    let resource = match names.resource {
        Some(name) => text(name),
        None => Some("Property".to_owned()),
    };
    match (resource, text(names.key), stamp) {
        (Some(resource), Some(key), Some(stamp)) => Ok(Announcement {
            resource,
            key,
            stamp,
        }),
        (_, _, stamp) => Err(stamp),
    }
}
