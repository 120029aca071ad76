//! Builds the path and query of a request for records.

use crate::config::Replication;

/// The order of `$orderby`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

/// A request for records of one entity set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    set: String,
    endpoint: Option<Replication>,
    filter: Option<String>,
    order: Vec<(String, Order)>,
    top: Option<u64>,
    skip: Option<u64>,
    count: bool,
    select: Vec<String>,
    expand: Vec<String>,
}

impl Query {
    /// Requests all records of an entity set, in the server's order.
    pub fn of(set: impl Into<String>) -> Query {
        Query {
            set: set.into(),
            endpoint: None,
            filter: None,
            order: Vec::new(),
            top: None,
            skip: None,
            count: false,
            select: Vec::new(),
            expand: Vec::new(),
        }
    }

    /// Requests only the records that match an expression. An empty expression matches all.
    /// A second call replaces the first. Join expressions with [`and`](super::and).
    pub fn filter(mut self, expression: impl Into<String>) -> Query {
        let expression = expression.into();
        self.filter = Some(expression).filter(|text| !text.trim().is_empty());
        self
    }

    /// Orders the records by a field. Another call orders records with equal earlier fields.
    pub fn order_by(mut self, field: impl Into<String>, order: Order) -> Query {
        self.order.push((field.into(), order));
        self
    }

    /// Requests the records from an endpoint for a whole copy.
    pub fn replication(mut self, endpoint: Replication) -> Query {
        self.endpoint = Some(endpoint);
        self
    }

    /// Limits the number of records. Some servers apply the limit to each page, others to
    /// all pages together.
    pub fn top(mut self, records: u64) -> Query {
        self.top = Some(records);
        self
    }

    /// Skips this number of records.
    pub fn skip(mut self, records: u64) -> Query {
        self.skip = Some(records);
        self
    }

    /// Requests `@odata.count`, the number of records that match.
    pub fn count(mut self) -> Query {
        self.count = true;
        self
    }

    /// Requests only these fields. An empty list requests all fields.
    pub fn select<S: Into<String>>(mut self, fields: impl IntoIterator<Item = S>) -> Query {
        self.select = fields.into_iter().map(Into::into).collect();
        self
    }

    /// Expands these navigation properties.
    pub fn expand(mut self, navigations: impl IntoIterator<Item = String>) -> Query {
        self.expand = navigations.into_iter().collect();
        self
    }

    /// Returns the text to append to the service root and a `/`, percent-encoded:
    /// `Property?$filter=ListPrice%20gt%201&$top=200`.
    pub fn to_path_and_query(&self) -> String {
        let mut text = encoded(&self.set, IN_PATH);
        let mut separator = '?';
        if let Some(endpoint) = self.endpoint {
            text.push_str(endpoint.suffix);
            if !endpoint.option.is_empty() {
                text.push(separator);
                text.push_str(endpoint.option);
                separator = '&';
            }
        }
        for (option, value) in self.options() {
            text.push(separator);
            text.push_str(option);
            text.push('=');
            text.push_str(&value);
            separator = '&';
        }
        text
    }

    /// Returns the system query options with their encoded values.
    fn options(&self) -> Vec<(&'static str, String)> {
        let mut options = Vec::new();
        if let Some(filter) = &self.filter {
            options.push(("$filter", encoded(filter, IN_QUERY)));
        }
        if !self.order.is_empty() {
            let parts: Vec<String> = self
                .order
                .iter()
                .map(|(field, order)| match order {
                    Order::Asc => field.clone(),
                    Order::Desc => format!("{field} desc"),
                })
                .collect();
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
            options.push(("$expand", encoded(&self.expand.join(","), IN_QUERY)));
        }
        options
    }
}

/// The characters of a path segment that need no encoding, in addition to letters and
/// digits (RFC 3986, `pchar`). `+` is encoded, because some servers read it as a space.
const IN_PATH: &[u8] = b"-._~!$&'()*,;=:@";

/// The characters of a query option's value that need no encoding. `&`, `=`, `;` and `+`
/// are encoded, because they have a meaning for servers that split the query.
const IN_QUERY: &[u8] = b"-._~!$'()*,:@/?";

/// Percent-encodes all bytes other than letters, digits and `kept`.
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
