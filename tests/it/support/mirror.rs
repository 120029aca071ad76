//! A folder with a configuration and a database, in which the program runs.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use rusqlite::{Connection, OpenFlags};
use serde_json::Value as Json;
use simulator::Simulator;
use tempfile::TempDir;

use super::{Ended, MAIN, Running, TOKEN, process::read_to_end, wait_until};

/// The values of a configuration.
pub struct Settings {
    pub resources: Vec<&'static str>,
    pub base_url: String,
    /// Lines for `[feed]`, by key.
    pub feed: BTreeMap<&'static str, String>,
    pub database: String,
    /// Whether the program downloads photos.
    pub media: bool,
    /// More lines of `[sync]`, and the tables after it.
    pub sync: String,
}

impl Settings {
    pub fn set(&mut self, key: &'static str, value: impl ToString) {
        self.feed.insert(key, value.to_string());
    }

    fn text(&self) -> String {
        let mut text = format!("[feed]\nbase_url = {:?}\n", self.base_url);
        for (key, value) in &self.feed {
            let _ = writeln!(text, "{key} = {value}");
        }
        let _ = write!(
            text,
            "\n[mirror]\ndatabase = {:?}\n\n[sync]\nresources = {:?}\ndownload_media = {}\n{}\n",
            self.database, self.resources, self.media, self.sync
        );
        text
    }
}

/// A folder with a configuration. The program runs in it.
pub struct Mirror {
    pub folder: TempDir,
    /// The folder for the state of the user.
    pub state: TempDir,
    pub token: Option<String>,
    database: PathBuf,
    settings: Settings,
}

impl Mirror {
    /// Creates a mirror of listings, photos and open houses, with 20 records per page.
    pub fn of(feed: &Simulator) -> Mirror {
        Mirror::with(feed, |_| {})
    }

    pub fn with(feed: &Simulator, change: impl FnOnce(&mut Settings)) -> Mirror {
        Mirror::at(&feed.base_url(), change)
    }

    pub fn at(base_url: &str, change: impl FnOnce(&mut Settings)) -> Mirror {
        let lines = [
            ("page_size", "20"),
            ("timeout", "\"30s\""),
            ("max_retries", "2"),
            ("retry_delay", "\"1ms\""),
            ("requests_per_second", "0"),
            ("requests_per_minute", "0"),
            ("requests_per_hour", "0"),
            ("requests_per_day", "0"),
        ];
        let mut settings = Settings {
            resources: MAIN.to_vec(),
            base_url: base_url.to_owned(),
            feed: lines
                .into_iter()
                .map(|(key, value)| (key, value.to_owned()))
                .collect(),
            database: "mirror.db".to_owned(),
            media: false,
            sync: String::new(),
        };
        change(&mut settings);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("mlsmirror.toml"), settings.text()).unwrap();
        let database = folder.path().join(&settings.database);
        Mirror {
            folder,
            state: tempfile::tempdir().unwrap(),
            token: Some(TOKEN.to_owned()),
            database,
            settings,
        }
    }

    /// Changes the configuration.
    pub fn configure(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        let path = self.folder.path().join("mlsmirror.toml");
        std::fs::write(path, self.settings.text()).unwrap();
    }

    pub fn database_path(&self) -> &Path {
        &self.database
    }

    /// Opens the database for reading.
    pub fn open(&self) -> Connection {
        Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)
            .unwrap_or_else(|error| panic!("opening {}: {error}", self.database.display()))
    }

    pub fn start(&self, arguments: &[&str]) -> Running {
        self.start_with(arguments, |_| {})
    }

    /// Starts the program after a change to its command.
    pub fn start_with(&self, arguments: &[&str], change: impl FnOnce(&mut Command)) -> Running {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mlsmirror"));
        command.args(arguments);
        self.start_command(command, arguments, change)
    }

    /// Runs a shell script that may call the program as `"$0"`.
    pub fn run_script(&self, script: &str) -> Ended {
        self.start_script(script).wait()
    }

    /// Starts a shell script that may call the program as `"$0"`.
    pub fn start_script(&self, script: &str) -> Running {
        let mut command = Command::new("bash");
        command.args(["-c", script, env!("CARGO_BIN_EXE_mlsmirror")]);
        self.start_command(command, &[script], |_| {})
    }

    /// Returns the process that holds the lease `sync` or `watch`, if any.
    pub fn lease(&self, name: &str) -> Option<Json> {
        let path = format!("{}-{name}-lock", self.database.display());
        let file = std::fs::File::open(&path).ok()?;
        let is_held = file.try_lock_shared().is_err();
        let holder = std::fs::read_to_string(&path).unwrap();
        is_held.then(|| serde_json::from_str(&holder).unwrap_or_default())
    }

    fn start_command(
        &self,
        mut command: Command,
        arguments: &[&str],
        change: impl FnOnce(&mut Command),
    ) -> Running {
        command
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .env_remove("MLSMIRROR_CONFIG")
            .env_remove("WFRMLS_BEARER_TOKEN")
            .env_remove("RESO_BEARER_TOKEN")
            .env("NO_PROXY", "127.0.0.1")
            .env("NO_COLOR", "1")
            // Another feed may have had the same port.
            .env("XDG_STATE_HOME", self.state.path())
            // These variables colour the output even where it is no terminal.
            .env_remove("CI")
            .env_remove("CLICOLOR")
            .env_remove("CLICOLOR_FORCE");
        if let Some(token) = &self.token {
            command
                .env("WFRMLS_BEARER_TOKEN", token)
                .env("RESO_BEARER_TOKEN", token);
        }
        change(&mut command);
        let mut child = command.spawn().unwrap();
        let streams = [
            read_to_end(child.stdout.take().unwrap()),
            read_to_end(child.stderr.take().unwrap()),
        ];
        Running {
            child,
            streams,
            command: arguments.join(" "),
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Ended {
        self.start(arguments).wait()
    }

    /// Runs `sync` and fails unless it ends with this exit code.
    pub fn sync_ends(&self, code: i32, arguments: &[&str]) -> Ended {
        let ended = self.run(&[&["sync"], arguments].concat());
        assert_eq!(ended.code, Some(code), "sync {arguments:?}: {ended}");
        ended
    }

    /// Runs `sync full` and fails unless it succeeds.
    pub fn sync_full(&self) -> Ended {
        self.sync_ends(0, &["full"])
    }

    /// Runs `sync` and fails unless it succeeds.
    pub fn sync(&self) -> Ended {
        self.sync_ends(0, &[])
    }

    /// Waits until the current run has committed this number of pages of a resource.
    pub fn wait_for_pages(&self, entity_set: &str, pages: i64) {
        wait_until(
            &format!("{pages} pages of {entity_set} are in the mirror"),
            || {
                let Ok(db) =
                    Connection::open_with_flags(&self.database, OpenFlags::SQLITE_OPEN_READ_ONLY)
                else {
                    return false;
                };
                let sql =
                    "SELECT pages FROM sync_runs WHERE resource = ?1 ORDER BY id DESC LIMIT 1";
                db.query_row(sql, [entity_set], |row| row.get::<_, i64>(0)) == Ok(pages)
            },
        );
    }
}
