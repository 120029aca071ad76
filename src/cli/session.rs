//! The start of a verb: the configuration, and the feed if the verb sends requests.

use std::path::PathBuf;

use super::arguments::Arguments;
use super::local_times::LocalTimes;
use super::output::Output;
use super::signals::listen_for_signals;
use super::system_limits::check_system_limits;
use crate::config::Config;
use crate::feed::{Credentials, Feed};
use crate::mirror::Mirror;
use crate::stop::{self, Stop};
use crate::sync::{self, Context, FolderProblem, Progress, find_media_folder};

/// The variable with the path of the configuration. An empty one counts as unset.
const CONFIG_VARIABLE: &str = "MLSMIRROR_CONFIG";

/// Returns the path of the configuration.
pub fn config_path(arguments: &Arguments) -> PathBuf {
    let named = std::env::var_os(CONFIG_VARIABLE).filter(|path| !path.is_empty());
    let path = arguments.config.clone().or(named.map(PathBuf::from));
    path.unwrap_or_else(|| PathBuf::from("mlsmirror.toml"))
}

/// Reads the configuration and prints its warnings. Verbs that only read the mirror need
/// nothing else. A folder of photos with the database or the configuration in it is an error.
pub fn configuration(arguments: &Arguments, output: &Output) -> anyhow::Result<Config> {
    let config = Config::load(&config_path(arguments))?;
    output.write_times_as(LocalTimes::of(&config));
    for warning in config.warnings() {
        output.say(&format!("mlsmirror: {warning}"));
    }
    match find_media_folder(&config) {
        Err(unusable) if matches!(unusable.problem, FolderProblem::Shared(_)) => {
            Err(unusable.into())
        }
        _ => Ok(config),
    }
}

/// The configuration, the feed and the stop signal of a verb that sends requests.
pub struct Session {
    pub config: Config,
    pub feed: Feed,
    pub stop: Stop,
}

impl Session {
    /// Reads the configuration and the credentials, and listens for signals.
    pub fn open(arguments: &Arguments, output: &Output) -> anyhow::Result<Session> {
        let config = configuration(arguments, output)?;
        let credentials = Credentials::read(&config.feed)?;
        let session = Session::with(config, credentials)?;
        sync::share_budget(&session.config, &session.feed, None);
        Ok(session)
    }

    /// Opens a session with this configuration and credentials, and listens for signals.
    pub fn with(config: Config, credentials: Credentials) -> anyhow::Result<Session> {
        check_system_limits(&config)?;
        let (stopper, stop) = stop::channel();
        listen_for_signals(stopper, None)?;
        let feed = Feed::open(&config.feed, credentials, stop.clone())?;
        Ok(Session { config, feed, stop })
    }

    /// Opens the mirror for a job, and shares the rate budget with other processes.
    pub fn open_for_sync(&self, feed_has_moved: bool) -> anyhow::Result<Mirror> {
        let opened = sync::open_for_sync(&self.config, feed_has_moved);
        let mut mirror = sync::naming_database(&self.config, opened)?;
        sync::share_budget(&self.config, &self.feed, Some(&mut mirror));
        Ok(mirror)
    }

    pub fn context<'a>(&'a self, progress: &'a dyn Progress, allow_deletes: u64) -> Context<'a> {
        Context {
            config: &self.config,
            feed: &self.feed,
            stop: &self.stop,
            progress,
            allow_deletes,
        }
    }
}
