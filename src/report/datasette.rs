//! What the file holds, described for Datasette
//! (<https://docs.datasette.io/en/stable/metadata.html>).

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::words::printable;
use crate::mirror::{FieldDescription, Mirror, TableOrView};
use crate::resource::Resource;

/// Where tables, views and columns are described; so they are nowhere else.
const DOCUMENT: &str = include_str!("../../docs/database.md");

/// Longer lists of an enumeration's members are in `_lookups` alone.
const MEMBERS: usize = 12;

/// Writes the `metadata.yaml` of a mirror. Texts are written as JSON has them, which
/// YAML 1.2 takes as they are.
///
/// # Errors
/// If the mirror cannot be read.
pub fn datasette_metadata(mirror: &Mirror) -> anyhow::Result<String> {
    let file = mirror.path().file_name().unwrap_or_default();
    let stem = mirror.path().file_stem().unwrap_or_default();
    let (file, stem) = (file.to_string_lossy(), stem.to_string_lossy());
    let file = printable(&file);
    let documented = Documented::read(DOCUMENT);
    let notes = mirror.field_descriptions()?;
    let mut text = format!(
        "# Describes {file} to Datasette:\n#   datasette {file} --metadata metadata.yaml\n\
         title: \"A mirror of an MLS\"\n\
         databases:\n  {}:\n    tables:\n",
        quoted(&stem)
    );
    for object in mirror.tables_and_views()? {
        let _ = writeln!(text, "      {}:", quoted(&object.name));
        let description = documented.description(&object.name);
        let _ = writeln!(text, "        description: {}", quoted(&description));
        let columns = columns(&object, &documented, &notes);
        if !columns.is_empty() {
            text += "        columns:\n";
        }
        for (name, meaning) in columns {
            let _ = writeln!(text, "          {}: {}", quoted(name), quoted(&meaning));
        }
    }
    Ok(text)
}

/// The resource whose records a table holds.
fn of_table(name: &str) -> Option<Resource> {
    let mut all = Resource::ALL.into_iter();
    all.find(|resource| resource.table() == name)
}

/// The columns of which something is known.
fn columns<'o>(
    object: &'o TableOrView,
    documented: &Documented<'_>,
    notes: &[FieldDescription],
) -> Vec<(&'o str, String)> {
    let resource = of_table(&object.name).map(Resource::entity_set);
    let described = object.columns.iter().filter_map(|column| {
        let own = documented.column(&object.name, column);
        // Columns of views are mostly those of listings.
        let of_feed = || {
            let mut notes = notes.iter().filter(|note| note.field == *column);
            let is_its = |note: &&FieldDescription| Some(note.resource.as_str()) == resource;
            match resource {
                Some(_) => notes.find(is_its).map(explained),
                None if column.starts_with(char::is_uppercase) => {
                    let property = Resource::Property.entity_set();
                    notes
                        .min_by_key(|note| note.resource != property)
                        .map(explained)
                }
                None => None,
            }
        };
        let meaning = own.map(str::to_owned).or_else(of_feed)?;
        Some((column.as_str(), meaning))
    });
    described.collect()
}

/// What a field means, what it holds, and of what.
fn explained(note: &FieldDescription) -> String {
    let kind = match (note.members.as_slice(), note.edm_type.strip_prefix("Edm.")) {
        ([], Some(plain)) => plain.to_owned(),
        ([], None) => note.edm_type.clone(),
        (members, _) if members.len() <= MEMBERS => format!("one of {}", members.join(", ")),
        (members, _) => format!("one of {} values, see _lookups", members.len()),
    };
    match &note.description {
        Some(description) => format!("{description} ({kind})"),
        None => kind,
    }
}

/// A text between quotes, as JSON has it, but for what YAML does not take as it is
/// (YAML 1.2.2, "Character Set").
fn quoted(text: &str) -> String {
    let mut quoted = String::new();
    for letter in serde_json::Value::from(text).to_string().chars() {
        match letter {
            '\u{7f}'..='\u{9f}'
            | '\u{fffe}'
            | '\u{ffff}'
            | '\u{2028}'
            | '\u{2029}'
            | '\u{feff}' => {
                let _ = write!(quoted, "\\u{:04x}", letter as u32);
            }
            letter => quoted.push(letter),
        }
    }
    quoted
}

/// What the document says of tables, views, and the mirror's own columns.
#[derive(Default)]
struct Documented<'d> {
    objects: BTreeMap<&'d str, String>,
    /// By table; those that every table of records has, by "".
    columns: BTreeMap<(&'d str, &'d str), String>,
}

impl<'d> Documented<'d> {
    fn read(document: &'d str) -> Documented<'d> {
        let mut documented = Documented::default();
        for section in document.split("\n#") {
            let (heading, body) = section.split_once('\n').unwrap_or((section, ""));
            let names = code(heading);
            let prose = body.split("\n\n").find(|part| !part.trim().is_empty());
            let first = first_sentence(prose.unwrap_or_default());
            for name in &names {
                documented.objects.insert(name, first.clone());
            }
            for row in body.lines().filter_map(|line| line.strip_prefix("| ")) {
                let Some((named, holds)) = row.trim_end_matches('|').split_once(" | ") else {
                    continue;
                };
                let holds = plain(holds);
                for name in code(named) {
                    match names.first() {
                        _ if holds.is_empty() => {}
                        Some(table) => {
                            documented.columns.insert((table, name), holds.clone());
                        }
                        None if heading.ends_with("own tables") => {
                            documented.objects.insert(name, holds.clone());
                        }
                        None => {
                            documented.columns.insert(("", name), holds.clone());
                        }
                    }
                }
            }
        }
        documented
    }

    fn description(&self, name: &str) -> String {
        match of_table(name) {
            Some(resource) => {
                format!("The feed's {resource}; where deleted_at is NULL, what it holds now")
            }
            None => self.objects.get(name).cloned().unwrap_or_default(),
        }
    }

    fn column<'a>(&'a self, table: &'a str, column: &'a str) -> Option<&'a str> {
        let table = of_table(table).map_or(table, |_| "");
        self.columns.get(&(table, column)).map(String::as_str)
    }
}

/// What stands between backquotes.
fn code(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).collect()
}

/// A first sentence, or what stands before a list of columns.
fn first_sentence(text: &str) -> String {
    let before = text.split(": `").next().unwrap_or(text).replace('\n', " ");
    let sentence = before.split(". ").next().unwrap_or(&before);
    plain(sentence).trim_end_matches('.').to_owned()
}

/// A text without what is meant for a page.
fn plain(text: &str) -> String {
    text.trim().replace('`', "")
}
