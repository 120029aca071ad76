//! Runs the checks of the fuzz targets on their seeds.

#[path = "../../fuzz/checks.rs"]
mod checks;

use std::fs;
use std::path::Path;

fn all_of(target: &str, check: impl Fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds");
    let mut checked = 0;
    for entry in fs::read_dir(folder.join(target)).unwrap() {
        let path = entry.unwrap().path();
        println!("{}", path.display());
        check(&fs::read(path).unwrap());
        checked += 1;
    }
    assert!(checked > 4, "{target} has {checked} seeds");
}

#[test]
fn pages_are_decoded_or_refused() {
    all_of("page", checks::page);
}

#[test]
fn metadata_is_read_or_refused() {
    all_of("metadata", checks::metadata);
}

#[test]
fn file_names_are_safe_and_distinct() {
    all_of("file_name", checks::file_name);
}

#[test]
fn configurations_are_read_or_refused() {
    all_of("config", checks::config);
}
