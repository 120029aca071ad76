//! `export`: publishes the mirror as Delta tables.

use std::path::Path;
use std::time::Instant;

use chrono::Utc;
use serde::Serialize;

use crate::cli::arguments::Arguments;
use crate::cli::display_text::{bytes, counted, thousands, time};
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::ExportOptions;
use crate::cli::output::Output;
use crate::cli::session::configuration;
use crate::cli::signals::listen_for_signals;
use crate::config::{Config, share_a_folder};
use crate::export::{
    ExportSettings, ExportStep, Exported, ExportedTable, RowsPerFile, export, plan_export, save_end,
};
use crate::feed::FeedError;
use crate::mirror::Mirror;
use crate::stop;
use crate::sync::{self, FolderProblem, find_media_folder};

/// The JSON document of `export`.
#[derive(Serialize)]
struct Document<'a> {
    exit_code: u8,
    database: &'a Path,
    dir: &'a Path,
    #[serde(flatten)]
    exported: &'a Exported,
}

pub fn run(arguments: &Arguments, wanted: &ExportOptions, output: &Output) -> anyhow::Result<Exit> {
    let mut config = configuration(arguments, output)?;
    if let Some(dir) = &wanted.dir {
        config.export.dir.clone_from(dir);
        refuse_photos(&config)?;
    }
    let database = &config.mirror.database;
    let mut mirror = Mirror::open_to_read(database)?;
    let settings = ExportSettings {
        dir: &config.export.dir,
        keep: config.export.keep,
        rows_per_file: RowsPerFile::default(),
    };
    let (stopper, stop) = stop::channel();
    listen_for_signals(stopper, None)?;
    let started = Instant::now();
    let exported = if wanted.dry_run {
        plan_export(&mut mirror, &settings)?
    } else {
        let step = |step: ExportStep<'_>| {
            if let ExportStep::Commit(table) = step {
                output.say(&format!("publishing {table}"));
            }
            match stop.requested() {
                Some(signal) => Err(FeedError::Interrupted(signal).into()),
                None => Ok(()),
            }
        };
        let started_at = Utc::now();
        let exported = export(&mut mirror, &settings, &step);
        // A failure in a folder that is named once is no problem of the mirror.
        if exported.is_ok() || wanted.dir.is_none() {
            save_end(&mut mirror, started_at, &exported);
        }
        sync::naming_database(&config, exported)?
    };
    let exit = if exported.misfits > 0 {
        Exit::Partial
    } else {
        Exit::Done
    };
    let document = Document {
        exit_code: exit.code(),
        database,
        dir: settings.dir,
        exported: &exported,
    };
    let mut text = describe(&exported, wanted.dry_run);
    if exported.run_id.is_some() {
        text += &format!(
            "exported to {} in {}\n",
            settings.dir.display(),
            time(started.elapsed())
        );
    }
    output.result(&document, &text)?;
    if exported.misfits > 0 {
        let values = counted(exported.misfits, ("value does", "values do"));
        output.complain(&format!(
            "{values} not fit the column, which is empty there; the table misfits has the text"
        ));
    }
    Ok(exit)
}

/// Refuses an export into the folder of the photos, also through links, and also if neither folder
/// exists.
fn refuse_photos(config: &Config) -> Result<(), UsageError> {
    let dir = &config.export.dir;
    let is_linked = || {
        let unusable = find_media_folder(config).err();
        unusable.is_some_and(|one| one.problem == FolderProblem::Shared(dir.clone()))
    };
    if share_a_folder(dir, &config.mirror.media_dir) || is_linked() {
        let dir = dir.display();
        let why = format!("{dir} and media_dir share a folder; name another folder");
        return Err(UsageError(why));
    }
    Ok(())
}

fn describe(exported: &Exported, is_plan: bool) -> String {
    if exported.tables.is_empty() {
        return "nothing to export: no table changed since the last export\n".to_owned();
    }
    let would = if is_plan { "would write " } else { "wrote " };
    let lines = exported
        .tables
        .iter()
        .map(|table| format!("{}: {would}{}\n", table.table, describe_table(table)));
    lines.collect()
}

fn describe_table(table: &ExportedTable) -> String {
    let mut text = counted(table.written_rows, ("row", "rows"));
    if let Some(size) = table.written_bytes.filter(|size| *size > 0) {
        text += &format!(" ({})", bytes(size));
    }
    if table.whole {
        text += ", the whole table";
    } else if table.replaced_files > 0 {
        let files = counted(table.replaced_files as u64, ("file", "files"));
        text += &format!(" in place of {files}");
    }
    if let (Some(version), Some(rows)) = (table.version, table.rows) {
        text += &format!("; version {version} has {} rows", thousands(rows));
    }
    text
}
