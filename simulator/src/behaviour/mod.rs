//! The switches of the simulated server: settings with values, and behaviours by name.

mod dialect;
mod named;
mod server;

pub use dialect::Dialect;
pub use named::Behaviour;
pub use server::{DeletedNames, Limits, Names, ServerBehaviour, Spelling, Spoil};
