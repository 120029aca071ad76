//! Finds the text of rejected entries.

use super::entry::{Entry, RejectReason, RejectedChild};
use crate::feed::odata::raw_json::{items, members, spell};
use crate::record::{Reject, Shape};

/// Splits the body again to find the text of rejected entries. Most pages have none, so
/// decoding does not keep the text. `before`: the number of entries in the body before these.
pub fn collect_rejects(
    body: &[u8],
    shape: &Shape,
    entries: &[Entry],
    before: usize,
) -> Vec<Reject> {
    let mut rejects = Vec::new();
    let list = list_in(body, "value").into_iter().skip(before);
    for (entry, json) in entries.iter().zip(list) {
        if let Err(reason) = &entry.record {
            rejects.push(reject(shape, reason, json));
            continue;
        }
        for (at, child) in shape.children.iter().enumerate() {
            let is_of = |rejected: &&RejectedChild| rejected.child == at;
            let mut rejected = entry.rejected_children.iter().filter(is_of).peekable();
            if rejected.peek().is_none() {
                continue;
            }
            let list = list_in(json, &child.name);
            for rejected in rejected {
                let found = list.get(rejected.entry);
                rejects.extend(found.map(|json| reject(&child.shape, &rejected.reason, json)));
            }
        }
    }
    rejects
}

/// Returns the items of a list that is a member of an object. A single value counts as a list
/// of one.
fn list_in<'b>(object: &'b [u8], name: &str) -> Vec<&'b [u8]> {
    let has_name = |raw: &[u8]| serde_json::from_slice::<String>(raw).is_ok_and(|raw| raw == name);
    let members = members(object).unwrap_or_default().into_iter();
    let list = members.rev().find(|member| has_name(member.name));
    list.map_or_else(Vec::new, |list| {
        items(list.value).unwrap_or_else(|| vec![list.value])
    })
}

fn reject(shape: &Shape, reason: &RejectReason, json: &[u8]) -> Reject {
    Reject {
        resource: shape.resource,
        key: reason.key.clone(),
        reason: reason.reason.clone(),
        payload: spell(json),
    }
}
