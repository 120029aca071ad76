//! The feed's announcements of what was deleted.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::error::FeedError;
use super::page::BadBody;
use super::query::{self, Literal, Order, Query, timestamp_literal};
use super::{Feed, client::Asking};
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
    /// For which resources there is a query of its own; one for all where the
    /// filter need not name them.
    pub fn queries<'r>(&self, resources: &[&'r str]) -> Vec<Option<&'r str>> {
        match self.names_resource {
            true => resources.iter().copied().map(Some).collect(),
            false => vec![None],
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

#[derive(Deserialize)]
struct Answer {
    value: Vec<Json>,
    #[serde(rename = "@odata.count", alias = "@count")]
    count: Option<u64>,
    #[serde(rename = "@odata.nextLink", alias = "@nextLink")]
    next_link: Option<String>,
}

impl Feed {
    /// A page of what was deleted after a moment, in storage form, behind the
    /// first `skip`; of one entity set, or of all.
    ///
    /// # Errors
    /// [`FeedError`]; a refusal may mean that the server answers to other names,
    /// or has no such resource.
    pub fn announced(
        &self,
        names: &DeletedNames,
        of: Option<&str>,
        after: &str,
        skip: u64,
    ) -> Result<Announced, FeedError> {
        let moment = Literal::Timestamp(timestamp_literal(after, self.dialect.timestamps));
        let named = of.zip(names.resource);
        let named = named.map(|(set, field)| query::eq(field, &Literal::Text(set.to_owned())));
        let filter = [named.unwrap_or_default(), query::gt(names.stamp, &moment)];
        let mut query = Query::of(ENTITY_SET)
            .filter(query::and(filter))
            .order_by(names.stamp, Order::Asc)
            .order_by(names.key, Order::Asc)
            .top(self.page_size.into())
            .count();
        if skip > 0 {
            query = query.skip(skip);
        }
        let url = self.client.url(&query.to_path_and_query())?;
        let asked = self.client.get(&url, Asking::RECORDS, |body| {
            serde_json::from_slice::<Answer>(body).map_err(|error| BadBody(error.to_string()))
        });
        let answer = self.runtime.block_on(asked)?;
        let read = skip + answer.value.len() as u64;
        let is_full = answer.value.len() >= self.page_size as usize;
        let more = answer.next_link.is_some() || answer.count.is_none_or(|count| count > read);
        if answer.value.is_empty() && answer.count.is_some_and(|count| count > read) {
            let what = "a page of Deleted is empty though more is counted";
            return Err(FeedError::Stuck(what.to_owned()));
        }
        let mut page = Announced {
            is_last: answer.value.is_empty() || !(more || is_full),
            ..Announced::default()
        };
        for entry in &answer.value {
            match announcement(names, entry) {
                Ok(announcement) => page.announcements.push(announcement),
                Err(stamp) => page.unreadable.push(stamp),
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
