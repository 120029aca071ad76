//! Exports all tables of a mirror.

use super::export_run::ExportRun;
use super::export_settings::{ExportSettings, ExportStep};
use super::exported::{Exported, ExportedTable};
use super::publication::Publication;
use crate::mirror::{Lease, Mirror};

/// Returns what an export would write. Writes nothing.
pub fn plan_export(mirror: &mut Mirror, settings: &ExportSettings<'_>) -> anyhow::Result<Exported> {
    let run = ExportRun::new(mirror, settings)?;
    let tx = mirror.read()?;
    let mut planned = Exported::default();
    for table in tx.export_tables()? {
        let plan = run.plan(&tx, &table, i64::MAX)?;
        if plan.is_idle() {
            continue;
        }
        let mut written_rows = 0;
        for segment in &plan.segments {
            written_rows += tx.count_export_rows(&table, &segment.range)?;
        }
        planned.tables.push(ExportedTable {
            table: table.name,
            version: None,
            rows: None,
            whole: plan.is_whole,
            written_rows,
            written_bytes: None,
            replaced_files: plan.replaced_files(),
        });
    }
    drop(tx);
    planned.misfits = mirror.count_misfits()?;
    Ok(planned)
}

/// Exports all tables that changed. `step` is called before each step; an error that it
/// returns ends the export, and the next one writes what is missing.
///
/// # Errors
/// [`super::ForeignExport`] if the folder belongs to something else,
/// [`crate::mirror::LeaseTaken`] if another process exports this mirror.
pub fn export(
    mirror: &mut Mirror,
    settings: &ExportSettings<'_>,
    step: &dyn Fn(ExportStep<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Exported> {
    let run = ExportRun::new(mirror, settings)?;
    let mut exported = Exported::default();
    if run.is_due(mirror)? {
        let _lease = Lease::Export.take(mirror.path())?;
        exported.tables = export_all(&run, mirror, step)?;
        exported.run_id = Some(run.id);
    }
    exported.misfits = mirror.count_misfits()?;
    Ok(exported)
}

fn export_all(
    run: &ExportRun<'_>,
    mirror: &mut Mirror,
    step: &dyn Fn(ExportStep<'_>) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<ExportedTable>> {
    step(ExportStep::Begin)?;
    let tx = mirror.write()?;
    let tables = tx.export_tables()?;
    let records = tx.export_records()?;
    let generation = tx.begin_export(&[tables.clone(), records.clone()].concat())?;
    tx.commit()?;

    let publication = Publication {
        run,
        tables: &tables,
        generation,
        is_recorded: true,
        step,
    };
    let mut exported = publication.publish(mirror)?;
    // The first publication has just changed these tables.
    let of_records = Publication {
        tables: &records,
        generation: i64::MAX,
        is_recorded: false,
        ..publication
    };
    exported.extend(of_records.publish(mirror)?);
    run.folder.mark(&run.owner)?;
    Ok(exported)
}
