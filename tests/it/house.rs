//! The layout of the source: who may use whom, read from the text.

use std::path::{Path, PathBuf};

/// Each layer uses only those before it.
const ORDER: [&str; 12] = [
    "resource", "value", "record", "change", "config", "feed", "mirror", "files", "sync",
    "schedule", "report", "cli",
];

/// A file of `src` without comments: its path, its layer, its text.
struct Source {
    path: PathBuf,
    layer: String,
    text: String,
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                let lines = text
                    .lines()
                    .filter(|line| !line.trim_start().starts_with("//"));
                let text = lines.collect::<Vec<_>>().join("\n");
                let path = path.strip_prefix(&root).unwrap().to_owned();
                let first = path.iter().next().unwrap().to_str().unwrap();
                let layer = first.trim_end_matches(".rs").to_owned();
                sources.push(Source { path, layer, text });
            }
        }
    }
    assert!(
        sources.len() > 30,
        "{} files in {}",
        sources.len(),
        root.display()
    );
    sources
}

/// The layers that a file names by `crate::`.
fn named(text: &str) -> Vec<&str> {
    let behind = text.split("crate::").skip(1).zip(text.split("crate::"));
    let ours = behind.filter(|(_, before)| {
        !before.ends_with(|last: char| last.is_alphanumeric() || last == '_')
    });
    ours.map(|(name, _)| {
        name.split(|next: char| !(next.is_alphanumeric() || next == '_'))
            .next()
            .unwrap_or_default()
    })
    .collect()
}

fn assert_none(found: Vec<String>) {
    assert!(found.is_empty(), "against the house:\n{}", found.join("\n"));
}

/// The files, other than those of `but`, that hold any of these.
fn holding(words: &[&str], but: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in sources() {
        let folder = source.path.to_str().unwrap();
        if but.iter().any(|allowed| folder.starts_with(allowed)) {
            continue;
        }
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            found.push(format!("{folder} holds `{word}`"));
        }
    }
    found
}

#[test]
fn each_layer_uses_only_those_before_it() {
    let mut found = Vec::new();
    for source in sources() {
        if ["lib", "main"].contains(&source.layer.as_str()) {
            continue;
        }
        let place = |layer: &str| ORDER.iter().position(|name| *name == layer);
        for name in named(&source.text) {
            let allowed = match (name, source.layer.as_str()) {
                (name, own) if name == own => true,
                ("stop", own) => ["feed", "sync", "schedule", "cli"].contains(&own),
                // Imported with braces: `use crate::{…}` hides what is used.
                ("", _) => false,
                (name, own) => place(name).is_some() && place(name) < place(own),
            };
            if !allowed {
                found.push(format!("{} uses crate::{name}", source.path.display()));
            }
        }
        let known = source.layer == "stop" || place(&source.layer).is_some();
        assert!(known, "{} has no place in the order", source.path.display());
    }
    assert_none(found);
}

#[test]
fn only_feed_speaks_http_and_only_mirror_speaks_sql() {
    assert_none(holding(&["reqwest"], &["feed/"]));
    let mut sql = holding(&["rusqlite::"], &["mirror/", "sync/"]);
    sql.extend(holding(
        &["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM"],
        &["mirror/", "cli/verbs/demo.rs"],
    ));
    assert_none(sql);
    for source in sources()
        .into_iter()
        .filter(|source| source.layer == "sync")
    {
        // An error or a result is passed on; the library itself is not used.
        let text = source
            .text
            .replace("rusqlite::Error", "")
            .replace("rusqlite::Result", "");
        assert!(
            !text.contains("rusqlite"),
            "{} uses rusqlite",
            source.path.display()
        );
    }
}

#[test]
fn only_files_writes_where_photos_are() {
    assert_none(holding(&["cap_std", "cap_fs_ext"], &["files/"]));
    let words = [
        "fs::write",
        "File::create",
        "fs::remove",
        "fs::rename",
        "create_dir",
        "tempfile",
        ".persist",
        "generate_to",
    ];
    // Files that are asked for, the demo's folder, the database's and its copy.
    let others = [
        "files/",
        "cli/verbs/demo.rs",
        "cli/verbs/man.rs",
        "cli/whole_file.rs",
        "config/tests.rs",
        "mirror/process/backup.rs",
        "mirror/open.rs",
        "mirror/process/request_ledger.rs",
    ];
    assert_none(holding(&words, &others));
}

#[test]
fn only_the_command_line_prints() {
    let words = [
        "println!", "print!(", "eprint!(", "dbg!(", "stdout()", "stderr()",
    ];
    assert_none(holding(&words, &["cli/", "feed/odata/metadata/tests.rs"]));
}
