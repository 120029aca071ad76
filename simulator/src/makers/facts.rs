//! The facts of records, and the functions that make fields from them.

use crate::fields::{Field, Value};
use crate::world::{Agent, Branch, Child, Deletion, Fixed, Listing, Term};

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
pub type TermMaker = fn(&Term, &Field) -> Value;
pub type FixedMaker = fn(&Fixed<'_>, &Field) -> Value;
pub type DeletionMaker = fn(&Deletion, &Field) -> Value;
