//! The market as it is now: the world at the start, and every change since then.

mod moves;
mod records;
mod row;
pub mod trade;

pub use moves::{Fields, Moves};
pub use records::Market;
pub use row::Row;
pub use trade::Moved;
