//! `backup`: a copy of the database, whole and in its place, or none.

use std::fs::File;
use std::io::{IsTerminal, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::arguments::{Arguments, BackupWanted};
use super::exit::{Exit, UsageError};
use super::output::Output;
use super::session::configuration;
use super::signals::listen_for_signals;
use super::text::bytes;
use crate::config::Config;
use crate::mirror::{Mirror, with_suffix};
use crate::stop;

/// What `backup --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    database: &'a Path,
    backup: &'a Path,
    bytes: u64,
}

pub fn run(arguments: &Arguments, wanted: &BackupWanted, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let mut mirror = Mirror::open_to_read(&config.mirror.database)?;
    let place = place(&config, &wanted.file)?;
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
        format!("{file} could not be made; what was there is as it was")
    })?;
    let (Some(size), None) = (done, asked) else {
        output.complain("stopped; no copy was made");
        return Ok(asked.map_or(Exit::Failed, Exit::Stopped));
    };
    let document = Document {
        database: &config.mirror.database,
        backup: &wanted.file,
        bytes: size,
    };
    let text = format!(
        "{} is copied to {} ({}), and the copy is checked\n",
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
    if let Ok(style) = ProgressStyle::with_template("backup {bar:30} {percent} %  {msg}") {
        bar.set_style(style);
    }
    bar
}

/// Where the copy is to be, through links, once nothing is in its way.
fn place(config: &Config, file: &Path) -> anyhow::Result<PathBuf> {
    let shown = file.display();
    let refuse = |why: String| -> anyhow::Result<PathBuf> { Err(UsageError(why).into()) };
    if file.is_dir() {
        return refuse(format!(
            "{shown} is a folder; name a file in it, such as {}",
            file.join("mirror.db").display()
        ));
    }
    if file.is_symlink() && !file.exists() {
        return refuse(format!(
            "{shown} is a link that leads nowhere; name another file"
        ));
    }
    let place = match std::fs::canonicalize(file) {
        Ok(place) => place,
        Err(_) => {
            let Some(name) = file.file_name() else {
                return refuse(format!("{shown} names no file"));
            };
            let folder = match file.parent() {
                Some(folder) if !folder.as_os_str().is_empty() => folder,
                _ => Path::new("."),
            };
            let folder = std::fs::canonicalize(folder).map_err(|error| {
                let folder = folder.display();
                UsageError(format!(
                    "{shown}: the folder {folder} cannot be used: {error}"
                ))
            })?;
            folder.join(name)
        }
    };
    let database = std::fs::canonicalize(&config.mirror.database)?;
    let of_mirror = ["", "-wal", "-shm", "-journal", "-requests"];
    let is_mirrors = of_mirror
        .iter()
        .any(|suffix| place == with_suffix(&database, suffix));
    if is_mirrors || is_same_file(&place, &database) {
        return refuse(format!("{shown} is the mirror itself; name another file"));
    }
    if let Ok(media_dir) = std::fs::canonicalize(&config.mirror.media_dir)
        && place.starts_with(media_dir)
    {
        return refuse(format!(
            "{shown} is in the folder of photos, where `sync media --prune` removes what is no photo; name a file elsewhere"
        ));
    }
    if let Ok(there) = std::fs::metadata(&place)
        && !(there.is_file() && may_be_replaced(&place)?)
    {
        return refuse(format!(
            "{shown} is there and is no copy of a mirror, so it is left as it is; name another file"
        ));
    }
    for suffix in ["-wal", "-journal"] {
        let log = with_suffix(&place, suffix);
        if std::fs::metadata(&log).is_ok_and(|log| log.len() > 0) {
            return refuse(format!(
                "{} is there: a program has {shown} open, or died while it had; name another file, or open and close it with sqlite3 first",
                log.display()
            ));
        }
    }
    Ok(place)
}

/// Whether a file is empty, or an earlier copy.
fn may_be_replaced(file: &Path) -> anyhow::Result<bool> {
    let mut header = Vec::new();
    let opened = File::open(file);
    let read = opened.and_then(|opened| opened.take(100).read_to_end(&mut header));
    read.with_context(|| format!("reading {}", file.display()))?;
    Ok(header.is_empty() || Mirror::begins(&header))
}

#[cfg(unix)]
fn is_same_file(one: &Path, other: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let inode = |path: &Path| {
        let there = std::fs::metadata(path).ok()?;
        Some((there.dev(), there.ino()))
    };
    inode(one).is_some_and(|of_one| inode(other) == Some(of_one))
}

#[cfg(not(unix))]
fn is_same_file(_: &Path, _: &Path) -> bool {
    false
}
