//! `completions`: shell completions.

use clap::CommandFactory;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::options::CompletionsOptions;
use crate::cli::output::{Output, print_as_it_is};

pub fn run(wanted: &CompletionsOptions, output: &Output) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        wanted.shell,
        &mut Arguments::command(),
        "mlsmirror",
        &mut script,
    );
    let script = String::from_utf8(script)?;
    match output.json {
        true => output.result(&serde_json::json!({ "script": script }), "")?,
        false => print_as_it_is(script)?,
    }
    Ok(Exit::Done)
}
