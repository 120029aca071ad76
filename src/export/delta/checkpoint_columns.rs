//! The columns of a checkpoint, with the levels that Parquet stores for nested values.

use parquet::schema::types::ColumnDescriptor;
use serde_json::Value as Json;

/// The schema of a checkpoint (PROTOCOL.md, "Checkpoint Schema").
pub(super) const CHECKPOINT_SCHEMA: &str = "message checkpoint {
  OPTIONAL GROUP txn {
    OPTIONAL BYTE_ARRAY appId (UTF8);
    OPTIONAL INT64 version;
    OPTIONAL INT64 lastUpdated;
  }
  OPTIONAL GROUP protocol {
    OPTIONAL INT32 minReaderVersion;
    OPTIONAL INT32 minWriterVersion;
  }
  OPTIONAL GROUP metaData {
    OPTIONAL BYTE_ARRAY id (UTF8);
    OPTIONAL BYTE_ARRAY name (UTF8);
    OPTIONAL BYTE_ARRAY description (UTF8);
    OPTIONAL GROUP format {
      OPTIONAL BYTE_ARRAY provider (UTF8);
      OPTIONAL GROUP options (MAP) {
        REPEATED GROUP key_value { REQUIRED BYTE_ARRAY key (UTF8); OPTIONAL BYTE_ARRAY value (UTF8); }
      }
    }
    OPTIONAL BYTE_ARRAY schemaString (UTF8);
    OPTIONAL GROUP partitionColumns (LIST) {
      REPEATED GROUP list { OPTIONAL BYTE_ARRAY element (UTF8); }
    }
    OPTIONAL GROUP configuration (MAP) {
      REPEATED GROUP key_value { REQUIRED BYTE_ARRAY key (UTF8); OPTIONAL BYTE_ARRAY value (UTF8); }
    }
    OPTIONAL INT64 createdTime;
  }
  OPTIONAL GROUP add {
    OPTIONAL BYTE_ARRAY path (UTF8);
    OPTIONAL GROUP partitionValues (MAP) {
      REPEATED GROUP key_value { REQUIRED BYTE_ARRAY key (UTF8); OPTIONAL BYTE_ARRAY value (UTF8); }
    }
    OPTIONAL INT64 size;
    OPTIONAL INT64 modificationTime;
    OPTIONAL BOOLEAN dataChange;
    OPTIONAL BYTE_ARRAY stats (UTF8);
    OPTIONAL GROUP tags (MAP) {
      REPEATED GROUP key_value { REQUIRED BYTE_ARRAY key (UTF8); OPTIONAL BYTE_ARRAY value (UTF8); }
    }
  }
  OPTIONAL GROUP remove {
    OPTIONAL BYTE_ARRAY path (UTF8);
    OPTIONAL INT64 deletionTimestamp;
    OPTIONAL BOOLEAN dataChange;
    OPTIONAL INT64 size;
  }
}";

/// One entry of a column: its levels, and its value if it has one.
pub(super) struct Entry {
    pub value: Option<Json>,
    pub definition: i16,
    pub repetition: i16,
}

/// Returns the entries of a column for these actions.
pub(super) fn column_entries(actions: &[Json], column: &ColumnDescriptor) -> Vec<Entry> {
    let mut entries = Vec::new();
    for action in actions {
        let mut found = Some(action);
        let mut definition = 0;
        let mut repeated = None;
        for part in column.path().parts() {
            // The repeated groups of maps and lists are no fields in JSON.
            if part == "key_value" || part == "list" {
                repeated = found;
                break;
            }
            found = found
                .and_then(|json| json.get(part))
                .filter(|json| !json.is_null());
            definition += i16::from(found.is_some());
        }
        let Some(repeated) = repeated else {
            entries.push(Entry {
                value: found.cloned(),
                definition,
                repetition: 0,
            });
            continue;
        };
        add_repeated(repeated, definition, column, &mut entries);
    }
    entries
}

/// Adds the entries of a map or a list. An empty one has one entry without a value.
fn add_repeated(
    repeated: &Json,
    definition: i16,
    column: &ColumnDescriptor,
    entries: &mut Vec<Entry>,
) {
    let is_key = column.name() == "key";
    let values: Vec<Json> = match repeated {
        Json::Object(map) if is_key => map.keys().map(|key| key.as_str().into()).collect(),
        Json::Object(map) => map.values().cloned().collect(),
        Json::Array(list) => list.clone(),
        _ => Vec::new(),
    };
    if values.is_empty() {
        entries.push(Entry {
            value: None,
            definition,
            repetition: 0,
        });
    }
    for (at, value) in values.into_iter().enumerate() {
        entries.push(Entry {
            value: Some(value),
            definition: column.max_def_level(),
            repetition: i16::from(at > 0),
        });
    }
}
