//! The part of `$filter` that the program sends.

use std::cmp::Ordering;

use serde_json::{Map, Value as Json};

/// A parsed `$filter`.
pub enum Filter {
    And(Box<Filter>, Box<Filter>),
    Or(Box<Filter>, Box<Filter>),
    Is(String, String, Json),
    In(String, Vec<Json>),
}

/// Compares values of one type. Timestamps of the generated records compare as text.
pub fn compare(one: &Json, other: &Json) -> Ordering {
    match (one, other) {
        (Json::Number(one), Json::Number(other)) => {
            one.as_f64().partial_cmp(&other.as_f64()).unwrap()
        }
        (one, other) => text(one).cmp(&text(other)),
    }
}

/// Whole seconds come before their fractions.
fn text(value: &Json) -> String {
    value
        .as_str()
        .unwrap_or_default()
        .trim_end_matches('Z')
        .to_owned()
}

impl Filter {
    pub fn parse(filter: &str) -> Option<Filter> {
        let tokens = tokens(filter)?;
        let mut rest = tokens.as_slice();
        let parsed = Filter::or(&mut rest)?;
        rest.is_empty().then_some(parsed)
    }

    fn or(rest: &mut &[String]) -> Option<Filter> {
        let mut found = Filter::and(rest)?;
        while take(rest, "or") {
            found = Filter::Or(Box::new(found), Box::new(Filter::and(rest)?));
        }
        Some(found)
    }

    fn and(rest: &mut &[String]) -> Option<Filter> {
        let mut found = Filter::one(rest)?;
        while take(rest, "and") {
            found = Filter::And(Box::new(found), Box::new(Filter::one(rest)?));
        }
        Some(found)
    }

    fn one(rest: &mut &[String]) -> Option<Filter> {
        if take(rest, "(") {
            let found = Filter::or(rest)?;
            return take(rest, ")").then_some(found);
        }
        let (field, operator) = (next(rest)?, next(rest)?);
        if operator != "in" {
            return Some(Filter::Is(field, operator, literal(&next(rest)?)));
        }
        let mut values = Vec::new();
        take(rest, "(").then_some(())?;
        loop {
            values.push(literal(&next(rest)?));
            if !take(rest, ",") {
                break;
            }
        }
        take(rest, ")").then_some(Filter::In(field, values))
    }

    pub fn accepts(&self, record: &Map<String, Json>) -> bool {
        match self {
            Filter::And(one, other) => one.accepts(record) && other.accepts(record),
            Filter::Or(one, other) => one.accepts(record) || other.accepts(record),
            Filter::In(field, values) => {
                (values.iter()).any(|value| compare(&record[field], value) == Ordering::Equal)
            }
            Filter::Is(field, operator, value) => {
                let order = compare(&record[field], value);
                match operator.as_str() {
                    "eq" => order.is_eq(),
                    "ne" => order.is_ne(),
                    "gt" => order.is_gt(),
                    "ge" => order.is_ge(),
                    "lt" => order.is_lt(),
                    "le" => order.is_le(),
                    other => panic!("{other}"),
                }
            }
        }
    }
}

fn next(rest: &mut &[String]) -> Option<String> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(first.clone())
}

fn take(rest: &mut &[String], token: &str) -> bool {
    let is_next = rest.first().is_some_and(|first| first == token);
    if is_next {
        *rest = &rest[1..];
    }
    is_next
}

fn literal(token: &str) -> Json {
    if let Some(text) = token.strip_prefix('\'') {
        return Json::String(text[..text.len() - 1].replace("''", "'"));
    }
    token
        .parse::<i64>()
        .map_or_else(|_| Json::String(token.to_owned()), Json::from)
}

fn tokens(filter: &str) -> Option<Vec<String>> {
    let mut tokens = Vec::new();
    let mut rest = filter.trim_start();
    while let Some(first) = rest.chars().next() {
        let end = match first {
            '(' | ')' | ',' => 1,
            '\'' => {
                let mut end = 1 + rest[1..].find('\'')? + 1;
                while rest[end..].starts_with('\'') {
                    end += 1 + rest[end + 1..].find('\'')? + 1;
                }
                end
            }
            _ => rest.find([' ', '(', ')', ',']).unwrap_or(rest.len()),
        };
        tokens.push(rest[..end].to_owned());
        rest = rest[end..].trim_start();
    }
    Some(tokens)
}
