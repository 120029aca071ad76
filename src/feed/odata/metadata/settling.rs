//! Keeps declarations that may come back. Behind a load balancer, servers with two versions
//! of `$metadata` may answer in turn.

use std::collections::HashMap;

use super::declarations::{EntityType, Field, Metadata};
use super::edm::Edm;

/// The time when a document was read.
#[derive(Clone, Copy, Debug)]
pub struct ReadAt<'a> {
    /// The time, in storage form.
    pub now: &'a str,
    /// The same time on the day before.
    pub day_before: &'a str,
}

impl ReadAt<'_> {
    /// Returns whether a time is within the last day.
    fn is_recent(&self, time: Option<&str>) -> bool {
        time.is_some_and(|time| time > self.day_before)
    }
}

impl Metadata {
    /// Keeps a field of the document `before` for a day after the feed stops declaring it. A
    /// type that changed within the last day stays, unless the new type has more values.
    pub fn settle(&mut self, before: Metadata, at: ReadAt<'_>) {
        let before = before.entities.into_iter();
        let mut before: HashMap<String, EntityType> =
            before.map(|entity| (entity.name.clone(), entity)).collect();
        for entity in &mut self.entities {
            if let Some(before) = before.remove(&entity.name) {
                entity.settle(before, at);
            }
        }
    }
}

impl EntityType {
    fn settle(&mut self, before: EntityType, at: ReadAt<'_>) {
        let names = self.fields.iter().enumerate();
        let places: HashMap<String, usize> = names
            .map(|(place, field)| (field.name.clone(), place))
            .collect();
        for before in before.fields {
            match places.get(&before.name) {
                Some(&place) => self.fields[place].settle(before, at),
                None => self.fields.extend(before.kept(at)),
            }
        }
    }
}

impl Field {
    /// Returns a field that the feed no longer declares, unless that was a day ago.
    fn kept(self, at: ReadAt<'_>) -> Option<Field> {
        let since = self.missing_since.as_deref().unwrap_or(at.now).to_owned();
        at.is_recent(Some(&since)).then_some(Field {
            missing_since: Some(since),
            ..self
        })
    }

    /// Keeps the type of `before` if types alternate.
    fn settle(&mut self, before: Field, at: ReadAt<'_>) {
        let now = || Some(at.now.to_owned());
        if self.edm == before.edm {
            let is_back = before.other_type_since.is_some();
            self.type_changed_at = if is_back {
                now()
            } else {
                before.type_changed_at
            };
            return;
        }
        let times = [&before.type_changed_at, &before.other_type_since];
        let alternates = times.into_iter().any(|time| at.is_recent(time.as_deref()));
        if alternates && breadth(self.edm) <= breadth(before.edm) {
            *self = Field {
                other_type_since: before.other_type_since.clone().or_else(now),
                ..before
            };
        } else {
            self.type_changed_at = now();
        }
    }
}

/// Returns how many kinds of values a type can hold. Of two types that alternate, a field
/// has the type that can hold the values of both.
fn breadth(edm: Edm) -> u8 {
    match edm {
        Edm::Collection | Edm::Complex | Edm::Geography | Edm::Untyped => 4,
        Edm::Enumeration { .. } => 3,
        Edm::String | Edm::Guid | Edm::TimeOfDay | Edm::Duration | Edm::Binary => 2,
        Edm::Decimal | Edm::Double => 1,
        Edm::Int | Edm::Boolean | Edm::Date | Edm::DateTimeOffset => 0,
    }
}
