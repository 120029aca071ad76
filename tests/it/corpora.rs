//! Runs the checks of the fuzz targets on their seeds, and checks their lock file.

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

/// The fuzz targets are a workspace of their own, which `cargo build` here does not update.
#[test]
fn the_lock_file_of_the_fuzz_targets_has_every_dependency() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| -> toml::Table {
        let text = fs::read_to_string(root.join(path)).unwrap();
        text.parse().unwrap()
    };
    let lock = read("fuzz/Cargo.lock");
    let packages = lock["package"].as_array().unwrap();
    let locked = |package: &str| {
        let found = packages
            .iter()
            .find(|one| one["name"].as_str() == Some(package));
        found.unwrap_or_else(|| panic!("no {package}"))["dependencies"]
            .as_array()
            .unwrap()
    };
    for manifest in ["Cargo.toml", "simulator/Cargo.toml"] {
        let manifest = read(manifest);
        let package = manifest["package"]["name"].as_str().unwrap();
        for name in manifest["dependencies"].as_table().unwrap().keys() {
            // An entry is a name, with a version if there are several.
            let is_locked = locked(package)
                .iter()
                .any(|entry| entry.as_str().unwrap().split(' ').next() == Some(name));
            assert!(is_locked, "{package} without {name}");
        }
    }
}
