//! Tests of the import order.

use std::fs;
use std::path::Path;

/// Each module imports only from itself and the modules before it.
const ORDER: [&str; 9] = [
    "behaviour",
    "dice",
    "fields",
    "world",
    "makers",
    "market",
    "odata",
    "options",
    "http",
];

/// Returns the text of a file, or of all files in a folder.
fn text(path: &Path) -> String {
    if path.is_file() {
        return fs::read_to_string(path).unwrap();
    }
    let entries = fs::read_dir(path).unwrap();
    entries.map(|entry| text(&entry.unwrap().path())).collect()
}

#[test]
fn a_module_imports_only_from_those_before_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for (at, module) in ORDER.into_iter().enumerate() {
        let folder = src.join(module);
        let path = if folder.is_dir() {
            folder
        } else {
            folder.with_extension("rs")
        };
        let text = text(&path);
        for later in &ORDER[at + 1..] {
            let import = format!("crate::{later}");
            assert!(!text.contains(&import), "{module} imports {import}");
        }
    }
}
