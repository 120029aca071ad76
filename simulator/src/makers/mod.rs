//! Makes the fields of records from the facts of the world.

mod facts;
mod make_child;
mod make_listing;
mod make_other;
mod make_role;
mod maker;
mod plausible;

pub use facts::Facts;
pub use maker::MadeTable;
pub use plausible::ORIGIN;
