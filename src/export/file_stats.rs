//! The statistics of a data file, as the log has them.

use std::cmp::Ordering;

use chrono::{DateTime, NaiveDate, TimeDelta};
use serde_json::{Map, Value as Json, json};

use super::column::Column;
use super::column_type::{Cell, ColumnType};

/// A longer text is not in the statistics.
const LONGEST_TEXT: usize = 256;

/// The smallest and the largest value of a column in a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Extremes {
    range: Option<(Extreme, Extreme)>,
    nulls: u64,
    /// Whether a value was too long.
    is_unknown: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Extreme {
    Number(i128),
    Double(f64),
    Text(Box<str>),
}

impl Extremes {
    /// Includes a value; None is a null.
    pub fn add(&mut self, cell: Option<&Cell<'_>>) {
        let Some(cell) = cell else {
            self.nulls += 1;
            return;
        };
        if matches!(cell, Cell::Text(text) if text.len() > LONGEST_TEXT) {
            self.is_unknown = true;
            return;
        }
        let Some((smallest, largest)) = &mut self.range else {
            let only = Extreme::of(cell);
            self.range = Some((only.clone(), only));
            return;
        };
        if smallest.compare(cell) == Ordering::Greater {
            *smallest = Extreme::of(cell);
        } else if largest.compare(cell) == Ordering::Less {
            *largest = Extreme::of(cell);
        }
    }
}

impl Extreme {
    fn of(cell: &Cell<'_>) -> Extreme {
        match cell {
            Cell::Boolean(value) => Extreme::Number((*value).into()),
            Cell::Date(days) => Extreme::Number((*days).into()),
            Cell::Decimal(digits) => Extreme::Number(*digits),
            Cell::Double(number) => Extreme::Double(*number),
            Cell::Long(number) | Cell::Timestamp(number) => Extreme::Number((*number).into()),
            Cell::Text(text) => Extreme::Text((&**text).into()),
        }
    }

    fn compare(&self, cell: &Cell<'_>) -> Ordering {
        match (self, cell) {
            (Extreme::Text(own), Cell::Text(text)) => (**own).cmp(text.as_ref()),
            _ => match (self, &Extreme::of(cell)) {
                (Extreme::Number(own), Extreme::Number(other)) => own.cmp(other),
                (Extreme::Double(own), Extreme::Double(other)) => own.total_cmp(other),
                (Extreme::Text(own), Extreme::Text(other)) => own.cmp(other),
                _ => Ordering::Equal,
            },
        }
    }
}

/// Returns the statistics of a file. `extremes` has one entry for each column in the log.
pub(super) fn file_stats(rows: u64, columns: &[Column], extremes: &[Extremes]) -> String {
    let in_log = columns.iter().filter(|column| column.is_in_log);
    let (mut smallest, mut largest, mut nulls) = (Map::new(), Map::new(), Map::new());
    for (column, found) in in_log.zip(extremes) {
        nulls.insert(column.name.clone(), found.nulls.into());
        let Some((first, last)) = found.range.as_ref().filter(|_| !found.is_unknown) else {
            continue;
        };
        let bounds = json_of(column.column_type, first, Bound::Lower).zip(json_of(
            column.column_type,
            last,
            Bound::Upper,
        ));
        if let Some((first, last)) = bounds {
            smallest.insert(column.name.clone(), first);
            largest.insert(column.name.clone(), last);
        }
    }
    json!({
        "numRecords": rows,
        "minValues": smallest,
        "maxValues": largest,
        "nullCount": nulls,
    })
    .to_string()
}

enum Bound {
    Lower,
    Upper,
}

fn json_of(column_type: ColumnType, value: &Extreme, bound: Bound) -> Option<Json> {
    Some(match (column_type, value) {
        (_, Extreme::Text(text)) => Json::String(text.to_string()),
        (_, Extreme::Double(number)) => serde_json::Number::from_f64(*number)?.into(),
        (ColumnType::Date, Extreme::Number(days)) => {
            let day = NaiveDate::default().checked_add_signed(TimeDelta::days(*days as i64))?;
            Json::String(day.to_string())
        }
        (ColumnType::Timestamp, Extreme::Number(micros)) => {
            // The log has milliseconds: the bounds include all values.
            let millis = (*micros as i64).div_euclid(1_000);
            let is_rounded = matches!(bound, Bound::Upper) && micros.rem_euclid(1_000) != 0;
            let time = DateTime::from_timestamp_millis(millis + i64::from(is_rounded))?;
            Json::String(time.format("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        }
        (ColumnType::Decimal(size), Extreme::Number(digits)) => {
            let number = *digits as f64 / 10_f64.powi(size.scale.into());
            // Larger numbers of digits would be rounded, and the bounds could exclude values.
            (digits.unsigned_abs() < 1 << 53)
                .then(|| serde_json::Number::from_f64(number))??
                .into()
        }
        (ColumnType::Boolean, _) => return None,
        (_, Extreme::Number(number)) => Json::from(*number as i64),
    })
}
