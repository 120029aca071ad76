//! The `Deleted` resource, in which a feed announces deletions.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};

use serde::{Deserialize, Deserializer};
use serde_json::Value as Json;

use super::count::Count;
use super::memory_limit::MemoryLimit;
use super::query::{self, Literal, Order, Query, timestamp_literal};
use super::raw_json::{items, members, spell};
use crate::config::Precision;
use crate::feed::http::{BadBody, FeedError};
use crate::resource::Resource;
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
    /// Returns the query for the page at a position, of the records that were deleted after
    /// a time in storage form. `entity_set` is none for all entity sets.
    pub fn query(
        &self,
        entity_set: Option<&str>,
        after: &str,
        position: &DeletedPosition,
        timestamps: Precision,
    ) -> Query {
        let of_set = self.of_set(entity_set);
        let time = match &position.from {
            Some(from) => query::ge(self.timestamp, &Literal::Timestamp(from.clone())),
            None => {
                let after = Literal::Timestamp(timestamp_literal(after, timestamps));
                query::gt(self.timestamp, &after)
            }
        };
        let mut query = Query::of(ENTITY_SET)
            .filter(query::and([of_set.unwrap_or_default(), time]))
            .count();
        if !position.is_unordered {
            query = query
                .order_by(self.timestamp, Order::Asc)
                .order_by(self.key, Order::Asc);
        }
        match position.skip {
            0 => query,
            skip => query.skip(skip),
        }
    }

    /// Returns the query for the newest announcement.
    pub fn newest_query(&self, entity_set: Option<&str>) -> Query {
        Query::of(ENTITY_SET)
            .filter(self.of_set(entity_set).unwrap_or_default())
            .order_by(self.timestamp, Order::Desc)
            .top(1)
    }

    /// Returns the filter for the announcements of an entity set.
    fn of_set(&self, entity_set: Option<&str>) -> Option<String> {
        let (set, field) = entity_set.zip(self.resource)?;
        Some(query::eq(field, &Literal::Text(set.to_owned())))
    }

    /// Returns the entity sets that need a query of their own. None means one query for all
    /// entity sets.
    pub fn queries<'r>(&self, resources: &[&'r str]) -> Vec<Option<&'r str>> {
        if self.needs_resource {
            resources.iter().copied().map(Some).collect()
        } else {
            vec![None]
        }
    }
}

/// The announcement that a record was deleted.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct Announcement {
    /// The name of the resource, as the feed writes it.
    pub resource: String,
    /// The key of the record.
    pub key: String,
    /// The time of the deletion, in storage form.
    pub timestamp: Option<String>,
}

impl Announcement {
    /// Returns the resource, if the mirror knows it. Servers write the name in any case, and
    /// in the singular or the plural.
    pub fn resource(&self) -> Option<Resource> {
        resource_named(&self.resource)
    }
}

/// Returns the resource with this name, if the mirror knows it. Servers write the name in any
/// case, and in the singular or the plural.
pub fn resource_named(name: &str) -> Option<Resource> {
    let named = singular(name);
    let is_named = |resource: &Resource| singular(resource.entity_set()) == named;
    Resource::all().into_iter().find(is_named)
}

/// Returns the name of a resource in lower case and in the singular.
fn singular(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    if let Some(stem) = name.strip_suffix("ies") {
        return format!("{stem}y");
    }
    name.strip_suffix('s').unwrap_or(&name).to_owned()
}

/// An entry of `Deleted` that does not show which record was deleted.
#[derive(Clone, Debug, Hash, PartialEq, Eq)]
pub struct KeylessAnnouncement {
    /// The name of the resource, if the entry has one.
    pub resource: Option<String>,
    /// The whole entry.
    pub payload: String,
}

impl KeylessAnnouncement {
    /// Returns the resource, as [`Announcement::resource`] does.
    pub fn resource(&self) -> Option<Resource> {
        self.resource.as_deref().and_then(resource_named)
    }
}

/// The position of a page of announcements.
///
/// Pages continue at the timestamp of their last entry, because servers limit `$skip`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletedPosition {
    /// The timestamp at which the page starts, as the server wrote it. None for the first
    /// page.
    from: Option<String>,
    /// The number of entries to skip from there.
    skip: u64,
    /// Whether the page is requested without an order.
    is_unordered: bool,
    /// Whether the entries before the page were not in the order of timestamps.
    is_out_of_order: bool,
}

impl DeletedPosition {
    /// Returns the first page, for a server that refuses `$orderby`.
    pub fn unordered() -> DeletedPosition {
        DeletedPosition {
            is_unordered: true,
            ..DeletedPosition::default()
        }
    }

    /// Returns the position after all entries, read in the same order.
    pub fn end(&self) -> DeletedPosition {
        DeletedPosition {
            from: Some("9999-12-31T00:00:00Z".to_owned()),
            is_unordered: self.is_unordered,
            ..DeletedPosition::default()
        }
    }
}

/// A page of announcements.
#[derive(Debug, Default)]
pub struct Announced {
    /// The valid announcements.
    pub announcements: Vec<Announcement>,
    /// The other entries.
    pub keyless: Vec<KeylessAnnouncement>,
    /// The number of entries in the page.
    entries: usize,
    /// Whether the server says that more entries follow.
    pub claims_more: bool,
    /// The number of entries that match, if the server counts them.
    pub count: Option<u64>,
    /// The position of the next page. None after the last page.
    pub next: Option<DeletedPosition>,
    /// The position after all entries of the page.
    after_all: DeletedPosition,
}

impl Hash for Announced {
    /// Hashes the entries, so that a page that repeats has the same hash.
    fn hash<H: Hasher>(&self, state: &mut H) {
        (&self.announcements, &self.keyless).hash(state);
    }
}

impl Announced {
    /// Returns whether the page has entries that the one before did not have.
    pub fn has_entries(&self) -> bool {
        !self.announcements.is_empty() || !self.keyless.is_empty()
    }

    /// Returns the newest timestamp, in storage form.
    pub fn newest(&self) -> Option<&String> {
        let announcements = self.announcements.iter();
        announcements.filter_map(|one| one.timestamp.as_ref()).max()
    }

    /// Returns another position for a page that lacks the last entry of the previous page,
    /// although it starts there: a server may take `ge` as `gt`, and then the page lacks others of
    /// that timestamp, too.
    pub fn position_instead(
        &self,
        before: &Announced,
        position: &DeletedPosition,
    ) -> Option<DeletedPosition> {
        let starts_there = position.from.is_some() && position.skip == 0 && before.has_entries();
        let mut announcements = self.announcements.iter();
        let repeats = announcements.any(|one| before.announcements.contains(one))
            || self.keyless.iter().any(|one| before.keyless.contains(one));
        (starts_there && !repeats).then(|| before.after_all.clone())
    }

    /// Removes the entries of the previous page from the page at a position. A page that has
    /// only some of them is the last one.
    ///
    /// Announcements that are added within the second that is read can move the previous page to
    /// this position. Then the count is larger, and the next read covers them: it starts before
    /// that second.
    ///
    /// # Errors
    /// [`FeedError::Stuck`] if the server sends the previous page again.
    pub fn remove_repeated(
        &mut self,
        before: &Announced,
        position: &DeletedPosition,
    ) -> Result<(), FeedError> {
        self.announcements
            .retain(|one| !before.announcements.contains(one));
        self.keyless.retain(|one| !before.keyless.contains(one));
        let is_repeated = self.entries > 0 && !self.has_entries();
        let has_moved = position.skip == 0 && self.next.as_ref() != Some(position);
        let has_grown = before.count.is_some() && self.count > before.count;
        if is_repeated && self.entries < before.entries && !self.claims_more {
            self.next = None;
        } else if is_repeated && !has_moved && !has_grown {
            let problem = "Deleted sends the same page again; it seems to ignore $skip";
            return Err(FeedError::Stuck(problem.to_owned()));
        }
        Ok(())
    }
}

/// The body of a response from `Deleted`.
#[derive(Deserialize)]
pub struct DeletedBody {
    #[serde(deserialize_with = "list_or_null")]
    value: Vec<Json>,
    #[serde(rename = "@odata.count", alias = "@count", default)]
    count: Count,
    #[serde(rename = "@odata.nextLink", alias = "@nextLink")]
    next_link: Option<String>,
}

fn list_or_null<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Json>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

impl DeletedBody {
    /// Decodes a body. An entry that cannot be decoded becomes its text.
    pub fn decode(body: &[u8]) -> Result<DeletedBody, BadBody> {
        let decode = |body: &[u8]| {
            let json = MemoryLimit::default().decode(body)?;
            serde_json::from_value(json).map_err(|error| BadBody::Invalid(error.to_string()))
        };
        decode(body).or_else(|error| match error {
            BadBody::TooLarge => Err(error),
            BadBody::Invalid(_) => {
                let readable = with_readable_entries(body).unwrap_or_default();
                decode(&readable).map_err(|_| error)
            }
        })
    }

    /// Reads the entries of the page at a position.
    pub fn read(&self, names: &DeletedNames, position: &DeletedPosition) -> Announced {
        let entries = self.value.len();
        let count = self.count.0;
        let has_link = self.next_link.as_ref().is_some_and(|link| !link.is_empty());
        let read = position.skip + entries as u64;
        let (next, after_all) = self.next(names, position);
        let mut page = Announced {
            entries,
            after_all,
            claims_more: has_link || count.is_some_and(|count| count > read),
            count,
            ..Announced::default()
        };
        // A count may be the number of entries in this page.
        if entries > 1 || (entries == 1 && (page.claims_more || count.is_none())) {
            page.next = Some(next);
        }
        for entry in &self.value {
            match announcement(names, entry) {
                Ok(announcement) => page.announcements.push(announcement),
                Err(keyless) => page.keyless.push(keyless),
            }
        }
        page
    }

    /// Returns the position of the next page: at the last timestamp, or after all entries if
    /// they share one timestamp or are not in the order of timestamps; and the position after all
    /// entries.
    fn next(
        &self,
        names: &DeletedNames,
        position: &DeletedPosition,
    ) -> (DeletedPosition, DeletedPosition) {
        let sent = |entry: &Json| text(entry, names.timestamp);
        // A server that repeats an entry within a page moves the others to the next page.
        let distinct: HashSet<String> = self.value.iter().map(Json::to_string).collect();
        let entries = distinct.len() as u64;
        let times: Vec<Option<String>> = (self.value.iter().map(sent))
            .map(|sent| sent.as_deref().and_then(timestamp).map(String::from))
            .collect();
        let was_ordered = !position.is_unordered && !position.is_out_of_order;
        let is_ordered = times.is_sorted() && was_ordered;
        let has_one_time = times.first() == times.last();

        let last = times.last().and_then(Option::as_ref);
        let after_all = DeletedPosition {
            from: position.from.clone(),
            skip: position.skip + entries,
            is_unordered: position.is_unordered,
            is_out_of_order: !is_ordered,
        };
        match last.and_then(|_| self.value.last().and_then(sent)) {
            Some(last) if is_ordered && !has_one_time => {
                let at_last = DeletedPosition {
                    from: Some(last),
                    ..DeletedPosition::default()
                };
                (at_last, after_all)
            }
            _ => (after_all.clone(), after_all),
        }
    }
}

/// Returns a body whose entries can be decoded: each other entry is replaced by its text.
fn with_readable_entries(body: &[u8]) -> Option<Vec<u8>> {
    let entry = |json: &[u8]| match MemoryLimit::default().decode(json) {
        Ok(_) => json.to_vec(),
        Err(_) => Json::String(spell(json)).to_string().into_bytes(),
    };
    let mut parts = Vec::new();
    for member in members(body)? {
        let value = match member.name {
            b"\"value\"" => {
                let entries: Vec<_> = items(member.value)?.into_iter().map(entry).collect();
                [b"[", &*entries.join(&b","[..]), b"]"].concat()
            }
            _ => member.value.to_vec(),
        };
        parts.push([member.name, b":", &*value].concat());
    }
    Some([b"{", &*parts.join(&b","[..]), b"}"].concat())
}

/// Reads one entry. The error is an entry that does not show which record was deleted.
fn announcement(names: &DeletedNames, entry: &Json) -> Result<Announcement, KeylessAnnouncement> {
    let resource = match names.resource {
        Some(name) => text(entry, name),
        None => Some("Property".to_owned()),
    };
    match (resource, text(entry, names.key)) {
        (Some(resource), Some(key)) => Ok(Announcement {
            resource,
            key,
            timestamp: text(entry, names.timestamp)
                .and_then(|text| timestamp(&text))
                .map(String::from),
        }),
        (resource, _) => Err(KeylessAnnouncement {
            resource,
            payload: entry
                .as_str()
                .map_or_else(|| entry.to_string(), str::to_owned),
        }),
    }
}

/// Returns a field of an entry as text, if it has a value.
fn text(entry: &Json, field: &str) -> Option<String> {
    match entry.get(field)? {
        Json::String(text) if !text.is_empty() => Some(text.clone()),
        Json::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
