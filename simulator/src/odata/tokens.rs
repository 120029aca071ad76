//! The tokens of a filter.

use crate::behaviour::ServerBehaviour;
use crate::fields::{parse_date, parse_timestamp, parse_with_fraction};

/// A query that the service cannot parse or does not support. The text is the message of a 400.
#[derive(Debug, PartialEq, Eq)]
pub struct BadQuery(pub String);

impl BadQuery {
    pub fn new(what: impl std::fmt::Display) -> BadQuery {
        BadQuery(format!(
            "The query specified in the URI is not valid. {what}"
        ))
    }
}

/// One token of a filter.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Name(String),
    Text(String),
    /// `Odata.Models.StandardStatus'Active'`: the enumeration's name and the text.
    Enumeration(String, String),
    Number(String),
    /// Days since 1970.
    Date(i64),
    /// Milliseconds since 1970.
    Timestamp(i64),
    Open,
    Close,
    Comma,
}

/// Splits a filter into tokens.
pub fn tokens(filter: &str, server: &ServerBehaviour) -> Result<Vec<Token>, BadQuery> {
    let mut found = Vec::new();
    let mut rest = filter.trim_start();
    while let Some(first) = rest.chars().next() {
        let (token, left) = match first {
            '(' => (Token::Open, &rest[1..]),
            ')' => (Token::Close, &rest[1..]),
            ',' => (Token::Comma, &rest[1..]),
            '\'' => {
                let (text, left) = quoted(rest)?;
                (Token::Text(text), left)
            }
            '0'..='9' | '-' => number(rest, server)?,
            first if first.is_ascii_alphabetic() || first == '_' => name(rest)?,
            _ => return Err(BadQuery::new(format!("Syntax error at '{first}'"))),
        };
        found.push(token);
        rest = left.trim_start();
    }
    Ok(found)
}

/// Splits off the quoted text at the start of `rest`. A doubled quote means one quote.
fn quoted(rest: &str) -> Result<(String, &str), BadQuery> {
    let mut text = String::new();
    let mut rest = &rest[1..];
    loop {
        let Some((part, left)) = rest.split_once('\'') else {
            return Err(BadQuery::new("There is an unterminated string literal"));
        };
        text.push_str(part);
        match left.strip_prefix('\'') {
            Some(left) => {
                text.push('\'');
                rest = left;
            }
            None => return Ok((text, left)),
        }
    }
}

/// Splits off the number, the date or the timestamp at the start of `rest`.
pub fn number<'t>(rest: &'t str, server: &ServerBehaviour) -> Result<(Token, &'t str), BadQuery> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | ':' | '.' | '+');
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let (word, left) = rest.split_at(end);
    let is_number = word
        .strip_prefix('-')
        .unwrap_or(word)
        .bytes()
        .all(|b| b.is_ascii_digit() || b == b'.');
    let timestamp = if server.spelling().has_fractions {
        parse_with_fraction(word, server.compares_texts())
    } else {
        parse_timestamp(word)
    };
    let token = if let Some(at) = timestamp {
        Token::Timestamp(at)
    } else if let Some(day) = parse_date(word) {
        Token::Date(day)
    } else if is_number {
        Token::Number(word.to_owned())
    } else {
        return Err(BadQuery::new(format!("Unrecognized literal '{word}'")));
    };
    Ok((token, left))
}

fn name(rest: &str) -> Result<(Token, &str), BadQuery> {
    let belongs = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '/');
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let (word, left) = rest.split_at(end);
    if left.starts_with('\'') {
        let (text, left) = quoted(left)?;
        let name = word.strip_prefix("Odata.Models.").unwrap_or(word);
        return Ok((Token::Enumeration(name.to_owned(), text), left));
    }
    Ok((Token::Name(word.to_owned()), left))
}
