//! The source files of a crate, read as text: their modules, imports, types and methods.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// One file of a crate.
pub struct Source {
    /// Relative to the crate's `src`.
    pub path: PathBuf,
    /// The text without lines that are comments.
    pub text: String,
    /// The tokens of everything but comments, literals and unit tests.
    pub tokens: Vec<String>,
    module: Vec<String>,
    /// Local name to path, of every `use` statement.
    imports: BTreeMap<String, Vec<String>>,
    /// The paths of all `use` statements except `pub use`.
    private: Vec<Vec<String>>,
    pub impls: Vec<Impl>,
}

/// One `impl` block.
pub struct Impl {
    /// The type as the header names it.
    pub type_path: Vec<String>,
    pub is_trait: bool,
    pub methods: BTreeSet<String>,
}

/// All files of a crate.
pub struct Crate {
    pub files: Vec<Source>,
    by_module: BTreeMap<Vec<String>, usize>,
}

impl Source {
    pub fn stem(&self) -> &str {
        self.path.file_stem().unwrap().to_str().unwrap()
    }

    pub fn folder(&self) -> &Path {
        self.path.parent().unwrap()
    }

    /// Returns the first part of the path: a folder, or the name of a file without its extension.
    pub fn layer(&self) -> &str {
        let first = self.path.iter().next().unwrap().to_str().unwrap();
        first.trim_end_matches(".rs")
    }

    /// Returns whether the file only declares and exports modules.
    pub fn is_module_file(&self) -> bool {
        ["mod", "lib"].contains(&self.stem())
    }

    /// Returns whether the file holds unit tests and nothing else.
    pub fn is_test(&self) -> bool {
        self.path
            .iter()
            .any(|part| part == "tests.rs" || part == "tests")
    }

    /// Returns whether the file defines a type of this name.
    pub fn defines(&self, name: &str) -> bool {
        self.tokens
            .windows(2)
            .any(|pair| ["struct", "enum", "trait"].contains(&pair[0].as_str()) && pair[1] == name)
    }

    fn read(root: &Path, path: PathBuf) -> Self {
        let text = std::fs::read_to_string(root.join(&path)).unwrap();
        let tokens = without_unit_tests(tokens(&text));
        let lines = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"));

        let mut module: Vec<String> = path
            .with_extension("")
            .iter()
            .map(|part| part.to_str().unwrap().to_owned())
            .collect();
        if ["mod", "lib", "main"].contains(&module.last().unwrap().as_str()) {
            module.pop();
        }

        let mut source = Source {
            text: lines.collect::<Vec<_>>().join("\n"),
            impls: impls(&tokens),
            path,
            module,
            tokens,
            imports: BTreeMap::new(),
            private: Vec::new(),
        };
        source.read_imports();
        source
    }

    fn read_imports(&mut self) {
        for start in 0..self.tokens.len() {
            if self.tokens[start] != "use" {
                continue;
            }
            let is_public = start > 0 && ["pub", ")"].contains(&self.tokens[start - 1].as_str());
            let mut found = Vec::new();
            use_tree(&self.tokens, start + 1, &[], &mut found);
            for (name, path) in found {
                if !is_public {
                    self.private.push(path.clone());
                }
                self.imports.insert(name, path);
            }
        }
    }

    /// Returns every path of two or more names outside `use` statements.
    fn paths(&self) -> Vec<Vec<String>> {
        let mut paths = Vec::new();
        let mut at = 0;
        while at < self.tokens.len() {
            if self.tokens[at] == "use" {
                while self.tokens[at] != ";" {
                    at += 1;
                }
            }
            let mut path = Vec::new();
            while is_name(&self.tokens[at]) {
                path.push(self.tokens[at].clone());
                let continues = self.tokens.get(at + 1).is_some_and(|next| next == "::")
                    && self.tokens.get(at + 2).is_some_and(|next| is_name(next));
                if !continues {
                    break;
                }
                at += 2;
            }
            if path.len() > 1 {
                paths.push(path);
            }
            at += 1;
        }
        paths
    }

    /// Returns whether a method of a type is called: on `self`, or by the name of the type.
    pub fn calls(&self, type_name: &str, method: &str) -> bool {
        let own = ["self", "Self", type_name];
        self.tokens.windows(4).any(|call| {
            // `self.name` without parentheses is a field.
            let is_path = call[1] == "::" || (call[1] == "." && call[3] == "(");
            own.contains(&call[0].as_str()) && is_path && call[2] == method
        })
    }

    /// Returns whether a method of this name is called on anything.
    pub fn calls_on_any(&self, method: &str) -> bool {
        self.tokens
            .windows(3)
            .any(|call| call[0] == "." && call[1] == method && call[2] == "(")
    }
}

impl Crate {
    /// Reads every file below `src`, a path relative to the repository.
    pub fn read(src: &str) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(src);
        let mut folders = vec![root.clone()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let path = path.strip_prefix(&root).unwrap().to_owned();
                    files.push(Source::read(&root, path));
                }
            }
        }
        assert!(files.len() > 10, "{} files in {src}", files.len());

        files.sort_by(|left, right| left.path.cmp(&right.path));
        let modules = files
            .iter()
            .enumerate()
            .filter(|(_, file)| file.stem() != "main");
        let by_module = modules
            .map(|(index, file)| (file.module.clone(), index))
            .collect();
        Crate { files, by_module }
    }

    /// Returns the file that defines the item of a path, and the item's name.
    pub fn resolve(&self, from: usize, path: &[String]) -> Option<(usize, String)> {
        self.resolve_in(from, path, 0)
    }

    fn resolve_in(&self, from: usize, path: &[String], depth: usize) -> Option<(usize, String)> {
        let file = &self.files[from];
        let (first, rest) = path.split_first()?;
        if depth > 20 {
            return None;
        }
        if first == "crate" {
            return self.walk(Vec::new(), rest, depth);
        }
        if first == "self" {
            return self.walk(file.module.clone(), rest, depth);
        }
        if first == "super" {
            let supers = path.iter().take_while(|part| *part == "super").count();
            let kept = file.module.len().checked_sub(supers)?;
            return self.walk(file.module[..kept].to_vec(), &path[supers..], depth);
        }
        if let Some(import) = file.imports.get(first) {
            if import[0] == *first && import.len() > 1 && !self.is_child(file, first) {
                return None; // another crate
            }
            if import == path {
                return self.child(file, path, depth);
            }
            let whole: Vec<String> = import.iter().chain(rest).cloned().collect();
            return self.resolve_in(from, &whole, depth + 1);
        }
        self.child(file, path, depth)
            .or_else(|| file.defines(first).then(|| (from, first.clone())))
    }

    fn is_child(&self, file: &Source, name: &str) -> bool {
        let mut child = file.module.clone();
        child.push(name.to_owned());
        self.by_module.contains_key(&child)
    }

    fn child(&self, file: &Source, path: &[String], depth: usize) -> Option<(usize, String)> {
        self.is_child(file, &path[0])
            .then(|| self.walk(file.module.clone(), path, depth))?
    }

    /// Follows names from a module to an item; `None` if they end at a module.
    fn walk(
        &self,
        mut module: Vec<String>,
        names: &[String],
        depth: usize,
    ) -> Option<(usize, String)> {
        for (at, name) in names.iter().enumerate() {
            module.push(name.clone());
            if self.by_module.contains_key(&module) {
                continue;
            }
            module.pop();
            let index = *self.by_module.get(&module)?;
            if self.files[index].imports.contains_key(name) {
                return self.resolve_in(index, &names[at..], depth + 1);
            }
            return Some((index, name.clone()));
        }
        None
    }

    /// Returns the files that a file uses, by its imports and by the paths in its code.
    pub fn used_by(&self, from: usize) -> BTreeSet<usize> {
        let file = &self.files[from];
        let imports = file.private.iter().cloned();
        let targets = imports
            .chain(file.paths())
            .filter_map(|path| self.resolve(from, &path));
        targets
            .map(|(target, _)| target)
            .filter(|target| *target != from)
            .collect()
    }

    /// Returns the paths of all modules that a file imports with `*`.
    pub fn globs(&self, from: usize) -> Vec<String> {
        let file = &self.files[from];
        file.imports
            .iter()
            .filter(|(name, _)| name.starts_with('*'))
            .map(|(_, path)| path.join("::"))
            .collect()
    }
}

fn is_name(token: &str) -> bool {
    token.starts_with(|first: char| first.is_alphabetic() || first == '_')
}

/// Splits Rust code into names, `::` and single characters. Skips comments and literals.
fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if first == '"' {
            string_length(rest)
        } else if let Some(length) = raw_string_length(rest) {
            length
        } else if first == '\'' {
            quote_length(rest)
        } else if first.is_alphanumeric() || first == '_' {
            let end = rest.find(|next: char| !(next.is_alphanumeric() || next == '_'));
            tokens.push(rest[..end.unwrap_or(rest.len())].to_owned());
            end.unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            tokens.push("::".to_owned());
            2
        } else {
            if !first.is_whitespace() {
                tokens.push(first.to_string());
            }
            first.len_utf8()
        };
        rest = &rest[length..];
    }
    tokens
}

fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, sign) in text.char_indices().skip(1) {
        if sign == '"' && !escaped {
            return at + 1;
        }
        escaped = sign == '\\' && !escaped;
    }
    text.len()
}

fn raw_string_length(text: &str) -> Option<usize> {
    let inner = text.strip_prefix("br").or_else(|| text.strip_prefix('r'))?;
    let hashes = inner.chars().take_while(|sign| *sign == '#').count();
    let body = inner[hashes..].strip_prefix('"')?;
    let end = format!("\"{}", "#".repeat(hashes));
    Some(text.len() - body.len() + body.find(&end)? + end.len())
}

/// Returns the length of a character literal, or of a lifetime.
fn quote_length(text: &str) -> usize {
    let mut signs = text.char_indices().skip(1);
    let (_, first) = signs.next().unwrap();
    if first == '\\' {
        return 2 + text[2..]
            .find('\'')
            .map_or(1, |end| if end == 0 { 2 } else { end + 1 });
    }
    match signs.next() {
        Some((at, '\'')) => at + 1,
        _ => {
            let name = &text[1..];
            let end = name.find(|next: char| !(next.is_alphanumeric() || next == '_'));
            1 + end.unwrap_or(name.len())
        }
    }
}

/// Returns the index after the brace that closes the one at `open`.
fn after_block(tokens: &[String], open: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.as_str() {
            "{" => depth += 1,
            "}" => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    tokens.len()
}

/// Removes every item that is compiled for tests only.
fn without_unit_tests(tokens: Vec<String>) -> Vec<String> {
    let mark = ["#", "[", "cfg", "(", "test", ")", "]"];
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        let is_marked = tokens[at..].iter().take(mark.len()).eq(mark.iter());
        if !is_marked {
            kept.push(tokens[at].clone());
            at += 1;
            continue;
        }
        while at < tokens.len() && ![";", "{"].contains(&tokens[at].as_str()) {
            at += 1;
        }
        at = if tokens.get(at).is_some_and(|token| token == "{") {
            after_block(&tokens, at)
        } else {
            at + 1
        };
    }
    kept
}

/// Adds the names that a `use` tree brings in; returns the index after it.
fn use_tree(
    tokens: &[String],
    mut at: usize,
    before: &[String],
    found: &mut Vec<(String, Vec<String>)>,
) -> usize {
    let mut path = before.to_vec();
    loop {
        match tokens[at].as_str() {
            "::" => at += 1,
            "{" => {
                at += 1;
                while tokens[at] != "}" {
                    at = use_tree(tokens, at, &path, found);
                    if tokens[at] == "," {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "*" => {
                found.push((format!("*{}", path.join("::")), path));
                return at + 1;
            }
            "as" => {
                found.push((tokens[at + 1].clone(), path));
                return at + 2;
            }
            name if is_name(name) => {
                // `{self, ...}` names the module itself.
                if name != "self" || path.is_empty() {
                    path.push(name.to_owned());
                }
                at += 1;
            }
            _ => {
                if let Some(name) = path.last().cloned() {
                    found.push((name, path));
                }
                return at;
            }
        }
    }
}

/// Returns all `impl` blocks.
fn impls(tokens: &[String]) -> Vec<Impl> {
    let mut found = Vec::new();
    for start in 0..tokens.len() {
        let is_item = start == 0 || ["}", ";", "]", "{"].contains(&tokens[start - 1].as_str());
        if tokens[start] != "impl" || !is_item {
            continue;
        }
        let open = start
            + tokens[start..]
                .iter()
                .position(|token| token == "{")
                .unwrap();
        let header = &tokens[start + 1..open];
        let body = &tokens[open..after_block(tokens, open)];
        let (type_path, is_trait) = implemented(header);
        let methods = body
            .windows(2)
            .filter(|pair| pair[0] == "fn")
            .map(|pair| pair[1].clone());
        found.push(Impl {
            type_path,
            is_trait,
            methods: methods.collect(),
        });
    }
    found
}

/// Returns the type that the header of an `impl` block names, and whether it names a trait.
fn implemented(header: &[String]) -> (Vec<String>, bool) {
    let mut depth = 0_i32;
    let mut path = Vec::new();
    let mut is_trait = false;
    for token in header {
        match token.as_str() {
            "<" => depth += 1,
            ">" => depth -= 1,
            _ if depth > 0 => {}
            "for" => {
                path.clear();
                is_trait = true;
            }
            "where" => break,
            "mut" | "dyn" => {}
            name if is_name(name) => path.push(name.to_owned()),
            _ => {}
        }
    }
    (path, is_trait)
}
