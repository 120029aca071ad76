//! A sweep: the query for a set of records, and its query at each position.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use chrono::TimeDelta;

use super::key::{Cursor, Key};
use super::position::Position;
use crate::config::{Precision, Replication};
use crate::feed::http::Tries;
use crate::feed::odata::query::{self, Literal, Query, timestamp_literal};
use crate::record::{ChildShape, FieldShape, Shape};
use crate::resource::MODIFICATION_TIMESTAMP;
use crate::value::{ValueForm, instant};

/// A set of records of one resource, and how to request them.
#[derive(Clone, Debug)]
pub struct Sweep {
    /// The fields, and the children to expand.
    pub shape: Arc<Shape>,
    /// The filter of the records. None means all records.
    pub filter: Option<String>,
    /// Whether `$select` asks for the fields of the shape only.
    pub select: bool,
    /// Whether `$expand` has options: `$select` for the fields of the children, where the
    /// configuration selects fields, and `$top`. A server may refuse that.
    pub has_expand_options: Arc<AtomicBool>,
    /// The `$top` of each list of children, if the server otherwise sends only some of them.
    pub expand_top: Option<u32>,
    /// Whether each page by key counts the records that follow it in its range, with its own.
    pub counts: bool,
    /// The number of records per page.
    pub page_size: PageSize,
    /// How timestamps are written in `$filter`.
    pub timestamps: Precision,
    /// Whether timestamps are quoted in `$filter`, as the feed declares them as text. A server
    /// may refuse that although it declares it.
    pub quotes_timestamps: Arc<AtomicBool>,
    /// Whether the server wants GUIDs with quotes, although it declares them as `Edm.Guid`.
    pub quotes_guids: Arc<AtomicBool>,
    /// How often a page is requested if it fails.
    pub tries: Tries,
    /// Whether a count is known to be the number of all matching records. Some servers
    /// count the records of the page.
    pub trusts_count: bool,
    /// The `$top` of a reading by next links that is a single page.
    pub top: Option<u64>,
    /// The endpoint of a first page by next links, if it is one for a whole copy.
    pub replication: Option<Replication>,
}

/// The number of records per page of a sweep and its clones. It shrinks if an answer is too
/// large.
#[derive(Clone, Debug)]
pub struct PageSize(Arc<AtomicU32>);

impl PageSize {
    /// Returns the size at the start of a sweep.
    pub fn new(records: u32) -> PageSize {
        PageSize(Arc::new(records.into()))
    }

    /// Returns the number of records.
    pub fn get(&self) -> u32 {
        self.0.load(Ordering::Relaxed)
    }

    /// Sets the size to a quarter of the size of a page that was too large, unless another
    /// walk did. Returns false if that page had one record.
    pub fn shrink(&self, too_large: u32) -> bool {
        let smaller = (too_large / 4).max(1);
        self.0.fetch_min(smaller, Ordering::Relaxed);
        too_large > 1
    }
}

/// The length of a GUID: 32 digits in five groups.
const GUID_LEN: usize = 36;

/// The length of a timestamp with milliseconds, in storage form.
const MILLIS_LEN: usize = "2026-01-02 03:04:05.678".len();

impl Sweep {
    /// Returns a query for the resource in the order of its paging key.
    pub fn query(&self) -> Query {
        let paging = self.shape.paging_field().name.clone();
        self.unordered_query().order_by(paging, query::Order::Asc)
    }

    fn unordered_query(&self) -> Query {
        let shape = &self.shape;
        let mut query = Query::of(&*shape.roles.set);
        let (embedded, expanded): (Vec<_>, Vec<_>) =
            (shape.children.iter()).partition(|child| child.is_embedded);
        if self.select {
            let fields = shape.fields.iter().map(|field| &field.name);
            let lists = embedded.into_iter().map(|child| &child.name);
            let lists = lists.filter(|name| shape.position(name).is_none());
            query = query.select(fields.chain(lists).cloned());
        }
        query.expand(expanded.into_iter().map(|child| self.expanded(child)))
    }

    /// Returns the part of `$expand` for a child.
    fn expanded(&self, child: &ChildShape) -> String {
        let options = self.options_of(child);
        if options.is_empty() || !self.has_expand_options.load(Ordering::Relaxed) {
            return child.name.clone();
        }
        format!("{}({})", child.name, options.join(";"))
    }

    /// Returns the options of a child within `$expand`.
    fn options_of(&self, child: &ChildShape) -> Vec<String> {
        let mut options = Vec::new();
        if !child.shape.keeps_extra {
            let fields = child.shape.fields.iter().map(|field| field.name.as_str());
            let fields: Vec<&str> = fields.collect();
            options.push(format!("$select={}", fields.join(",")));
        }
        options.extend(self.expand_top.map(|top| format!("$top={top}")));
        options
    }

    /// Returns whether requests have options within `$expand`.
    pub fn has_options_within_expand(&self) -> bool {
        let mut children = self.shape.children.iter();
        self.has_expand_options.load(Ordering::Relaxed)
            && children.any(|child| !child.is_embedded && !self.options_of(child).is_empty())
    }

    /// Returns a key, or a part of it, as a literal for its field.
    pub fn literal(&self, field: &FieldShape, key: &str) -> Literal {
        let is_guid = |key: &str| {
            key.len() == GUID_LEN
                && key
                    .bytes()
                    .all(|one| one.is_ascii_hexdigit() || one == b'-')
        };
        match key.parse() {
            Ok(number) if field.form == ValueForm::Integer => Literal::Int(number),
            _ if field.is_guid && is_guid(key) && !self.quotes_guids.load(Ordering::Relaxed) => {
                Literal::Guid(key.to_owned())
            }
            _ => Literal::Text(key.to_owned()),
        }
    }

    fn paging_literal(&self, key: &Key) -> Literal {
        match key {
            Key::Number(number) => Literal::Int(*number),
            Key::Text(text) => self.literal(self.shape.paging_field(), text),
        }
    }

    /// Returns the filter of the records up to and including a key.
    pub(super) fn up_to(&self, key: &Key) -> String {
        query::le(&self.shape.paging_field().name, &self.paging_literal(key))
    }

    /// Returns whether the key has a GUID.
    pub fn has_guids(&self) -> bool {
        self.shape.key_fields().any(|field| field.is_guid)
    }

    /// Returns the query for the first page by next links, in any order: the server may not
    /// know `$orderby`.
    pub(super) fn first_page_query(&self) -> Query {
        let filter = self.filter.clone().unwrap_or_default();
        let query = self.unordered_query().filter(filter);
        match (self.replication, self.top) {
            (Some(endpoint), _) if endpoint.is_one_answer => {
                Query::of(&*self.shape.roles.set).replication(endpoint)
            }
            (Some(endpoint), _) => query.replication(endpoint).top(self.page_size.get().into()),
            (None, Some(top)) => query.top(top.min(self.page_size.get().into())),
            (None, None) => query,
        }
    }

    /// Returns the query for a page by key.
    pub(super) fn keyset_query(
        &self,
        after: Option<&Key>,
        up_to: Option<&Key>,
        skip: u64,
    ) -> Query {
        let field = &self.shape.paging_field().name;
        let parts = [
            self.filter.as_deref().map(query::group),
            after.map(|key| query::gt(field, &self.paging_literal(key))),
            up_to.map(|key| self.up_to(key)),
        ];
        let query = self.page_query(query::and(parts.into_iter().flatten()), skip);
        if self.counts { query.count() } else { query }
    }

    /// Returns the query for a page of the records that match a filter, in the order of the
    /// paging key.
    fn page_query(&self, filter: String, skip: u64) -> Query {
        let query = self.query().top(self.page_size.get().into()).filter(filter);
        if skip > 0 { query.skip(skip) } else { query }
    }

    /// Returns the query for a page of changes. Its count shows which page is the last.
    pub(super) fn changes_query(&self, since: &str, after: Option<&Cursor>, skip: u64) -> Query {
        let filter = self.filter.as_deref().map(query::group);
        let rest = self.following(since, after);
        let query = self
            .unordered_query()
            .order_by(self.timestamp(), query::Order::Asc)
            .order_by(self.shape.paging_field().name.clone(), query::Order::Asc)
            .filter(query::and([filter.unwrap_or_default(), rest]))
            .top(self.page_size.get().into())
            .count();
        if skip > 0 { query.skip(skip) } else { query }
    }

    /// Returns the filter of the changes after a cursor, or else since a time.
    fn following(&self, since: &str, after: Option<&Cursor>) -> String {
        match after {
            Some(cursor) => query::gt(self.timestamp(), &self.time_of(cursor)),
            None => query::ge(self.timestamp(), &self.time(since)),
        }
    }

    /// Returns the query for the first page of a window of changes by next links.
    pub(super) fn change_links_query(&self, since: Option<&str>, until: Option<&String>) -> Query {
        let parts = [
            self.filter.as_deref().map(query::group),
            since.map(|since| query::ge(self.timestamp(), &self.time(since))),
            until.map(|until| query::lt(self.timestamp(), &self.time(until))),
        ];
        self.unordered_query()
            .filter(query::and(parts.into_iter().flatten()))
            .count()
    }

    /// Returns the sweep of only the records that show a timestamp, in storage form, and as the
    /// server wrote it if that is known. A server may compare timestamps with more digits than it
    /// shows, or as texts, among which another form of the same time is greater.
    pub fn showing(&self, timestamp: &str, sent: Option<&str>) -> Sweep {
        let shown = match self.timestamps {
            Precision::AsStored => timestamp,
            Precision::Millis => timestamp.get(..MILLIS_LEN).unwrap_or(timestamp),
        };
        let start = match sent {
            Some(sent) => self.sent_time(sent.to_owned()),
            None => self.time(shown),
        };
        self.until(query::ge(self.timestamp(), &start), Some(shown))
    }

    /// Returns the sweep of the changes from a position on, up to a timestamp that they show, in
    /// storage form.
    pub fn between(&self, from: &Position, last: Option<&str>) -> Sweep {
        match from {
            Position::Changes { since, after, .. } => {
                self.until(self.following(since, after.as_ref()), last)
            }
            _ => self.clone(),
        }
    }

    /// Returns the sweep of the records that match a filter, up to a timestamp that they show.
    fn until(&self, start: String, shown: Option<&str>) -> Sweep {
        let parts = [
            self.filter.as_deref().map(query::group),
            Some(start),
            shown
                .and_then(next_shown)
                .map(|end| query::lt(self.timestamp(), &self.time(&end))),
        ];
        Sweep {
            filter: Some(query::and(parts.into_iter().flatten())),
            ..self.clone()
        }
    }

    /// Returns the query for a page of records that show one timestamp, by key. Its count shows
    /// which page is the last, if counts are known to do so.
    pub(super) fn ties_query(
        &self,
        (timestamp, sent): (&str, Option<&str>),
        after: Option<&Key>,
        skip: u64,
    ) -> Query {
        let field = &self.shape.paging_field().name;
        let parts = [
            self.showing(timestamp, sent).filter,
            after.map(|key| query::gt(field, &self.paging_literal(key))),
        ];
        let filter = query::and(parts.into_iter().flatten());
        let query = self.page_query(filter, skip);
        if self.trusts_count {
            query.count()
        } else {
            query
        }
    }

    /// Returns the field with the time of a record's last change.
    pub(super) fn timestamp(&self) -> &str {
        let field = self.shape.timestamp_field();
        field.unwrap_or(MODIFICATION_TIMESTAMP)
    }

    fn time(&self, stored: &str) -> Literal {
        self.sent_time(timestamp_literal(stored, self.timestamps))
    }

    /// Returns the literal of a timestamp as a server wrote it.
    fn sent_time(&self, sent: String) -> Literal {
        if self.quotes_timestamps.load(Ordering::Relaxed) {
            Literal::Text(sent)
        } else {
            Literal::Timestamp(sent)
        }
    }

    /// Returns the timestamp of a cursor, as the server wrote it if that is known.
    fn time_of(&self, cursor: &Cursor) -> Literal {
        match &cursor.sent {
            Some(sent) => self.sent_time(sent.clone()),
            None => self.time(&cursor.timestamp),
        }
    }
}

/// Returns the next timestamp with the same number of digits, in storage form: one second
/// later, or one millisecond later, and so on.
pub(super) fn next_shown(timestamp: &str) -> Option<String> {
    let digits = timestamp
        .split_once('.')
        .map_or(0, |(_, fraction)| fraction.len());
    let step = TimeDelta::nanoseconds(10_i64.pow(9_u32.checked_sub(digits as u32)?));
    let next = instant(timestamp)?.checked_add_signed(step)?;
    let mut text = next.format("%Y-%m-%d %H:%M:%S").to_string();
    if digits > 0 {
        let nanoseconds = format!("{:09}", next.timestamp_subsec_nanos());
        text.push('.');
        text.push_str(&nanoseconds[..digits]);
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::next_shown;

    #[test]
    fn the_next_timestamp_has_the_same_digits() {
        for (timestamp, next) in [
            ("2026-12-31 23:59:59", "2027-01-01 00:00:00"),
            ("2026-01-01 00:00:00.999", "2026-01-01 00:00:01.000"),
            ("2026-01-01 00:00:00.660765", "2026-01-01 00:00:00.660766"),
        ] {
            assert_eq!(next_shown(timestamp).as_deref(), Some(next));
        }
    }
}
