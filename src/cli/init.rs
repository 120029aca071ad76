//! `init`: a commented configuration.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context as _;

use super::arguments::{Arguments, Init};
use super::exit::{Exit, UsageError};
use super::output::Output;
use crate::config::{Config, TokenSource, template};

pub fn run(arguments: &Arguments, wanted: &Init, output: &Output) -> anyhow::Result<Exit> {
    let path = arguments
        .config
        .clone()
        .unwrap_or_else(|| PathBuf::from("mlsmirror.toml"));
    let text = template(wanted.profile);
    let mut file = match std::fs::File::create_new(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
            let there = format!(
                "{} is there already and is left as it is; give another name with --config",
                path.display()
            );
            return Err(UsageError(there).into());
        }
        Err(error) => return Err(error).with_context(|| format!("writing {}", path.display())),
    };
    file.write_all(text.as_bytes())
        .with_context(|| format!("writing {}", path.display()))?;
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
