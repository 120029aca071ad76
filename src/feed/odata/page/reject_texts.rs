//! Finds the JSON text of rejected entries.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::entry::{Entry, RejectReason, RejectedChild};
use crate::feed::http::BadBody;
use crate::record::{Reject, Shape};

#[derive(Deserialize)]
struct EntryTexts<'a> {
    #[serde(borrow, default)]
    value: Option<Vec<&'a RawValue>>,
}

/// Parses the body again to find the text of rejected entries. Most pages have none, so
/// the first pass does not keep the text.
pub fn collect_rejects(
    text: &str,
    shape: &Shape,
    entries: &[Entry],
) -> Result<Vec<Reject>, BadBody> {
    let texts: EntryTexts<'_> = serde_json::from_str(text).map_err(bad_body)?;
    let mut rejects = Vec::new();
    for (entry, payload) in entries.iter().zip(texts.value.unwrap_or_default()) {
        if let Err(reason) = &entry.record {
            rejects.push(reject(shape, reason, payload));
            continue;
        }
        for rejected in &entry.rejected_children {
            let child = &shape.children[rejected.child];
            if let Some(payload) = child_text(payload, &child.name, rejected)? {
                rejects.push(reject(&child.shape, &rejected.reason, payload));
            }
        }
    }
    Ok(rejects)
}

/// Returns the text of a rejected child in its record.
fn child_text<'a>(
    record: &'a RawValue,
    navigation: &str,
    rejected: &RejectedChild,
) -> Result<Option<&'a RawValue>, BadBody> {
    let members: BTreeMap<String, &RawValue> =
        serde_json::from_str(record.get()).map_err(bad_body)?;
    let Some(list) = members.get(navigation) else {
        return Ok(None);
    };
    let list: Vec<&RawValue> = serde_json::from_str(list.get()).map_err(bad_body)?;
    Ok(list.get(rejected.entry).copied())
}

fn reject(shape: &Shape, reason: &RejectReason, payload: &RawValue) -> Reject {
    Reject {
        resource: shape.resource,
        key: reason.key.clone(),
        reason: reason.reason.clone(),
        payload: payload.get().to_owned(),
    }
}

fn bad_body(error: serde_json::Error) -> BadBody {
    BadBody(error.to_string())
}
