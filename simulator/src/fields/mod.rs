//! The data dictionary of the feed: entity sets, fields, enumerations and values.

mod enumeration;
mod field;
mod json;
mod set;
mod table;
mod tsv;
mod value;

pub use enumeration::{Enumeration, enumerations};
pub use field::{Field, Kind};
pub use json::write_text;
pub use set::Set;
pub use table::{CAN_VIEW, MODIFICATION_TIMESTAMP, Table, tables};
pub use value::{
    DECIMAL_ONE, Value, date_of, parse_date, parse_decimal, parse_timestamp, parse_with_fraction,
};
