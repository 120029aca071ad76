//! All that is known of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use super::capability::{ACCEPTED, Capability, Observation, REFUSED};
use super::key_list::{KeyForm, KeyList};
use crate::feed::http::Client;
use crate::resource::Resource;
use crate::value::stored_instant;

/// The value of [`Capability::Count`] for a server that counts all matching records.
const ALL_MATCHING: &str = "all matching records";

/// The value of [`Capability::Paging`] for a resource that is not paged by key.
const NEXT_LINKS: &str = "next links";

const DAY: TimeDelta = TimeDelta::days(1);

/// The value of [`Capability::Expand`] for a child whose own resource has more.
const INCOMPLETE: &str = "incomplete";

/// The value of [`Capability::Expand`] for a child that does not come.
const IGNORED: &str = "ignored";

/// All that is known of a server. Tasks share it.
pub struct Capabilities {
    /// Its responses have the time of the feed.
    client: Arc<Client>,
    facts: Mutex<Facts>,
}

/// The observations by resource and capability.
#[derive(Default)]
struct Facts {
    known: BTreeMap<Name, Observation>,
    /// The names whose observations are not saved yet.
    changed: BTreeSet<Name>,
}

/// An entity set, or an empty text for the whole feed; and a capability.
type Name = (String, Capability);

impl Capabilities {
    /// Knows nothing yet.
    pub(in crate::feed) fn new(client: Arc<Client>) -> Capabilities {
        Capabilities {
            client,
            facts: Mutex::default(),
        }
    }

    /// Returns the feed's time, or the local time before its first response.
    fn now(&self) -> DateTime<Utc> {
        self.client.date().unwrap_or_else(Utc::now)
    }

    fn facts(&self) -> MutexGuard<'_, Facts> {
        self.facts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all facts by saved ones.
    pub fn load(&self, saved: Vec<Observation>) {
        let name = |one: Observation| ((one.resource.clone(), one.capability), one);
        *self.facts() = Facts {
            known: saved.into_iter().map(name).collect(),
            changed: BTreeSet::new(),
        };
    }

    /// Returns all observations, in the order of their resources and capabilities.
    pub fn all(&self) -> Vec<Observation> {
        self.facts().known.values().cloned().collect()
    }

    /// Returns the names that are not saved yet, with their observations. A name without an
    /// observation must be deleted.
    pub fn unsaved(&self) -> Vec<(Name, Option<Observation>)> {
        let now = self.now();
        let facts = self.facts();
        let is_unsaved = |name: &Name| facts.changed.contains(name);
        let expired = (facts.known.iter())
            .filter(|(name, one)| !is_unsaved(name) && one.has_expired(now))
            .map(|(name, _)| (name.clone(), None));
        let changed = facts.changed.iter();
        changed
            .map(|name| (name.clone(), facts.known.get(name).cloned()))
            .chain(expired)
            .collect()
    }

    /// Notes that these facts are saved.
    pub fn set_saved(&self, saved: &[(Name, Option<Observation>)]) {
        let mut facts = self.facts();
        for (name, one) in saved {
            if one.is_none() {
                facts.known.remove(name);
            }
            facts.changed.remove(name);
        }
    }

    /// Returns what is known of a resource, or of the whole feed.
    pub fn get(&self, resource: Option<Resource>, capability: Capability) -> Option<String> {
        let now = self.now();
        let facts = self.facts();
        let known = facts.known.get(&name(resource, capability));
        let known = known.filter(|known| !known.has_expired(now));
        known.map(|known| known.value.clone())
    }

    /// Notes what an answer showed. The same fact again stays as it is until it expires.
    pub fn note(
        &self,
        resource: Option<Resource>,
        capability: Capability,
        value: &str,
        detail: Option<String>,
    ) {
        if self.get(resource, capability).as_deref() == Some(value) {
            return;
        }
        let name = name(resource, capability);
        let observation = Observation {
            resource: name.0.clone(),
            capability,
            value: value.to_owned(),
            detail,
            observed_at: stored_instant(self.now()),
        };
        let mut facts = self.facts();
        facts.changed.insert(name.clone());
        facts.known.insert(name, observation);
    }

    /// Forgets what an answer contradicted.
    pub fn forget(&self, resource: Option<Resource>, capability: Capability) {
        let name = name(resource, capability);
        let mut facts = self.facts();
        if facts.known.remove(&name).is_some() {
            facts.changed.insert(name);
        }
    }

    /// Returns whether the server is known to count all matching records, and not only those
    /// of the page.
    pub fn counts_all_matching(&self) -> bool {
        self.get(None, Capability::Count).as_deref() == Some(ALL_MATCHING)
    }

    /// Notes what the count of a page with this number of entries shows.
    pub fn note_count(&self, count: Option<u64>, entries: usize) {
        let Some(count) = count else { return };
        if count > entries as u64 {
            self.note(None, Capability::Count, ALL_MATCHING, None);
        } else if count < entries as u64 {
            self.forget(None, Capability::Count);
        }
    }

    /// Returns whether a resource is read by next links, because the server does not take the
    /// order or the filter of a walk by key.
    pub fn is_read_by_links(&self, resource: Resource) -> bool {
        self.get(Some(resource), Capability::Paging).as_deref() == Some(NEXT_LINKS)
    }

    /// Notes how a resource was read to its end.
    pub fn note_paging(&self, resource: Resource, by_links: bool) {
        let value = if by_links { NEXT_LINKS } else { "keys" };
        self.note(Some(resource), Capability::Paging, value, None);
    }

    /// Returns why a child is read separately, if $expand is known not to send all of it.
    pub fn why_not_expanded(&self, child: Resource) -> Option<String> {
        let value = self.get(Some(child), Capability::Expand)?;
        match value.as_str() {
            ACCEPTED => None,
            INCOMPLETE => Some("$expand lacks records or fields of it".to_owned()),
            IGNORED => Some("the server ignores $expand".to_owned()),
            _ => Some("the server refuses $expand".to_owned()),
        }
    }

    /// Notes that $expand lacks records or fields of a child that its own resource has.
    pub fn note_expand_incomplete(&self, child: Resource) {
        self.note(Some(child), Capability::Expand, INCOMPLETE, None);
    }

    /// Notes that the server ignores $expand of a child.
    pub fn note_expand_ignored(&self, child: Resource) {
        self.note(Some(child), Capability::Expand, IGNORED, None);
    }

    /// Notes that the server refuses $expand of a child, with this error.
    pub fn note_expand_refused(&self, child: Resource, why: String) {
        self.note(Some(child), Capability::Expand, REFUSED, Some(why));
    }

    /// Returns the identifier of the field names to which the Deleted resource answered last.
    pub fn deleted_names(&self) -> Option<String> {
        self.get(None, Capability::Deleted)
    }

    /// Notes the identifier of the field names to which the Deleted resource answers.
    pub fn note_deleted_names(&self, name: &str) {
        self.note(None, Capability::Deleted, name, None);
    }

    /// Returns whether the feed refused the Deleted resource when it was last asked.
    pub fn refuses_deleted(&self) -> bool {
        self.get(None, Capability::Deleted).as_deref() == Some(REFUSED)
    }

    /// Returns whether the feed refused the Deleted resource within a day. A feed that begins
    /// to announce deletions must not wait for long.
    pub fn has_refused_deleted_today(&self) -> bool {
        let now = self.now();
        let facts = self.facts();
        let known = facts.known.get(&name(None, Capability::Deleted));
        known.is_some_and(|known| known.value == REFUSED && !known.is_older_than(DAY, now))
    }

    /// Notes that the feed refuses the Deleted resource now.
    pub fn note_deleted_refused(&self) {
        self.forget(None, Capability::Deleted);
        self.note(None, Capability::Deleted, REFUSED, None);
    }

    /// Returns how to ask for records by key.
    pub fn key_list(&self) -> KeyList {
        let form = self.get(None, Capability::In);
        let keys_max = self.get(None, Capability::KeysInOneRequest);
        let keys_max = keys_max.and_then(|keys_max| keys_max.parse().ok());
        KeyList::known(form.map(|form| form == ACCEPTED), keys_max)
    }

    /// Notes the list with which the server has sent records by key.
    pub fn note_key_list(&self, list: KeyList) {
        let (value, form) = match list.form {
            KeyForm::In => (ACCEPTED, "in"),
            KeyForm::Or => (REFUSED, "or"),
        };
        self.note(None, Capability::In, value, None);
        let keys_max = list.keys_max.to_string();
        let detail = Some(format!("as a list with `{form}`"));
        self.note(None, Capability::KeysInOneRequest, &keys_max, detail);
    }
}

fn name(resource: Option<Resource>, capability: Capability) -> Name {
    let entity_set = resource.map_or("", Resource::entity_set);
    (entity_set.to_owned(), capability)
}
