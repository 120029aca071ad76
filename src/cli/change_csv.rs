//! Changes as CSV, for spreadsheets.

use std::borrow::Cow;

use super::display_text::value;
use crate::mirror::{ChangeRow, ListingPlaces};
use crate::value::Value;

/// The columns after those of [`ChangeRow`].
const OF_LISTING: [&str; 2] = ["address", "city"];

/// Formats changes as lines of CSV, each with the current address of its listing.
pub struct ChangeCsv<'m> {
    places: ListingPlaces<'m>,
}

impl<'m> ChangeCsv<'m> {
    /// Creates a writer that asks `places` for addresses.
    pub fn new(places: ListingPlaces<'m>) -> ChangeCsv<'m> {
        ChangeCsv { places }
    }

    /// Appends the line with the names of the columns.
    pub fn head(text: &mut Vec<u8>) -> anyhow::Result<()> {
        let names = ChangeRow::COLUMNS.into_iter().chain(OF_LISTING);
        csv::Writer::from_writer(text).write_record(names)?;
        Ok(())
    }

    /// Appends the line of a change.
    pub fn row(&mut self, row: &ChangeRow, text: &mut Vec<u8>) -> anyhow::Result<()> {
        let place = self.places.of(row.listing_key.as_deref())?;
        let (id, run_id) = (row.id.to_string(), row.run_id.to_string());
        let known = |text: &Option<String>| safe(text.as_deref().unwrap_or_default()).into_owned();
        let cells = [
            id,
            run_id,
            safe(&row.resource).into_owned(),
            safe(&row.record_key).into_owned(),
            known(&row.listing_key),
            safe(&row.change).into_owned(),
            known(&row.field),
            cell(&row.old_value),
            cell(&row.new_value),
            known(&row.source_timestamp),
            safe(&row.recorded_at).into_owned(),
            known(&place.address),
            known(&place.city),
        ];
        csv::WriterBuilder::new()
            .buffer_capacity(512)
            .from_writer(text)
            .write_record(cells)?;
        Ok(())
    }
}

/// Returns a stored value as a cell. NULL and an empty text are empty.
fn cell(stored: &Value) -> String {
    match stored {
        Value::Null => String::new(),
        Value::Text(text) => safe(text).into_owned(),
        number => value(number).into_owned(),
    }
}

/// Returns a text that a spreadsheet does not run as a formula: an apostrophe precedes `=`, `+`,
/// `-`, `@`, a tab or a carriage return (OWASP, CSV injection). A number stays as it is.
fn safe(text: &str) -> Cow<'_, str> {
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    if is_formula && text.parse::<f64>().is_err() {
        return format!("'{text}").into();
    }
    text.into()
}
