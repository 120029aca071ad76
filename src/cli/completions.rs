//! `completions`: shell completions.

use clap::CommandFactory;

use super::arguments::{Arguments, Completions};
use super::exit::Exit;

pub fn run(wanted: &Completions) -> anyhow::Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(
        wanted.shell,
        &mut Arguments::command(),
        "mlsmirror",
        &mut script,
    );
    super::output::print(&String::from_utf8(script)?);
    Ok(Exit::Done)
}
