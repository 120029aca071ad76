//! One page of records.

use std::collections::HashSet;
use std::hash::Hash;

use serde::de::DeserializeSeed;

use super::entry::Entry;
use super::key_order::ascend;
use super::name_hints::NameHints;
use super::reject_texts::collect_rejects;
use super::seeds::{PageBody, PageSeed};
use super::separate_entries::read_separately;
use crate::feed::http::BadBody;
use crate::feed::odata::memory_limit::MemoryLimit;
use crate::record::{Record, Reject, Shape};
use crate::value::Value;

/// The last timestamp in a page.
#[derive(Clone, Debug)]
pub struct LastChange {
    /// The ModificationTimestamp in storage form.
    pub timestamp: Box<str>,
    /// The same timestamp as the server wrote it.
    pub sent: Option<Box<str>>,
}

/// The part of an answer that is its page. The walk asks for the other records again.
#[derive(Debug)]
pub struct Part {
    /// The `$top` of the request. The records after them may be out of order. An answer with more
    /// than twice the records is kept: then the server has a page size of its own.
    pub top: usize,
    /// The records that are left out of a page that is not the last.
    pub leaves_out: LeftOut,
    /// Whether a count is known to be the number of all matching records, so that it shows
    /// which page is the last.
    pub trusts_count: bool,
    /// The paging key of the last record before the page. A server that takes `gt` as `ge` sends it
    /// again. It is neither in the page nor in its count.
    pub last_read: Value,
}

/// The records at the end of a page that are left out. Some servers end each page with a record
/// that belongs on a later one, and without a count nothing shows that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// None.
    Nothing,
    /// The last one, unless it is the only one.
    LastRecord,
    /// The last one, and the records with the last timestamp of the others: not all records
    /// with this timestamp may be in the page. If the others have one timestamp, they stay.
    LastTimestamp,
}

impl Part {
    /// All records of an answer.
    pub const ALL: Part = Part {
        top: usize::MAX,
        leaves_out: LeftOut::Nothing,
        trusts_count: false,
        last_read: Value::Null,
    };

    /// Returns the number of entries to keep, and whether they end within a timestamp.
    fn kept(&self, entries: &[Entry], shape: &Shape) -> (usize, bool) {
        let others = entries.len().saturating_sub(1).max(entries.len().min(1));
        match self.leaves_out {
            LeftOut::Nothing => (entries.len(), false),
            LeftOut::LastRecord => (others, false),
            LeftOut::LastTimestamp => {
                let mut timestamps = entries[..others].iter().map(|entry| entry.modified(shape));
                let last = timestamps.clone().rev().flatten().next();
                let earlier = timestamps.rposition(|one| one.is_some() && one != last);
                earlier.map_or((others, others > 0), |earlier| (earlier + 1, false))
            }
        }
    }
}

/// One page of a resource.
#[derive(Debug, Default)]
pub struct Page {
    /// The valid records, in the order of the response.
    pub records: Vec<Record>,
    /// The invalid records of the resource and of its children.
    pub rejects: Vec<Reject>,
    /// The number of entries in the page, valid or not.
    pub entries: usize,
    /// The number of entries of the answer that are left out, see `LeftOut`.
    pub left_out: usize,
    /// Whether records with the last timestamp of this page may be on the next one.
    pub ends_within_timestamp: bool,
    /// The link to the next page, if the response has one.
    pub next_link: Option<String>,
    /// Whether the link is in the `Link` header.
    pub has_link_header: bool,
    /// The number of records that match the query, if the query asks for it.
    pub count: Option<u64>,
    /// The paging key of the last entry that has one, valid or not.
    pub last_paging: Value,
    /// The number of entries after that one. They have no paging key.
    pub keyless_tail: usize,
    /// The ModificationTimestamp of the last entry that has one.
    pub last_change: Option<LastChange>,
    /// Whether the paging keys ascend.
    pub keys_ascend: bool,
    /// Whether the timestamps never descend.
    pub timestamps_ascend: bool,
    /// The memory that its values take, in bytes.
    pub memory_bytes: usize,
}

impl Page {
    /// Decodes a body. An entry that cannot be decoded is rejected alone.
    ///
    /// # Errors
    /// [`BadBody`] if the body is not JSON, is incomplete, is not an OData response, or would
    /// take too much memory.
    pub fn decode(body: &[u8], shape: &Shape) -> Result<Page, BadBody> {
        Page::decode_part(body, shape, &Part::ALL)
    }

    /// Decodes a part of a body.
    ///
    /// # Errors
    /// As [`Page::decode`].
    pub fn decode_part(body: &[u8], shape: &Shape, part: &Part) -> Result<Page, BadBody> {
        let (hints, memory) = (NameHints::new(shape), MemoryLimit::default());
        let seed = PageSeed {
            shape,
            hints: &hints,
            memory: &memory,
        };
        let page_body = match parse(body, seed) {
            Err(BadBody::Invalid(problem)) => {
                memory.reset();
                read_separately(body, seed).ok_or_else(|| memory.error(problem))?
            }
            parsed => parsed?,
        };
        let mut entries = page_body
            .entries
            .ok_or_else(|| BadBody::Invalid("it has no `value`".to_owned()))?;
        let is_read =
            |entry: &&Entry| part.last_read != Value::Null && entry.paging == part.last_read;
        let again = entries.iter().take_while(is_read).count();
        entries.drain(..again);
        let distinct = |entries: &[Entry]| {
            let records = entries
                .iter()
                .filter_map(|entry| entry.record.as_ref().ok());
            distinct(entries.len(), records)
        };
        let is_more = entries.len() > part.top && distinct(&entries) > part.top;
        if is_more && entries.len() / 2 <= part.top {
            entries.truncate(part.top);
        }
        let count = page_body.total_count.or(page_body.count);
        let count = count.map(|count| count.saturating_sub(again.min(1) as u64));
        let is_last = part.trusts_count
            && page_body.next_link.is_none()
            && entries.len() < part.top
            && count.is_some_and(|count| count <= distinct(&entries) as u64);
        let (kept, ends_within_timestamp) = if is_last {
            (entries.len(), false)
        } else {
            part.kept(&entries, shape)
        };
        let mut page = Page {
            entries: kept,
            left_out: entries.len() - kept,
            ends_within_timestamp,
            next_link: page_body.next_link,
            count,
            ..Page::default()
        };
        page.find_last_keys(shape, &entries[..page.entries]);
        page.check_order(shape, &entries);
        entries.truncate(page.entries);
        if entries.iter().any(Entry::has_rejects) {
            page.rejects = collect_rejects(body, shape, &entries, again);
        }
        page.memory_bytes = memory.taken_bytes();
        page.records = entries
            .into_iter()
            .filter_map(|entry| entry.record.ok())
            .collect();
        Ok(page)
    }

    fn find_last_keys(&mut self, shape: &Shape, entries: &[Entry]) {
        let paging_of = |entry: &Entry| match &entry.paging {
            Value::Null => None,
            paging => Some(paging.clone()),
        };
        let keys = entries.iter().rev().map(paging_of);
        self.keyless_tail = keys.clone().take_while(Option::is_none).count();
        self.last_paging = keys.flatten().next().unwrap_or_default();

        let change_of = |entry: &Entry| {
            Some(LastChange {
                timestamp: entry.modified(shape)?.into(),
                sent: entry.sent_timestamp.clone(),
            })
        };
        self.last_change = entries.iter().rev().find_map(change_of);
    }

    fn check_order(&mut self, shape: &Shape, entries: &[Entry]) {
        let pairs = entries.iter().zip(entries.iter().skip(1));
        self.keys_ascend = ascend(&pairs.map(paging_keys).collect::<Vec<_>>());
        let timestamps = entries.iter().filter_map(|entry| entry.modified(shape));
        self.timestamps_ascend = timestamps.is_sorted();
    }

    /// Returns a value that another page has only if it has the same records.
    pub fn identity(&self) -> impl Hash + '_ {
        let keys = self.records.iter().map(|record| &*record.key);
        let rejects = self.rejects.iter().map(|reject| &*reject.payload);
        (keys.collect::<Vec<_>>(), rejects.collect::<Vec<_>>())
    }

    /// Returns the number of entries in the answer, or `$top` if it has more.
    pub fn answered(&self) -> usize {
        self.entries + self.left_out
    }

    /// Returns the number of entries. Counts a record that repeats once.
    pub fn distinct(&self) -> usize {
        distinct(self.entries, self.records.iter())
    }

    /// Returns whether the page has no next link and contains all records that match. A record
    /// that repeats counts once. Without a count, only an empty page is the last one.
    pub fn is_last(&self) -> bool {
        let has_all = |count| count <= self.distinct() as u64;
        self.next_link.is_none() && self.count.map_or(self.entries == 0, has_all)
    }
}

/// Counts a record that repeats in the entries once. `entries`: their number, with invalid ones.
fn distinct<'r>(entries: usize, records: impl Iterator<Item = &'r Record>) -> usize {
    let mut seen = HashSet::new();
    entries - records.filter(|record| !seen.insert(&*record.key)).count()
}

fn paging_keys<'e>((one, next): (&'e Entry, &'e Entry)) -> (&'e Value, &'e Value) {
    (&one.paging, &next.paging)
}

fn parse(body: &[u8], seed: PageSeed<'_>) -> Result<PageBody, BadBody> {
    // One check of the whole body is much cheaper than one check per text.
    let text = std::str::from_utf8(body).map_err(|error| {
        let is_cut = error.error_len().is_none();
        BadBody::Invalid(describe(body, is_cut, || "it is not UTF-8".to_owned()))
    })?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    seed.deserialize(&mut deserializer)
        .and_then(|page| deserializer.end().map(|()| page))
        .and_then(|page| seed.memory.take(0).map(|()| page))
        .map_err(|error| {
            let place = || format!("line {} column {}", error.line(), error.column());
            (seed.memory).error(describe(body, error.is_eof(), place))
        })
}

/// Describes an invalid body without quoting it.
fn describe(body: &[u8], is_cut: bool, otherwise: impl Fn() -> String) -> String {
    match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        None => "it is empty".to_owned(),
        Some(b'<') => "it is a web page".to_owned(),
        Some(_) if is_cut => format!("it is incomplete and ends after {} bytes", body.len()),
        Some(_) => otherwise(),
    }
}
