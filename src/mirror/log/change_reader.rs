//! Reading the change log, of any length.

use std::ops::ControlFlow;

use anyhow::Context;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, Statement, ToSql};
use serde::Serialize;

use crate::mirror::Mirror;
use crate::mirror::sql::stored;
use crate::resource::{Resource, folded_name};
use crate::value::Value;

/// A row of `changes`.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ChangeRow {
    /// In order of discovery.
    pub id: i64,
    /// The run that found it.
    pub run_id: i64,
    /// The entity set.
    pub resource: String,
    /// The record's key.
    pub record_key: String,
    /// The listing it concerns.
    pub listing_key: Option<String>,
    /// `insert`, `update`, `delete` or `restore`.
    pub change: String,
    /// For `update`, the field.
    pub field: Option<String>,
    /// For `update`, the value before, in its column's storage form.
    pub old_value: Value,
    /// For `update`, the value after, in its column's storage form.
    pub new_value: Value,
    /// The record's ModificationTimestamp of this change, UTC.
    pub source_timestamp: Option<String>,
    /// When the mirror found it, UTC.
    pub recorded_at: String,
}

/// The categories by which a reader can filter the log. `Status` and `Price` are
/// updates, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeCategory {
    /// A record is new.
    New,
    /// A field changed.
    Updated,
    /// A listing's StandardStatus changed.
    Status,
    /// A listing's ListPrice changed.
    Price,
    /// A record was deleted.
    Deleted,
    /// A record was restored.
    Restored,
}

/// A status change; None means any status. Case and spaces are ignored, because
/// feeds spell a status by its display name or by its member name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusChange {
    /// The status before.
    pub from: Option<String>,
    /// The status after.
    pub to: Option<String>,
}

/// A filter for changes. Each part narrows the result; the default selects all changes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Recorded at this time or later, in storage form.
    pub since: Option<String>,
    /// Changes of this listing, its photos and its other children.
    pub listing: Option<String>,
    /// Changes of records of this resource.
    pub resource: Option<Resource>,
    /// Changes of this field.
    pub field: Option<String>,
    /// Changes in any of these categories; empty for all.
    pub categories: Vec<ChangeCategory>,
    /// Status changes that match this one.
    pub transition: Option<StatusChange>,
    /// At most this number of changes, the newest ones.
    pub newest: Option<u64>,
}

/// Reads the changes that a filter selects, oldest first, up to the change that was the
/// newest when the reader was created.
pub struct ChangeReader<'m> {
    statement: Statement<'m>,
    values: Vec<(&'static str, Sql)>,
    after: i64,
    last: i64,
}

impl ChangeRow {
    /// The columns, in the order of the fields.
    pub const COLUMNS: [&'static str; 11] = [
        "id",
        "run_id",
        "resource",
        "record_key",
        "listing_key",
        "change",
        "field",
        "old_value",
        "new_value",
        "source_timestamp",
        "recorded_at",
    ];

    /// Reads a row that has [`ChangeRow::COLUMNS`].
    pub(in crate::mirror) fn from_row(row: &Row<'_>) -> rusqlite::Result<ChangeRow> {
        Ok(ChangeRow {
            id: row.get(0)?,
            run_id: row.get(1)?,
            resource: row.get(2)?,
            record_key: row.get(3)?,
            listing_key: row.get(4)?,
            change: row.get(5)?,
            field: row.get(6)?,
            old_value: stored(row, 7).to_owned(),
            new_value: stored(row, 8).to_owned(),
            source_timestamp: row.get(9)?,
            recorded_at: row.get(10)?,
        })
    }
}

impl Mirror {
    /// Starts to read the changes that a filter selects.
    pub fn read_changes(&self, wanted: &ChangeFilter) -> anyhow::Result<ChangeReader<'_>> {
        let (conditions, values) = wanted.conditions();
        let mut reader = ChangeReader {
            statement: self.connection.prepare(&format!(
                "SELECT {} FROM changes
                 WHERE id > :after AND id <= :last{conditions} ORDER BY id",
                ChangeRow::COLUMNS.join(", ")
            ))?,
            values,
            after: 0,
            last: self.newest_change()?,
        };
        // A listing's index is already in the order of the log.
        if let (Some(since), None) = (&wanted.since, &wanted.listing) {
            reader.after = self.first_change_since(since)?.unwrap_or(i64::MAX) - 1;
        }
        if let Some(newest) = wanted.newest {
            let newest = i64::try_from(newest).unwrap_or(i64::MAX);
            let first = self.first_of_newest(&conditions, &reader, newest)?;
            reader.after = first.unwrap_or(i64::MAX) - 1;
        }
        Ok(reader)
    }

    /// Returns the id of the first change recorded at a time or later. The clock may
    /// have been set back, so the whole range of the index is searched.
    fn first_change_since(&self, since: &str) -> rusqlite::Result<Option<i64>> {
        self.connection.query_row(
            "SELECT min(+id) FROM changes WHERE recorded_at >= :since",
            &[(":since", since)],
            |row| row.get(0),
        )
    }

    /// Returns the id of the first of the `newest` changes that a reader would read.
    fn first_of_newest(
        &self,
        conditions: &str,
        reader: &ChangeReader<'_>,
        newest: i64,
    ) -> rusqlite::Result<Option<i64>> {
        let mut parameters = reader.parameters();
        parameters.push((":newest", &newest));
        self.connection.query_row(
            &format!(
                "SELECT min(id) FROM
                 (SELECT id FROM changes WHERE id > :after AND id <= :last{conditions}
                  ORDER BY id DESC LIMIT :newest)"
            ),
            &*parameters,
            |row| row.get(0),
        )
    }
}

/// Returns the changes that an SQL condition selects.
pub(super) fn entries(
    db: &Connection,
    condition: &str,
    parameters: &[&dyn ToSql],
) -> rusqlite::Result<Vec<ChangeRow>> {
    let columns = ChangeRow::COLUMNS.join(", ");
    db.prepare(&format!("SELECT {columns} FROM changes WHERE {condition}"))?
        .query_map(parameters, ChangeRow::from_row)?
        .collect()
}

impl ChangeReader<'_> {
    /// Passes the next changes to `each`, one by one, until it breaks or there are no
    /// more. Returns whether there may be more. Between two calls the reader holds no
    /// lock, so that a slow reader does not keep a sync from truncating the write-ahead
    /// log.
    pub fn read(
        &mut self,
        mut each: impl FnMut(&ChangeRow) -> anyhow::Result<ControlFlow<()>>,
    ) -> anyhow::Result<bool> {
        let (mut after, mut is_broken_off) = (self.after, false);
        let parameters = parameters(&self.values, &self.after, &self.last);
        let mut rows = self.statement.query(&*parameters).context(READING)?;
        while let Some(row) = rows.next().context(READING)? {
            let row = ChangeRow::from_row(row).context(READING)?;
            after = row.id;
            is_broken_off = each(&row)?.is_break();
            if is_broken_off {
                break;
            }
        }
        drop(rows);
        self.after = after;
        Ok(is_broken_off && after < self.last)
    }

    fn parameters(&self) -> Vec<(&'static str, &dyn ToSql)> {
        parameters(&self.values, &self.after, &self.last)
    }
}

const READING: &str = "reading the change log";

fn parameters<'a>(
    values: &'a [(&'static str, Sql)],
    after: &'a i64,
    last: &'a i64,
) -> Vec<(&'static str, &'a dyn ToSql)> {
    let range: [(&str, &dyn ToSql); 2] = [(":after", after), (":last", last)];
    let values = values.iter().map(|(name, value)| (*name, value as _));
    values.chain(range).collect()
}

impl ChangeFilter {
    /// Returns further conditions of a query, and their values.
    fn conditions(&self) -> (String, Vec<(&'static str, Sql)>) {
        let mut sql = String::new();
        let mut values = Vec::new();
        let mut narrow = |condition: &str, name: &'static str, value: &str| {
            sql += &format!(" AND {condition}");
            values.push((name, Sql::Text(value.to_owned())));
        };
        if let Some(since) = &self.since {
            // The unary plus avoids the index on this column, which is not in the order
            // of the log.
            narrow("+recorded_at >= :since", ":since", since);
        }
        if let Some(listing) = &self.listing {
            narrow("listing_key = :listing", ":listing", listing);
        }
        if let Some(resource) = self.resource {
            narrow("resource = :resource", ":resource", resource.entity_set());
        }
        if let Some(field) = &self.field {
            narrow("field = :field", ":field", field);
        }
        if let Some(transition) = &self.transition {
            let ends = [
                (&transition.from, "old_value", ":from"),
                (&transition.to, "new_value", ":to"),
            ];
            for (status, column, name) in ends {
                if let Some(status) = status {
                    let folded = format!("lower(replace({column}, ' ', '')) = {name}");
                    narrow(&folded, name, &folded_name(status).collect::<String>());
                }
            }
            sql += &format!(" AND {}", ChangeCategory::Status.condition());
        }
        if !self.categories.is_empty() {
            let any: Vec<&str> = self.categories.iter().map(|one| one.condition()).collect();
            sql += &format!(" AND ({})", any.join(" OR "));
        }
        (sql, values)
    }
}

impl ChangeCategory {
    fn condition(self) -> &'static str {
        match self {
            ChangeCategory::New => "change = 'insert'",
            ChangeCategory::Updated => "change = 'update'",
            ChangeCategory::Status => "(change = 'update' AND field = 'StandardStatus')",
            ChangeCategory::Price => "(change = 'update' AND field = 'ListPrice')",
            ChangeCategory::Deleted => "change = 'delete'",
            ChangeCategory::Restored => "change = 'restore'",
        }
    }
}
