//! One record: where its values come from, and its JSON.

use std::cell::OnceCell;

use serde_json::{Map, Value as Json};

use super::base::stride;
use super::behaviour::Spoil;
use super::children::Child;
use super::dice::mix;
use super::listing::Listing;
use super::makers::Facts;
use super::market::{Market, Overlay};
use super::people::{Agent, Branch};
use super::reference::{DESCRIBED, Fixed, Term};
use super::schema::{Kind, Set, Table};
use super::value::{Value, write_text};

/// A record as the feed holds it now.
pub struct Row<'m> {
    market: &'m Market,
    table: &'m Table,
    set: Set,
    id: u64,
    overlay: Option<&'m Overlay>,
    facts: OnceCell<Option<Facts<'m>>>,
}

impl<'m> Row<'m> {
    pub fn new(market: &'m Market, table: &'m Table, id: u64) -> Row<'m> {
        let set = table.set;
        Row {
            market,
            table,
            set,
            id,
            overlay: market.overlay(set, id),
            facts: OnceCell::new(),
        }
    }

    /// The value of the field that stands at `at` in its table.
    #[inline]
    pub fn value(&self, at: usize) -> Value {
        let Some(field) = self.table.fields.get(at) else {
            return Value::Null;
        };
        if let Some(overlay) = self.overlay
            && let Some(json) = overlay.patch.get(&field.name)
        {
            return Value::from_json(json, field.kind);
        }
        // What scans ask of every record costs no facts.
        if self.set == Set::Property {
            if Some(at) == self.table.stamp {
                return Value::seconds(
                    self.born()
                        .unwrap_or_else(|| self.market.base.stamp(self.id)),
                );
            }
            if field.is_key {
                return Value::Int(self.market.base.listing_key(self.id));
            }
        }
        match self.facts.get_or_init(|| self.make_facts()) {
            Some(facts) => field.maker.make(facts, field),
            None => Value::Null,
        }
    }

    /// The value of a field by its name; null where it has none.
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
                let parent_stamp = parent_born.unwrap_or_else(|| base.stamp(listing));
                Facts::Child(Child::new(base, set, id, self.born(), parent_stamp))
            }
        })
    }

    /// Whether this null is left out of answers: which ones are is the record's own way.
    #[inline]
    fn omits(&self, salt: u64) -> bool {
        let server = &self.market.behaviour;
        !server.every_field && (server.no_nulls || mix(self.id ^ salt) & 7 != 0)
    }

    /// Appends the record's JSON object but for its closing brace, with the
    /// fields that `selected` holds, or all; and gives whether it wrote any.
    pub fn write_open(&self, selected: Option<&[bool]>, out: &mut Vec<u8>) {
        let names = self.market.behaviour.names;
        let spoil = self.overlay.and_then(|overlay| overlay.spoil);
        out.push(b'{');
        let from = out.len();
        for (at, field) in self.table.fields.iter().enumerate() {
            if selected.is_some_and(|selected| !selected.get(at).copied().unwrap_or(false)) {
                continue;
            }
            let value = match spoil {
                Some(Spoil::NoKey) if names_record(&field.name, self.set) => continue,
                Some(Spoil::WrongType) if matches!(field.kind, Kind::Stamp | Kind::Decimal) => {
                    Value::text("not what it should be")
                }
                _ => self.value(at),
            };
            if matches!(value, Value::Null) && self.omits(field.salt) {
                continue;
            }
            if out.len() > from {
                out.push(b',');
            }
            out.extend_from_slice(&field.json_name);
            value.write(out, names);
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

    /// The record as answered, in full; a spoiled one as it would be if it were mended.
    pub fn to_map(&self) -> Map<String, Json> {
        let mended = self.overlay.map(|overlay| Overlay {
            spoil: None,
            ..overlay.clone()
        });
        let row = Row {
            overlay: mended.as_ref(),
            facts: OnceCell::new(),
            ..*self
        };
        let mut json = Vec::with_capacity(8 << 10);
        row.write_open(None, &mut json);
        json.push(b'}');
        serde_json::from_slice(&json).unwrap_or_default()
    }
}

/// Whether the field is one by which a record of this kind is known.
pub fn names_record(field: &str, set: Set) -> bool {
    match set {
        Set::Property => matches!(field, "ListingKey" | "ListingKeyNumeric"),
        Set::Media => field == "MediaKey",
        Set::OpenHouse => matches!(field, "OpenHouseKey" | "OpenHouseKeyNumeric"),
        Set::Member => matches!(field, "MemberKey" | "MemberKeyNumeric"),
        Set::Office => matches!(field, "OfficeKey" | "OfficeKeyNumeric"),
        Set::PropertyUnitTypes => field == "UnitTypeKey",
        Set::Adu => field == "AduKeyNumeric",
        Set::Lookup => field == "LookupKey",
        Set::Resource => field == "RName",
        Set::DataSystem => field == "DSName",
        Set::Deleted => false,
    }
}
