//! Fetches records by their keys.

use std::collections::HashSet;

use crate::feed::query::{self, Literal};
use crate::feed::{Feed, FeedError, Page, Position, Step, Sweep};
use crate::record::{Reject, Shape};
use crate::resource::Resource;
use crate::stop::Stop;
use crate::sync::sync_error::Result;
use crate::value::ValueForm;

/// Keys of this many bytes fit in a URL of every known server.
const URL_KEYS_BYTES: usize = 3_000;

/// The walk number of pages that are not part of a walk through the resource.
pub const BY_KEY: usize = usize::MAX;

/// Fetches the records with these keys in the largest requests that the server takes,
/// and passes each page to `each`. Returns the keys that the feed does not have, after
/// asking for each of them twice.
///
/// # Errors
/// [`FeedError::NotByKey`] if an answer has other records: it does not show which keys the
/// feed lacks.
pub fn fetch(
    feed: &Feed,
    stop: &Stop,
    sweep: &Sweep,
    keys: &[String],
    mut each: impl FnMut(Step) -> Result<()>,
) -> Result<Vec<String>> {
    let is_number = is_number(&sweep.shape, sweep.shape.resource.key());
    // Rows of another program, or from before a change of the key's type, may have a text
    // where the feed has a number.
    let is_possible = |key: &String| !is_number || key.parse::<i64>().is_ok();
    let (keys, mut absent): (Vec<String>, Vec<String>) =
        keys.iter().cloned().partition(is_possible);
    let mut at_once = feed.dialect().keys_at_once;
    let mut rest = keys.as_slice();
    while !rest.is_empty() {
        if let Some(signal) = stop.requested() {
            return Err(FeedError::Interrupted(signal).into());
        }
        let (batch, after) = rest.split_at(batch_len(rest, at_once));
        let mut missing: Vec<&str> = batch.iter().map(String::as_str).collect();
        // A page may have fewer records than were asked for.
        let mut times_empty = 0;
        while !missing.is_empty() && times_empty < 2 {
            let step = match ask(feed, sweep, &missing) {
                Ok(step) => step,
                Err(FeedError::Refused { .. } | FeedError::NotByKey) if batch.len() > 1 => {
                    at_once = 1;
                    break;
                }
                Err(error) => return Err(error.into()),
            };
            let found = keys_of(&step.page, sweep.shape.resource);
            let before = missing.len();
            missing.retain(|key| !found.contains(key));
            times_empty += usize::from(missing.len() == before);
            if !found.is_empty() {
                each(step)?;
            }
        }
        if at_once == 1 && batch.len() > 1 {
            continue;
        }
        absent.extend(missing.into_iter().map(str::to_owned));
        rest = after;
    }
    Ok(absent)
}

/// Returns the keys of a page's records and rejects.
fn keys_of(page: &Page, resource: Resource) -> HashSet<&str> {
    let rejects = page.rejects.iter();
    let rejected = rejects.filter(|reject| reject.resource == resource);
    (page.records.iter().map(|record| &*record.key))
        .chain(rejected.filter_map(|reject| reject.key.as_deref()))
        .collect()
}

fn ask(feed: &Feed, sweep: &Sweep, keys: &[&str]) -> Result<Step, FeedError> {
    let sweep = with_any(sweep, sweep.shape.resource.key(), keys);
    let step = feed.step(&sweep, BY_KEY, &Position::start(true))?;
    if has_others(&step.page, sweep.shape.resource, keys) {
        return Err(FeedError::NotByKey);
    }
    Ok(step)
}

/// Returns whether a page has records of the resource other than those with these keys.
/// Servers may compare keys without case.
fn has_others(page: &Page, resource: Resource, keys: &[&str]) -> bool {
    let is_keyless = |reject: &Reject| reject.resource == resource && reject.key.is_none();
    let is_asked = |found: &&str| keys.iter().any(|key| key.eq_ignore_ascii_case(found));
    page.rejects.iter().any(is_keyless) || !keys_of(page, resource).iter().all(is_asked)
}

/// Returns the sweep of only those records whose field has one of these keys.
pub fn with_any(sweep: &Sweep, field: &str, keys: &[&str]) -> Sweep {
    let any = any_of(&sweep.shape, field, keys);
    let filter = sweep.filter.as_deref().map(query::group);
    Sweep {
        filter: Some(query::and([filter.unwrap_or_default(), any])),
        ..sweep.clone()
    }
}

/// Returns the filter for records whose field has one of these keys.
fn any_of(shape: &Shape, field: &str, keys: &[&str]) -> String {
    let is_number = is_number(shape, field);
    let literal = |key: &&str| match key.parse() {
        Ok(number) if is_number => Literal::Int(number),
        _ => Literal::Text((*key).to_owned()),
    };
    let literals: Vec<Literal> = keys.iter().map(literal).collect();
    query::is_in(field, &literals)
}

/// Returns whether the values of a field are whole numbers.
fn is_number(shape: &Shape, field: &str) -> bool {
    let at = shape.position(field);
    at.is_some_and(|at| shape.fields[at].form == ValueForm::Integer)
}

/// Returns how many of the keys fit in one request.
fn batch_len(keys: &[String], at_once: usize) -> usize {
    let mut bytes = 0;
    let fits = keys.iter().take(at_once).take_while(|key| {
        bytes += key.len();
        bytes <= URL_KEYS_BYTES
    });
    fits.count().max(1)
}
