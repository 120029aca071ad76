//! An answer's body, decoded into records in storage form.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::feed::http::BadBody;
use crate::record::{Children, Record, Reject, Shape};
use crate::value::{Value, canonical};

/// One page of a resource.
#[derive(Debug, Default)]
pub struct Page {
    /// The records that can be stored, in the order in which they came.
    pub records: Vec<Record>,
    /// Those that cannot, of the resource and of its children.
    pub rejects: Vec<Reject>,
    /// How many entries the page had, storable or not.
    pub entries: usize,
    /// Where the next page is, if the server says so.
    pub next_link: Option<String>,
    /// How many records match the query, if it was asked.
    pub count: Option<u64>,
    /// The paging key of the last entry that has one, storable or not.
    pub last_paging: Value,
    /// How many entries without a paging key came behind that one.
    pub keyless_tail: usize,
    /// The ModificationTimestamp and the paging key of the last entry that has both.
    pub last_change: Option<(Box<str>, Value)>,
    /// How many entries came behind that one.
    pub changeless_tail: usize,
}

impl Page {
    /// Decodes the body of an answer.
    ///
    /// # Errors
    /// [`BadBody`] if the body is not JSON, is cut short, or is no answer of OData.
    pub fn decode(body: &[u8], shape: &Shape) -> Result<Page, BadBody> {
        // Checked once as a whole, which is far cheaper than text by text.
        let text = std::str::from_utf8(body).map_err(|error| {
            let is_cut = error.error_len().is_none();
            BadBody(describe(body, is_cut, || "it is not UTF-8".to_owned()))
        })?;
        let hints = Hints::new(shape);
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let raw = PageSeed {
            shape,
            hints: &hints,
        }
        .deserialize(&mut deserializer)
        .and_then(|page| deserializer.end().map(|()| page))
        .map_err(|error| {
            let place = || format!("line {} column {}", error.line(), error.column());
            BadBody(describe(body, error.is_eof(), place))
        })?;
        let entries = raw
            .entries
            .ok_or_else(|| BadBody("it has no `value`".to_owned()))?;
        let mut page = Page {
            entries: entries.len(),
            next_link: raw.next_link,
            count: raw.count,
            ..Page::default()
        };
        if entries.iter().any(Entry::has_rejects) {
            page.rejects = collect_rejects(text, shape, &entries)?;
        }
        let keyed = entries
            .iter()
            .rposition(|entry| !matches!(entry.paging, Value::Null));
        page.keyless_tail = entries.len() - keyed.map_or(0, |at| at + 1);
        page.last_paging = keyed
            .map(|at| entries[at].paging.clone())
            .unwrap_or_default();
        let change_of = |entry: &Entry| {
            let stamp = entry.modified(shape)?;
            (!matches!(entry.paging, Value::Null)).then(|| (stamp.into(), entry.paging.clone()))
        };
        let changes = entries.iter().rev().map(change_of);
        page.changeless_tail = changes.clone().take_while(Option::is_none).count();
        page.last_change = changes.flatten().next();
        page.records = entries
            .into_iter()
            .filter_map(|entry| entry.record.ok())
            .collect();
        Ok(page)
    }
}

impl Page {
    /// Whether nothing lies behind it, as far as it tells: it has no link, and
    /// holds all that match. An empty page is the last where nothing is counted.
    pub fn is_last(&self) -> bool {
        let entries = self.entries as u64;
        self.next_link.is_none() && self.count.map_or(entries == 0, |count| count <= entries)
    }
}

/// What a body that does not parse is, without repeating it.
fn describe(body: &[u8], is_cut: bool, otherwise: impl Fn() -> String) -> String {
    let start = body.iter().find(|byte| !byte.is_ascii_whitespace());
    match start {
        None => "it is empty".to_owned(),
        Some(b'<') => "it is a web page".to_owned(),
        Some(_) if is_cut => format!("it ends after {} bytes, in the middle", body.len()),
        Some(_) => otherwise(),
    }
}

/// One element of `value`.
struct Entry {
    paging: Value,
    record: Result<Record, Trouble>,
    child_troubles: Vec<ChildTrouble>,
}

/// Why a record cannot be stored.
struct Trouble {
    key: Option<Box<str>>,
    modified: Option<Box<str>>,
    reason: String,
}

struct ChildTrouble {
    child: usize,
    entry: usize,
    trouble: Trouble,
}

impl Entry {
    fn has_rejects(&self) -> bool {
        self.record.is_err() || !self.child_troubles.is_empty()
    }

    fn modified(&self, shape: &Shape) -> Option<&str> {
        match &self.record {
            Ok(record) => shape.modified_of(&record.values),
            Err(trouble) => trouble.modified.as_deref(),
        }
    }
}

#[derive(Deserialize)]
struct RawPage<'a> {
    #[serde(borrow, default)]
    value: Option<Vec<&'a RawValue>>,
}

/// Finds the text of the rejected entries: the body is read a second time, for
/// only then is it needed.
fn collect_rejects(text: &str, shape: &Shape, entries: &[Entry]) -> Result<Vec<Reject>, BadBody> {
    let bad = |error: serde_json::Error| BadBody(error.to_string());
    let raw: RawPage<'_> = serde_json::from_str(text).map_err(bad)?;
    let payloads = raw.value.unwrap_or_default();
    let mut rejects = Vec::new();
    for (entry, payload) in entries.iter().zip(payloads) {
        let reject = |shape: &Shape, trouble: &Trouble, payload: &RawValue| Reject {
            resource: shape.resource,
            key: trouble.key.clone(),
            reason: trouble.reason.clone(),
            payload: payload.get().to_owned(),
        };
        if let Err(trouble) = &entry.record {
            rejects.push(reject(shape, trouble, payload));
            continue;
        }
        for ChildTrouble {
            child,
            entry,
            trouble,
        } in &entry.child_troubles
        {
            let child = &shape.children[*child];
            let members: BTreeMap<String, &RawValue> =
                serde_json::from_str(payload.get()).map_err(bad)?;
            let list: Vec<&RawValue> = match members.get(&child.name) {
                Some(list) => serde_json::from_str(list.get()).map_err(bad)?,
                None => Vec::new(),
            };
            if let Some(payload) = list.get(*entry) {
                rejects.push(reject(&child.shape, trouble, payload));
            }
        }
    }
    Ok(rejects)
}

/// Which field followed which in the records before: servers keep one order, so
/// that a name is mostly found without hashing.
struct Hints {
    next: Vec<Cell<usize>>,
    children: Vec<Hints>,
}

impl Hints {
    fn new(shape: &Shape) -> Hints {
        // The place behind the last stands for the start of a record.
        Hints {
            next: (1..=shape.fields.len()).chain([0]).map(Cell::new).collect(),
            children: shape
                .children
                .iter()
                .map(|child| Hints::new(&child.shape))
                .collect(),
        }
    }
}

struct RawAnswer {
    entries: Option<Vec<Entry>>,
    next_link: Option<String>,
    count: Option<u64>,
}

#[derive(Clone, Copy)]
struct PageSeed<'s> {
    shape: &'s Shape,
    hints: &'s Hints,
}

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = RawAnswer;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<RawAnswer, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = RawAnswer;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an answer of OData")
    }

    /// Only `value` is a page: whatever else JSON may say, it is no records.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RawAnswer, A::Error> {
        let mut answer = RawAnswer {
            entries: None,
            next_link: None,
            count: None,
        };
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "value" => answer.entries = Some(members.next_value_seed(EntriesSeed(self))?),
                "@odata.nextLink" | "@nextLink" => answer.next_link = members.next_value()?,
                "@odata.count" | "@count" => answer.count = members.next_value()?,
                "error" => return Err(A::Error::custom("an error in place of an answer")),
                _ => {
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(answer)
    }
}

/// The list under `value`.
struct EntriesSeed<'s>(PageSeed<'s>);

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Entry>, D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = items.next_element_seed(RecordSeed(self.0))? {
            entries.push(entry);
        }
        Ok(entries)
    }
}

/// One record, whatever it is: what cannot be stored is told, not an error.
struct RecordSeed<'s>(PageSeed<'s>);

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_any(self)
    }
}

fn no_object<E>() -> Result<Entry, E> {
    let trouble = Trouble {
        key: None,
        modified: None,
        reason: "the record is not a JSON object".to_owned(),
    };
    Ok(Entry {
        paging: Value::Null,
        record: Err(trouble),
        child_troubles: Vec::new(),
    })
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_unit<E: Error>(self) -> Result<Entry, E> {
        no_object()
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Entry, E> {
        no_object()
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Entry, E> {
        no_object()
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Entry, E> {
        no_object()
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Entry, E> {
        no_object()
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Entry, E> {
        no_object()
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        no_object()
    }
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Entry, A::Error> {
        self.fields(&mut members)
    }
}

impl RecordSeed<'_> {
    /// Reads the members of a record.
    fn fields<'de, A: MapAccess<'de>>(self, members: &mut A) -> Result<Entry, A::Error> {
        let PageSeed { shape, hints } = self.0;
        let mut reading = Reading::new(shape);
        let mut before = shape.fields.len();
        while let Some(known) = members.next_key_seed(NameSeed {
            page: self.0,
            before,
        })? {
            match known {
                Name::Field(at) => {
                    let field = &shape.fields[at];
                    match members.next_value_seed(field.form)? {
                        Ok(value) => reading.values[at] = value,
                        Err(mistyped) => {
                            reading
                                .trouble
                                .get_or_insert_with(|| format!("{} {mistyped}", field.name));
                        }
                    }
                    before = at;
                }
                Name::Child(at) => {
                    let child = &shape.children[at];
                    let page = PageSeed {
                        shape: &child.shape,
                        hints: &hints.children[at],
                    };
                    let entries = members.next_value_seed(ChildSeed(page))?;
                    reading.expanded(at, entries);
                }
                Name::ChildNext(at) => reading.next_links[at] = members.next_value()?,
                Name::Ignored => {
                    members.next_value::<IgnoredAny>()?;
                }
                Name::Undeclared(name) => {
                    let value: serde_json::Value = members.next_value()?;
                    if shape.keeps_extra && !value.is_null() {
                        reading.extra.insert(name, canonical(value));
                    }
                }
            }
        }
        Ok(reading.finish(shape))
    }
}

/// A record while it is read.
struct Reading {
    values: Vec<Value>,
    extra: BTreeMap<String, serde_json::Value>,
    children: Vec<Option<Vec<Entry>>>,
    next_links: Vec<Option<String>>,
    trouble: Option<String>,
}

impl Reading {
    fn new(shape: &Shape) -> Reading {
        Reading {
            values: vec![Value::Null; shape.fields.len()],
            extra: BTreeMap::new(),
            children: shape.children.iter().map(|_| None).collect(),
            next_links: vec![None; shape.children.len()],
            trouble: None,
        }
    }

    fn expanded(&mut self, child: usize, entries: Option<Vec<Entry>>) {
        self.children[child] = entries;
    }

    fn finish(mut self, shape: &Shape) -> Entry {
        let key = shape.key_of(&self.values);
        let paging = shape.paging_value(&self.values).clone();
        let (key, reason) = match (key, self.trouble.take()) {
            (key, Some(trouble)) => (key, trouble),
            (None, None) => (None, format!("the record has no {}", shape.resource.key())),
            (key, None) if matches!(paging, Value::Null) => (
                key,
                format!("the record has no {}", shape.paging_field().name),
            ),
            (Some(key), None) => return self.stored(shape, key, paging),
        };
        let modified = shape.modified_of(&self.values).map(Box::from);
        let trouble = Trouble {
            key,
            modified,
            reason,
        };
        Entry {
            paging,
            record: Err(trouble),
            child_troubles: Vec::new(),
        }
    }

    fn stored(self, shape: &Shape, key: Box<str>, paging: Value) -> Entry {
        let mut child_troubles = Vec::new();
        let lists = self.children.into_iter().zip(self.next_links).enumerate();
        let children = lists
            .map(|(child, (entries, next_link))| {
                let mut children = Children {
                    next_link,
                    ..Children::default()
                };
                for (entry, read) in entries?.into_iter().enumerate() {
                    match read.record {
                        Ok(mut record) => {
                            record.listing_key = Some(key.clone());
                            children.records.push(record);
                        }
                        Err(trouble) => {
                            children.note_reject(trouble.key.as_deref());
                            child_troubles.push(ChildTrouble {
                                child,
                                entry,
                                trouble,
                            });
                        }
                    }
                }
                Some(children)
            })
            .collect();
        let extra = (!self.extra.is_empty())
            .then(|| serde_json::Value::from_iter(self.extra).to_string().into());
        let listing_key = shape.parent_of(&self.values);
        let record = Record {
            key,
            listing_key,
            values: self.values,
            extra,
            children,
        };
        Entry {
            paging,
            record: Ok(record),
            child_troubles,
        }
    }
}

/// The list of an expanded navigation property: null is an empty list, and a
/// single object is a list of one.
struct ChildSeed<'s>(PageSeed<'s>);

impl<'de> DeserializeSeed<'de> for ChildSeed<'_> {
    type Value = Option<Vec<Entry>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ChildSeed<'_> {
    type Value = Option<Vec<Entry>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Some(Vec::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, items: A) -> Result<Self::Value, A::Error> {
        EntriesSeed(self.0).visit_seq(items).map(Some)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        RecordSeed(self.0)
            .fields(&mut members)
            .map(|entry| Some(vec![entry]))
    }
}

/// What the name of a member stands for.
enum Name {
    Field(usize),
    Child(usize),
    ChildNext(usize),
    Ignored,
    Undeclared(String),
}

struct NameSeed<'s> {
    page: PageSeed<'s>,
    before: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(lookup(self.page.shape, self.page.hints, self.before, name))
    }
}

/// How many fields that a record leaves out are stepped over before its next
/// name is looked up by its hash.
const FIELDS_STEPPED_OVER: usize = 8;

fn lookup(shape: &Shape, hints: &Hints, before: usize, name: &str) -> Name {
    let mut at = before;
    for _ in 0..=FIELDS_STEPPED_OVER {
        at = hints.next[at].get();
        if shape.fields.get(at).is_some_and(|field| field.name == name) {
            return Name::Field(at);
        }
    }
    if let Some(at) = shape.position(name) {
        hints.next[before].set(at);
        return Name::Field(at);
    }
    if let Some(at) = shape.children.iter().position(|child| child.name == name) {
        return Name::Child(at);
    }
    if let Some(of) = name.strip_suffix("@odata.nextLink")
        && let Some(at) = shape.children.iter().position(|child| child.name == of)
    {
        return Name::ChildNext(at);
    }
    if name.contains('@') || shape.ignores(name) {
        return Name::Ignored;
    }
    Name::Undeclared(name.to_owned())
}
