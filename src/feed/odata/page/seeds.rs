//! The serde seeds that decode a response. They know the shape of the records.

use std::fmt;

use serde::Deserializer;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::entry::Entry;
use super::name_hints::{MemberName, NameHints, find_member};
use super::record_builder::RecordBuilder;
use crate::feed::odata::count::Count;
use crate::feed::odata::memory_limit::{JsonSeed, MemoryLimit, member_bytes};
use crate::feed::odata::raw_json::Member;
use crate::record::Shape;
use crate::value::{ValueForm, canonical};

/// The memory of an entry: while a page is decoded, a record is in two lists.
const ENTRY_BYTES: usize = 2 * size_of::<Entry>();

/// The members of an OData response that a page needs.
#[derive(Default)]
pub struct PageBody {
    /// The elements of `value`.
    pub entries: Option<Vec<Entry>>,
    /// The link to the next page.
    pub next_link: Option<String>,
    /// The number of records that match the query.
    pub count: Option<u64>,
    /// The same on servers whose `@odata.count` is that of the page. Source: clients of
    /// Constellation.
    pub total_count: Option<u64>,
}

/// Decodes a response.
#[derive(Clone, Copy)]
pub struct PageSeed<'s> {
    /// The shape of the records.
    pub shape: &'s Shape,
    /// The order of fields in earlier records.
    pub hints: &'s NameHints,
    /// The memory that the page may take.
    pub memory: &'s MemoryLimit,
}

impl<'s> PageSeed<'s> {
    /// Returns the seed for the children at an index of the shape.
    fn of_child(self, at: usize) -> PageSeed<'s> {
        PageSeed {
            shape: &self.shape.children[at].shape,
            hints: &self.hints.children[at],
            memory: self.memory,
        }
    }

    /// Returns the index of a list of children with its seed, if the name is that of a list.
    pub fn child(self, name: Option<&str>) -> Option<(usize, PageSeed<'s>)> {
        let mut children = self.shape.children.iter();
        let at = children.position(|child| Some(child.name.as_str()) == name)?;
        Some((at, self.of_child(at)))
    }

    /// Reads the children in a field that is an embedded list. Such a field is a value of the
    /// listing, and has rows of its own.
    fn read_embedded(self, field: &str, list: &serde_json::Value, record: &mut RecordBuilder) {
        let Some((child, seed)) = self.child(Some(field)).filter(|_| !list.is_null()) else {
            return;
        };
        match EntriesSeed(seed).deserialize(list) {
            Ok(entries) => record.children[child] = Some(entries),
            Err(_) => {
                let problem = format!("{field} is not a list of records");
                record.problem.get_or_insert(problem);
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for PageSeed<'_> {
    type Value = PageBody;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<PageBody, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for PageSeed<'_> {
    type Value = PageBody;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an OData response")
    }

    /// Only `value` contains records.
    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<PageBody, A::Error> {
        let mut body = PageBody::default();
        while let Some(name) = members.next_key::<String>()? {
            match name.as_str() {
                "value" => body.entries = Some(members.next_value_seed(EntriesSeed(self))?),
                "@odata.nextLink" | "@nextLink" => body.next_link = next_link(&mut members)?,
                "@odata.count" | "@count" => body.count = members.next_value::<Count>()?.0,
                "@odata.totalCount" => body.total_count = members.next_value::<Count>()?.0,
                "error" => return Err(A::Error::custom("an error instead of records")),
                _ => {
                    self.memory.take(size_of::<Member<'_>>())?;
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(body)
    }
}

/// Decodes a list of records. Null counts as an empty list, and a single object as a list of
/// one.
struct EntriesSeed<'s>(PageSeed<'s>);

impl<'de> DeserializeSeed<'de> for EntriesSeed<'_> {
    type Value = Vec<Entry>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Vec<Entry>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for EntriesSeed<'_> {
    type Value = Vec<Entry>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of records")
    }

    fn visit_unit<E: Error>(self) -> Result<Vec<Entry>, E> {
        Ok(Vec::new())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Vec<Entry>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = items.next_element_seed(RecordSeed(self.0))? {
            self.0.memory.take(ENTRY_BYTES)?;
            entries.push(entry);
        }
        Ok(entries)
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Vec<Entry>, A::Error> {
        Ok(vec![RecordSeed(self.0).visit_map(members)?])
    }
}

/// Decodes one record. An invalid record is an entry with a reason, and not an error.
pub struct RecordSeed<'s>(pub PageSeed<'s>);

impl<'de> DeserializeSeed<'de> for RecordSeed<'_> {
    type Value = Entry;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Entry, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for RecordSeed<'_> {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_unit<E: Error>(self) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Entry, E> {
        Ok(Entry::not_an_object())
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Entry, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry::not_an_object())
    }
    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Entry, A::Error> {
        self.0.memory.take(size_of_val(&*self.0.shape.fields))?;
        let mut record = RecordBuilder::new(self.0.shape);
        let seed = MembersSeed {
            page: self.0,
            record: &mut record,
        };
        seed.visit_map(members)?;
        Ok(record.build(self.0.shape))
    }
}

/// Decodes members of a record.
pub struct MembersSeed<'s, 'r> {
    /// The shape of the record.
    pub page: PageSeed<'s>,
    /// The record.
    pub record: &'r mut RecordBuilder,
}

impl<'de> DeserializeSeed<'de> for MembersSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for MembersSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let MembersSeed { page, record } = self;
        let shape = page.shape;
        let mut before = shape.fields.len();
        while let Some(known) = members.next_key_seed(NameSeed { page, before })? {
            match known {
                MemberName::Field(at) => {
                    let field = &shape.fields[at];
                    let value = if field.form.takes_json() || shape.is_timestamp(at) {
                        let json = members.next_value_seed(JsonSeed(page.memory))?;
                        if shape.is_timestamp(at) {
                            record.sent_timestamp = json.as_str().map(Box::from);
                        } else if field.form == ValueForm::Json {
                            page.read_embedded(&field.name, &json, record);
                        }
                        field.form.deserialize(json).map_err(A::Error::custom)?
                    } else {
                        members.next_value_seed(field.form)?
                    };
                    match value {
                        Ok(value) => {
                            page.memory.take(value.as_text().map_or(0, str::len))?;
                            record.values[at] = value;
                        }
                        Err(mistyped) => match mistyped.exact {
                            Some(exact) if shape.keeps_extra => {
                                page.memory.take(member_bytes(&field.name))?;
                                record.extra.insert(field.name.clone(), (*exact).into());
                            }
                            _ => {
                                record
                                    .problem
                                    .get_or_insert_with(|| format!("{} {mistyped}", field.name));
                            }
                        },
                    }
                    before = at;
                }
                MemberName::Child(at) => {
                    let entries = members.next_value_seed(EntriesSeed(page.of_child(at)))?;
                    record.children[at] = Some(entries);
                }
                MemberName::ChildNextLink(at) => record.next_links[at] = next_link(&mut members)?,
                MemberName::ChildCount(at) => {
                    record.counts[at] = members.next_value::<Count>()?.0;
                }
                MemberName::Undeclared(name) if shape.keeps_extra => {
                    page.memory.take(member_bytes(&name))?;
                    let value = members.next_value_seed(JsonSeed(page.memory))?;
                    if !value.is_null() {
                        record.extra.insert(name, canonical(value));
                    }
                }
                MemberName::Ignored | MemberName::Undeclared(_) => {
                    page.memory.take(size_of::<Member<'_>>())?;
                    members.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok(())
    }
}

/// Decodes the value of a next link. An empty link is the end, as a missing one.
fn next_link<'de, A: MapAccess<'de>>(members: &mut A) -> Result<Option<String>, A::Error> {
    let link: Option<String> = members.next_value()?;
    Ok(link.filter(|link| !link.trim().is_empty()))
}

/// Decodes the name of a member.
struct NameSeed<'s> {
    page: PageSeed<'s>,
    /// The index of the field before it.
    before: usize,
}

impl<'de> DeserializeSeed<'de> for NameSeed<'_> {
    type Value = MemberName;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<MemberName, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for NameSeed<'_> {
    type Value = MemberName;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<MemberName, E> {
        let PageSeed { shape, hints, .. } = self.page;
        Ok(find_member(shape, hints, self.before, name))
    }
}
