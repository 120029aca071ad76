//! `completions`: prints shell completions.

use clap::CommandFactory;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::options::CompletionsOptions;
use crate::cli::output::{Output, print_unchanged};

pub fn run(wanted: &CompletionsOptions, output: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        wanted.shell,
        &mut Arguments::command(),
        "mlsmirror",
        &mut script,
    );
    let script = String::from_utf8(script)?;
    if output.json {
        output.result(&serde_json::json!({ "script": script }), "")?;
    } else {
        print_unchanged(script)?;
    }
    Ok(Exit::Done)
}
