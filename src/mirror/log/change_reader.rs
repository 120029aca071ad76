//! Reading the change log, however long it is.

use std::ops::ControlFlow;

use anyhow::Context;
use rusqlite::types::Value as Sql;
use rusqlite::{Connection, Row, Statement, ToSql};
use serde::Serialize;

use crate::mirror::Mirror;
use crate::mirror::sql::stored;
use crate::resource::{Resource, folded_status};
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
    /// The record's ModificationTimestamp that brought it, UTC.
    pub source_timestamp: Option<String>,
    /// When the mirror found it, UTC.
    pub recorded_at: String,
}

/// What a reader can ask the log for. `status` and `price` are updates, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChangeCategory {
    /// A record came.
    New,
    /// A field changed.
    Updated,
    /// A listing's StandardStatus changed.
    Status,
    /// A listing's ListPrice changed.
    Price,
    /// A record went.
    Deleted,
    /// A record came back.
    Restored,
}

/// From one status to another; None stands for any. Case and spaces do not
/// matter: one feed spells a status by its display name, another by its
/// member's name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatusChange {
    /// The status before.
    pub from: Option<String>,
    /// The status after.
    pub to: Option<String>,
}

/// Which changes are wanted. Each part narrows; by default all are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChangeFilter {
    /// Recorded at this time or later, in storage form.
    pub since: Option<String>,
    /// Of this listing, its photos and other children included.
    pub listing: Option<String>,
    /// Of records of this resource.
    pub resource: Option<Resource>,
    /// Of this field.
    pub field: Option<String>,
    /// Any of these; empty for all.
    pub categories: Vec<ChangeCategory>,
    /// Changes of status such as this one.
    pub transition: Option<StatusChange>,
    /// Only so many of them, the newest.
    pub newest: Option<u64>,
}

/// Reads the changes that a filter lets through, oldest first, up to the one
/// that was the newest when it was made.
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

    /// From a row that has [`ChangeRow::COLUMNS`].
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
    /// Begins to read the changes that a filter lets through.
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
            last: self.last_change()?.unwrap_or(0),
        };
        // A listing has an index of its own, in the order of the log.
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

    /// The newest change, if there is any.
    fn last_change(&self) -> rusqlite::Result<Option<i64>> {
        self.connection
            .query_row("SELECT max(id) FROM changes", [], |row| row.get(0))
    }

    /// The first change recorded at a time or later. The clock may have been
    /// set back: all of them are looked at, in their index.
    fn first_change_since(&self, since: &str) -> rusqlite::Result<Option<i64>> {
        self.connection.query_row(
            "SELECT min(+id) FROM changes WHERE recorded_at >= :since",
            &[(":since", since)],
            |row| row.get(0),
        )
    }

    /// Where the newest of those that a reader would read begin.
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
    /// Gives the next changes, one by one, until `each` breaks off or there are
    /// no more; tells whether there may be more. Between two calls nothing of
    /// the database is held: a reader who takes his time keeps no sync from
    /// emptying its write-ahead log.
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
    /// As further conditions of a query, and the values in them.
    fn conditions(&self) -> (String, Vec<(&'static str, Sql)>) {
        let mut sql = String::new();
        let mut values = Vec::new();
        let mut narrow = |condition: &str, name: &'static str, value: &str| {
            sql += &format!(" AND {condition}");
            values.push((name, Sql::Text(value.to_owned())));
        };
        if let Some(since) = &self.since {
            // Not by its index, which is not in the order of the log.
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
                    narrow(&folded, name, &folded_status(status).collect::<String>());
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
