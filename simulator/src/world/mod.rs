//! The market when the feed started, as pure functions of a seed.

mod base;
pub mod children;
mod listing;
mod people;
mod places;
mod reference;
pub mod words;

pub use base::{Base, Dwelling, MAX_LISTINGS, stride};
pub use children::Child;
pub use listing::{Address, Listing};
pub use people::{Agent, Branch};
pub use places::{STREETS, SUBDIVISIONS};
pub use reference::{DESCRIBED, Deletion, Fixed, Term};
