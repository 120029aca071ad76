//! OData query text: `$filter`, `$orderby`, `$top` and the like; pure.
//!
//! What comes out is relative to the service's root (`Property?$top=200`) and
//! percent-encoded, so that it can be appended to the root and a `/`.

use std::fmt;

/// The order of `$orderby`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// A navigation property to bring along with every record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// The navigation property.
    pub name: String,
    /// The fields to bring; empty for all.
    pub select: Vec<String>,
}

/// A request for records of one entity set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    set: String,
    filter: Option<String>,
    order: Vec<(String, Order)>,
    top: Option<u64>,
    skip: Option<u64>,
    count: bool,
    select: Vec<String>,
    expand: Vec<Expand>,
}

impl Query {
    /// Every record of an entity set, in the server's order.
    pub fn of(set: impl Into<String>) -> Query {
        Query {
            set: set.into(),
            filter: None,
            order: Vec::new(),
            top: None,
            skip: None,
            count: false,
            select: Vec::new(),
            expand: Vec::new(),
        }
    }

    /// Only records for which the expression holds; an empty one asks for all.
    /// A second call replaces the first: join with [`and`].
    pub fn filter(mut self, expression: impl Into<String>) -> Query {
        let expression = expression.into();
        self.filter = Some(expression).filter(|text| !text.trim().is_empty());
        self
    }

    /// In the order of a field; a further call orders what ties in those before.
    pub fn order_by(mut self, field: impl Into<String>, order: Order) -> Query {
        self.order.push((field.into(), order));
        self
    }

    /// At most this many records. Some servers take it for the page size,
    /// others for the whole answer.
    pub fn top(mut self, records: u64) -> Query {
        self.top = Some(records);
        self
    }

    /// Without the first so many records.
    pub fn skip(mut self, records: u64) -> Query {
        self.skip = Some(records);
        self
    }

    /// With `@odata.count`, the number of records that match.
    pub fn count(mut self) -> Query {
        self.count = true;
        self
    }

    /// Only these fields; none for all.
    pub fn select<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Query {
        self.select = fields.into_iter().map(Into::into).collect();
        self
    }

    /// With what these navigation properties lead to.
    pub fn expand(mut self, expands: impl IntoIterator<Item = Expand>) -> Query {
        self.expand = expands.into_iter().collect();
        self
    }

    /// The text to append to the service's root and a `/`, percent-encoded:
    /// `Property?$filter=ListPrice%20gt%201&$top=200`.
    pub fn to_path_and_query(&self) -> String {
        let mut text = encoded(&self.set, IN_PATH);
        let mut separator = '?';
        for (option, value) in self.options() {
            text.push(separator);
            text.push_str(option);
            text.push('=');
            text.push_str(&value);
            separator = '&';
        }
        text
    }

    /// The system query options with their encoded values.
    fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = Vec::new();
        if let Some(filter) = &self.filter {
            options.push(("$filter", encoded(filter, IN_QUERY)));
        }
        if !self.order.is_empty() {
            let parts = self.order.iter().map(|(field, order)| match order {
                Order::Asc => field.clone(),
                Order::Desc => format!("{field} desc"),
            });
            let parts: Vec<String> = parts.collect();
            options.push(("$orderby", encoded(&parts.join(","), IN_QUERY)));
        }
        if let Some(top) = self.top {
            options.push(("$top", top.to_string()));
        }
        if let Some(skip) = self.skip {
            options.push(("$skip", skip.to_string()));
        }
        if self.count {
            options.push(("$count", "true".to_owned()));
        }
        if !self.select.is_empty() {
            options.push(("$select", encoded(&self.select.join(","), IN_QUERY)));
        }
        if !self.expand.is_empty() {
            let parts: Vec<String> = self.expand.iter().map(Expand::encoded).collect();
            options.push(("$expand", parts.join(",")));
        }
        options
    }
}

impl Expand {
    fn encoded(&self) -> String {
        let name = encoded(&self.name, IN_QUERY);
        if self.select.is_empty() {
            return name;
        }
        let select = encoded(&self.select.join(","), IN_QUERY);
        format!("{name}($select={select})")
    }
}

/// The key of one record, as a URL names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyLiteral {
    /// `1234`
    Int(i64),
    /// `'1234'`
    Text(String),
}

/// The address of one record, relative to the service's root and
/// percent-encoded: `Property(1234)`, `Media('a%2Fb')`.
pub fn entity(set: &str, key: &KeyLiteral) -> String {
    let key = match key {
        KeyLiteral::Int(number) => Literal::Int(*number),
        KeyLiteral::Text(text) => Literal::Text(text.clone()),
    };
    encoded(&format!("{set}({key})"), IN_PATH)
}

/// A value in a filter; `Display` writes it as OData has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Literal {
    /// A whole number.
    Int(i64),
    /// Text, which is quoted and its quotes doubled.
    Text(String),
    /// A timestamp as [`timestamp_literal`] gives it; never quoted.
    Timestamp(String),
    /// What stands as it is: an enumeration's `Ns.Enum'Member'`, a decimal, `null`.
    Raw(String),
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Int(number) => write!(f, "{number}"),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
            Literal::Timestamp(text) | Literal::Raw(text) => f.write_str(text),
        }
    }
}

/// `field eq value`.
pub fn eq(field: &str, value: &Literal) -> String {
    format!("{field} eq {value}")
}

/// `field gt value`.
pub fn gt(field: &str, value: &Literal) -> String {
    format!("{field} gt {value}")
}

/// `field ge value`.
pub fn ge(field: &str, value: &Literal) -> String {
    format!("{field} ge {value}")
}

/// `field lt value`.
pub fn lt(field: &str, value: &Literal) -> String {
    format!("{field} lt {value}")
}

/// `field le value`.
pub fn le(field: &str, value: &Literal) -> String {
    format!("{field} le {value}")
}

/// Whether the field is one of the values, as `or` of `eq`: `in` came with
/// OData 4.01 and older servers refuse it. No values match no record.
pub fn is_in(field: &str, values: &[Literal]) -> String {
    match values {
        [] => "false".to_owned(),
        values => or(values.iter().map(|value| eq(field, value))),
    }
}

/// An expression that somebody else wrote, made safe to join: `(text)`.
/// Empty text stays empty, which [`and`] leaves out.
pub fn group(expression: &str) -> String {
    match expression.trim() {
        "" => String::new(),
        text => format!("({text})"),
    }
}

/// All of the parts; empty ones are left out. Parts with an `or` of their own
/// must come from [`or`] or [`group`].
pub fn and<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    joined(parts, " and ").0
}

/// Any of the parts, in parentheses when there are several.
pub fn or<S: AsRef<str>>(parts: impl IntoIterator<Item = S>) -> String {
    match joined(parts, " or ") {
        (text, 2..) => format!("({text})"),
        (text, _) => text,
    }
}

/// The parts that say something, and how many they are.
fn joined<S: AsRef<str>>(parts: impl IntoIterator<Item = S>, word: &str) -> (String, usize) {
    let mut text = String::new();
    let mut count = 0;
    for part in parts {
        let part = part.as_ref();
        if part.is_empty() {
            continue;
        }
        if count > 0 {
            text.push_str(word);
        }
        text.push_str(part);
        count += 1;
    }
    (text, count)
}

/// How fine a timestamp is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Precision {
    /// With the fraction that it has, if any.
    AsStored,
    /// With exactly three digits, for servers that compare timestamps as text.
    /// Finer ones are cut off, never rounded up.
    Millis,
}

/// A timestamp in storage form, `2026-01-02 03:04:05[.fff]` in UTC, as an OData
/// literal: `2026-01-02T03:04:05Z`. Text of another form passes through with
/// the same replacements.
pub fn timestamp_literal(stored: &str, precision: Precision) -> String {
    let moment = stored.trim().trim_end_matches('Z').replacen(' ', "T", 1);
    match precision {
        Precision::AsStored => format!("{moment}Z"),
        Precision::Millis => {
            let (second, fraction) = moment.split_once('.').unwrap_or((&moment, ""));
            let digits: String = fraction.chars().take(3).collect();
            format!("{second}.{digits:0<3}Z")
        }
    }
}

/// What a path segment may hold as it is besides letters and digits (RFC 3986,
/// `pchar`); `+` is encoded for servers that take it for a space.
const IN_PATH: &[u8] = b"-._~!$&'()*,;=:@";

/// What the value of a query option may hold as it is. `&`, `=`, `;` and `+`
/// mean something to servers that split it, so they are encoded.
const IN_QUERY: &[u8] = b"-._~!$'()*,:@/?";

fn encoded(text: &str, kept: &[u8]) -> String {
    let mut encoded = String::with_capacity(text.len() + text.len() / 4);
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(value: &str) -> Literal {
        Literal::Text(value.to_owned())
    }

    #[test]
    fn a_query_writes_its_options_encoded_and_readable() {
        let cases = [
            (Query::of("Property"), "Property"),
            (Query::of("Property").filter("  "), "Property"),
            (
                Query::of("Property").top(200).skip(400).count(),
                "Property?$top=200&$skip=400&$count=true",
            ),
            (
                Query::of("Property")
                    .filter(gt("ListingKeyNumeric", &Literal::Int(12)))
                    .order_by("ListingKeyNumeric", Order::Asc)
                    .top(200),
                "Property?$filter=ListingKeyNumeric%20gt%2012&$orderby=ListingKeyNumeric&$top=200",
            ),
            (
                Query::of("Property")
                    .order_by("ModificationTimestamp", Order::Asc)
                    .order_by("ListingKey", Order::Desc)
                    .select(["ListingKey", "ListPrice"]),
                "Property?$orderby=ModificationTimestamp,ListingKey%20desc&$select=ListingKey,ListPrice",
            ),
            (
                Query::of("Property").expand([
                    Expand {
                        name: "Media".into(),
                        select: vec!["MediaKey".into(), "MediaURL".into()],
                    },
                    Expand {
                        name: "OpenHouse".into(),
                        select: vec![],
                    },
                ]),
                "Property?$expand=Media($select=MediaKey,MediaURL),OpenHouse",
            ),
            (
                Query::of("Property").filter(eq("City", &text("O'Neil & Söhne+=#%"))),
                "Property?$filter=City%20eq%20'O''Neil%20%26%20S%C3%B6hne%2B%3D%23%25'",
            ),
            (
                Query::of("Property")
                    .filter("StandardStatus eq Odata.Models.StandardStatus'Active'"),
                "Property?$filter=StandardStatus%20eq%20Odata.Models.StandardStatus'Active'",
            ),
            (
                Query::of("Property")
                    .filter(ge("M", &Literal::Timestamp("2026-01-02T03:04:05Z".into()))),
                "Property?$filter=M%20ge%202026-01-02T03:04:05Z",
            ),
        ];
        for (query, expected) in cases {
            assert_eq!(query.to_path_and_query(), expected);
        }
    }

    #[test]
    fn a_record_is_named_by_its_key() {
        let cases = [
            (KeyLiteral::Int(1234), "Property(1234)"),
            (KeyLiteral::Text("1234".into()), "Property('1234')"),
            (KeyLiteral::Text("a'b".into()), "Property('a''b')"),
            (
                KeyLiteral::Text("a/b?c#d e%+".into()),
                "Property('a%2Fb%3Fc%23d%20e%25%2B')",
            ),
            (KeyLiteral::Text("é".into()), "Property('%C3%A9')"),
        ];
        for (key, expected) in cases {
            assert_eq!(entity("Property", &key), expected);
        }
    }

    #[test]
    fn filters_join_without_changing_what_their_parts_mean() {
        let after = Literal::Timestamp("2026-01-02T03:04:05Z".into());
        let tie = and([eq("M", &after), gt("K", &text("a'b"))]);
        let cases = [
            (and(Vec::<String>::new()), ""),
            (
                and(["a eq 1".to_owned(), group(""), "b eq 2".to_owned()]),
                "a eq 1 and b eq 2",
            ),
            (
                and([group("a eq 1 or b eq 2"), le("c", &Literal::Int(-3))]),
                "(a eq 1 or b eq 2) and c le -3",
            ),
            (
                or([gt("M", &after), tie]),
                "(M gt 2026-01-02T03:04:05Z or M eq 2026-01-02T03:04:05Z and K gt 'a''b')",
            ),
            (or(["a eq 1"]), "a eq 1"),
            (lt("a", &Literal::Raw("null".into())), "a lt null"),
            (is_in("K", &[]), "false"),
            (is_in("K", &[Literal::Int(1)]), "K eq 1"),
            (
                is_in("K", &[text("a"), text("b")]),
                "(K eq 'a' or K eq 'b')",
            ),
        ];
        for (filter, expected) in cases {
            assert_eq!(filter, expected);
        }
    }

    #[test]
    fn timestamps_are_written_as_the_server_compares_them() {
        let cases = [
            (
                "2026-01-02 03:04:05",
                "2026-01-02T03:04:05Z",
                "2026-01-02T03:04:05.000Z",
            ),
            (
                "2026-01-02 03:04:05.5",
                "2026-01-02T03:04:05.5Z",
                "2026-01-02T03:04:05.500Z",
            ),
            (
                "2026-01-02 03:04:05.123987",
                "2026-01-02T03:04:05.123987Z",
                "2026-01-02T03:04:05.123Z",
            ),
            (
                "2026-01-02T03:04:05Z",
                "2026-01-02T03:04:05Z",
                "2026-01-02T03:04:05.000Z",
            ),
        ];
        for (stored, as_stored, millis) in cases {
            assert_eq!(timestamp_literal(stored, Precision::AsStored), as_stored);
            assert_eq!(timestamp_literal(stored, Precision::Millis), millis);
        }
    }
}
