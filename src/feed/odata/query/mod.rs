//! OData query text: `$filter`, `$orderby`, `$top` and the like; pure.
//!
//! What comes out is relative to the service's root (`Property?$top=200`) and
//! percent-encoded, so that it can be appended to the root and a `/`.

mod filter;
#[cfg(test)]
mod tests;

pub use filter::{
    Literal, Precision, and, eq, ge, group, gt, is_in, le, lt, or, timestamp_literal,
};

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
