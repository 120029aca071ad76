//! The folder of a demo, with its configuration.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use simulator::Simulator;

use super::exit::UsageError;
use crate::config::Config;

/// Creates the demo's folder, or checks that an existing one is empty.
pub fn create_folder(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    let dir = match named {
        Some(dir) => dir.to_owned(),
        None => {
            let numbered = (2..).map(|number| PathBuf::from(format!("mlsmirror-demo-{number}")));
            let mut names = [PathBuf::from("mlsmirror-demo")]
                .into_iter()
                .chain(numbered);
            names
                .find(|dir| !dir.exists())
                .context("too many mlsmirror-demo folders here; use --dir")?
        }
    };
    std::fs::create_dir_all(&dir).map_err(|error| {
        let shown = dir.display();
        UsageError(format!(
            "the folder {shown} cannot be created ({error}); name a new folder with --dir"
        ))
    })?;
    let mut entries =
        std::fs::read_dir(&dir).with_context(|| format!("reading the folder {}", dir.display()))?;
    if entries.next().is_some() {
        let full = format!(
            "{} is not empty; name a new folder with --dir",
            dir.display()
        );
        return Err(UsageError(full).into());
    }
    Ok(dir)
}

/// Writes a configuration next to the mirror, and reads it as any verb does.
pub fn write_config(dir: &Path, simulator: &Simulator) -> anyhow::Result<Config> {
    let path = dir.join("mlsmirror.toml");
    let text = format!(
        "# The demo's feed answers only while `mlsmirror demo --serve` runs. Without it, this mirror\n\
         # can be read, but not synced.\n\
         [feed]\nprofile = \"wfrmls\"\nbase_url = \"{url}\"\n\
         # The token of every simulated feed, which is no secret.\n\
         token_command = [\"echo\", {token:?}]\n\
         # A stopped feed is noticed at once.\n\
         max_retries = 0\n\
         # The demo does not wait for the real feed's limits.\n\
         requests_per_minute = 0\nrequests_per_hour = 0\nrequests_per_day = 0\n\n\
         [sync]\nresources = [\"Property\", \"Media\", \"OpenHouse\", \"PropertyUnitTypes\", \"Adu\", \
         \"Member\", \"Office\", \"Lookup\"]\n\n\
         [schedule]\nincremental = \"every 1m\"\nmonitor = \"every 1m\"\n",
        url = simulator.base_url(),
        token = simulator.token(),
    );
    std::fs::write(&path, text).map_err(|error| {
        let shown = path.display();
        UsageError(format!(
            "{shown} cannot be written ({error}); name another folder with --dir"
        ))
    })?;
    Ok(Config::load(&path)?)
}
