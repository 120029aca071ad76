//! Finds the meaning of member names.

use std::cell::Cell;

use crate::record::Shape;

/// The meaning of a member's name.
pub enum MemberName {
    /// A field, by its index in the shape.
    Field(usize),
    /// A list of children, by its index in the shape.
    Child(usize),
    /// The next link of a list of children.
    ChildNextLink(usize),
    /// The number of all records of a list of children.
    ChildCount(usize),
    /// An annotation, or a name that is not a field.
    Ignored,
    /// A field that the shape does not declare.
    Undeclared(String),
}

/// The field that followed each field in earlier records. Servers keep the same order, so
/// most names are found without hashing.
pub struct NameHints {
    next: Vec<Cell<usize>>,
    /// The hints of each child.
    pub children: Vec<NameHints>,
}

impl NameHints {
    /// Returns hints for the order of the shape.
    pub fn new(shape: &Shape) -> NameHints {
        // The index after the last field means the start of a record.
        NameHints {
            next: (1..=shape.fields.len()).chain([0]).map(Cell::new).collect(),
            children: shape
                .children
                .iter()
                .map(|child| NameHints::new(&child.shape))
                .collect(),
        }
    }
}

/// The number of missing fields that a lookup skips before it uses the hash of the name.
const FIELDS_SKIPPED: usize = 8;

/// Finds the meaning of a name. `before` is the index of the field before it.
pub fn find_member(shape: &Shape, hints: &NameHints, before: usize, name: &str) -> MemberName {
    let mut at = before;
    for _ in 0..=FIELDS_SKIPPED {
        at = hints.next[at].get();
        if shape.fields.get(at).is_some_and(|field| field.name == name) {
            return MemberName::Field(at);
        }
    }
    if let Some(at) = shape.position(name) {
        hints.next[before].set(at);
        return MemberName::Field(at);
    }
    if let Some(at) = shape.children.iter().position(|child| child.name == name) {
        return MemberName::Child(at);
    }
    if let Some((of, annotation)) = name.split_once("@odata.")
        && let Some(at) = shape.children.iter().position(|child| child.name == of)
    {
        match annotation {
            "nextLink" => return MemberName::ChildNextLink(at),
            "count" => return MemberName::ChildCount(at),
            _ => {}
        }
    }
    if name.contains('@') || shape.ignores(name) {
        return MemberName::Ignored;
    }
    MemberName::Undeclared(name.to_owned())
}
