//! Writes the files of several tables from one snapshot, and publishes their versions
//! together.

use super::delta::TableLog;
use super::export_run::ExportRun;
use super::export_settings::ExportStep;
use super::exported::ExportedTable;
use super::table_writer::{Draft, TableWriter};
use super::unused_files::remove_unused;
use crate::mirror::{ExportTable, ExportedVersion, Mirror};

/// Tables whose versions are published together.
pub(super) struct Publication<'p> {
    pub run: &'p ExportRun<'p>,
    pub tables: &'p [ExportTable],
    /// Notes of changes up to this generation count.
    pub generation: i64,
    /// Whether the versions are recorded in the table `exports`.
    pub is_recorded: bool,
    pub step: &'p dyn Fn(ExportStep<'_>) -> anyhow::Result<()>,
}

impl Publication<'_> {
    /// Writes and publishes the tables that changed.
    pub fn publish(&self, mirror: &mut Mirror) -> anyhow::Result<Vec<ExportedTable>> {
        mirror.collect_misfits()?;
        let drafts = self.write_files(mirror)?;
        (self.step)(ExportStep::Plan)?;
        let tx = mirror.write()?;
        for (draft, _) in &drafts {
            let version = ExportedVersion {
                version: draft.published.version,
                run_id: self.run.id.clone(),
            };
            tx.plan_version(&draft.published.name, &version)?;
        }
        tx.commit()?;
        for (draft, _) in &drafts {
            let name = &draft.published.name;
            (self.step)(ExportStep::Commit(name))?;
            let log = TableLog::of(&self.run.folder.of_table(name));
            log.commit(draft.published.version, &draft.actions)?;
        }
        (self.step)(ExportStep::Finish)?;
        self.finish(mirror, &drafts)?;
        for (draft, _) in &drafts {
            (self.step)(ExportStep::Cleanup(&draft.published.name))?;
            self.clean_up(draft)?;
        }
        Ok(drafts.into_iter().map(|(_, table)| table).collect())
    }

    /// Writes the data files of all tables from one snapshot.
    fn write_files(&self, mirror: &mut Mirror) -> anyhow::Result<Vec<(Draft, ExportedTable)>> {
        let run = self.run;
        let tx = mirror.read()?;
        let mut drafts = Vec::new();
        for table in self.tables {
            let plan = run.plan(&tx, table, self.generation)?;
            if plan.is_idle() {
                continue;
            }
            run.folder
                .mark(run.folder.owner.as_ref().unwrap_or(&run.owner))?;
            let writer = TableWriter {
                tx: &tx,
                table,
                plan: &plan,
                folder: &run.folder.of_table(&table.name),
                mirror_name: &run.owner.mirror_name,
                run_id: &run.id,
                rows_per_file: run.settings.rows_per_file,
                step: self.step,
            };
            let draft = writer.write()?;
            let exported = ExportedTable {
                table: table.name.clone(),
                version: Some(draft.published.version),
                rows: Some(draft.published.rows),
                whole: plan.is_whole,
                written_rows: draft.written_rows,
                written_bytes: Some(draft.written_bytes),
                replaced_files: plan.replaced_files(),
            };
            drafts.push((draft, exported));
        }
        tx.keep_misfits()?;
        Ok(drafts)
    }

    fn finish(&self, mirror: &mut Mirror, drafts: &[(Draft, ExportedTable)]) -> anyhow::Result<()> {
        let tx = mirror.write()?;
        for table in self.tables {
            let of_table =
                |(draft, _): &&(Draft, ExportedTable)| draft.published.name == table.name;
            let Some((draft, _)) = drafts.iter().find(of_table) else {
                tx.finish_notes(&table.name, self.generation)?;
                continue;
            };
            tx.finish_version(&self.run.id, &draft.published, self.generation)?;
            if self.is_recorded {
                tx.record_export(&self.run.id, &draft.published)?;
            }
        }
        Ok(tx.commit()?)
    }

    /// Writes a checkpoint if one is due, and removes what no kept version needs.
    fn clean_up(&self, draft: &Draft) -> anyhow::Result<()> {
        let folder = self.run.folder.of_table(&draft.published.name);
        let log = TableLog::of(&folder);
        log.add_checkpoint(&draft.state, self.run.keep_since)?;
        log.remove_before(self.run.keep_since)?;
        remove_unused(&folder, &draft.state, self.run.keep_since)?;
        Ok(())
    }
}
