//! `init`: writes a commented configuration, or a description of the mirror for Datasette.

use std::io::ErrorKind;
use std::path::Path;

use crate::cli::arguments::Arguments;
use crate::cli::display_text::quoted;
use crate::cli::exit::{Exit, UsageError};
use crate::cli::options::InitOptions;
use crate::cli::output::Output;
use crate::cli::session::{config_path, configuration};
use crate::cli::whole_file::{Existing, folder_of, write_whole};
use crate::config::{Profile, placeholders, template};
use crate::mirror::Mirror;
use crate::report;

/// The name of the description for Datasette.
const DATASETTE: &str = "metadata.yaml";

pub fn run(arguments: &Arguments, wanted: &InitOptions, output: &Output) -> anyhow::Result<Exit> {
    if wanted.datasette {
        describe(arguments, output)
    } else {
        configure(arguments, wanted, output)
    }
}

fn configure(arguments: &Arguments, wanted: &InitOptions, output: &Output) -> anyhow::Result<Exit> {
    let path = config_path(arguments);
    let text = template(wanted.profile);
    write_new(&path, &text, "use another name with --config")?;
    let mut next = format!(
        "wrote {}; next: {}, then run `mlsmirror check`\n",
        path.display(),
        next_steps(wanted.profile, &text)
    );
    if let Some(caution) = wanted.profile.caution() {
        next += &format!("{caution} (docs/feeds.md)\n");
    }
    output.result(
        &serde_json::json!({ "config": path.to_string_lossy() }),
        &next,
    )?;
    Ok(Exit::Done)
}

/// Returns what the user has to do before the configuration works.
fn next_steps(profile: &Profile, text: &str) -> String {
    let token = match &profile.oauth {
        None => format!("put the token into {}", profile.token_env()),
        Some(oauth) => {
            let user: &[&str] = match oauth.grant {
                "password" => &["USERNAME", "PASSWORD"],
                _ => &[],
            };
            let names = [&["CLIENT_ID", "CLIENT_SECRET"], user].concat();
            let names: Vec<String> = names.iter().map(|name| profile.variable(name)).collect();
            format!("put the credentials into {}", names.join(", "))
        }
    };
    match profile.base_url {
        None => format!("set feed.base_url, {token}"),
        Some(_) => match placeholders(text).as_slice() {
            [] => token,
            parts => format!("replace {} in the file, {token}", parts.join(" and ")),
        },
    }
}

fn describe(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    let database = &config.mirror.database;
    let mirror = Mirror::open_to_read(database)?;
    let text = report::datasette_metadata(&mirror)?;
    write_new(
        Path::new(DATASETTE),
        &text,
        "move it away to write it again",
    )?;
    let next = format!(
        "wrote {DATASETTE}; next: datasette {} --metadata {DATASETTE} --setting suggest_facets off\n",
        quoted(database)
    );
    output.result(&serde_json::json!({ "metadata": DATASETTE }), &next)?;
    Ok(Exit::Done)
}

/// Writes a new file; an existing one is an error.
fn write_new(path: &Path, text: &str, way_out: &str) -> anyhow::Result<()> {
    let written = match path.symlink_metadata() {
        // This is the better message even if the folder is read-only.
        Ok(_) => Err(ErrorKind::AlreadyExists.into()),
        Err(_) => write_whole(path, text, Existing::Kept),
    };
    written.map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => {
            let there = format!(
                "{} already exists and was not changed; {way_out}",
                path.display()
            );
            UsageError(there).into()
        }
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::PermissionDenied => {
            let folder = folder_of(path).display();
            let closed = format!(
                "{}: the folder {folder} cannot be used ({error}); create it, or name a file in a folder where you may write",
                path.display()
            );
            UsageError(closed).into()
        }
        _ => anyhow::Error::new(error).context(format!("writing {}", path.display())),
    })
}
