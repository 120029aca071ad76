//! Removes data files that no version needs any more. Other files are never removed.

use std::path::Path;

use anyhow::Context;

use super::delta::{TableState, names};

/// Removes data files that left the table before a time in milliseconds since 1970, and files
/// of interrupted exports. Returns their number.
pub(super) fn remove_unused(
    folder: &Path,
    state: &TableState,
    removed_since: i64,
) -> anyhow::Result<usize> {
    let is_needed = |name: &str| {
        let removed = state.removed.get(name);
        let is_kept = removed
            .is_some_and(|removed| removed.deletion_timestamp.unwrap_or(i64::MAX) >= removed_since);
        is_kept || state.files.contains_key(name)
    };
    let mut count = 0;
    for name in names(folder)? {
        let unfinished = name
            .strip_prefix('.')
            .and_then(|name| name.strip_suffix(".tmp"));
        let is_unused = match unfinished {
            Some(name) => is_data_file(name),
            None => is_data_file(&name) && !is_needed(&name),
        };
        if is_unused {
            let path = folder.join(&name);
            std::fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Returns whether a name is one that an export gives: `part-00000-00001-`, 32 hexadecimal
/// digits, and `.zstd.parquet`.
fn is_data_file(name: &str) -> bool {
    let parts = name
        .strip_prefix("part-")
        .and_then(|name| name.strip_suffix(".zstd.parquet"))
        .map(|name| name.split('-').collect::<Vec<_>>());
    let is_number =
        |text: &str| text.len() >= 5 && text.bytes().all(|digit| digit.is_ascii_digit());
    match parts.as_deref() {
        Some([segment, file, run]) => {
            is_number(segment)
                && is_number(file)
                && run.len() == 32
                && run.bytes().all(|digit| digit.is_ascii_hexdigit())
        }
        _ => false,
    }
}
