//! The conditions of a filter.

use std::cmp::Ordering;

use crate::fields::Value;
use crate::market::Row;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    Equal,
    NotEqual,
    Greater,
    AtLeast,
    Less,
    AtMost,
}

impl Operator {
    pub fn named(name: &str) -> Option<Operator> {
        Some(match name {
            "eq" => Operator::Equal,
            "ne" => Operator::NotEqual,
            "gt" => Operator::Greater,
            "ge" => Operator::AtLeast,
            "lt" => Operator::Less,
            "le" => Operator::AtMost,
            _ => return None,
        })
    }

    /// Returns the operator for exchanged sides.
    pub fn mirrored(self) -> Operator {
        match self {
            Operator::Greater => Operator::Less,
            Operator::AtLeast => Operator::AtMost,
            Operator::Less => Operator::Greater,
            Operator::AtMost => Operator::AtLeast,
            same => same,
        }
    }

    /// Compares two values. Null fulfils only `eq` and `ne`; values of different types are unequal.
    fn holds(self, left: &Value, right: &Value) -> bool {
        let order = left.order(right);
        match self {
            Operator::Equal => order == Some(Ordering::Equal),
            Operator::NotEqual => order != Some(Ordering::Equal),
            _ if matches!(left, Value::Null) || matches!(right, Value::Null) => false,
            Operator::Greater => order == Some(Ordering::Greater),
            Operator::AtLeast => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            Operator::Less => order == Some(Ordering::Less),
            Operator::AtMost => matches!(order, Some(Ordering::Less | Ordering::Equal)),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Search {
    Contains,
    StartsWith,
    EndsWith,
}

/// A value within a filter.
#[derive(Clone, Debug)]
pub enum Term {
    /// A field, by its position in the table.
    Field(usize),
    Literal(Value),
    Lower(Box<Term>),
    Upper(Box<Term>),
}

impl Term {
    fn value(&self, row: &Row<'_>) -> Value {
        let of = |term: &Term, change: fn(&str) -> String| {
            term.value(row)
                .as_text()
                .map_or(Value::Null, |text| Value::owned(change(&text)))
        };
        match self {
            Term::Field(at) => row.value(*at),
            Term::Literal(value) => value.clone(),
            Term::Lower(term) => of(term, str::to_lowercase),
            Term::Upper(term) => of(term, str::to_uppercase),
        }
    }
}

/// A condition.
#[derive(Clone, Debug)]
pub enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Compare(Term, Operator, Term),
    In(Term, Vec<Value>),
    /// Whether the field at this position contains all these members.
    Has(usize, u128),
    Search(Search, Term, Term),
    /// A boolean field, or a constant.
    True(Term),
}

impl Predicate {
    /// Returns whether the condition holds, whatever the values of some fields are.
    pub fn holds_but_for(&self, row: &Row<'_>, is_ignored: &dyn Fn(usize) -> bool) -> bool {
        let holds = |one: &Predicate| one.holds_but_for(row, is_ignored);
        match self {
            Predicate::All(all) => all.iter().all(holds),
            Predicate::Any(any) => any.iter().any(holds),
            Predicate::Compare(Term::Field(at), ..) | Predicate::In(Term::Field(at), _)
                if is_ignored(*at) =>
            {
                true
            }
            other => other.holds(row),
        }
    }

    pub fn holds(&self, row: &Row<'_>) -> bool {
        match self {
            Predicate::All(all) => all.iter().all(|one| one.holds(row)),
            Predicate::Any(any) => any.iter().any(|one| one.holds(row)),
            Predicate::Not(one) => !one.holds(row),
            Predicate::Compare(left, operator, Term::Literal(right)) => {
                operator.holds(&left.value(row), right)
            }
            Predicate::Compare(left, operator, right) => {
                operator.holds(&left.value(row), &right.value(row))
            }
            Predicate::In(term, values) => {
                let value = term.value(row);
                values.iter().any(|one| Operator::Equal.holds(&value, one))
            }
            Predicate::Has(at, members) => match row.value(*at) {
                Value::Members(_, held) => held & members == *members,
                _ => false,
            },
            Predicate::Search(how, whole, part) => {
                let (Some(whole), Some(part)) =
                    (whole.value(row).as_text(), part.value(row).as_text())
                else {
                    return false;
                };
                match how {
                    Search::Contains => whole.contains(&part),
                    Search::StartsWith => whole.starts_with(&part),
                    Search::EndsWith => whole.ends_with(&part),
                }
            }
            Predicate::True(term) => matches!(term.value(row), Value::Flag(true)),
        }
    }

    /// Whether the condition compares fields for equality only, and `accepts` each of them.
    pub fn names_only(&self, accepts: &impl Fn(usize) -> bool) -> bool {
        match self {
            Predicate::All(all) | Predicate::Any(all) => {
                all.iter().all(|one| one.names_only(accepts))
            }
            Predicate::Compare(Term::Field(at), Operator::Equal, Term::Literal(_))
            | Predicate::In(Term::Field(at), _) => accepts(*at),
            _ => false,
        }
    }

    /// Returns the largest number of terms that an `or` of the condition joins.
    pub fn or_terms(&self) -> usize {
        match self {
            Predicate::Any(any) => any
                .iter()
                .map(Predicate::or_terms)
                .fold(any.len(), usize::max),
            Predicate::All(all) => all.iter().map(Predicate::or_terms).fold(0, usize::max),
            Predicate::Not(one) => one.or_terms(),
            _ => 0,
        }
    }

    /// Returns whether the condition contains an `in`.
    pub fn has_in(&self) -> bool {
        match self {
            Predicate::In(..) => true,
            Predicate::Any(parts) | Predicate::All(parts) => parts.iter().any(Predicate::has_in),
            Predicate::Not(one) => one.has_in(),
            _ => false,
        }
    }

    /// Returns a condition that no record meets.
    pub fn nothing() -> Predicate {
        Predicate::Any(Vec::new())
    }
}
