//! Describes the tables, views and columns of a mirror as Datasette metadata
//! (<https://docs.datasette.io/en/stable/metadata.html>).

use std::fmt::Write as _;

use super::recipes::recipes;
use super::terminal_text::printable;
use crate::mirror::{FieldDescription, Mirror, TableOrView};
use crate::resource::Resource;

/// One description per line: table or view, column, description. The column is empty in the
/// line of a table or view. The table `*` has the columns that all tables of records share.
const DESCRIPTIONS: &str = include_str!("datasette.tsv");

/// The greatest number of members in the description of an enumeration. `_lookups` has all.
const MEMBERS: usize = 12;

/// Shows the descriptions of the columns in a box of some lines, so that the rows begin on the
/// first screen. The menu of each column has them as well. Remarks get room.
const STYLE: &str = "<style>dl.column-descriptions { max-height: 7em; overflow-y: auto; \
                     border: 1px solid #ccc; padding: 0.5em } \
                     td.col-PublicRemarks { min-width: 40em }</style>";

/// The settings of tables and views. An index makes sorting and facets fast. Pages of 100 rows
/// with many columns are slow.
const SETTINGS: [(&str, &[&str]); 7] = [
    ("active_listings", &["facets: [\"City\"]"]),
    ("changes", &["sort_desc: \"id\""]),
    ("displayable_listings", &["size: 50"]),
    (
        "listing_overview",
        &["facets: [\"StandardStatus\"]", "size: 50"],
    ),
    ("listings", &["size: 25"]),
    ("rejects", &["sort_desc: \"id\"", "facets: [\"resource\"]"]),
    (
        "sync_runs",
        &["sort_desc: \"id\"", "facets: [\"job\", \"status\"]"],
    ),
];

/// Returns the `metadata.yaml` of a mirror. Texts are JSON strings, which YAML 1.2 includes.
pub fn datasette_metadata(mirror: &Mirror) -> anyhow::Result<String> {
    let file = mirror.path().file_name().unwrap_or_default();
    let stem = mirror.path().file_stem().unwrap_or_default();
    let (file, stem) = (file.to_string_lossy(), stem.to_string_lossy());
    let file = printable(&file);
    let notes = mirror.field_descriptions()?;
    let mut text = format!(
        "# Describes {file} to Datasette:\n\
         #   datasette {file} --metadata metadata.yaml --setting suggest_facets off\n\
         title: \"A mirror of an MLS\"\n\
         databases:\n  {}:\n    tables:\n",
        quoted(&stem)
    );
    for object in mirror.tables_and_views()? {
        let _ = writeln!(text, "      {}:", quoted(&object.name));
        let description = table_description(&object.name);
        let _ = writeln!(text, "        description: {}", quoted(&description));
        text += &shown(&object, &description);
        let columns = columns(&object, &notes);
        if !columns.is_empty() {
            text += "        columns:\n";
        }
        for (name, meaning) in columns {
            let _ = writeln!(text, "          {}: {}", quoted(name), quoted(&meaning));
        }
    }
    text += "    queries:\n";
    for recipe in recipes() {
        if mirror.can_run(&recipe.sql) {
            let (name, title) = (quoted(&recipe.name()), quoted(&recipe.title));
            let sql = quoted(&recipe.sql);
            let _ = writeln!(
                text,
                "      {name}:\n        title: {title}\n        sql: {sql}"
            );
        }
    }
    Ok(text)
}

/// Returns how Datasette shows a table or view: the mirror's own tables are hidden.
fn shown(object: &TableOrView, description: &str) -> String {
    let name = object.name.as_str();
    if name.starts_with('_') || name == "refinery_schema_history" {
        return "        hidden: true\n".to_owned();
    }
    let escaped = description.replace('&', "&amp;").replace('<', "&lt;");
    let html = quoted(&format!("{escaped}{STYLE}"));
    let mut text = format!("        description_html: {html}\n");
    for (_, settings) in SETTINGS.iter().filter(|(of, _)| *of == name) {
        for setting in *settings {
            let _ = writeln!(text, "        {setting}");
        }
    }
    // Datasette shows this column where another table refers to a listing.
    if of_table(name) == Some(Resource::PROPERTY)
        && object.columns.iter().any(|column| column == "ListingId")
    {
        text += "        label_column: \"ListingId\"\n";
    }
    text
}

/// Returns the resource of a table.
fn of_table(name: &str) -> Option<Resource> {
    let mut all = Resource::all().into_iter();
    all.find(|resource| resource.table() == name)
}

fn table_description(name: &str) -> String {
    match of_table(name) {
        Some(resource) => {
            format!("The feed's {resource} records. A row is live if deleted_at is NULL")
        }
        None => described(name, "").unwrap_or_default().to_owned(),
    }
}

/// Returns the description of a column, or of a table if the column is empty.
fn described(table: &str, column: &str) -> Option<&'static str> {
    let prefix = format!("{table}\t{column}\t");
    DESCRIPTIONS
        .lines()
        .find_map(|line| line.strip_prefix(&*prefix))
}

/// Returns the columns that have a description.
fn columns<'o>(object: &'o TableOrView, notes: &[FieldDescription]) -> Vec<(&'o str, String)> {
    let resource = of_table(&object.name).map(Resource::entity_set);
    let described = object.columns.iter().filter_map(|column| {
        let table = if resource.is_some() {
            "*"
        } else {
            &object.name
        };
        let own = described(table, column);
        // Most columns of the views are fields of listings.
        let of_feed = || {
            let mut notes = notes.iter().filter(|note| note.field == *column);
            let is_its = |note: &&FieldDescription| Some(note.resource.as_str()) == resource;
            match resource {
                Some(_) => notes.find(is_its).map(explained),
                None if column.starts_with(char::is_uppercase) => {
                    let property = Resource::PROPERTY.entity_set();
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

/// Returns the description of a field, with its type or its members.
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

/// Returns a text as a JSON string. Escapes in addition the characters that YAML does not
/// allow (YAML 1.2.2, "Character Set").
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
