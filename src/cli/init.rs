//! `init`: a commented configuration, or the description of the mirror for Datasette.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::arguments::{Arguments, Init};
use super::exit::{Exit, UsageError};
use super::output::Output;
use super::session::configuration;
use crate::config::{Config, TokenSource, template};
use crate::mirror::Mirror;
use crate::report;

/// Where the description for Datasette is written.
const DATASETTE: &str = "metadata.yaml";

pub fn run(arguments: &Arguments, wanted: &Init, output: &Output) -> anyhow::Result<Exit> {
    match wanted.datasette {
        true => describe(arguments, output),
        false => configure(arguments, wanted, output),
    }
}

fn configure(arguments: &Arguments, wanted: &Init, output: &Output) -> anyhow::Result<Exit> {
    let path = arguments
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from("mlsmirror.toml"));
    let text = template(wanted.profile);
    write_new(&path, &text, "give another name with --config")?;
    // The reso profile has no base_url to go by until it is filled in.
    let token = match Config::parse(&text, &path).map(|config| config.feed.token) {
        Ok(TokenSource::Env(name)) => format!("put the token into {name}"),
        _ => "fill in feed.base_url, give the token".to_owned(),
    };
    let next = format!(
        "wrote {}; next: {token}, then run `mlsmirror check`\n",
        path.display()
    );
    output.result(&serde_json::json!({ "config": path }), &next)?;
    Ok(Exit::Done)
}

fn describe(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let database = &config.mirror.database;
    let mirror = Mirror::open_to_read(database)?;
    let text = report::datasette_metadata(&mirror)?;
    write_new(
        Path::new(DATASETTE),
        &text,
        "move it away to have it made anew",
    )?;
    let next = format!(
        "wrote {DATASETTE}; next: datasette {} --metadata {DATASETTE}\n",
        database.display()
    );
    output.result(&serde_json::json!({ "metadata": DATASETTE }), &next)?;
    Ok(Exit::Done)
}

/// Writes a file that is not there yet.
fn write_new(path: &Path, text: &str, way_out: &str) -> anyhow::Result<()> {
    let mut file = match std::fs::File::create_new(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let there = format!(
                "{} is there already and is left as it is; {way_out}",
                path.display()
            );
            return Err(UsageError(there).into());
        }
        Err(error) => return Err(error).with_context(|| format!("writing {}", path.display())),
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", path.display()))
}
