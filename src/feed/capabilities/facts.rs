//! All that is known of a server.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};

use super::capability::{Capability, Observation, REFUSED};
use crate::feed::http::Client;
use crate::resource::Resource;
use crate::value::stored_instant;

/// All that is known of a server. Tasks share it.
pub struct Capabilities {
    /// Its responses have the time of the feed.
    pub(super) client: Arc<Client>,
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
    pub(super) fn now(&self) -> DateTime<Utc> {
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
        let counts = self.get(None, Capability::Count);
        let is_refused = counts.as_deref() == Some(REFUSED);
        self.client.counting().set_refused(is_refused);
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
    pub fn known(&self, resource: Option<Resource>, capability: Capability) -> Option<Observation> {
        let now = self.now();
        let facts = self.facts();
        let known = facts.known.get(&name(resource, capability));
        known.filter(|known| !known.has_expired(now)).cloned()
    }

    /// Returns the value that is known.
    pub fn get(&self, resource: Option<Resource>, capability: Capability) -> Option<String> {
        self.known(resource, capability).map(|known| known.value)
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
}

fn name(resource: Option<Resource>, capability: Capability) -> Name {
    let entity_set = resource.map_or("", Resource::entity_set);
    (entity_set.to_owned(), capability)
}
