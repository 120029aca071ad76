//! What an export has to write of a table. Decided before any file is written.

use super::column::{Column, columns, extends, schema_string};
use super::delta::{Add, TableLog, TableState};
use super::export_settings::RowsPerFile;
use super::file_range::{RangedFile, compare, file_of, in_order};
use crate::mirror::{ExportTable, ExportedVersion, KeyRange, ReadTx};
use crate::value::Value;

/// A log with this many small files at its end gets one file in place of them.
const SMALL_FILES: usize = 32;

/// What an export has to write of a table.
pub(super) struct TablePlan {
    pub columns: Vec<Column>,
    /// The state of the published table. None if it does not exist.
    pub state: Option<TableState>,
    /// The schema, if it is new or differs from the published one.
    pub new_schema: Option<String>,
    /// The ranges to write.
    pub segments: Vec<Segment>,
    /// Whether the table is written whole.
    pub is_whole: bool,
}

/// A range of keys that is written.
#[derive(Debug)]
pub(super) struct Segment {
    pub range: KeyRange,
    /// The files that the new ones replace.
    pub replaced: Vec<Add>,
    /// Whether rows changed. Otherwise small files become a large one.
    pub changes_rows: bool,
}

impl TablePlan {
    /// Plans the export of a table. Notes of changes up to a generation count.
    pub fn of(
        tx: &ReadTx<'_>,
        table: &ExportTable,
        log: &TableLog,
        rows_per_file: RowsPerFile,
        generation: i64,
    ) -> anyhow::Result<TablePlan> {
        let columns = columns(table);
        let schema = schema_string(&columns);
        let state = log.read()?;
        let known = match &state {
            Some(state) if is_known(tx, table, state, &columns)? => in_order(&state.files),
            _ => None,
        };
        let segments = match &known {
            Some(files) => changed_segments(tx, table, files, rows_per_file, generation)?,
            None => Vec::new(),
        };
        let metadata = state.as_ref().and_then(|state| state.metadata.as_ref());
        let is_new = metadata.is_none_or(|metadata| metadata.schema_string != schema);
        let plan = TablePlan {
            columns,
            new_schema: is_new.then_some(schema),
            segments,
            is_whole: false,
            state,
        };
        Ok(if known.is_none() { plan.whole() } else { plan })
    }

    /// Returns the plan to write the table whole.
    pub fn whole(mut self) -> TablePlan {
        let files = self.state.iter().flat_map(|state| state.files.values());
        self.segments = vec![Segment {
            range: KeyRange::default(),
            replaced: files.cloned().collect(),
            changes_rows: true,
        }];
        self.is_whole = true;
        self
    }

    /// Returns whether there is nothing to write.
    pub fn is_idle(&self) -> bool {
        self.state.is_some() && self.segments.is_empty() && self.new_schema.is_none()
    }

    /// Returns the number of data files that are replaced.
    pub fn replaced_files(&self) -> usize {
        self.segments
            .iter()
            .map(|segment| segment.replaced.len())
            .sum()
    }
}

/// Returns whether the published table is the one that this mirror wrote last, and all
/// changes since then are noted.
fn is_known(
    tx: &ReadTx<'_>,
    table: &ExportTable,
    state: &TableState,
    columns: &[Column],
) -> anyhow::Result<bool> {
    let (Some(run_id), Some(metadata)) = (&state.run_id, &state.metadata) else {
        return Ok(false);
    };
    let version = ExportedVersion {
        version: state.version,
        run_id: run_id.clone(),
    };
    Ok(extends(columns, &metadata.schema_string)
        && tx.notes_changes(table)?
        && tx.has_published(table, &version)?)
}

/// Returns the ranges with rows that changed.
fn changed_segments(
    tx: &ReadTx<'_>,
    table: &ExportTable,
    files: &[RangedFile],
    rows_per_file: RowsPerFile,
    generation: i64,
) -> anyhow::Result<Vec<Segment>> {
    let mut is_touched = vec![false; files.len()];
    let mut is_new_touched = false;
    let last = files.last().map(|file| file.last.as_ref());
    tx.touched(table, generation, |key| {
        let is_new = last.is_none_or(|last| compare(key.as_ref(), last).is_gt());
        match file_of(files, &key) {
            Some(file) if !(table.is_log && is_new) => is_touched[file] = true,
            _ => is_new_touched = true,
        }
    })?;
    let mut segments: Vec<Segment> = (0..files.len())
        .filter(|file| is_touched[*file])
        .map(|file| Segment {
            range: range(files, file, table.is_log),
            replaced: vec![files[file].file.clone()],
            changes_rows: true,
        })
        .collect();

    if table.is_log {
        let after = KeyRange {
            from: files.last().and_then(|file| next(&file.last)),
            to: None,
        };
        if tx.count_export_rows(table, &after)? > 0 {
            segments.extend(merged(files, &is_touched, rows_per_file.others));
            segments.push(Segment {
                range: after,
                replaced: Vec::new(),
                changes_rows: true,
            });
        }
    } else if is_new_touched {
        segments.push(Segment {
            range: KeyRange::default(),
            replaced: Vec::new(),
            changes_rows: true,
        });
    }
    Ok(segments)
}

/// Returns the range of keys of a file. New keys between two files belong to the first one,
/// except in a log, which has none.
fn range(files: &[RangedFile], file: usize, is_log: bool) -> KeyRange {
    if is_log {
        return KeyRange {
            from: Some(files[file].first.clone()),
            to: next(&files[file].last),
        };
    }
    let start = |at: usize| files.get(at).map(|file| file.first.clone());
    KeyRange {
        from: if file == 0 { None } else { start(file) },
        to: start(file + 1),
    }
}

/// Returns the id after an id.
fn next(id: &Value) -> Option<Value> {
    match id {
        Value::Integer(id) => Some(Value::Integer(id + 1)),
        _ => None,
    }
}

/// Returns the segment that replaces the small files at the end of a log by one, if there
/// are many.
fn merged(files: &[RangedFile], is_touched: &[bool], rows_per_file: u64) -> Option<Segment> {
    let is_small = |at: &usize| files[*at].file.rows() < rows_per_file / 4 && !is_touched[*at];
    let small = (0..files.len()).rev().take_while(is_small).count();
    if small < SMALL_FILES {
        return None;
    }
    let merged = &files[files.len() - small..];
    Some(Segment {
        range: KeyRange {
            from: merged.first().map(|file| file.first.clone()),
            to: merged.last().and_then(|file| next(&file.last)),
        },
        replaced: merged.iter().map(|file| file.file.clone()).collect(),
        changes_rows: false,
    })
}
