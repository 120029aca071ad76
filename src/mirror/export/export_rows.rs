//! Reads the rows of an exported table in the order of their clusters.

use rusqlite::{Row, params_from_iter};

use super::export_table::ExportTable;
use crate::mirror::ReadTx;
use crate::mirror::sql::{SqlValue, quoted, stored};
use crate::value::{Value, ValueRef};

/// The clusters from a key on and before another one. Without a start, rows without a key
/// belong to the range.
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    /// The first key of the range.
    pub from: Option<Value>,
    /// The first key after the range.
    pub to: Option<Value>,
}

/// One row of an exported table.
pub struct ExportRow<'r> {
    row: &'r Row<'r>,
}

/// The columns that precede the table's own in a query.
const LEADING: usize = 2;

impl<'r> ExportRow<'r> {
    /// Returns the key of the row's cluster.
    pub fn cluster(&self) -> ValueRef<'r> {
        stored(self.row, 0)
    }

    /// Returns the key of the row.
    pub fn record_key(&self) -> ValueRef<'r> {
        stored(self.row, 1)
    }

    /// Returns the value of a column by its position in [`ExportTable::columns`].
    pub fn value(&self, column: usize) -> ValueRef<'r> {
        stored(self.row, column + LEADING)
    }
}

impl KeyRange {
    /// Returns the conditions that together select the range, each with rows in the order of
    /// their clusters. A condition with `OR` would lose the order.
    fn conditions(&self, cluster: &str) -> Vec<String> {
        match (&self.from, &self.to) {
            (None, None) => vec!["1".to_owned()],
            (None, Some(_)) => vec![format!("{cluster} IS NULL"), format!("{cluster} < ?1")],
            (Some(_), None) => vec![format!("{cluster} >= ?1")],
            (Some(_), Some(_)) => vec![format!("{cluster} >= ?1 AND {cluster} < ?2")],
        }
    }

    fn parameters<'v>(&'v self, condition: &str) -> Vec<SqlValue<'v>> {
        let bounds = self.from.iter().chain(&self.to);
        let used = bounds.filter(|_| condition.contains('?'));
        used.map(|bound| SqlValue(bound.as_ref())).collect()
    }
}

impl ReadTx<'_> {
    /// Calls `each` with every row of a range, in the order of the clusters.
    pub fn export_rows(
        &self,
        table: &ExportTable,
        range: &KeyRange,
        mut each: impl FnMut(ExportRow<'_>) -> anyhow::Result<()>,
    ) -> anyhow::Result<()> {
        let columns = table.columns.iter().map(|(name, _)| quoted(name));
        let columns: Vec<String> = columns.collect();
        for condition in range.conditions(&table.cluster) {
            let sql = format!(
                "SELECT {cluster}, {key}, {} FROM {} WHERE {condition} AND {} ORDER BY {cluster}",
                columns.join(", "),
                self.source(table)?,
                table.condition,
                cluster = table.cluster,
                key = table.record_key,
            );
            let mut statement = self.transaction.prepare(&sql)?;
            let parameters = params_from_iter(range.parameters(&condition));
            let mut rows = statement.query(parameters)?;
            while let Some(row) = rows.next()? {
                each(ExportRow { row })?;
            }
        }
        Ok(())
    }

    /// Returns the number of rows of a range.
    pub fn count_export_rows(
        &self,
        table: &ExportTable,
        range: &KeyRange,
    ) -> rusqlite::Result<u64> {
        let mut count = 0;
        for condition in range.conditions(&table.cluster) {
            let sql = format!(
                "SELECT count(*) FROM {} WHERE {condition} AND {}",
                self.source(table)?,
                table.condition
            );
            let parameters = params_from_iter(range.parameters(&condition));
            let some: i64 = (self.transaction).query_row(&sql, parameters, |row| row.get(0))?;
            count += some.unsigned_abs();
        }
        Ok(count)
    }

    /// Returns the table with the index that has its rows in the order of the clusters.
    /// Otherwise SQLite may sort all rows.
    fn source(&self, table: &ExportTable) -> rusqlite::Result<String> {
        let index = format!("{}_by_listing", table.source);
        let is_indexed = table.cluster == quoted("listing_key")
            && self
                .transaction
                .prepare_cached(
                    "SELECT 1 FROM sqlite_schema
                     WHERE type = 'index' AND name = ?1 AND tbl_name = ?2",
                )?
                .exists([&index, &table.source])?;
        Ok(if is_indexed {
            format!("{} INDEXED BY {index}", table.source)
        } else {
            table.source.clone()
        })
    }
}
