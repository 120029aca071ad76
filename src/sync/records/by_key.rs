//! Fetches records by their keys.

use std::collections::HashSet;
use std::sync::atomic::Ordering::Relaxed;

use crate::feed::query::{self, Literal};
use crate::feed::{Feed, FeedError, KeyForm, KeyList, Page, Position, READINGS, Step, Sweep};
use crate::record::{FieldShape, Record, Reject, key_parts};
use crate::resource::Resource;
use crate::stop::Stop;
use crate::sync::records::survey::first_key;
use crate::sync::sync_error::{Result, answer_if_any};
use crate::value::ValueForm;

/// Encoded keys of this many bytes leave room in a URL of 6,000 bytes, which every known
/// server accepts.
const URL_KEYS_BYTES: usize = 5_000;

/// The walk number of pages that are not part of a walk through the resource.
pub const BY_KEY: usize = usize::MAX;

/// The keys that the feed does not have.
pub struct Absent {
    /// The keys.
    pub keys: Vec<String>,
    /// Whether the feed has sent no record at all.
    is_all_empty: bool,
}

impl Absent {
    /// Returns the keys, for rows that nothing else shows to be deleted. `live` is the number of
    /// live rows, these included: a single one may be the last record of the feed.
    ///
    /// # Errors
    /// [`FeedError::NoRecord`] if the feed has sent no record, and there are several rows.
    pub fn if_certain(self, live: impl FnOnce() -> Result<u64>) -> Result<Vec<String>> {
        let is_in_doubt = self.is_all_empty && !self.keys.is_empty();
        if is_in_doubt && live()? > 1 {
            return Err(FeedError::NoRecord.into());
        }
        Ok(self.keys)
    }
}

/// Fetches records as [`fetch_absent`] does, and returns the keys that the feed does not have.
pub fn fetch(
    feed: &Feed,
    stop: &Stop,
    sweep: &Sweep,
    keys: &[String],
    each: impl FnMut(Step) -> Result<()>,
) -> Result<Vec<String>> {
    Ok(fetch_absent(feed, stop, sweep, keys, each)?.keys)
}

/// Fetches the records with these keys in the largest requests that the server takes,
/// and passes each page to `each`. Returns the keys that the feed does not have: no answer had
/// them, and the last of at least two requests named them together with a record that came.
/// Where a request takes only one key, or the feed has no other record, [`READINGS`] empty answers
/// suffice.
///
/// # Errors
/// [`FeedError::NotByKey`] if an answer has other records: it does not show which keys the
/// feed lacks. [`FeedError::Stuck`] if the answers lack a record that the feed has.
pub fn fetch_absent(
    feed: &Feed,
    stop: &Stop,
    sweep: &Sweep,
    keys: &[String],
    mut each: impl FnMut(Step) -> Result<()>,
) -> Result<Absent> {
    // Rows of another program, or from before a change of the key's type, may have a text
    // where the feed has a number.
    let is_possible = |key: &String| has_key(sweep, key).is_some();
    let (keys, absent): (Vec<String>, Vec<String>) = keys.iter().cloned().partition(is_possible);
    // A request has one composite key.
    let at_once = if sweep.shape.has_composite_key() {
        1
    } else {
        keys.len().max(1)
    };
    let field = sweep.shape.key_column();
    let mut batches = Batches {
        feed,
        sweep,
        control: None,
        has_no_control: false,
        absent,
    };
    for keys in keys.chunks(at_once) {
        let resource = (sweep.shape.resource, field);
        read_in_batches(feed, stop, resource, keys, |keys, list| {
            batches.read(keys, list, &mut each)
        })?;
    }
    Ok(Absent {
        keys: batches.absent,
        is_all_empty: batches.has_no_control,
    })
}

/// Batches of keys that are read one after the other.
struct Batches<'a> {
    feed: &'a Feed,
    sweep: &'a Sweep,
    /// The key of a record that the feed has. Asked for together with absent keys, it shows
    /// whether the answer is empty by mistake.
    control: Option<Box<str>>,
    /// Whether the feed has sent no such record.
    has_no_control: bool,
    /// The keys that the feed lacks.
    absent: Vec<String>,
}

impl Batches<'_> {
    /// Reads a batch. Returns whether the server understands the form of the list.
    fn read(
        &mut self,
        keys: &[String],
        mut list: KeyList,
        each: &mut impl FnMut(Step) -> Result<()>,
    ) -> Result<bool> {
        let mut missing: Vec<&str> = keys.iter().map(String::as_str).collect();
        let mut is_proven = list.is_proven;
        let (mut requests, mut times_empty) = (0, 0);
        while !missing.is_empty() {
            requests += 1;
            let control = if requests == 1 {
                None
            } else {
                self.control(list)?
            };
            let control = control.as_deref();
            let added = control.filter(|key| !missing.contains(key));
            let mut asked = missing.clone();
            asked.truncate(self.keys_max(list) - usize::from(added.is_some()));
            asked.extend(added);
            let mut step = match ask(self.feed, self.sweep, &asked, list) {
                Err(error) if keys.len() == 1 && is_refused_list(&error) => {
                    list = list.smaller(asked.len()).ok_or(error)?;
                    times_empty = 0;
                    continue;
                }
                step => step?,
            };
            let found = keys_of(&step.page, self.sweep.shape.resource);
            let has = |key: &&str| found.contains(*key);
            let has_control = control.as_ref().is_some_and(has);
            let before = missing.len();
            missing.retain(|key| !has(key));
            let has_new = missing.len() < before;
            let is_in_doubt = !is_proven && list.needs_proof(asked.len());
            if found.is_empty() && is_in_doubt && requests > 1 {
                if keys.len() > 1 {
                    return Ok(false);
                }
                list = list.smaller(asked.len()).unwrap_or(list);
                times_empty = 0;
                continue;
            }
            is_proven |= !found.is_empty();
            if has_new {
                times_empty = 0;
                let first = step.page.records.first().map(|record| &record.key);
                self.control = self.control.take().or(first.cloned());
                let is_asked = |record: &Record| Some(&*record.key) != added;
                step.page.records.retain(is_asked);
                each(step)?;
                continue;
            }
            // A page may have fewer records than were asked for, so that only an answer without
            // any of the keys shows that they are absent.
            times_empty += 1;
            if has_control || (control.is_none() && times_empty >= READINGS) {
                let absent = missing.extract_if(.., |key| asked.contains(key));
                self.absent.extend(absent.map(str::to_owned));
                times_empty = 0;
            } else if let Some(control) = control
                && times_empty > READINGS
            {
                let problem =
                    format!("answers by key lack the record {control}, which the feed has");
                return Err(FeedError::Stuck(problem).into());
            }
        }
        Ok(is_proven)
    }

    /// Returns the greatest number of keys in a request whose answer is one page.
    fn keys_max(&self, list: KeyList) -> usize {
        list.keys_max.min(self.feed.page_size() as usize).max(1)
    }

    /// Returns the key of a record that the feed has, if a request may have two keys.
    fn control(&mut self, list: KeyList) -> Result<Option<Box<str>>> {
        let Sweep { shape, filter, .. } = self.sweep;
        if self.keys_max(list) == 1 || shape.has_composite_key() {
            return Ok(None);
        }
        for _ in 0..READINGS {
            if self.control.is_some() || self.has_no_control {
                break;
            }
            // A server that refuses `$orderby` sends any record, too.
            let any = first_key(self.feed, shape, filter.as_deref(), None);
            self.control = answer_if_any(any)?.flatten();
        }
        self.has_no_control = self.control.is_none();
        Ok(self.control.clone())
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
            Err(error) if error.feed().is_some_and(is_refused_list) => {
                match list.smaller(batch.len()) {
                    Some(smaller) => {
                        tracing::debug!(%error, keys = batch.len(), "asking for fewer keys");
                        list = smaller;
                    }
                    None => return Err(error),
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Returns whether a shorter list of keys, or one in another form, may succeed.
fn is_refused_list(error: &FeedError) -> bool {
    matches!(error, FeedError::Refused { .. } | FeedError::NotByKey)
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
