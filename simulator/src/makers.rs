//! Which function makes a field, resolved once when the tables are read.

use super::children::Child;
use super::listing::Listing;
use super::make_child;
use super::make_listing;
use super::make_other;
use super::people::{Agent, Branch};
use super::reference::{Deletion, Fixed, Term};
use super::schema::{Field, Kind, Set};
use super::value::Value;

/// The facts of one record.
#[derive(Clone, Debug)]
pub enum Facts<'m> {
    Listing(Box<Listing<'m>>),
    Child(Child<'m>),
    Agent(Agent<'m>),
    Branch(Branch<'m>),
    Term(Term),
    Fixed(Fixed<'m>),
    Deletion(&'m Deletion),
}

pub type ListingMaker = fn(&Listing<'_>, &Field) -> Value;
pub type ChildMaker = fn(&Child<'_>, &Field) -> Value;
pub type AgentMaker = fn(&Agent<'_>, &Field) -> Value;
pub type BranchMaker = fn(&Branch<'_>, &Field) -> Value;

/// What makes a field's value from the facts of its record.
#[derive(Clone, Copy, Debug)]
pub enum Maker {
    Listing(ListingMaker),
    Child(ChildMaker),
    Agent(AgentMaker),
    Branch(BranchMaker),
    Term(fn(&Term, &Field) -> Value),
    Fixed(fn(&Fixed<'_>, &Field) -> Value),
    Deletion(fn(&Deletion, &Field) -> Value),
}

impl Maker {
    pub fn of(set: Set, name: &str, kind: Kind) -> Maker {
        match set {
            Set::Property => Maker::Listing(make_listing::maker(name, kind)),
            Set::Media | Set::OpenHouse | Set::PropertyUnitTypes | Set::Adu => {
                Maker::Child(make_child::maker(set, name))
            }
            Set::Member => Maker::Agent(make_other::agent(name)),
            Set::Office => Maker::Branch(make_other::branch(name)),
            Set::Lookup => Maker::Term(make_other::term(name)),
            Set::Resource | Set::DataSystem => Maker::Fixed(make_other::fixed(name)),
            Set::Deleted => Maker::Deletion(make_other::deletion(name)),
        }
    }

    /// The field's value; null where the facts are another kind's.
    pub fn make(self, facts: &Facts<'_>, field: &Field) -> Value {
        match (self, facts) {
            (Maker::Listing(make), Facts::Listing(listing)) => make(listing, field),
            (Maker::Child(make), Facts::Child(child)) => make(child, field),
            (Maker::Agent(make), Facts::Agent(agent)) => make(agent, field),
            (Maker::Branch(make), Facts::Branch(branch)) => make(branch, field),
            (Maker::Term(make), Facts::Term(term)) => make(term, field),
            (Maker::Fixed(make), Facts::Fixed(fixed)) => make(fixed, field),
            (Maker::Deletion(make), Facts::Deletion(deletion)) => make(deletion, field),
            _ => Value::Null,
        }
    }
}

/// One member of the field's enumeration; null where it has no such member.
pub fn member(field: &Field, name: &str) -> Value {
    match field.kind {
        Kind::Enumeration(e) => e
            .one(name)
            .map_or(Value::Null, |bit| Value::Members(e, bit)),
        _ => Value::Null,
    }
}

/// A plausible value for a field that no rule names, or null, by its type alone.
pub fn anything(dice: super::dice::Dice, stamp: i64, field: &Field) -> Value {
    let salt = field.salt;
    let filled = match field.kind {
        Kind::Enumeration(e) if e.is_flags => 0.4,
        Kind::Enumeration(_) => 0.4,
        Kind::Boolean => 0.7,
        _ => 0.25,
    };
    if !dice.chance(salt, filled) {
        return Value::Null;
    }
    match field.kind {
        Kind::Int32 => Value::Int(dice.between(salt ^ 1, 0, 12)),
        Kind::Decimal => Value::Decimal(dice.between(salt ^ 1, 0, 4_000) * 2_500),
        Kind::Boolean => Value::Flag(dice.chance(salt ^ 1, 0.4)),
        Kind::Text => Value::text(dice.pick(salt ^ 1, super::places::STREETS)),
        Kind::Date => Value::Date(stamp.div_euclid(86_400) - dice.between(salt ^ 1, 0, 300)),
        Kind::Stamp => Value::seconds(stamp - dice.between(salt ^ 1, 0, 9_000_000)),
        Kind::Enumeration(e) => {
            let count = if e.is_flags {
                1 + dice.below(salt ^ 2, 4)
            } else {
                1
            };
            let one = |turn: u64| {
                1_u128 << dice.below(salt ^ (turn + 3), e.members.len().min(128) as u64)
            };
            Value::Members(e, (0..count).map(one).fold(0, |bits, bit| bits | bit))
        }
        Kind::Point => Value::Null,
    }
}
