//! `man`: writes man pages.

use anyhow::Context;
use clap::CommandFactory;

use crate::cli::arguments::Arguments;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::ManOptions;
use crate::cli::output::{Output, print_unchanged};

pub fn run(wanted: &ManOptions, output: &Output) -> anyhow::Result<Exit> {
    // The verb `help` would add a page for every other verb.
    let command = Arguments::command().disable_help_subcommand(true);
    let Some(dir) = &wanted.dir else {
        let mut page = Vec::new();
        clap_mangen::Man::new(command).render(&mut page)?;
        let page = String::from_utf8(page)?;
        if output.json {
            output.result(&serde_json::json!({ "page": page }), "")?;
        } else {
            print_unchanged(page)?;
        }
        return Ok(Exit::Done);
    };
    let writing = || format!("writing man pages into {}", dir.display());
    if !dir.is_dir() {
        let why = format!(
            "{}: no such folder; create it, or name another one",
            dir.display()
        );
        return Err(UsageError(why).into());
    }
    clap_mangen::generate_to(command, dir).with_context(writing)?;
    let text = format!("the man pages are in {}\n", dir.display());
    output.result(&serde_json::json!({ "dir": dir.to_string_lossy() }), &text)?;
    Ok(Exit::Done)
}
