//! The function that makes each field, chosen once when an entity type is read.

use super::facts::{
    AgentMaker, BranchMaker, ChildMaker, DeletionMaker, Facts, FixedMaker, ListingMaker, TermMaker,
};
use super::{make_child, make_listing, make_other};
use crate::fields::{Field, Kind, Set, Table, Value};

/// Makes a field's value from the facts of its record.
#[derive(Clone, Copy, Debug)]
enum Maker {
    Listing(ListingMaker),
    Child(ChildMaker),
    Agent(AgentMaker),
    Branch(BranchMaker),
    Term(TermMaker),
    Fixed(FixedMaker),
    Deletion(DeletionMaker),
}

impl Maker {
    fn of(set: Set, name: &str, kind: Kind) -> Maker {
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

    /// Returns the field's value, or null if the facts belong to another entity set.
    fn make(self, facts: &Facts<'_>, field: &Field) -> Value {
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

/// An entity type with a maker for each of its fields.
#[derive(Clone, Debug)]
pub struct MadeTable {
    table: Table,
    /// The makers, in the order of the table's fields.
    makers: Vec<Maker>,
}

impl MadeTable {
    pub fn new(table: Table) -> MadeTable {
        let makers = table
            .fields
            .iter()
            .map(|field| Maker::of(table.set, &field.name, field.kind))
            .collect();
        MadeTable { table, makers }
    }

    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Adds a field, or declares an existing one again.
    pub fn declare(&mut self, name: &str, kind: Kind) {
        if self.table.declare(name, kind) {
            self.makers.push(Maker::of(self.table.set, name, kind));
        }
    }

    /// Removes a field from `$metadata`. Returns whether the table has the field.
    pub fn undeclare(&mut self, name: &str) -> bool {
        self.table.undeclare(name)
    }

    /// Returns the value of the field at position `at`, or null if there is no such field.
    pub fn make(&self, at: usize, facts: &Facts<'_>) -> Value {
        match (self.table.fields.get(at), self.makers.get(at)) {
            (Some(field), Some(maker)) => maker.make(facts, field),
            _ => Value::Null,
        }
    }
}
