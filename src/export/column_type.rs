//! The types of exported columns, and how stored values become values of these types.

use std::borrow::Cow;
use std::fmt;

use chrono::NaiveDate;

use crate::value::{ValueRef, day, instant};

/// The precision and scale of decimals whose field declares no scale. They are those of
/// Spark for decimals of unknown size.
const UNDECLARED: Decimal = Decimal {
    precision: 38,
    scale: 18,
};

/// The largest precision that readers support.
const LARGEST_PRECISION: u8 = 38;

/// The most digits of a decimal that is stored as a 32-bit and as a 64-bit integer. Iceberg
/// and Spark expect the smallest one.
const INT_DIGITS: u8 = 9;
const LONG_DIGITS: u8 = 18;

/// The integer that holds the digits of a decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Width {
    /// 32 bits.
    Int,
    /// 64 bits.
    Long,
    /// 128 bits.
    Wide,
}

/// The size of a decimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Decimal {
    /// The number of digits.
    pub precision: u8,
    /// The number of digits after the point.
    pub scale: u8,
}

/// The type of an exported column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ColumnType {
    Boolean,
    Date,
    Decimal(Decimal),
    Double,
    Long,
    String,
    Timestamp,
}

/// A value of an exported column.
#[derive(Debug, PartialEq)]
pub(super) enum Cell<'v> {
    Boolean(bool),
    /// Days since 1970-01-01.
    Date(i32),
    /// The digits of a decimal as a whole number.
    Decimal(i128),
    Double(f64),
    Long(i64),
    Text(Cow<'v, str>),
    /// Microseconds since 1970-01-01 00:00:00 UTC.
    Timestamp(i64),
}

/// The column cannot hold the value.
#[derive(Debug)]
pub(super) struct Misfit;

impl ColumnType {
    /// Returns the type for a declared type such as `NUMERIC(14,2)`.
    pub fn of(declared: &str) -> ColumnType {
        let (name, size) = declared.split_once('(').unwrap_or((declared, ""));
        match name.trim().to_ascii_uppercase().as_str() {
            "BOOLEAN" => ColumnType::Boolean,
            "DATE" => ColumnType::Date,
            "DECIMAL" | "NUMERIC" => ColumnType::Decimal(Decimal::of(size)),
            "REAL" | "DOUBLE" | "FLOAT" => ColumnType::Double,
            "INTEGER" | "INT" | "BIGINT" => ColumnType::Long,
            "TIMESTAMP" => ColumnType::Timestamp,
            _ => ColumnType::String,
        }
    }

    /// Converts a value, which is not NULL.
    pub fn cell(self, value: ValueRef<'_>) -> Result<Cell<'_>, Misfit> {
        let cell = match (self, value) {
            (ColumnType::Boolean, ValueRef::Integer(0)) => Some(Cell::Boolean(false)),
            (ColumnType::Boolean, ValueRef::Integer(1)) => Some(Cell::Boolean(true)),
            (ColumnType::Date, ValueRef::Text(text)) => days(text).map(Cell::Date),
            (ColumnType::Decimal(size), value) => size.digits(value).map(Cell::Decimal),
            (ColumnType::Double, ValueRef::Real(number)) => Some(Cell::Double(number)),
            (ColumnType::Double, ValueRef::Integer(number)) => Some(Cell::Double(number as f64)),
            (ColumnType::Long, ValueRef::Integer(number)) => Some(Cell::Long(number)),
            (ColumnType::Timestamp, ValueRef::Text(text)) => {
                microseconds(text).map(Cell::Timestamp)
            }
            (ColumnType::String, value) => match value {
                ValueRef::Text("\0") | ValueRef::Null => None,
                ValueRef::Text(text) => Some(Cell::Text(text.into())),
                ValueRef::Integer(number) => Some(Cell::Text(number.to_string().into())),
                ValueRef::Real(number) => Some(Cell::Text(number.to_string().into())),
            },
            _ => None,
        };
        cell.ok_or(Misfit)
    }
}

impl fmt::Display for ColumnType {
    /// Writes the name of the type in a Delta schema.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ColumnType::Boolean => "boolean",
            ColumnType::Date => "date",
            ColumnType::Double => "double",
            ColumnType::Long => "long",
            ColumnType::String => "string",
            ColumnType::Timestamp => "timestamp",
            ColumnType::Decimal(Decimal { precision, scale }) => {
                return write!(f, "decimal({precision},{scale})");
            }
        })
    }
}

impl Decimal {
    /// Parses the rest of a declared type: `14,2)`.
    fn of(size: &str) -> Decimal {
        let numbers = size.trim_end_matches([')', ' ']).split_once(',');
        let parsed = numbers.and_then(|(precision, scale)| {
            let (precision, scale) = (precision.trim().parse().ok()?, scale.trim().parse().ok()?);
            Some(Decimal { precision, scale })
        });
        let is_supported = |size: &Decimal| {
            (1..=LARGEST_PRECISION).contains(&size.precision) && size.scale <= size.precision
        };
        parsed.filter(is_supported).unwrap_or(UNDECLARED)
    }

    /// Returns the integer that holds all digits.
    pub fn width(self) -> Width {
        if self.precision <= INT_DIGITS {
            Width::Int
        } else if self.precision <= LONG_DIGITS {
            Width::Long
        } else {
            Width::Wide
        }
    }

    /// Returns the digits of a number. None if it has more digits than the column, before or
    /// after the point.
    fn digits(self, value: ValueRef<'_>) -> Option<i128> {
        let digits = match value {
            ValueRef::Integer(number) => {
                i128::from(number).checked_mul(10_i128.pow(self.scale.into()))?
            }
            ValueRef::Real(number) => self.rounded(number).or_else(|| self.spelled(number))?,
            ValueRef::Null | ValueRef::Text(_) => return None,
        };
        (digits.unsigned_abs() < 10_u128.pow(self.precision.into())).then_some(digits)
    }

    /// Returns the digits of a number that is the nearest one to a decimal of this scale.
    /// None if that cannot be computed exactly.
    fn rounded(self, number: f64) -> Option<i128> {
        /// From here on, not every whole number is a float.
        const EXACT: f64 = 9_007_199_254_740_992.0;
        let power = 10_f64.powi(self.scale.into());
        let digits = (number * power).round();
        // Powers of ten up to 10^22 are exact, so the quotient is the nearest float.
        let is_exact = self.scale <= 22 && digits.abs() < EXACT && digits / power == number;
        is_exact.then_some(digits as i128)
    }

    /// Returns the digits of the shortest decimal for a number.
    fn spelled(self, number: f64) -> Option<i128> {
        let text = number.to_string();
        let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
        let scale = usize::from(self.scale);
        if fraction.len() > scale {
            return None;
        }
        format!("{whole}{fraction:0<scale$}").parse().ok()
    }
}

/// Returns the days from 1970-01-01 to a date in storage form.
fn days(stored: &str) -> Option<i32> {
    let date = day(stored.as_bytes())?;
    i32::try_from((date - NaiveDate::default()).num_days()).ok()
}

/// Returns the microseconds from 1970 to a timestamp in storage form. More digits of the
/// fraction are cut.
fn microseconds(stored: &str) -> Option<i64> {
    instant(stored).map(|instant| instant.timestamp_micros())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(declared: &str, value: ValueRef<'_>) -> Option<i128> {
        match ColumnType::of(declared).cell(value) {
            Ok(Cell::Decimal(digits)) => Some(digits),
            _ => None,
        }
    }

    #[test]
    fn the_digits_of_a_decimal_have_the_smallest_integer() {
        for (declared, width) in [
            ("DECIMAL(9,2)", Width::Int),
            ("DECIMAL(10,2)", Width::Long),
            ("DECIMAL(18,0)", Width::Long),
            ("DECIMAL(19,4)", Width::Wide),
            ("DECIMAL", Width::Wide),
        ] {
            let ColumnType::Decimal(size) = ColumnType::of(declared) else {
                panic!("{declared} is no decimal");
            };
            assert_eq!(size.width(), width, "{declared}");
        }
    }

    #[test]
    fn decimals_keep_all_their_digits_or_do_not_fit() {
        let cases = [
            (
                "DECIMAL(14,2)",
                ValueRef::Integer(525_000),
                Some(52_500_000),
            ),
            ("DECIMAL(14,2)", ValueRef::Real(0.07), Some(7)),
            (
                "NUMERIC( 14 , 2 )",
                ValueRef::Real(-1_234_567.89),
                Some(-123_456_789),
            ),
            ("DECIMAL(14,2)", ValueRef::Real(0.005), None),
            ("DECIMAL(4,2)", ValueRef::Real(99.99), Some(9_999)),
            ("DECIMAL(4,2)", ValueRef::Integer(100), None),
            ("DECIMAL(14,2)", ValueRef::Text("12"), None),
            (
                "DECIMAL",
                ValueRef::Real(40.760_779_123_456),
                Some(40_760_779_123_456_000_000),
            ),
            ("DECIMAL(9)", ValueRef::Integer(1), Some(10_i128.pow(18))),
            ("DECIMAL(14,2)", ValueRef::Real(f64::INFINITY), None),
        ];
        for (declared, value, digits) in cases {
            assert_eq!(decimal(declared, value), digits, "{declared} {value:?}");
        }
    }

    #[test]
    fn dates_and_timestamps_are_counted_from_1970() {
        assert_eq!(days("1970-01-02"), Some(1));
        assert_eq!(days("0000-01-01"), Some(-719_528));
        assert_eq!(days("2026-02-29"), None);
        assert_eq!(days("2026-02-28 "), None);
        let micros = |text| microseconds(text);
        assert_eq!(micros("1970-01-01 00:00:01"), Some(1_000_000));
        assert_eq!(micros("1969-12-31 23:59:59.5"), Some(-500_000));
        assert_eq!(
            micros("2026-03-04 19:00:00.1234567"),
            Some(1_772_650_800_123_456)
        );
        assert_eq!(micros("2026-03-04T19:00:00"), None);
        assert_eq!(micros("2026-03-04 24:00:00"), None);
        assert_eq!(micros("2026-03-04 19:00:00Z"), None);
    }
}
