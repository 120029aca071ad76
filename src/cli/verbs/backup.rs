//! `backup`: copies the database to a file that appears complete or not at all.

use std::borrow::Cow;
use std::io::IsTerminal;
use std::ops::ControlFlow;
use std::path::Path;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::cli::arguments::Arguments;
use crate::cli::display_text::bytes;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::BackupOptions;
use crate::cli::output::Output;
use crate::cli::output_path::{place, refuse_to_replace};
use crate::cli::session::{config_path, configuration};
use crate::cli::signals::listen_for_signals;
use crate::mirror::{Mirror, with_suffix};
use crate::stop;

/// The JSON document of `backup`.
#[derive(Serialize)]
struct Document<'a> {
    database: Cow<'a, str>,
    backup: Cow<'a, str>,
    bytes: u64,
}

pub fn run(arguments: &Arguments, wanted: &BackupOptions, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let place = place(&config_path(arguments), &config, &wanted.file)?;
    refuse_to_replace(&wanted.file, &place, "backup", Mirror::is_backup_header)?;
    refuse_open_database(&wanted.file, &place)?;
    let (stopper, stop) = stop::channel();
    listen_for_signals(stopper, None)?;
    let bar = bar(output);
    let mut asked = None;
    let done = mirror.back_up(&place, |copied, pages| {
        bar.set_length(pages);
        bar.set_position(copied);
        asked = stop.requested();
        match asked {
            Some(_) => ControlFlow::Break(()),
            None => ControlFlow::Continue(()),
        }
    });
    bar.finish_and_clear();
    let done = done.with_context(|| {
        let file = wanted.file.display();
        format!("{file} could not be written; an earlier copy is unchanged")
    })?;
    // A signal after the last page does not stop the backup.
    let Some(size) = done else {
        output.complain("stopped; no copy was written");
        return Ok(asked.map_or(Exit::Failed, Exit::Stopped));
    };
    let document = Document {
        database: config.mirror.database.to_string_lossy(),
        backup: wanted.file.to_string_lossy(),
        bytes: size,
    };
    let text = format!(
        "copied {} to {} ({}) and checked the copy\n",
        config.mirror.database.display(),
        wanted.file.display(),
        bytes(size)
    );
    output.result(&document, &text)?;
    Ok(Exit::Done)
}

fn bar(output: &Output) -> ProgressBar {
    if output.quiet || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(0);
    if let Ok(style) = ProgressStyle::with_template("backup {bar:30} {percent} %") {
        bar.set_style(style);
    }
    bar
}

/// Refuses to replace a file that a program has open.
fn refuse_open_database(file: &Path, place: &Path) -> anyhow::Result<()> {
    let shown = file.display();
    for suffix in ["-wal", "-journal"] {
        let log = with_suffix(place, suffix);
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            let why = format!(
                "{} exists: a program has {shown} open, or crashed while it did; name another file, or first open and close it with sqlite3",
                log.display()
            );
            return Err(UsageError(why).into());
        }
    }
    Ok(())
}
