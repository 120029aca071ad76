//! Reads the entries of an invalid page one by one, so that an entry that cannot be decoded
//! does not cost the others.

use std::marker::PhantomData;

use serde::de::{DeserializeSeed, IgnoredAny};

use super::entry::{Entry, RejectReason};
use super::record_builder::RecordBuilder;
use super::seeds::{MembersSeed, PageBody, PageSeed, RecordSeed};
use crate::feed::odata::raw_json::{Member, items, members};
use crate::value::Value;

/// Decodes a body whose JSON is invalid within its entries. Returns none if its entries cannot
/// be separated, if another part of it is invalid, or if it takes too much memory.
pub fn read_separately(body: &[u8], page: PageSeed<'_>) -> Option<PageBody> {
    let mut found = PageBody::default();
    for member in members(body)? {
        if member.name == b"\"value\"" {
            let entries = items(member.value)?.into_iter();
            let entries = entries.map(|entry| read_entry(entry, page));
            let entries = entries.take_while(|_| !page.memory.is_exceeded());
            found.entries = Some(entries.collect());
            continue;
        }
        let part = decode(&object_of(member), page).ok()?;
        found.next_link = found.next_link.or(part.next_link);
        found.count = found.count.or(part.count);
        found.total_count = found.total_count.or(part.total_count);
    }
    (!page.memory.is_exceeded()).then_some(found)
}

/// Decodes an entry. An entry that cannot be decoded is rejected, with its key if the key can
/// be decoded.
fn read_entry(json: &[u8], page: PageSeed<'_>) -> Entry {
    if let Ok(entry) = decode(json, RecordSeed(page)) {
        return entry;
    }
    let Some(members) = members(json) else {
        let reason = RejectReason {
            key: None,
            modified: None,
            reason: "the record is not valid JSON".to_owned(),
        };
        return Entry::rejected(Value::Null, reason);
    };

    let mut record = RecordBuilder::new(page.shape);
    for member in members {
        read_member(member, page, &mut record);
    }
    record.build(page.shape)
}

/// Decodes a member of a record.
fn read_member(member: Member<'_>, page: PageSeed<'_>, record: &mut RecordBuilder) {
    let json = object_of(member);
    // Text after the value must be found before the value is used.
    let decoded = decode(&json, PhantomData::<IgnoredAny>)
        .and_then(|_| decode(&json, MembersSeed { page, record }));
    let Err(problem) = decoded else {
        return;
    };
    let name: Option<String> = serde_json::from_slice(member.name).ok();
    if let Some((at, child)) = page.child(name.as_deref()) {
        record.children[at] = Some(read_children(member.value, child));
        return;
    }

    let declared = name.filter(|name| page.shape.position(name).is_some());
    let name = declared.as_deref().unwrap_or("an undeclared field");
    record
        .problem
        .get_or_insert_with(|| format!("{name} cannot be decoded: {problem}"));
}

/// Decodes the children of a record one by one.
fn read_children(json: &[u8], child: PageSeed<'_>) -> Vec<Entry> {
    let entries = items(json).unwrap_or_else(|| vec![json]);
    let entries = entries.into_iter();
    entries.map(|entry| read_entry(entry, child)).collect()
}

/// Returns an object with one member.
fn object_of(member: Member<'_>) -> Vec<u8> {
    [b"{", member.name, b":", member.value, b"}"].concat()
}

/// Decodes JSON. The error is serde's message without its position.
fn decode<'j, S: DeserializeSeed<'j>>(json: &'j [u8], seed: S) -> Result<S::Value, String> {
    let text = std::str::from_utf8(json).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let value = seed.deserialize(&mut deserializer);
    value
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| {
            let problem = error.to_string();
            let place = problem.find(" at line ").unwrap_or(problem.len());
            problem[..place].to_owned()
        })
}
