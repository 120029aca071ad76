//! The log of one table: reads its state, adds commits and checkpoints, and removes old
//! entries.

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

/// The log of a published table cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{folder} is damaged ({problem}); remove the folder of the table, and it is exported again", folder = .folder.display())]
pub(in crate::export) struct LogDamaged {
    folder: PathBuf,
    problem: String,
}

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

    /// Reads the state of the table. None if the table does not exist.
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
            let path = self.folder.join(checkpoint_name(version));
            let actions = read_checkpoint(&path);
            state.apply(version, actions.map_err(|error| self.damaged(&error))?);
        }
        state.checkpoint = checkpoint;
        // The commit of the checkpoint says which export wrote it.
        for version in checkpoint.unwrap_or(0)..=newest {
            let actions = self.read_commit(version)?;
            state.apply(version, actions);
        }
        Ok(Some(state))
    }

    fn read_commit(&self, version: i64) -> anyhow::Result<Vec<Action>> {
        let path = self.folder.join(commit_name(version));
        let text = std::fs::read_to_string(&path)
            .map_err(|error| self.damaged(&format!("{}: {error}", path.display())))?;
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        let actions = lines.map(serde_json::from_str).collect::<Result<_, _>>();
        actions.map_err(|error| self.damaged(&format!("{}: {error}", path.display())).into())
    }

    fn damaged(&self, problem: &impl std::fmt::Display) -> LogDamaged {
        LogDamaged {
            folder: self.folder.clone(),
            problem: problem.to_string(),
        }
    }

    /// Adds a commit.
    ///
    /// # Errors
    /// Also if the version exists already.
    pub fn commit(&self, version: i64, actions: &[Action]) -> anyhow::Result<()> {
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("creating {}", self.folder.display()))?;
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
        let temporary = write_temporary(&self.folder, "_last_checkpoint", last.as_bytes())?;
        publish(&temporary, &self.folder.join("_last_checkpoint"))
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
            if self.read_commit(version)?.iter().any(is_old) {
                first_kept = version;
                break;
            }
        }
        for name in names {
            let version = version_of(&name, ".json").or(version_of(&name, ".checkpoint.parquet"));
            let is_temporary = name.starts_with('.') && name.ends_with(".tmp");
            if is_temporary || version.is_some_and(|version| version < first_kept) {
                let path = self.folder.join(name);
                std::fs::remove_file(&path)
                    .with_context(|| format!("removing {}", path.display()))?;
            }
        }
        Ok(())
    }
}
