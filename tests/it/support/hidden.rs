//! Secrets that must not show.

use std::path::Path;

use super::{Ended, Mirror};

/// Fails if a secret is in the output or in a file of the mirror's folder.
#[track_caller]
pub fn assert_secret_hidden(mirror: &Mirror, ended: &Ended, secret: &str) {
    assert!(!ended.stdout.contains(secret), "on stdout: {ended}");
    assert!(!ended.stderr.contains(secret), "on stderr: {ended}");
    search(mirror.folder.path(), secret);
}

#[track_caller]
fn search(folder: &Path, secret: &str) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, secret);
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let found = bytes
            .windows(secret.len())
            .any(|part| part == secret.as_bytes());
        assert!(!found, "in {}", path.display());
    }
}
