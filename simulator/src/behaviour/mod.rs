//! The switches of the simulated server: settings with values, and behaviours by name.

mod dialect;
mod error_form;
mod limit;
mod named;
mod server;

pub use dialect::Dialect;
pub use error_form::ErrorForm;
pub use limit::{Counts, Limit, QuotaHeaders};
pub use named::Behaviour;
pub use server::{DeletedNames, Names, ServerBehaviour, Spelling, Spoil};
