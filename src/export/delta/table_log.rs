//! The log of one table: reads its state, adds commits and checkpoints, and removes old
//! entries.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde_json::json;

use super::action::{Action, CommitInfo};
use super::checkpoint_file::{read_checkpoint, write_checkpoint};
use super::log_files::{
    checkpoint_name, commit_name, names, publish, publish_new, version_of, write_temporary,
};
use super::table_state::TableState;

/// The number of commits after which a checkpoint is written.
const COMMITS_PER_CHECKPOINT: i64 = 50;

/// The file that names the newest checkpoint.
const LAST_CHECKPOINT: &str = "_last_checkpoint";

/// The log of one table.
pub(in crate::export) struct TableLog {
    folder: PathBuf,
}

impl TableLog {
    /// Returns the log of the table in a folder. Creates nothing.
    pub fn of(table_folder: &Path) -> TableLog {
        TableLog {
            folder: table_folder.join("_delta_log"),
        }
    }

    /// Reads the state of the table. None if the table does not exist or its log is damaged:
    /// the next commit begins a new log.
    pub fn read(&self) -> anyhow::Result<Option<TableState>> {
        let names = names(&self.folder)?;
        let versions = |ending| {
            names
                .iter()
                .filter_map(move |name| version_of(name, ending))
        };
        let Some(newest) = versions(".json").max() else {
            return Ok(None);
        };
        let checkpoint = versions(".checkpoint.parquet").filter(|version| *version <= newest);
        let checkpoint = checkpoint.max();
        let mut state = TableState::default();
        if let Some(version) = checkpoint {
            let content = self.content(&checkpoint_name(version))?;
            let Some(actions) = content.and_then(|content| read_checkpoint(content).ok()) else {
                return Ok(None);
            };
            state.apply(version, actions);
        }
        state.checkpoint = checkpoint;
        // The commit of the checkpoint says which export wrote it.
        for version in checkpoint.unwrap_or(0)..=newest {
            let Some(actions) = self.read_commit(version)? else {
                return Ok(None);
            };
            state.apply(version, actions);
        }
        let is_complete = state.protocol.is_some() && state.metadata.is_some();
        Ok(is_complete.then_some(state))
    }

    /// Returns the actions of a commit. None if it is missing or damaged.
    fn read_commit(&self, version: i64) -> anyhow::Result<Option<Vec<Action>>> {
        let content = self.content(&commit_name(version))?;
        let actions = content.and_then(|content| {
            let lines = content.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            let actions = lines.map(serde_json::from_slice);
            actions.collect::<Result<Vec<Action>, _>>().ok()
        });
        Ok(actions.filter(|actions| !actions.is_empty()))
    }

    /// Returns the content of a file. None if it is missing.
    fn content(&self, name: &str) -> anyhow::Result<Option<Vec<u8>>> {
        let path = self.folder.join(name);
        match std::fs::read(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            content => {
                let content = content.with_context(|| format!("reading {}", path.display()))?;
                Ok(Some(content))
            }
        }
    }

    /// Adds a commit. The first commit of a table removes what a damaged log has left.
    ///
    /// # Errors
    /// Also if the version exists already.
    pub fn commit(&self, version: i64, actions: &[Action]) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("creating {}", self.folder.display()))?;
        if version == 0 {
            self.remove(|name| name == LAST_CHECKPOINT || version_in(name).is_some())?;
        }
        let lines = actions.iter().map(serde_json::to_string);
        let lines: Vec<String> = lines.collect::<Result<_, _>>()?;
        let name = commit_name(version);
        let content = lines.join("\n") + "\n";
        let temporary = write_temporary(&self.folder, &name, content.as_bytes())?;
        publish_new(&temporary, &self.folder.join(name))
    }

    /// Writes a checkpoint if enough commits followed the last one. Files that were removed
    /// before `removed_since`, in milliseconds since 1970, are not in it.
    pub fn add_checkpoint(&self, state: &TableState, removed_since: i64) -> anyhow::Result<()> {
        if state.version - state.checkpoint.unwrap_or(0) < COMMITS_PER_CHECKPOINT {
            return Ok(());
        }
        let actions = state.actions(removed_since);
        let (content, size) = (write_checkpoint(&actions)?, actions.len());
        let name = checkpoint_name(state.version);
        let temporary = write_temporary(&self.folder, &name, &content)?;
        publish(&temporary, &self.folder.join(name))?;

        let last = json!({ "version": state.version, "size": size }).to_string();
        let temporary = write_temporary(&self.folder, LAST_CHECKPOINT, last.as_bytes())?;
        publish(&temporary, &self.folder.join(LAST_CHECKPOINT))
    }

    /// Removes the commits and checkpoints before the newest checkpoint that was written
    /// before a time in milliseconds since 1970, and temporary files of interrupted exports.
    pub fn remove_before(&self, time: i64) -> anyhow::Result<()> {
        let names = names(&self.folder)?;
        let mut checkpoints: Vec<i64> = names
            .iter()
            .filter_map(|name| version_of(name, ".checkpoint.parquet"))
            .collect();
        checkpoints.sort_unstable();
        let mut first_kept = 0;
        for version in checkpoints.into_iter().rev() {
            let is_old = |action: &Action| matches!(action, Action::CommitInfo(CommitInfo { timestamp, .. }) if *timestamp < time);
            if self.read_commit(version)?.iter().flatten().any(is_old) {
                first_kept = version;
                break;
            }
        }
        self.remove(|name| version_in(name).is_some_and(|version| version < first_kept))
    }

    /// Removes the files with certain names, and temporary files.
    fn remove(&self, is_unused: impl Fn(&str) -> bool) -> anyhow::Result<()> {
        for name in names(&self.folder)? {
            let is_temporary = name.starts_with('.') && name.ends_with(".tmp");
            if is_temporary || is_unused(&name) {
                let path = self.folder.join(name);
                std::fs::remove_file(&path)
                    .with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}

/// Returns the version of a commit or a checkpoint.
fn version_in(name: &str) -> Option<i64> {
    version_of(name, ".json").or_else(|| version_of(name, ".checkpoint.parquet"))
}
