//! The query options of a request.

use super::filter::{self, unknown};
use super::order::Order;
use super::predicate::Predicate;
use super::tokens::BadQuery;
use crate::behaviour::{Behaviour, ServerBehaviour};
use crate::fields::{Set, Table};
use crate::market::Market;

/// One entity set of an `$expand`.
#[derive(Debug)]
pub struct Expand {
    pub set: Set,
    pub select: Option<Vec<bool>>,
    pub order: Vec<Order>,
    pub top: Option<usize>,
}

/// The options of a request. A `select` marks fields by position; `None` selects all.
#[derive(Debug, Default)]
pub struct Query {
    pub filter: Option<Predicate>,
    pub select: Option<Vec<bool>>,
    pub order: Vec<Order>,
    pub top: Option<usize>,
    pub skip: usize,
    pub counts: bool,
    pub expand: Vec<Expand>,
}

/// Decodes `%20` and `+`, or returns `None` if the result is not UTF-8.
pub fn decode(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'+' => b' ',
            b'%' => {
                let digit = |b: Option<u8>| char::from(b?).to_digit(16);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                (high * 16 + low) as u8
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Returns the decoded names and values of an encoded query.
pub fn pairs(raw: &str) -> Result<Vec<(String, String)>, BadQuery> {
    let broken = || BadQuery::new("The query is not properly encoded");
    let parts = raw.split('&').filter(|part| !part.is_empty());
    parts
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            Ok((
                decode(name).ok_or_else(broken)?,
                decode(value).ok_or_else(broken)?,
            ))
        })
        .collect()
}

/// Reads the query options of a request for records of a set.
pub fn read(raw: &str, market: &Market, set: Set) -> Result<Query, BadQuery> {
    let table = market.table(set);
    let server = &market.behaviour;
    let mut query = Query::default();
    let refuses_count = server.has(Behaviour::CountRefused)
        || server.has(Behaviour::CountRefusedWithFilter) && raw.contains("filter=");
    for (name, value) in pairs(raw)? {
        match name.as_str() {
            "$filter" => query.filter = Some(read_filter(&value, table, server)?),
            "$select" => query.select = read_select(&value, table)?,
            "$orderby" if server.refuse_orderby || server.has(Behaviour::OrderbyRefused) => {
                return Err(BadQuery::new("$orderby is not supported"));
            }
            "$orderby" => query.order = read_order(&value, table)?,
            "$top" => query.top = Some(read_number(&name, &value)?),
            "$skip" => query.skip = read_number(&name, &value)?,
            "$count" if refuses_count => return Err(BadQuery::new("$count is not supported")),
            "$count" => query.counts = read_flag(&value)?,
            "$expand" if set == Set::Property => query.expand = read_expand(&value, market)?,
            "$format" => {}
            name if name.starts_with('$') => {
                return Err(BadQuery::new(format!(
                    "The query option '{name}' is not supported here"
                )));
            }
            _ => {}
        }
    }
    Ok(query)
}

fn read_filter(text: &str, table: &Table, server: &ServerBehaviour) -> Result<Predicate, BadQuery> {
    if text.len() > server.max_filter {
        return Err(BadQuery::new("The filter is too long"));
    }
    let filter = filter::parse(text, table, server)?;
    if server.refuse_or && filter.or_terms() > 0 {
        return Err(BadQuery::new("The operator 'or' is not supported"));
    }
    if server.has(Behaviour::OrOfFiveTerms) && filter.or_terms() > 5 {
        return Err(BadQuery::new("The filter has more than 5 terms of 'or'"));
    }
    if filter.has_in() && server.has(Behaviour::InRefused) {
        return Err(BadQuery::new("The operator 'in' is not supported"));
    }
    if filter.has_in() && server.has(Behaviour::InFindsNothing) {
        return Ok(Predicate::nothing());
    }
    Ok(filter)
}

fn read_select(text: &str, table: &Table) -> Result<Option<Vec<bool>>, BadQuery> {
    if text.trim() == "*" {
        return Ok(None);
    }
    let mut select = vec![false; table.fields.len()];
    for name in text.split(',').map(str::trim) {
        select[table.declared(name).ok_or_else(|| unknown(name))?] = true;
    }
    Ok(Some(select))
}

fn read_order(text: &str, table: &Table) -> Result<Vec<Order>, BadQuery> {
    let term = |term: &str| {
        let (name, descends) = match term.split_whitespace().collect::<Vec<_>>()[..] {
            [name] | [name, "asc"] => (name, false),
            [name, "desc"] => (name, true),
            _ => {
                return Err(BadQuery::new(format!(
                    "Syntax error in $orderby at '{term}'"
                )));
            }
        };
        Ok((table.declared(name).ok_or_else(|| unknown(name))?, descends))
    };
    text.split(',').map(term).collect()
}

fn read_number(name: &str, value: &str) -> Result<usize, BadQuery> {
    let number = value.trim().parse::<u32>();
    number
        .map(|n| n as usize)
        .map_err(|_| BadQuery::new(format!("Invalid value '{value}' for {name}")))
}

fn read_flag(value: &str) -> Result<bool, BadQuery> {
    value
        .trim()
        .parse()
        .map_err(|_| BadQuery::new(format!("Invalid value '{value}' for $count")))
}

/// `Media,OpenHouse($select=OpenHouseKey;$orderby=OpenHouseStartTime)`
fn read_expand(text: &str, market: &Market) -> Result<Vec<Expand>, BadQuery> {
    split_outside(text, ',')
        .into_iter()
        .map(|one| read_one_expand(one.trim(), market))
        .collect()
}

fn read_one_expand(one: &str, market: &Market) -> Result<Expand, BadQuery> {
    let (name, options) = match one.split_once('(') {
        Some((name, options)) => {
            let unclosed = || BadQuery::new("Syntax error in $expand");
            (name, options.strip_suffix(')').ok_or_else(unclosed)?)
        }
        None => (one, ""),
    };
    let set = Set::named(name).filter(|set| set.is_child());
    let set = set.ok_or_else(|| {
        BadQuery::new(format!(
            "Could not find a property named '{name}' to expand"
        ))
    })?;
    if !options.is_empty() && market.behaviour.has(Behaviour::ExpandOptionsRefused) {
        return Err(BadQuery::new("Options of $expand are not supported"));
    }
    let table = market.table(set);
    let mut expand = Expand {
        set,
        select: None,
        order: Vec::new(),
        top: None,
    };
    for option in split_outside(options, ';')
        .into_iter()
        .filter(|option| !option.trim().is_empty())
    {
        match option.trim().split_once('=') {
            Some(("$select", value)) => expand.select = read_select(value, table)?,
            Some(("$orderby", value)) => expand.order = read_order(value, table)?,
            Some(("$top", value)) => expand.top = Some(read_number("$top", value)?),
            _ => {
                return Err(BadQuery::new(format!(
                    "The option '{option}' is not supported in $expand"
                )));
            }
        }
    }
    Ok(expand)
}

/// Splits at a separator, except within parentheses.
fn split_outside(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut from, mut depth) = (Vec::new(), 0, 0_usize);
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            c if c == separator && depth == 0 => {
                parts.push(&text[from..at]);
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[from..]);
    parts
}
