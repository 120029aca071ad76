//! Changes as a table whose rows are printed one at a time.

use std::borrow::Cow;

use super::display_text::{at_left, cut, end, is_timestamp, printable, start, value, width};
use super::local_times::LocalTimes;
use crate::mirror::ChangeRow;

/// The width if stdout is not a terminal.
const WIDTH: usize = 120;

/// The minimum width. A narrower terminal wraps the lines.
const MIN_WIDTH: usize = 80;

/// The width for a resource and the key of a record that is not a listing. Two timestamps
/// of a field with a long name still fit after it.
const RECORD_WIDTH: usize = 22;

/// The minimum width of a key. A shorter key is not recognisable, so the line gets longer.
const MIN_KEY_WIDTH: usize = 10;

/// The minimum width for both values of a change.
const MIN_VALUES_WIDTH: usize = 20;

/// Formats changes in columns: time, listing, record and change.
pub struct ChangeTable {
    width: usize,
    times: LocalTimes,
    /// The width of the longest key so far; `None` if all changes are of one listing.
    listing_width: Option<usize>,
    has_header: bool,
}

impl ChangeTable {
    /// Creates a table for a terminal with this number of columns, if there is one.
    pub fn new(columns: Option<usize>, times: LocalTimes) -> ChangeTable {
        ChangeTable {
            times,
            width: columns.unwrap_or(WIDTH).max(MIN_WIDTH),
            listing_width: Some(7),
            has_header: false,
        }
    }

    /// Creates a table for the changes of one listing, without a column for its key.
    pub fn of_one_listing(columns: Option<usize>, times: LocalTimes) -> ChangeTable {
        ChangeTable {
            listing_width: None,
            ..ChangeTable::new(columns, times)
        }
    }

    /// Returns a row with its line end. The header precedes the first row.
    pub fn row(&mut self, row: &ChangeRow) -> String {
        let listing = printable(row.listing_key.as_deref().unwrap_or(""));
        if let Some(widest) = &mut self.listing_width {
            *widest = (*widest).max(width(&listing));
        }
        let header = if self.has_header {
            String::new()
        } else {
            let time = format!("TIME ({})", self.times.name());
            self.columns(&time, "LISTING", "RECORD") + "CHANGE\n"
        };
        self.has_header = true;
        let time = self.times.plain_stored(&row.recorded_at);
        let columns = self.columns(&time, &listing, &record(row));
        let room = self.width.saturating_sub(width(&columns));
        let change = change(row, room, self.times);
        format!("{header}{columns}{change}\n")
    }

    /// Returns all columns except the last, which has the remaining width.
    fn columns(&self, time: &str, listing: &str, record: &str) -> String {
        let listing = self
            .listing_width
            .map_or(String::new(), |widest| at_left(listing, widest) + "  ");
        format!("{time:19}  {listing}{}  ", at_left(record, RECORD_WIDTH))
    }
}

/// Returns the resource, and the key of a record that is not a listing.
fn record(row: &ChangeRow) -> String {
    if row.listing_key.as_ref() == Some(&row.record_key) {
        return row.resource.clone();
    }
    let room = RECORD_WIDTH.saturating_sub(width(&row.resource) + 1);
    let room = room.max(MIN_KEY_WIDTH);
    let key = printable(&row.record_key);
    format!("{} {}", row.resource, without_middle(&key, room))
}

/// Describes the change in about this number of columns.
pub fn change(row: &ChangeRow, room: usize, times: LocalTimes) -> String {
    let Some(field) = &row.field else {
        return match &*row.change {
            "insert" => "new".to_owned(),
            "delete" => "deleted".to_owned(),
            "restore" => "restored".to_owned(),
            other => printable(other).into_owned(),
        };
    };
    let room = room.saturating_sub(width(field) + 2);
    let shown = |held| match value(held) {
        time if is_timestamp(field) => times.plain_stored(&time).into(),
        other => other,
    };
    let (old, new) = (shown(&row.old_value), shown(&row.new_value));
    let values = from_to(&printable(&old), &printable(&new), room);
    format!("{}: {values}", printable(field))
}

/// Returns both values, shortened to fit in one line.
fn from_to(old: &str, new: &str, room: usize) -> String {
    let room = room.max(MIN_VALUES_WIDTH) - 3;
    let (mut old, mut new) = (Cow::from(old), Cow::from(new));
    if width(&old) + width(&new) > room {
        // The common start of two long texts does not show what changed.
        let common = common_start(&old, &new);
        if width(common) > room / 4 {
            let skipped = common.len() - end(common, room / 8).len();
            let end_of = |text: &str| Cow::from(format!("…{}", text.split_at(skipped).1));
            (old, new) = (end_of(&old), end_of(&new));
        }
    }
    let half = room / 2;
    let old_room = match (width(&old), width(&new)) {
        (_, new) if new < half => room - new,
        (old, _) if old < half => old,
        _ => half,
    };
    let new_room = room - old_room.min(width(&old));
    format!("{} → {}", cut(&old, old_room), cut(&new, new_room))
}

/// Returns the start that both texts share.
fn common_start<'a>(old: &'a str, new: &str) -> &'a str {
    let pairs = old.chars().zip(new.chars());
    let common = pairs.take_while(|(old, new)| old == new);
    let length = common.map(|(letter, _)| letter.len_utf8()).sum();
    old.split_at(length).0
}

/// Shortens a key in its middle: the keys of a listing's photos differ at their ends.
fn without_middle(key: &str, room: usize) -> Cow<'_, str> {
    if width(key) <= room {
        return key.into();
    }
    let first = (room - 1) / 2;
    let last = room - 1 - first;
    format!("{}…{}", start(key, first), end(key, last)).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::Value;

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

    #[test]
    fn a_timestamp_is_shown_in_the_time_zone_of_the_feed() {
        let mut row = row("1000007", "2026-03-01 10:00:00", "2026-07-01 10:00:00.5");
        row.field = Some("PriceChangeTimestamp".to_owned());
        let shown = "PriceChangeTimestamp: 2026-03-01 03:00:00 → 2026-07-01 04:00:00";
        let denver = LocalTimes(chrono_tz::Tz::America__Denver);
        assert_eq!(change(&row, 80, denver), shown);
    }

    fn row(listing: &str, old: &str, new: &str) -> ChangeRow {
        ChangeRow {
            recorded_at: "2026-03-01 10:00:00".to_owned(),
            resource: "Property".to_owned(),
            record_key: listing.to_owned(),
            listing_key: Some(listing.to_owned()),
            change: "update".to_owned(),
            field: Some("City".to_owned()),
            old_value: Value::Text(old.into()),
            new_value: Value::Text(new.into()),
            id: 1,
            run_id: 1,
            source_timestamp: None,
        }
    }

    #[test]
    fn rows_with_wide_characters_line_up_and_fit_the_terminal() {
        let mut table = ChangeTable::new(Some(80), LocalTimes::UTC);
        let rows = table.row(&row("東京-100", "Sandy", &"東".repeat(40)))
            + &table.row(&row("1000007", "🏡", "Sandy"));
        let expected = "\
TIME (UTC)           LISTING   RECORD                  CHANGE
2026-03-01 10:00:00  東京-100  Property                City: Sandy → 東東東東東…
2026-03-01 10:00:00  1000007   Property                City: 🏡 → Sandy
";
        assert_eq!(rows, expected);
    }
}
