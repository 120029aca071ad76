//! A recursive-descent parser for `$filter`. It checks names and types too.

use super::predicate::{Operator, Predicate, Search, Term};
use super::tokens::{BadQuery, Token, number, tokens};
use crate::behaviour::{Behaviour, ServerBehaviour};
use crate::fields::{Enumeration, Kind, Set, Table};
use crate::fields::{Value, parse_decimal};

/// The maximum depth of parentheses and `not`, which protects the stack.
const MAX_DEPTH: usize = 64;

/// Parses a filter on the records of a table.
pub fn parse(filter: &str, table: &Table, server: &ServerBehaviour) -> Result<Predicate, BadQuery> {
    let tokens = tokens(filter, server)?;
    let mut parser = Parser {
        tokens: &tokens,
        at: 0,
        depth: 0,
        table,
        server,
    };
    let predicate = parser.any()?;
    match parser.peek() {
        None => Ok(predicate),
        Some(token) => Err(BadQuery::new(format!("Syntax error before {token:?}"))),
    }
}

struct Parser<'a> {
    tokens: &'a [Token],
    at: usize,
    depth: usize,
    table: &'a Table,
    server: &'a ServerBehaviour,
}

/// One side of a comparison. A literal gets its type from the other side.
enum Side {
    Term(Term, Kind),
    Literal(Token),
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a Token> {
        self.tokens.get(self.at)
    }

    fn next(&mut self) -> Result<&'a Token, BadQuery> {
        let token = self
            .peek()
            .ok_or_else(|| BadQuery::new("Expression expected at the end of the filter"))?;
        self.at += 1;
        Ok(token)
    }

    fn takes_word(&mut self, word: &str) -> bool {
        let takes = matches!(self.peek(), Some(Token::Name(name)) if name == word);
        self.at += usize::from(takes);
        takes
    }

    fn expect(&mut self, token: &Token) -> Result<(), BadQuery> {
        match self.next()? {
            found if found == token => Ok(()),
            found => Err(BadQuery::new(format!(
                "Expected {token:?}, found {found:?}"
            ))),
        }
    }

    fn deeper<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, BadQuery>,
    ) -> Result<T, BadQuery> {
        if self.depth >= MAX_DEPTH {
            return Err(BadQuery::new("The filter is nested too deeply"));
        }
        self.depth += 1;
        let read = read(self);
        self.depth -= 1;
        read
    }

    fn any(&mut self) -> Result<Predicate, BadQuery> {
        let mut any = vec![self.all()?];
        while self.takes_word("or") {
            any.push(self.all()?);
        }
        Ok(if any.len() == 1 {
            any.swap_remove(0)
        } else {
            Predicate::Any(any)
        })
    }

    fn all(&mut self) -> Result<Predicate, BadQuery> {
        let mut all = vec![self.one()?];
        while self.takes_word("and") {
            all.push(self.one()?);
        }
        Ok(if all.len() == 1 {
            all.swap_remove(0)
        } else {
            Predicate::All(all)
        })
    }

    fn one(&mut self) -> Result<Predicate, BadQuery> {
        if self.takes_word("not") {
            return self.deeper(|parser| Ok(Predicate::Not(Box::new(parser.one()?))));
        }
        match self.peek() {
            Some(Token::Open) => {
                self.at += 1;
                let inner = self.deeper(Self::any)?;
                self.expect(&Token::Close)?;
                Ok(inner)
            }
            Some(Token::Name(name)) if self.tokens.get(self.at + 1) == Some(&Token::Open) => {
                match name.as_str() {
                    "contains" => self.search(Search::Contains),
                    "startswith" => self.search(Search::StartsWith),
                    "endswith" => self.search(Search::EndsWith),
                    _ => self.comparison(),
                }
            }
            _ => self.comparison(),
        }
    }

    fn search(&mut self, how: Search) -> Result<Predicate, BadQuery> {
        self.at += 2;
        let left = self.side()?;
        let left = self.text_of(left)?;
        self.expect(&Token::Comma)?;
        let right = self.side()?;
        let right = self.text_of(right)?;
        self.expect(&Token::Close)?;
        let search = Predicate::Search(how, left, right);
        // Some clients write `contains(…) eq true`.
        let is_equal = match self.peek() {
            Some(Token::Name(name)) if name == "eq" => true,
            Some(Token::Name(name)) if name == "ne" => false,
            _ => return Ok(search),
        };
        self.at += 1;
        match self.next()? {
            Token::Name(name) if name == "true" || name == "false" => {
                let stays = is_equal == (name == "true");
                Ok(if stays {
                    search
                } else {
                    Predicate::Not(Box::new(search))
                })
            }
            _ => Err(incompatible()),
        }
    }

    /// Returns a side as an argument of string functions.
    fn text_of(&self, side: Side) -> Result<Term, BadQuery> {
        match side {
            Side::Term(term, Kind::Text | Kind::Enumeration(_)) => Ok(term),
            Side::Literal(Token::Text(text)) => Ok(Term::Literal(Value::owned(text))),
            _ => Err(incompatible()),
        }
    }

    fn side(&mut self) -> Result<Side, BadQuery> {
        let token = self.next()?;
        let Token::Name(name) = token else {
            return match token {
                Token::Open | Token::Close | Token::Comma => {
                    Err(BadQuery::new("Expression expected"))
                }
                literal => Ok(Side::Literal(literal.clone())),
            };
        };
        match name.as_str() {
            "null" | "true" | "false" => return Ok(Side::Literal(token.clone())),
            "tolower" | "toupper" if self.peek() == Some(&Token::Open) => {
                self.at += 1;
                let inner = self.deeper(Self::side)?;
                let inner = Box::new(self.text_of(inner)?);
                self.expect(&Token::Close)?;
                let term = if name == "tolower" {
                    Term::Lower(inner)
                } else {
                    Term::Upper(inner)
                };
                return Ok(Side::Term(term, Kind::Text));
            }
            _ => {}
        }
        if self.peek() == Some(&Token::Open) {
            return Err(BadQuery::new(format!("Unknown function '{name}'")));
        }
        let at = self.table.declared(name).ok_or_else(|| unknown(name))?;
        Ok(Side::Term(Term::Field(at), self.table.fields[at].kind))
    }

    fn comparison(&mut self) -> Result<Predicate, BadQuery> {
        let left = self.side()?;
        let Some(Token::Name(word)) = self.peek() else {
            return truth(left);
        };
        let word = word.as_str();
        if matches!(word, "and" | "or") {
            return truth(left);
        }
        self.at += 1;
        match (word, left) {
            ("in", Side::Term(term, kind)) => Ok(Predicate::In(term, self.list(kind)?)),
            ("has", Side::Term(Term::Field(at), Kind::Enumeration(e))) => {
                let token = self.next()?;
                Ok(Predicate::Has(at, self.members(token, e)?))
            }
            ("in" | "has", _) => Err(incompatible()),
            (word, left) => {
                let operator = Operator::named(word)
                    .ok_or_else(|| BadQuery::new(format!("Unknown operator '{word}'")))?;
                let operator = match operator {
                    Operator::Greater if self.server.has(Behaviour::GtIncludesEqual) => {
                        Operator::AtLeast
                    }
                    Operator::AtLeast
                        if self.table.set == Set::Deleted
                            && self.server.has(Behaviour::DeletedGeExcludesEqual) =>
                    {
                        Operator::Greater
                    }
                    operator => operator,
                };
                let right = self.side()?;
                self.compare(left, operator, right)
            }
        }
    }

    fn compare(&self, left: Side, operator: Operator, right: Side) -> Result<Predicate, BadQuery> {
        match (left, right) {
            (Side::Term(left, kind), Side::Literal(literal)) => Ok(Predicate::Compare(
                left,
                operator,
                Term::Literal(self.literal(&literal, kind)?),
            )),
            (Side::Literal(literal), Side::Term(right, kind)) => {
                let left = Term::Literal(self.literal(&literal, kind)?);
                Ok(Predicate::Compare(right, operator.mirrored(), left))
            }
            (Side::Term(left, a), Side::Term(right, b)) if comparable(a, b) => {
                Ok(Predicate::Compare(left, operator, right))
            }
            (Side::Literal(left), Side::Literal(right)) => {
                let (left, right) = (constant(&left)?, constant(&right)?);
                Ok(Predicate::Compare(
                    Term::Literal(left),
                    operator,
                    Term::Literal(right),
                ))
            }
            _ => Err(incompatible()),
        }
    }

    fn list(&mut self, kind: Kind) -> Result<Vec<Value>, BadQuery> {
        self.expect(&Token::Open)?;
        let mut values = Vec::new();
        loop {
            let token = self.next()?;
            values.push(self.literal(token, kind)?);
            match self.next()? {
                Token::Comma => {}
                Token::Close => return Ok(values),
                other => return Err(BadQuery::new(format!("Expected a list, found {other:?}"))),
            }
        }
    }

    /// Returns a literal as a value of a field's type.
    fn literal(&self, token: &Token, kind: Kind) -> Result<Value, BadQuery> {
        Ok(match (kind, token) {
            (_, Token::Name(name)) if name == "null" => Value::Null,
            (Kind::Boolean, Token::Name(name)) if name == "true" || name == "false" => {
                Value::Flag(name == "true")
            }
            (Kind::Int32 | Kind::Decimal, Token::Number(text)) => {
                Value::Decimal(parse_decimal(text).ok_or_else(incompatible)?)
            }
            (Kind::Text, Token::Text(text)) => Value::owned(text.clone()),
            (Kind::Date, Token::Date(day)) => Value::Date(*day),
            (Kind::Timestamp, Token::Text(text)) if self.quotes_timestamps() => {
                match number(text, self.server)? {
                    (Token::Timestamp(at), "") => Value::Timestamp(at),
                    _ => return Err(incompatible()),
                }
            }
            (Kind::Timestamp, _) if self.quotes_timestamps() => return Err(incompatible()),
            (Kind::Timestamp, Token::Timestamp(at)) => Value::Timestamp(*at),
            (Kind::Timestamp, Token::Date(day)) => Value::Timestamp(day * 86_400_000),
            (Kind::Enumeration(e), token) => Value::Members(e, self.members(token, e)?),
            _ => return Err(incompatible()),
        })
    }

    fn quotes_timestamps(&self) -> bool {
        self.table.set != Set::Deleted && self.server.has(Behaviour::TimestampsQuoted)
    }

    fn members(&self, token: &Token, e: &Enumeration) -> Result<u128, BadQuery> {
        let text = match token {
            Token::Enumeration(name, text) if name == e.name => text,
            Token::Text(text) if self.server.enumeration_strings => text,
            _ => return Err(incompatible()),
        };
        e.members_of(text).ok_or_else(|| {
            BadQuery::new(format!(
                "The string '{text}' is not a valid enumeration type constant of '{}'",
                e.name
            ))
        })
    }
}

/// Returns the condition of a side without an operator, which must be a boolean.
fn truth(side: Side) -> Result<Predicate, BadQuery> {
    match side {
        Side::Term(term, Kind::Boolean) => Ok(Predicate::True(term)),
        Side::Literal(Token::Name(name)) if name == "true" || name == "false" => {
            Ok(Predicate::True(Term::Literal(Value::Flag(name == "true"))))
        }
        _ => Err(incompatible()),
    }
}

fn constant(token: &Token) -> Result<Value, BadQuery> {
    Ok(match token {
        Token::Name(name) if name == "null" => Value::Null,
        Token::Name(name) => Value::Flag(name == "true"),
        Token::Number(text) => Value::Decimal(parse_decimal(text).ok_or_else(incompatible)?),
        Token::Text(text) => Value::owned(text.clone()),
        Token::Date(day) => Value::Date(*day),
        Token::Timestamp(at) => Value::Timestamp(*at),
        _ => return Err(incompatible()),
    })
}

fn comparable(a: Kind, b: Kind) -> bool {
    match (a, b) {
        (Kind::Enumeration(a), Kind::Enumeration(b)) => a.name == b.name,
        (Kind::Int32 | Kind::Decimal, Kind::Int32 | Kind::Decimal) => true,
        (a, b) => std::mem::discriminant(&a) == std::mem::discriminant(&b),
    }
}

fn incompatible() -> BadQuery {
    BadQuery::new("A binary operator with incompatible types was detected")
}

/// Returns the error for a name that `$metadata` does not declare.
pub fn unknown(name: &str) -> BadQuery {
    BadQuery::new(format!("Unknown property '{name}'"))
}
