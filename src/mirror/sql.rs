//! SQL identifiers, and values of parameters and columns.

use rusqlite::types::{ToSqlOutput, ValueRef as SqlRef};
use rusqlite::{Row, ToSql};

use crate::value::ValueRef;

/// Quotes an identifier for SQL.
pub(super) fn quoted(name: &str) -> String {
    ["\"", &name.replace('"', "\"\""), "\""].concat()
}

/// A value that can be bound to a parameter.
pub(super) struct SqlValue<'a>(pub ValueRef<'a>);

impl ToSql for SqlValue<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self.0 {
            ValueRef::Null => SqlRef::Null,
            ValueRef::Integer(number) => SqlRef::Integer(number),
            ValueRef::Real(number) => SqlRef::Real(number),
            ValueRef::Text(text) => SqlRef::Text(text.as_bytes()),
        }))
    }
}

/// Returns a column's value.
pub(super) fn stored<'r>(row: &'r Row<'_>, column: usize) -> ValueRef<'r> {
    match row.get_ref_unwrap(column) {
        SqlRef::Null => ValueRef::Null,
        SqlRef::Integer(number) => ValueRef::Integer(number),
        SqlRef::Real(number) => ValueRef::Real(number),
        // The mirror writes no blobs and no invalid UTF-8. Another program wrote
        // this value; the replacement differs from every value of the feed.
        SqlRef::Text(bytes) | SqlRef::Blob(bytes) => {
            ValueRef::Text(std::str::from_utf8(bytes).unwrap_or("\0"))
        }
    }
}
