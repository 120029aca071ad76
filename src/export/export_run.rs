//! One export: its folder, and the plans of its tables.

use std::collections::BTreeSet;

use chrono::{TimeDelta, Utc};

use super::delta::{TableLog, TableState, names};
use super::export_folder::{ExportFolder, Owner};
use super::export_settings::ExportSettings;
use super::table_plan::TablePlan;
use super::unused_files::remove_unused;
use crate::mirror::{ExportTable, ExportedVersion, Mirror, ReadTx};

/// The fact in the mirror that stores the address of its feed.
const FEED: &str = "feed.base_url";

/// One export.
pub(super) struct ExportRun<'s> {
    /// 32 hexadecimal digits.
    pub id: String,
    pub settings: &'s ExportSettings<'s>,
    pub folder: ExportFolder,
    pub owner: Owner,
    /// Files that left a table before this time are removed: milliseconds since 1970.
    pub keep_since: i64,
}

impl<'s> ExportRun<'s> {
    /// Prepares an export. Creates nothing.
    pub fn new(
        mirror: &mut Mirror,
        settings: &'s ExportSettings<'s>,
    ) -> anyhow::Result<ExportRun<'s>> {
        let folder = ExportFolder::find(settings.dir)?;
        let mirror_name = mirror.path().file_stem().unwrap_or_default();
        let owner = Owner {
            mirror_name: mirror_name.to_string_lossy().into_owned(),
            feed: mirror.state(FEED)?,
        };
        let keep = settings
            .keep
            .and_then(|keep| TimeDelta::from_std(keep).ok());
        let run = ExportRun {
            id: format!("{:032x}", fastrand::u128(..)),
            settings,
            folder,
            owner,
            keep_since: keep.map_or(i64::MIN, |keep| (Utc::now() - keep).timestamp_millis()),
        };
        if let Some(other) = run
            .folder
            .owner
            .as_ref()
            .filter(|other| **other != run.owner)
            && !run.has_written(mirror)?
        {
            return Err(run.folder.foreign(other).into());
        }
        Ok(run)
    }

    /// Returns whether this mirror wrote the newest version of a table in the folder: its
    /// feed or its database file got another name since then.
    fn has_written(&self, mirror: &mut Mirror) -> anyhow::Result<bool> {
        let tx = mirror.read()?;
        for table in tx.export_tables()? {
            if let Some(TableState {
                version,
                run_id: Some(run_id),
                ..
            }) = self.log(&table).read()?
            {
                let version = ExportedVersion { version, run_id };
                return Ok(tx.has_published(&table, &version)?);
            }
        }
        Ok(false)
    }

    /// Returns the log of a table.
    pub fn log(&self, table: &ExportTable) -> TableLog {
        TableLog::of(&self.folder.of_table(&table.name))
    }

    /// Plans a table. Notes of changes up to a generation count.
    pub fn plan(
        &self,
        tx: &ReadTx<'_>,
        table: &ExportTable,
        generation: i64,
    ) -> anyhow::Result<TablePlan> {
        let rows_per_file = self.settings.rows_per_file;
        let plan = TablePlan::of(tx, table, &self.log(table), rows_per_file, generation)?;
        // With another name of the mirror, all rows differ.
        let owner = self.folder.owner.as_ref();
        let is_renamed = owner.is_some_and(|owner| owner.mirror_name != self.owner.mirror_name);
        if is_renamed || self.lacks_files(table, &plan)? {
            return Ok(plan.whole());
        }
        Ok(plan)
    }

    /// Returns whether the folder lacks a data file of the published table.
    fn lacks_files(&self, table: &ExportTable, plan: &TablePlan) -> anyhow::Result<bool> {
        let Some(state) = &plan.state else {
            return Ok(false);
        };
        let there = names(&self.folder.of_table(&table.name))?;
        let there: BTreeSet<String> = there.into_iter().collect();
        Ok(!state.files.keys().all(|file| there.contains(file)))
    }

    /// Returns whether a table has something to write. If none has, removes files that no
    /// version needs any more.
    pub fn is_due(&self, mirror: &mut Mirror) -> anyhow::Result<bool> {
        let tx = mirror.read()?;
        let mut idle = Vec::new();
        for table in tx.export_tables()?.into_iter().chain(tx.export_records()?) {
            let plan = self.plan(&tx, &table, i64::MAX)?;
            match plan.state.as_ref().filter(|_| plan.is_idle()) {
                Some(state) => idle.push((table, state.clone())),
                None => return Ok(true),
            }
        }
        for (table, state) in idle {
            remove_unused(&self.folder.of_table(&table.name), &state, self.keep_since)?;
        }
        Ok(false)
    }
}
