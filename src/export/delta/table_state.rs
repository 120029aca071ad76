//! The state of a table: the files and the schema after the commits up to a version.

use std::collections::BTreeMap;

use super::action::{Action, Add, Metadata, Protocol, Remove};

/// The state of a table at its newest version.
#[derive(Clone, Debug, Default)]
pub(in crate::export) struct TableState {
    pub version: i64,
    /// The export that wrote the version. None if another program wrote it.
    pub run_id: Option<String>,
    pub protocol: Option<Protocol>,
    pub metadata: Option<Metadata>,
    /// The files of the table, by path.
    pub files: BTreeMap<String, Add>,
    /// The files of earlier versions, by path.
    pub removed: BTreeMap<String, Remove>,
    /// The version of the newest checkpoint.
    pub checkpoint: Option<i64>,
}

impl TableState {
    /// Applies the actions of a version.
    pub fn apply(&mut self, version: i64, actions: impl IntoIterator<Item = Action>) {
        self.version = version;
        self.run_id = None;
        for action in actions {
            match action {
                Action::CommitInfo(info) => self.run_id = info.run_id,
                Action::Protocol(protocol) => self.protocol = Some(protocol),
                Action::MetaData(metadata) => self.metadata = Some(metadata),
                Action::Add(add) => {
                    self.removed.remove(&add.path);
                    self.files.insert(add.path.clone(), add);
                }
                Action::Remove(remove) => {
                    self.files.remove(&remove.path);
                    self.removed.insert(remove.path.clone(), remove);
                }
                Action::Other(_) => {}
            }
        }
    }

    /// Returns the number of rows of the table.
    pub fn rows(&self) -> u64 {
        self.files.values().map(Add::rows).sum()
    }

    /// Returns the state as actions, without files that were removed before a time in
    /// milliseconds since 1970.
    pub fn actions(&self, removed_since: i64) -> Vec<Action> {
        let removed = self
            .removed
            .values()
            .filter(|removed| removed.deletion_timestamp.unwrap_or(i64::MIN) >= removed_since);
        let head = [
            self.protocol.clone().map(Action::Protocol),
            self.metadata.clone().map(Action::MetaData),
        ];
        (head.into_iter().flatten())
            .chain(self.files.values().cloned().map(Action::Add))
            .chain(removed.cloned().map(Action::Remove))
            .collect()
    }
}
