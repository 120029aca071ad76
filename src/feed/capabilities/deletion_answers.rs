//! Whether the resources Deleted and EntityEvent, which announce deletions, answer.

use chrono::TimeDelta;

use super::capability::{Capability, Observation, REFUSED};
use super::facts::Capabilities;
use crate::feed::http::FeedError;

/// The values of [`Capability::EntityEvent`] if `$metadata` declares the resource, and if it has
/// answered.
const DECLARED: &str = "declared";
const ANSWERS: &str = "answers";

/// The detail of [`Capability::Deleted`] and [`Capability::EntityEvent`] for a resource that has
/// answered, and is refused since the time of the observation.
const SINCE_REFUSED: &str = "refused since";

const DAY: TimeDelta = TimeDelta::days(1);

impl Capabilities {
    /// Returns the identifier of the field names to which the Deleted resource answered last.
    pub fn deleted_names(&self) -> Option<String> {
        self.get(None, Capability::Deleted)
    }

    /// Notes the identifier of the field names to which the Deleted resource answers.
    pub fn note_deleted_names(&self, name: &str) {
        self.note_answer(Capability::Deleted, name);
    }

    /// Returns whether the feed refused the Deleted resource when it was last asked.
    pub fn refuses_deleted(&self) -> bool {
        self.get(None, Capability::Deleted).as_deref() == Some(REFUSED)
    }

    /// Returns whether the feed refused the Deleted resource within a day. A feed that begins
    /// to announce deletions must not wait for long.
    pub fn has_refused_deleted_today(&self) -> bool {
        self.has_refused_today(Capability::Deleted)
    }

    /// Notes that the feed refuses the Deleted resource now. Returns whether the feed counts as
    /// having none: if it has answered before, that is after a day of refusals.
    pub fn note_deleted_refused(&self) -> bool {
        self.note_refusal(Capability::Deleted, None)
    }

    /// Returns whether the feed refused the resource EntityEvent within a day.
    pub fn has_refused_events_today(&self) -> bool {
        self.has_refused_today(Capability::EntityEvent)
    }

    /// Notes that the feed refuses the resource EntityEvent, which it declares. Returns the same
    /// as [`Capabilities::note_deleted_refused`].
    pub fn note_events_refused(&self, why: &FeedError) -> bool {
        self.note_refusal(Capability::EntityEvent, Some(why.to_string()))
    }

    /// Returns whether the resource EntityEvent has answered before.
    pub fn has_events(&self) -> bool {
        self.get(None, Capability::EntityEvent).as_deref() == Some(ANSWERS)
    }

    /// Notes that the resource EntityEvent answers.
    pub fn note_events_answer(&self) {
        self.note_answer(Capability::EntityEvent, ANSWERS);
    }

    /// Notes whether `$metadata` declares the resource EntityEvent.
    pub fn note_entity_event(&self, is_declared: bool) {
        if is_declared && (self.has_events() || self.has_refused_events_today()) {
            return;
        }
        let value = if is_declared {
            DECLARED
        } else {
            "not declared"
        };
        self.note(None, Capability::EntityEvent, value, None);
    }
    fn has_refused_today(&self, capability: Capability) -> bool {
        let known = self.known(None, capability);
        known.is_some_and(|known| known.value == REFUSED && !known.is_older_than(DAY, self.now()))
    }

    fn note_answer(&self, capability: Capability, value: &str) {
        if self.has_answered_before_refusal(capability) {
            self.forget(None, capability);
        }
        self.note(None, capability, value, None);
    }

    fn note_refusal(&self, capability: Capability, why: Option<String>) -> bool {
        let is_waiting = self.has_answered_before_refusal(capability);
        let is_over = |known: &Observation| is_waiting && known.is_older_than(DAY, self.now());
        let known = self.known(None, capability);
        let answered =
            known.filter(|known| ![REFUSED, DECLARED].contains(&&*known.value) && !is_over(known));
        if is_waiting && answered.is_some() {
            return false;
        }
        let (value, detail) = match &answered {
            Some(known) => (&*known.value, Some(SINCE_REFUSED.to_owned())),
            None => (REFUSED, why),
        };
        self.forget(None, capability);
        self.note(None, capability, value, detail);
        answered.is_none()
    }

    /// Returns whether a resource with deletions has answered before, and was refused last.
    fn has_answered_before_refusal(&self, capability: Capability) -> bool {
        let known = self.known(None, capability);
        known.is_some_and(|known| known.detail.as_deref() == Some(SINCE_REFUSED))
    }
}
