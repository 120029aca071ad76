//! The fields of a listing in the groups of the RESO Data Dictionary.

use super::display_text::{at_left, dollars, is_timestamp, printable, value, width};
use super::local_times::LocalTimes;
use crate::mirror::HeldRecord;
use crate::value::Value;

/// Lists the names of each group. A `*` at the start or at the end of a name matches any
/// characters.
const GROUPS: &str = include_str!("listing_groups.tsv");

/// The group of fields that the Data Dictionary does not have.
const OTHER: &str = "Other fields";

/// Which fields are shown, and in which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The fields with information for a reader, without those of the summary, in a readable
    /// form.
    Readable,
    /// Every column with a value, in storage form.
    All,
}

/// A field to show, with its position in its group.
struct Field<'a> {
    place: usize,
    name: &'a str,
    text: String,
}

/// Returns the fields of a listing in groups, each after an empty line and its name.
pub fn grouped(
    listing: &HeldRecord,
    summarized: &[&str],
    shown: Shown,
    times: LocalTimes,
) -> String {
    let mut groups: Vec<(&str, Vec<Field<'_>>)> = Vec::new();
    let names = GROUPS
        .lines()
        .filter_map(|line| Some(line.split_once('\t')?.0));
    groups.extend(names.chain([OTHER]).map(|name| (name, Vec::new())));
    for (name, held) in &listing.values {
        let text = match shown {
            Shown::All => Some(value(held).into_owned()),
            Shown::Readable if summarized.contains(&&**name) || is_bookkeeping(name) => None,
            Shown::Readable => readable(name, held, times),
        };
        if let Some(text) = text {
            let (group, place) = place(name);
            groups[group].1.push(Field { place, name, text });
        }
    }

    let fields = groups.iter().flat_map(|(_, fields)| fields);
    let widest = fields.map(|field| width(&printable(field.name))).max();
    let mut text = String::new();
    for (name, mut fields) in groups {
        if fields.is_empty() {
            continue;
        }
        fields.sort_by_key(|field| field.place);
        text += &format!("\n{name}\n");
        for field in fields {
            let name = at_left(&printable(field.name), widest.unwrap_or(0));
            text += &format!("  {name}  {}\n", printable(&field.text));
        }
    }
    text
}

/// Returns whether a column is of use only to programs: the mirror's own columns, and keys.
fn is_bookkeeping(name: &str) -> bool {
    !name.starts_with(|letter: char| letter.is_ascii_uppercase())
        || name.ends_with("Key")
        || name.ends_with("KeyNumeric")
}

/// Formats a value for a person; None if it has no information.
fn readable(name: &str, held: &Value, times: LocalTimes) -> Option<String> {
    let is_money = ["Price", "Fee", "Amount", "Expense", "Income"];
    if name.ends_with("YN") && matches!(held, Value::Integer(0 | 1)) {
        return (*held == Value::Integer(1)).then(|| "yes".to_owned());
    }
    if let Some(number) = held.as_number()
        && is_money.iter().any(|end| name.ends_with(end))
    {
        return Some(dollars(number));
    }
    let text = value(held);
    if matches!(held, Value::Text(text) if text.trim().is_empty()) {
        return None;
    }
    if is_timestamp(name) {
        return Some(times.named_stored(&text));
    }
    let Ok(list) = serde_json::from_str::<Vec<String>>(&text) else {
        return Some(text.into_owned());
    };
    Some(list.join(", ")).filter(|list| !list.is_empty())
}

/// Returns the index of a field's group, and its position in the group. A complete name has
/// precedence over one with a `*`.
fn place(name: &str) -> (usize, usize) {
    let mut by_pattern = None;
    let mut group_count = 0;
    for (group, line) in GROUPS.lines().enumerate() {
        group_count = group + 1;
        let (_, names) = line.split_once('\t').unwrap_or_default();
        for (place, known) in names.split(' ').enumerate() {
            let is_like = match (known.strip_prefix('*'), known.strip_suffix('*')) {
                (Some(end), _) => name.ends_with(end),
                (_, Some(start)) => name.starts_with(start),
                _ if known == name => return (group, place),
                _ => false,
            };
            if is_like && by_pattern.is_none() {
                by_pattern = Some((group, place));
            }
        }
    }
    by_pattern.unwrap_or((group_count, 0))
}
