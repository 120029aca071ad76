//! The layout of the source: which module uses which, and what each file may hold.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use crate::source::{Crate, Source};

/// Each module uses only those before it.
const MODULES: [&str; 14] = [
    "resource", "value", "record", "change", "config", "program", "feed", "mirror", "files",
    "export", "sync", "schedule", "report", "cli",
];

/// The same inside `sync`, for its files and folders.
const SYNC: [&str; 16] = [
    "sync_error",
    "media_folder",
    "saved_capabilities",
    "feed_address",
    "progress",
    "clock",
    "context",
    "outcome",
    "glossary",
    "time_zone",
    "open_for_sync",
    "workers",
    "records",
    "photos",
    "verify",
    "jobs",
];

fn crates() -> [Crate; 2] {
    ["src", "simulator/src"].map(Crate::read)
}

fn mlsmirror() -> Crate {
    Crate::read("src")
}

#[track_caller]
fn assert_none(found: impl IntoIterator<Item = String>) {
    let found: BTreeSet<String> = found.into_iter().collect();
    let lines: Vec<_> = found.into_iter().collect();
    assert!(lines.is_empty(), "{}", lines.join("\n"));
}

/// Returns the modules that a file names after `crate::`.
fn named(source: &Source) -> BTreeSet<&str> {
    source
        .tokens
        .windows(3)
        .filter(|path| path[0] == "crate" && path[1] == "::")
        .map(|path| path[2].as_str())
        .collect()
}

/// Returns the files outside `allowed` that hold any of the words.
fn holding(words: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for source in mlsmirror().files {
        let path = source.path.to_str().unwrap();
        if allowed.iter().any(|allowed| path.starts_with(allowed)) {
            continue;
        }
        for word in words.iter().filter(|word| source.text.contains(**word)) {
            found.push(format!("{path} holds `{word}`"));
        }
    }
    found
}

#[test]
fn each_module_uses_only_those_before_it() {
    let place = |module: &str| MODULES.iter().position(|name| *name == module);
    let mut found = Vec::new();
    for source in mlsmirror().files {
        let own = source.layer();
        if ["lib", "main"].contains(&own) {
            continue;
        }
        for name in named(&source) {
            let allowed = match name {
                name if name == own => true,
                "stop" => ["feed", "sync", "schedule", "cli"].contains(&own),
                // `use crate::{...}` hides what is used.
                "{" => false,
                name => place(name).is_some() && place(name) < place(own),
            };
            if !allowed {
                found.push(format!("{} uses crate::{name}", source.path.display()));
            }
        }
        if own != "stop" && place(own).is_none() {
            found.push(format!(
                "{} has no place in the order",
                source.path.display()
            ));
        }
    }
    assert_none(found);
}

/// Returns the place of a file of `sync` in its order.
fn sync_place(source: &Source) -> Option<usize> {
    let inside = source.path.strip_prefix("sync").ok()?;
    let part = inside.iter().next()?.to_str()?.trim_end_matches(".rs");
    SYNC.iter().position(|name| *name == part)
}

#[test]
fn each_part_of_sync_uses_only_those_before_it() {
    let mlsmirror = mlsmirror();
    let mut found = Vec::new();
    for (index, source) in mlsmirror.files.iter().enumerate() {
        if source.is_test() || source.layer() != "sync" || source.path == Path::new("sync/mod.rs") {
            continue;
        }
        let Some(own) = sync_place(source) else {
            found.push(format!(
                "{} has no place in the order of sync",
                source.path.display()
            ));
            continue;
        };
        for target in mlsmirror.used_by(index) {
            let used = &mlsmirror.files[target];
            if sync_place(used).is_some_and(|place| place > own) {
                found.push(uses(source, used));
            }
        }
    }
    assert_none(found);
}

fn uses(source: &Source, used: &Source) -> String {
    format!("{} uses {}", source.path.display(), used.path.display())
}

/// Returns the files that each file uses, through imports, paths and methods.
fn uses_of_files(of: &Crate) -> Vec<BTreeSet<usize>> {
    let mut uses: Vec<_> = (0..of.files.len()).map(|index| of.used_by(index)).collect();
    for (caller, called, _) in method_calls(of) {
        uses[caller].insert(called);
    }
    for (index, source) in of.files.iter().enumerate() {
        if source.is_test() {
            uses[index].clear();
        }
    }
    uses
}

/// A type: the file that defines it, and its name.
type Type = (usize, String);

/// Returns the files with inherent `impl` blocks of each type, with the names of the methods.
fn methods(of: &Crate) -> BTreeMap<Type, BTreeMap<usize, BTreeSet<String>>> {
    let mut methods: BTreeMap<Type, BTreeMap<usize, BTreeSet<String>>> = BTreeMap::new();
    for (index, source) in of
        .files
        .iter()
        .enumerate()
        .filter(|(_, file)| !file.is_test())
    {
        for block in source.impls.iter().filter(|block| !block.is_trait) {
            if let Some(of_type) = of.resolve(index, &block.type_path) {
                let files = methods.entry(of_type).or_default();
                files
                    .entry(index)
                    .or_default()
                    .extend(block.methods.clone());
            }
        }
    }
    methods
}

/// Returns the calls between files that hold `impl` blocks of one type, and the calls of
/// methods with a name that no other type has: caller, called, method.
fn method_calls(of: &Crate) -> Vec<(usize, usize, String)> {
    let mut functions: BTreeMap<&str, usize> = BTreeMap::new();
    for source in &of.files {
        for pair in source.tokens.windows(2).filter(|pair| pair[0] == "fn") {
            *functions.entry(&pair[1]).or_default() += 1;
        }
    }

    let mut calls = Vec::new();
    for ((_, name), files) in methods(of).into_iter().filter(|(_, files)| files.len() > 1) {
        for (called, methods) in &files {
            for method in methods {
                let is_only = functions[method.as_str()] == 1;
                for (caller, source) in of.files.iter().enumerate() {
                    let is_of_type = files.get(&caller).is_some_and(|own| !own.contains(method));
                    let calls_it = (is_of_type && source.calls(&name, method))
                        || (is_only && source.calls_on_any(method));
                    if caller != *called && calls_it {
                        calls.push((caller, *called, method.clone()));
                    }
                }
            }
        }
    }
    calls
}

/// Returns the files that are reached from one file.
fn reached(uses: &[BTreeSet<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        open.extend(
            uses[file]
                .iter()
                .copied()
                .filter(|used| reached.insert(*used)),
        );
    }
    reached
}

#[test]
fn no_files_use_each_other_in_a_circle() {
    let mut found = Vec::new();
    for of in crates() {
        let uses = uses_of_files(&of);
        for (file, used_by_file) in uses.iter().enumerate() {
            let circle = used_by_file
                .iter()
                .filter(|used| reached(&uses, **used).contains(&file));
            found.extend(circle.map(|used| self::uses(&of.files[file], &of.files[*used])));
        }
    }
    assert_none(found);
}

#[test]
fn no_file_imports_all_that_a_module_holds() {
    let mut found = Vec::new();
    for of in crates() {
        for (index, source) in of
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.is_test())
        {
            let globs = of.globs(index).into_iter();
            let own = globs.filter(|path| {
                ["crate", "super", "self"]
                    .iter()
                    .any(|start| path.starts_with(start))
            });
            found.extend(own.map(|path| format!("{} imports {path}::*", source.path.display())));
        }
    }
    assert_none(found);
}

#[test]
fn impl_blocks_stay_in_the_folder_of_their_type() {
    let mut found = Vec::new();
    for of in crates() {
        for (index, source) in of
            .files
            .iter()
            .enumerate()
            .filter(|(_, file)| !file.is_test())
        {
            for block in &source.impls {
                let Some((target, name)) = of.resolve(index, &block.type_path) else {
                    continue;
                };
                let defined = &of.files[target];
                let is_top = defined.folder() == Path::new("");
                let stays = if is_top {
                    source.folder() == defined.folder()
                } else {
                    source.path.starts_with(defined.folder())
                };
                if !stays {
                    let (at, home) = (source.path.display(), defined.path.display());
                    found.push(format!("{at} implements {name} of {home}"));
                }
            }
        }
    }
    assert_none(found);
}

#[test]
fn files_with_impl_blocks_of_one_type_call_in_one_direction() {
    let mut found = Vec::new();
    for of in crates() {
        let calls = method_calls(&of);
        for (caller, called, method) in &calls {
            let back = calls
                .iter()
                .find(|(from, to, _)| (from, to) == (called, caller));
            if let Some((_, _, back)) = back {
                let (caller, called) = (&of.files[*caller].path, &of.files[*called].path);
                let (caller, called) = (caller.display(), called.display());
                found.push(format!(
                    "{caller} calls {method} of {called}, which calls {back}"
                ));
            }
        }
    }
    assert_none(found);
}

#[test]
fn mod_files_hold_modules_and_imports_only() {
    let mut found = Vec::new();
    for of in crates() {
        for source in of
            .files
            .iter()
            .filter(|file| file.is_module_file() && !file.is_test())
        {
            let items = [
                "fn",
                "struct",
                "enum",
                "trait",
                "impl",
                "const",
                "static",
                "type",
                "macro_rules",
            ];
            let held = items
                .iter()
                .filter(|item| source.tokens.iter().any(|token| token == *item));
            found.extend(held.map(|item| format!("{} holds `{item}`", source.path.display())));
        }
    }
    assert_none(found);
}

#[test]
fn no_two_files_of_a_crate_share_a_name() {
    let mut found = Vec::new();
    for of in crates() {
        let mut names: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        for file in of.files.iter().filter(|file| {
            // A verb may have the name of the module that does its work.
            let is_verb = file.path.starts_with("cli/verbs");
            !file.is_test() && file.stem() != "mod" && !is_verb
        }) {
            names
                .entry(file.stem())
                .or_default()
                .push(file.path.display().to_string());
        }
        let shared = names.into_values().filter(|paths| paths.len() > 1);
        found.extend(shared.map(|paths| paths.join(", ")));
    }
    assert_none(found);
}

#[test]
fn only_feed_uses_http_and_only_mirror_uses_sql() {
    assert_none(holding(&["reqwest"], &["feed/"]));

    assert_none(holding(&["rusqlite::"], &["mirror/", "sync/"]));
    let statements = ["SELECT ", "INSERT ", "UPDATE ", "DELETE FROM"];
    assert_none(holding(&statements, &["mirror/", "cli/verbs/demo.rs"]));

    // `sync` passes errors and results of the library on, and does not use it otherwise.
    let sync = mlsmirror()
        .files
        .into_iter()
        .filter(|file| file.layer() == "sync");
    let others = sync.filter(|file| {
        let text = file
            .text
            .replace("rusqlite::Error", "")
            .replace("rusqlite::Result", "");
        text.contains("rusqlite")
    });
    assert_none(others.map(|file| format!("{} uses rusqlite", file.path.display())));
}

#[test]
fn only_files_writes_to_the_photo_folder() {
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
    // These write files that a command names, the demo's folder, the database and its copy,
    // and the folder of Delta tables.
    let others = [
        "files/",
        "export/",
        "cli/demo_folder.rs",
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

#[test]
fn only_the_command_line_words_commands_and_options() {
    let words = [
        "`mlsmirror ",
        "--json",
        "`--",
        "run the command",
        "`sqlite3 ",
    ];
    assert_none(holding(&words, &["cli/", "report/datasette.rs"]));
}
