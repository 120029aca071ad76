//! Writes the data files of a table, and the actions of its commit.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context;
use chrono::Utc;

use super::column::parquet_schema;
use super::column_type::Cell;
use super::data_file::{DataFile, WrittenFile};
use super::delta::{Action, Add, CommitInfo, Metadata, Protocol, Remove, TableState};
use super::export_settings::{ExportStep, RowsPerFile};
use super::file_range::{compare, range_tags};
use super::table_plan::{Segment, TablePlan};
use crate::mirror::{ExportRow, ExportTable, PublishedTable, ReadTx};
use crate::value::{Value, ValueRef};

/// The number of rows between two chances to stop.
const ROWS_PER_STEP: u64 = 2_000;

/// Writes the data files of one table.
pub(super) struct TableWriter<'w> {
    pub tx: &'w ReadTx<'w>,
    pub table: &'w ExportTable,
    pub plan: &'w TablePlan,
    /// The folder of the table.
    pub folder: &'w Path,
    pub mirror_name: &'w str,
    pub run_id: &'w str,
    pub rows_per_file: RowsPerFile,
    pub step: &'w dyn Fn(ExportStep<'_>) -> anyhow::Result<()>,
}

/// A version of a table whose data files are complete.
pub(super) struct Draft {
    pub published: PublishedTable,
    pub actions: Vec<Action>,
    /// The state of the table after the commit.
    pub state: TableState,
    pub written_rows: u64,
    pub written_bytes: u64,
}

impl TableWriter<'_> {
    /// Writes the data files and returns the version to publish.
    pub fn write(&self) -> anyhow::Result<Draft> {
        std::fs::create_dir_all(self.folder)
            .with_context(|| format!("creating {}", self.folder.display()))?;
        let now = Utc::now().timestamp_millis();
        let mut added = Vec::new();
        for segment in &self.plan.segments {
            self.write_segment(segment, now, &mut added)?;
        }
        super::delta::flush_folder(self.folder)?;
        let mut actions = vec![Action::CommitInfo(self.commit_info(now))];
        if self.plan.state.is_none() {
            actions.push(Action::Protocol(Protocol {
                min_reader_version: 1,
                min_writer_version: 2,
            }));
        }
        actions.extend(self.metadata(now).map(Action::MetaData));
        for segment in &self.plan.segments {
            actions.extend(removes(segment, now));
        }
        let written_rows = added.iter().map(Add::rows).sum();
        let written_bytes = added.iter().map(|add| add.size.unsigned_abs()).sum();
        actions.extend(added.into_iter().map(Action::Add));

        let mut state = self.plan.state.clone().unwrap_or_default();
        let is_first = self.plan.state.is_none();
        let version = if is_first { 0 } else { state.version + 1 };
        state.apply(version, actions.iter().cloned());
        let ranges = self
            .plan
            .segments
            .iter()
            .map(|segment| segment.range.clone());
        Ok(Draft {
            published: PublishedTable {
                name: self.table.name.clone(),
                version,
                rows: state.rows(),
                ranges: ranges.collect(),
            },
            actions,
            state,
            written_rows,
            written_bytes,
        })
    }

    fn commit_info(&self, now: i64) -> CommitInfo {
        let mode = if self.plan.is_whole {
            "Overwrite"
        } else {
            "Append"
        };
        CommitInfo {
            timestamp: now,
            operation: "WRITE".to_owned(),
            operation_parameters: BTreeMap::from([("mode".to_owned(), mode.into())]),
            engine_info: concat!("mlsmirror/", env!("CARGO_PKG_VERSION")).to_owned(),
            run_id: Some(self.run_id.to_owned()),
        }
    }

    /// Returns the new schema, if it changed. The table keeps its id.
    fn metadata(&self, now: i64) -> Option<Metadata> {
        let schema_string = self.plan.new_schema.clone()?;
        let earlier = self
            .plan
            .state
            .as_ref()
            .and_then(|state| state.metadata.clone());
        if let Some(earlier) = earlier {
            return Some(Metadata {
                schema_string,
                ..earlier
            });
        }
        Some(Metadata::new(
            uuid(),
            self.table.name.clone(),
            schema_string,
            now,
        ))
    }

    /// Writes the rows of a range, in one file or in files of about the same size.
    fn write_segment(
        &self,
        segment: &Segment,
        now: i64,
        added: &mut Vec<Add>,
    ) -> anyhow::Result<()> {
        let wanted = if self.table.is_parent {
            self.rows_per_file.parents
        } else {
            self.rows_per_file.others
        };
        let count = self.tx.count_export_rows(self.table, &segment.range)?;
        let files = if count > 2 * wanted {
            count.div_ceil(wanted)
        } else {
            1
        };
        let rows_per_file = count.div_ceil(files);

        let schema = parquet_schema(&self.plan.columns)?;
        let mut file: Option<OpenFile<'_>> = None;
        let mut finish = |file: OpenFile<'_>| -> anyhow::Result<()> {
            (self.step)(ExportStep::File(&self.table.name))?;
            added.push(file.finish(now, segment.changes_rows)?);
            Ok(())
        };
        let mut rows = 0;
        let mut names = 0;
        self.tx.export_rows(self.table, &segment.range, |row| {
            if rows % ROWS_PER_STEP == 0 {
                (self.step)(ExportStep::Rows(&self.table.name))?;
            }
            rows += 1;
            // The rows of one listing stay in one file.
            if let Some(full) = file.take_if(|file| {
                file.rows >= rows_per_file && compare(file.last.as_ref(), row.cluster()).is_ne()
            }) {
                finish(full)?;
            }
            let open = match &mut file {
                Some(open) => open,
                none => {
                    names += 1;
                    let name = self.file_name(segment, names);
                    let data =
                        DataFile::create(self.folder, &name, schema.clone(), &self.plan.columns)?;
                    none.insert(OpenFile::new(name, data, row.cluster()))
                }
            };
            self.add_row(open, &row)
        })?;
        file.map_or(Ok(()), finish)
    }

    /// Returns the name of a data file. It occurs in no other export.
    fn file_name(&self, segment: &Segment, file: usize) -> String {
        let at = self
            .plan
            .segments
            .iter()
            .position(|other| std::ptr::eq(other, segment));
        format!(
            "part-{:05}-{file:05}-{}.zstd.parquet",
            at.unwrap_or(0),
            self.run_id
        )
    }

    fn add_row(&self, file: &mut OpenFile<'_>, row: &ExportRow<'_>) -> anyhow::Result<()> {
        file.rows += 1;
        if compare(file.last.as_ref(), row.cluster()).is_ne() {
            file.last = row.cluster().to_owned();
        }
        file.data.add(|at, column| {
            // The name of the mirror is the first column.
            let Some(at) = at.checked_sub(1) else {
                return Ok(Some(Cell::Text(self.mirror_name.into())));
            };
            let value = row.value(at);
            if matches!(value, ValueRef::Null) {
                return Ok(None);
            }
            let Ok(cell) = column.column_type.cell(value) else {
                self.tx.note_misfit(self.table, row, &column.name, value)?;
                return Ok(None);
            };
            Ok(Some(cell))
        })
    }
}

/// A data file that gets rows, with the keys of its first and its last row.
struct OpenFile<'c> {
    name: String,
    data: DataFile<'c>,
    rows: u64,
    first: Value,
    last: Value,
}

impl<'c> OpenFile<'c> {
    fn new(name: String, data: DataFile<'c>, first: ValueRef<'_>) -> OpenFile<'c> {
        OpenFile {
            name,
            data,
            rows: 0,
            first: first.to_owned(),
            last: first.to_owned(),
        }
    }

    fn finish(self, now: i64, data_change: bool) -> anyhow::Result<Add> {
        let WrittenFile { bytes, stats, .. } = self.data.finish()?;
        Ok(Add {
            path: self.name,
            partition_values: BTreeMap::new(),
            size: bytes as i64,
            modification_time: now,
            data_change,
            stats: Some(stats),
            tags: Some(range_tags(&self.first, &self.last)),
        })
    }
}

fn removes(segment: &Segment, now: i64) -> impl Iterator<Item = Action> + '_ {
    segment.replaced.iter().map(move |file| {
        Action::Remove(Remove {
            path: file.path.clone(),
            deletion_timestamp: Some(now),
            data_change: segment.changes_rows,
            size: Some(file.size),
        })
    })
}

/// Returns a random UUID, version 4.
fn uuid() -> String {
    let random = fastrand::u128(..) & !(0xf << 76) & !(0x3 << 62) | (0x4 << 76) | (0x2 << 62);
    let digits = format!("{random:032x}");
    [0..8, 8..12, 12..16, 16..20, 20..32]
        .map(|part| &digits[part])
        .join("-")
}
