//! One record: its values and its JSON.

use std::cell::OnceCell;

use serde_json::{Map, Value as Json};

use super::records::{Market, Overlay};
use crate::behaviour::{Behaviour, Spoil};
use crate::dice::mix;
use crate::fields::{Kind, Set, Table, Value, write_text};
use crate::makers::{Facts, MadeTable};
use crate::world::{Agent, Branch, Child, DESCRIBED, Fixed, Listing, Term, stride};

/// The index of the listing with timestamps in the future.
const AHEAD: u64 = 2;
const YEAR_MS: i64 = 365 * 86_400 * 1000;

/// Returns the plural of a resource's name.
fn plural(name: &str) -> String {
    match name.strip_suffix('y') {
        Some(stem) => format!("{stem}ies"),
        None => format!("{name}s"),
    }
}

/// A record as it is now.
pub struct Row<'m> {
    market: &'m Market,
    made: &'m MadeTable,
    table: &'m Table,
    set: Set,
    id: u64,
    overlay: Option<&'m Overlay>,
    facts: OnceCell<Option<Facts<'m>>>,
}

impl<'m> Row<'m> {
    pub fn new(market: &'m Market, set: Set, id: u64) -> Row<'m> {
        let made = market.made_table(set);
        Row {
            market,
            made,
            table: made.table(),
            set,
            id,
            overlay: market.overlay(set, id),
            facts: OnceCell::new(),
        }
    }

    /// Returns the value of the field at position `at` of the table, as filters compare it.
    #[inline]
    pub fn value(&self, at: usize) -> Value {
        let value = self.plain_value(at);
        if self.market.behaviour.behaviours.is_empty() {
            return value;
        }
        self.behaving(at, value)
    }

    /// Changes the values that behaviours of the server affect.
    fn behaving(&self, at: usize, value: Value) -> Value {
        let server = &self.market.behaviour;
        match value {
            Value::Timestamp(ms) if Some(at) == self.table.timestamp => {
                let is_ahead = server.has(Behaviour::FutureTimestamp)
                    && self.set == Set::Property
                    && self.id == AHEAD;
                let ms = if is_ahead { ms + YEAR_MS } else { ms };
                let is_finer = server.has(Behaviour::TimestampsFinerThanShown);
                let hidden = mix(self.id ^ mix(ms as u64)) % 999 + 1;
                Value::Timestamp(if is_finer { ms + hidden as i64 } else { ms })
            }
            Value::Text(name)
                if self.set == Set::Deleted && self.table.fields[at].name == "resource" =>
            {
                if server.has(Behaviour::DeletedNamesLowerCase) {
                    Value::owned(name.to_lowercase())
                } else if server.has(Behaviour::DeletedNamesPlural) {
                    Value::owned(plural(&name))
                } else {
                    Value::Text(name)
                }
            }
            value => value,
        }
    }

    /// Returns the value as records show it.
    fn shown(&self, at: usize) -> Value {
        match self.value(at) {
            Value::Timestamp(ms)
                if self
                    .market
                    .behaviour
                    .has(Behaviour::TimestampsFinerThanShown) =>
            {
                Value::Timestamp(ms.div_euclid(1000) * 1000)
            }
            value => value,
        }
    }

    #[inline]
    fn plain_value(&self, at: usize) -> Value {
        let Some(field) = self.table.fields.get(at) else {
            return Value::Null;
        };
        if let Some(overlay) = self.overlay
            && let Some(json) = overlay.patch.get(&field.name)
        {
            return Value::from_json(json, field.kind);
        }
        if Some(at) == self.table.can_view {
            return Value::Flag(!self.market.is_flagged(self.set, self.id));
        }
        // Scans read these two fields of every record, so they do not need the facts.
        if self.set == Set::Property {
            if Some(at) == self.table.timestamp {
                return Value::seconds(
                    self.born()
                        .unwrap_or_else(|| self.market.base.timestamp(self.id)),
                );
            }
            if field.is_key {
                return Value::Int(self.market.base.listing_key(self.id));
            }
        }
        match self.facts.get_or_init(|| self.make_facts()) {
            Some(facts) => self.made.make(at, facts),
            None => Value::Null,
        }
    }

    /// Returns the value of a field by its name, or null if there is no such field.
    pub fn named(&self, name: &str) -> Value {
        self.table
            .position(name)
            .map_or(Value::Null, |at| self.value(at))
    }

    fn born(&self) -> Option<i64> {
        self.overlay.and_then(|overlay| overlay.born)
    }

    fn make_facts(&self) -> Option<Facts<'m>> {
        let (market, base, id) = (self.market, &self.market.base, self.id);
        Some(match self.set {
            Set::Property => {
                let photos = market.count_children(Set::Media, id);
                Facts::Listing(Box::new(Listing::new(base, id, self.born(), photos)))
            }
            Set::Member => Facts::Agent(Agent::new(base, id)),
            Set::Office => Facts::Branch(Branch::new(base, id)),
            Set::Lookup => Facts::Term(Term::at(id, base.start)?),
            Set::Resource => Facts::Fixed(Fixed {
                base,
                describes: DESCRIBED.get(id as usize).copied(),
            }),
            Set::DataSystem => Facts::Fixed(Fixed {
                base,
                describes: None,
            }),
            Set::Deleted => Facts::Deletion(market.deletions.get(id as usize)?),
            set => {
                let listing = id / stride(set);
                let parent_born = market
                    .overlay(Set::Property, listing)
                    .and_then(|overlay| overlay.born);
                let parent_timestamp = parent_born.unwrap_or_else(|| base.timestamp(listing));
                Facts::Child(Child::new(base, set, id, self.born(), parent_timestamp))
            }
        })
    }

    /// Whether the response omits this null. Each record omits other nulls, as the service does.
    #[inline]
    fn omits(&self, salt: u64) -> bool {
        let server = &self.market.behaviour;
        !server.every_field && (server.no_nulls || mix(self.id ^ salt) & 7 != 0)
    }

    /// Appends the record's JSON object without its closing brace. It contains the
    /// fields that `selected` marks by position, or all fields.
    pub fn write_open(&self, selected: Option<&[bool]>, out: &mut Vec<u8>) {
        let spelling = self.market.behaviour.spelling();
        let spoil = self.overlay.and_then(|overlay| overlay.spoil);
        out.push(b'{');
        let from = out.len();
        for (at, field) in self.table.fields.iter().enumerate() {
            if selected.is_some_and(|selected| !selected.get(at).copied().unwrap_or(false)) {
                continue;
            }
            let value = match spoil {
                Some(Spoil::NoKey) if self.set.is_key_field(&field.name) => continue,
                Some(Spoil::WrongType) if matches!(field.kind, Kind::Timestamp | Kind::Decimal) => {
                    Value::text("not what it should be")
                }
                _ => self.shown(at),
            };
            if matches!(value, Value::Null) && self.omits(field.salt) {
                continue;
            }
            if out.len() > from {
                out.push(b',');
            }
            out.extend_from_slice(&field.json_name);
            value.write(out, spelling);
        }
        let undeclared = self
            .overlay
            .filter(|_| selected.is_none())
            .map(|overlay| &overlay.patch);
        for (name, json) in undeclared.into_iter().flatten() {
            if self.table.position(name).is_none() {
                if out.len() > from {
                    out.push(b',');
                }
                write_text(name, out);
                out.push(b':');
                out.extend_from_slice(json.to_string().as_bytes());
            }
        }
    }

    pub fn is_object(&self) -> bool {
        self.overlay.and_then(|overlay| overlay.spoil) != Some(Spoil::NotAnObject)
    }

    /// Returns the record as the feed sends it in full, without the effect of `spoil`.
    pub fn to_map(&self) -> Map<String, Json> {
        let sound = self.overlay.map(|overlay| Overlay {
            spoil: None,
            ..overlay.clone()
        });
        let row = Row {
            overlay: sound.as_ref(),
            facts: OnceCell::new(),
            ..*self
        };
        let mut json = Vec::with_capacity(8 << 10);
        row.write_open(None, &mut json);
        json.push(b'}');
        serde_json::from_slice(&json).unwrap_or_default()
    }
}
