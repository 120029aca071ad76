//! The switches of the simulated server: settings with values, and behaviours by name.

mod named;
mod server;

pub use named::Behaviour;
pub use server::{DeletedNames, Limits, Names, ServerBehaviour, Spelling, Spoil};
