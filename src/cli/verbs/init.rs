//! `init`: a commented configuration, or the description of the mirror for Datasette.

use std::io::ErrorKind;
use std::path::Path;

use crate::cli::arguments::Arguments;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::InitOptions;
use crate::cli::output::Output;
use crate::cli::session::{config_path, configuration};
use crate::cli::whole_file::{There, write_whole};
use crate::config::{Config, TokenSource, template};
use crate::mirror::Mirror;
use crate::report;

/// Where the description for Datasette is written.
const DATASETTE: &str = "metadata.yaml";

pub fn run(arguments: &Arguments, wanted: &InitOptions, output: &Output) -> anyhow::Result<Exit> {
    match wanted.datasette {
        true => describe(arguments, output),
        false => configure(arguments, wanted, output),
    }
}

fn configure(arguments: &Arguments, wanted: &InitOptions, output: &Output) -> anyhow::Result<Exit> {
    let path = config_path(arguments);
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
    output.result(
        &serde_json::json!({ "config": path.to_string_lossy() }),
        &next,
    )?;
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

/// Writes a file that is not there yet: whole, or not at all.
fn write_new(path: &Path, text: &str, way_out: &str) -> anyhow::Result<()> {
    let written = match path.symlink_metadata() {
        // Also where nothing may be written.
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => write_whole(path, text, There::Kept),
    };
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let there = format!(
                "{} is there already and is left as it is; {way_out}",
                path.display()
            );
            UsageError(there).into()
        }
        _ => anyhow::Error::new(error).context(format!("writing {}", path.display())),
    })
}
