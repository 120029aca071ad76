//! Changes as a table, of which each row is laid out by itself.

use std::borrow::Cow;

use super::text::{cut, printable, value};
use crate::mirror::ChangeRow;

/// Where stdout is no terminal.
const WIDTH: usize = 120;

/// A narrower terminal breaks the lines itself.
const WIDTH_LEAST: usize = 80;

/// Room for a resource and the key of a record that is no listing; two
/// timestamps of a field with a long name still fit behind it.
const RECORD_WIDTH: usize = 22;

/// Of a shorter key nothing could be recognised: rather is the column too narrow.
const KEY_WIDTH_LEAST: usize = 10;

/// The least room for both values of a change.
const VALUES_WIDTH_LEAST: usize = 20;

/// Lays out changes in columns: time, listing, record, and what changed.
pub struct ChangeTable {
    width: usize,
    /// As wide as the longest key so far; none if all are of one listing.
    listing_width: Option<usize>,
    has_head: bool,
}

impl ChangeTable {
    /// For a terminal of so many columns, if there is one.
    pub fn new(columns: Option<usize>) -> ChangeTable {
        ChangeTable {
            width: columns.unwrap_or(WIDTH).max(WIDTH_LEAST),
            listing_width: Some(7),
            has_head: false,
        }
    }

    /// For changes of one listing, which is not named on every line.
    pub fn of_one_listing(columns: Option<usize>) -> ChangeTable {
        ChangeTable {
            listing_width: None,
            ..ChangeTable::new(columns)
        }
    }

    /// A row with its line end; the first one with the head above it.
    pub fn row(&mut self, row: &ChangeRow) -> String {
        let listing = printable(row.listing_key.as_deref().unwrap_or(""));
        if let Some(width) = &mut self.listing_width {
            *width = (*width).max(length(&listing));
        }
        let head = if self.has_head {
            String::new()
        } else {
            self.columns("TIME (UTC)", "LISTING", "RECORD") + "CHANGE\n"
        };
        self.has_head = true;
        let columns = self.columns(&row.recorded_at, &listing, &record(row));
        let change = change(row, self.width.saturating_sub(length(&columns)));
        format!("{head}{columns}{change}\n")
    }

    /// All columns but the last, whose width is what they leave.
    fn columns(&self, time: &str, listing: &str, record: &str) -> String {
        let listing = self
            .listing_width
            .map_or(String::new(), |width| format!("{listing:width$}  "));
        format!("{time:19}  {listing}{record:RECORD_WIDTH$}  ")
    }
}

/// The resource, and the record's key where it is not the listing's own.
fn record(row: &ChangeRow) -> String {
    if row.listing_key.as_ref() == Some(&row.record_key) {
        return row.resource.clone();
    }
    let room = RECORD_WIDTH.saturating_sub(length(&row.resource) + 1);
    let room = room.max(KEY_WIDTH_LEAST);
    let key = printable(&row.record_key);
    format!("{} {}", row.resource, without_middle(&key, room))
}

/// What changed, in about so many letters.
pub fn change(row: &ChangeRow, room: usize) -> String {
    let Some(field) = &row.field else {
        return match &*row.change {
            "insert" => "new".to_owned(),
            "delete" => "deleted".to_owned(),
            "restore" => "restored".to_owned(),
            other => printable(other).into_owned(),
        };
    };
    let room = room.saturating_sub(length(field) + 2);
    let (old, new) = (value(&row.old_value), value(&row.new_value));
    let values = from_to(&printable(&old), &printable(&new), room);
    format!("{}: {values}", printable(field))
}

/// Both values, shortened to fit side by side.
fn from_to(old: &str, new: &str, room: usize) -> String {
    let room = room.max(VALUES_WIDTH_LEAST) - 3;
    let (mut old, mut new) = (Cow::from(old), Cow::from(new));
    if length(&old) + length(&new) > room {
        // How two long texts begin alike tells nothing of what changed.
        let pairs = old.chars().zip(new.chars());
        let alike = pairs.take_while(|(old, new)| old == new).count();
        if alike > room / 4 {
            let behind = |text: &str| {
                let rest = text.chars().skip(alike - room / 8);
                Cow::from(format!("…{}", rest.collect::<String>()))
            };
            (old, new) = (behind(&old), behind(&new));
        }
    }
    let half = room / 2;
    let old_room = match (length(&old), length(&new)) {
        (_, new) if new < half => room - new,
        (old, _) if old < half => old,
        _ => half,
    };
    let new_room = room - old_room.min(length(&old));
    format!("{} → {}", cut(&old, old_room), cut(&new, new_room))
}

fn length(text: &str) -> usize {
    text.chars().count()
}

/// Keys of one listing's photos differ at their ends.
fn without_middle(key: &str, room: usize) -> Cow<'_, str> {
    let long = length(key);
    if long <= room {
        return key.into();
    }
    let first = (room - 1) / 2;
    let last = room - 1 - first;
    let start: String = key.chars().take(first).collect();
    let end: String = key.chars().skip(long - last).collect();
    format!("{start}…{end}").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_values_are_shortened_to_what_differs() {
        let cases = [
            ("Active", "Pending", 40, "Active → Pending"),
            ("nothing", "635000", 16, "nothing → 635000"),
            ("1", "a very long text indeed", 20, "1 → a very long tex…"),
            ("a very long text indeed", "1", 20, "a very long tex… → 1"),
            (
                "the same and the same: old",
                "the same and the same: new",
                24,
                "…: old → …: new",
            ),
        ];
        for (old, new, room, expected) in cases {
            assert_eq!(from_to(old, new, room), expected);
        }
        assert_eq!(
            without_middle("1611952_050774e9_2880536.jpg", 11),
            "16119…6.jpg"
        );
        assert_eq!(printable("a\tb\u{1b}[2Jc"), "a b [2Jc");
    }
}
