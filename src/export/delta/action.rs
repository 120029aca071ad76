//! The actions of a commit.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// An action: one line of a commit.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) enum Action {
    CommitInfo(CommitInfo),
    Protocol(Protocol),
    MetaData(Metadata),
    Add(Add),
    Remove(Remove),
    /// An action that this program does not write.
    #[serde(untagged)]
    Other(serde_json::Value),
}

/// Where a commit comes from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) struct CommitInfo {
    /// Milliseconds since 1970.
    pub timestamp: i64,
    #[serde(default)]
    pub operation: String,
    #[serde(default)]
    pub operation_parameters: BTreeMap<String, serde_json::Value>,
    #[serde(default)]
    pub engine_info: String,
    /// The export that wrote the commit. None if another program wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run_id: Option<String>,
}

/// The versions of the protocol that readers and writers must know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) struct Protocol {
    pub min_reader_version: i32,
    pub min_writer_version: i32,
}

/// The schema of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) struct Metadata {
    pub id: String,
    pub name: Option<String>,
    pub format: Format,
    pub schema_string: String,
    pub partition_columns: Vec<String>,
    pub configuration: BTreeMap<String, String>,
    pub created_time: Option<i64>,
}

/// The format of the data files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::export) struct Format {
    pub provider: String,
    pub options: BTreeMap<String, String>,
}

/// A data file that belongs to the table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) struct Add {
    pub path: String,
    #[serde(default)]
    pub partition_values: BTreeMap<String, Option<String>>,
    pub size: i64,
    pub modification_time: i64,
    pub data_change: bool,
    pub stats: Option<String>,
    pub tags: Option<BTreeMap<String, Option<String>>>,
}

/// A data file that does not belong to the table any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::export) struct Remove {
    pub path: String,
    /// Milliseconds since 1970.
    pub deletion_timestamp: Option<i64>,
    pub data_change: bool,
    #[serde(default)]
    pub size: Option<i64>,
}

impl Metadata {
    /// Creates the metadata of a table without partitions.
    pub fn new(id: String, name: String, schema_string: String, now: i64) -> Metadata {
        Metadata {
            id,
            name: Some(name),
            format: Format {
                provider: "parquet".to_owned(),
                options: BTreeMap::new(),
            },
            schema_string,
            partition_columns: Vec::new(),
            configuration: BTreeMap::new(),
            created_time: Some(now),
        }
    }
}

impl Add {
    /// Returns the number of rows, by the statistics.
    pub fn rows(&self) -> u64 {
        let stats = self.stats.as_deref().unwrap_or_default();
        let stats: serde_json::Value = serde_json::from_str(stats).unwrap_or_default();
        stats["numRecords"].as_u64().unwrap_or(0)
    }
}
