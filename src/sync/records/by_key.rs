//! Fetches records by their keys.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use crate::feed::query::{self, Literal, Order};
use crate::feed::{Feed, FeedError, KeyForm, KeyList, Page, Position, Step, Sweep};
use crate::record::{FieldShape, Record, Reject, key_parts};
use crate::resource::Resource;
use crate::stop::Stop;
use crate::sync::records::survey::first_key;
use crate::sync::sync_error::{Result, SyncError, answer_if_any};
use crate::value::ValueForm;

/// Encoded keys of this many bytes leave room in a URL of 6,000 bytes, which every known
/// server accepts.
const URL_KEYS_BYTES: usize = 5_000;

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
    // Rows of another program, or from before a change of the key's type, may have a text
    // where the feed has a number.
    let is_possible = |key: &String| has_key(sweep, key).is_some();
    let (keys, mut absent): (Vec<String>, Vec<String>) =
        keys.iter().cloned().partition(is_possible);
    // A request has one composite key.
    let at_once = if sweep.shape.has_composite_key() {
        1
    } else {
        keys.len().max(1)
    };
    let field = sweep.shape.key_column();
    let mut control = Control::new(feed, sweep);
    let mut read = |keys: &[String], list: KeyList| {
        let mut missing: Vec<&str> = keys.iter().map(String::as_str).collect();
        // A page may have fewer records than were asked for.
        let (mut times_empty, mut is_proven) = (0, list.is_proven);
        while !missing.is_empty() && times_empty < 2 {
            let step = ask(feed, sweep, &missing, list)?;
            let found = keys_of(&step.page, sweep.shape.resource);
            let before = missing.len();
            missing.retain(|key| !found.contains(key));
            is_proven |= missing.len() < before;
            if !is_proven && list.needs_proof(keys.len()) {
                return Ok(false);
            }
            times_empty += usize::from(missing.len() == before);
            if !found.is_empty() {
                each(step)?;
            }
        }
        let missing = control.confirm(missing, list, &mut each)?;
        absent.extend(missing.into_iter().map(str::to_owned));
        Ok(is_proven)
    };
    for keys in keys.chunks(at_once) {
        read_in_batches(feed, stop, (sweep.shape.resource, field), keys, &mut read)?;
    }
    Ok(absent)
}

/// The number of requests for keys whose answers lack a record that the feed has.
const READINGS: usize = 3;

/// Asks for absent keys together with a key that the feed has, where no count shows whether an
/// answer is empty by mistake.
struct Control<'a> {
    feed: &'a Feed,
    sweep: &'a Sweep,
    is_needed: bool,
    /// The key of a record that the feed has, once it was asked for.
    key: Option<Box<str>>,
}

impl<'a> Control<'a> {
    fn new(feed: &'a Feed, sweep: &'a Sweep) -> Control<'a> {
        Control {
            feed,
            sweep,
            is_needed: !sweep.trusts_count && !sweep.shape.has_composite_key(),
            key: None,
        }
    }

    /// Returns the keys that the feed lacks. Passes the records of the others to `each`.
    ///
    /// # Errors
    /// [`FeedError::Stuck`] if the answers lack the record that the feed has.
    fn confirm<'k>(
        &mut self,
        missing: Vec<&'k str>,
        list: KeyList,
        each: &mut impl FnMut(Step) -> Result<()>,
    ) -> Result<Vec<&'k str>> {
        if missing.is_empty() || !self.is_needed || list.keys_max < 2 {
            return Ok(missing);
        }
        for _ in 0..READINGS {
            if self.key.is_none() {
                let filter = self.sweep.filter.as_deref();
                let last = first_key(self.feed, &self.sweep.shape, filter, Order::Desc);
                self.key = answer_if_any(last)?.flatten();
            }
        }
        let Some(control) = self.key.clone() else {
            return Ok(missing);
        };
        let mut absent = Vec::new();
        for keys in missing.chunks(list.keys_max - 1) {
            absent.extend(self.ask_with(&control, keys, list, each)?);
        }
        Ok(absent)
    }

    fn ask_with<'k>(
        &self,
        control: &str,
        keys: &[&'k str],
        list: KeyList,
        each: &mut impl FnMut(Step) -> Result<()>,
    ) -> Result<Vec<&'k str>> {
        let with_control = [keys, &[control]].concat();
        for _ in 0..READINGS {
            let mut step = ask(self.feed, self.sweep, &with_control, list)?;
            let found = keys_of(&step.page, self.sweep.shape.resource);
            if !found.contains(control) {
                continue;
            }
            let absent = keys.iter().filter(|key| !found.contains(**key));
            let absent: Vec<&str> = absent.copied().collect();
            if absent.len() < keys.len() {
                let is_asked = |record: &Record| keys.contains(&&*record.key);
                step.page.records.retain(is_asked);
                each(step)?;
            }
            return Ok(absent);
        }
        let problem = format!("answers by key lack the record {control}, which the feed has");
        Err(FeedError::Stuck(problem).into())
    }
}

/// Passes the keys to `read` in the longest lists that the server accepts, with the form of
/// the list. A refused list is followed by shorter ones. `read` returns whether the answer
/// had records that were asked for, which proves that the server understands the form. It is
/// called again with another form if that is in doubt, and then must not have concluded
/// anything from records that did not come.
pub fn read_in_batches(
    feed: &Feed,
    stop: &Stop,
    (resource, field): (Resource, &str),
    keys: &[String],
    mut read: impl FnMut(&[String], KeyList) -> Result<bool>,
) -> Result<()> {
    let capabilities = feed.capabilities();
    let mut list = capabilities.key_list(resource);
    let mut rest = keys;
    while !rest.is_empty() {
        if let Some(signal) = stop.requested() {
            return Err(FeedError::Interrupted(signal).into());
        }
        let (batch, after) = rest.split_at(batch_len(rest, list, field, feed.page_size()));
        match read(batch, list) {
            Ok(false) if list.needs_proof(batch.len()) => {
                list = list.smaller(batch.len()).unwrap_or(list);
            }
            Ok(is_proven) => {
                let is_of_all = batch.len() > 1 || list.keys_max == 1;
                if is_proven && is_of_all {
                    list.is_proven = true;
                    capabilities.note_key_list(resource, list);
                }
                rest = after;
            }
            Err(error) if is_refused_list(&error) => match list.smaller(batch.len()) {
                Some(smaller) => {
                    tracing::debug!(%error, keys = batch.len(), "asking for fewer keys");
                    list = smaller;
                }
                None => return Err(error),
            },
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns whether a shorter list of keys, or one in another form, may succeed.
fn is_refused_list(error: &SyncError) -> bool {
    matches!(
        error.feed(),
        Some(FeedError::Refused { .. } | FeedError::NotByKey)
    )
}

/// Returns the keys of a page's records and rejects.
fn keys_of(page: &Page, resource: Resource) -> HashSet<&str> {
    let rejects = page.rejects.iter();
    let rejected = rejects.filter(|reject| reject.resource == resource);
    (page.records.iter().map(|record| &*record.key))
        .chain(rejected.filter_map(|reject| reject.key.as_deref()))
        .collect()
}

/// Requests records by their keys. If the server refuses GUIDs, requests them with quotes.
fn ask(feed: &Feed, sweep: &Sweep, keys: &[&str], list: KeyList) -> Result<Step, FeedError> {
    let asked = ask_once(feed, sweep, keys, list);
    let is_refused = matches!(asked, Err(FeedError::Refused { .. }));
    if !is_refused || !sweep.has_guids() || sweep.quotes_guids.swap(true, Relaxed) {
        return asked;
    }
    let asked = ask_once(feed, sweep, keys, list);
    sweep.quotes_guids.fetch_and(asked.is_ok(), Relaxed);
    asked
}

fn ask_once(feed: &Feed, sweep: &Sweep, keys: &[&str], list: KeyList) -> Result<Step, FeedError> {
    let sweep = match keys {
        [key] if sweep.shape.has_composite_key() => {
            with_filter(sweep, has_key(sweep, key).unwrap_or_default())
        }
        _ => with_any(sweep, sweep.shape.key_column(), keys, list.form),
    };
    let sweep = Sweep {
        top: Some(keys.len() as u64),
        ..sweep
    };
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
pub fn with_any(sweep: &Sweep, field: &str, keys: &[&str], form: KeyForm) -> Sweep {
    let at = sweep.shape.position(field);
    let literal = |key: &&str| match at {
        Some(at) => sweep.literal(&sweep.shape.fields[at], key),
        None => Literal::Text((*key).to_owned()),
    };
    let literals: Vec<Literal> = keys.iter().map(literal).collect();
    let any = match form {
        KeyForm::In => query::is_in(field, &literals),
        KeyForm::Or => query::is_any_of(field, &literals),
    };
    with_filter(sweep, any)
}

fn with_filter(sweep: &Sweep, any: String) -> Sweep {
    let filter = sweep.filter.as_deref().map(query::group);
    Sweep {
        filter: Some(query::and([filter.unwrap_or_default(), any])),
        ..sweep.clone()
    }
}

/// Returns the filter for the record with a key, or none if no record can have it:
/// `(A eq 1 and B eq 'x')` for a composite key.
fn has_key(sweep: &Sweep, key: &str) -> Option<String> {
    let shape = &sweep.shape;
    let parts: Vec<String> = if shape.has_composite_key() {
        key_parts(key).collect()
    } else {
        vec![key.to_owned()]
    };
    let fields = shape.key_fields();
    if fields.len() != parts.len() {
        return None;
    }
    let is_part = |(field, part): (&FieldShape, &String)| {
        let literal = sweep.literal(field, part);
        let is_number = field.form == ValueForm::Integer;
        let can_be = !is_number || matches!(literal, Literal::Int(_));
        can_be.then(|| query::eq(&field.name, &literal))
    };
    let all: Option<Vec<String>> = fields.zip(&parts).map(is_part).collect();
    Some(query::group(&query::and(all?)))
}

/// Returns how many of the keys fit in one request, and their records in one page.
fn batch_len(keys: &[String], list: KeyList, field: &str, page_size: u32) -> usize {
    // Without the keys, `'a',` and `FIELD%20eq%20'a'%20or%20`.
    let around = match list.form {
        KeyForm::In => "'',".len(),
        KeyForm::Or => field.len() + "%20eq%20''%20or%20".len(),
    };
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric();
    let mut bytes = 0;
    let fits = keys.iter().take_while(|key| {
        let plain = key.bytes().filter(is_plain).count();
        bytes += plain + (key.len() - plain) * "%20".len() + around;
        bytes <= URL_KEYS_BYTES
    });
    let keys_max = list.keys_max.min(page_size as usize);
    fits.take(keys_max).count().max(1)
}
