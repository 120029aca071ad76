//! What the server can do, as its answers show.
//!
//! The facts are loaded from the mirror at the start of a job, and saved at its end. A fact
//! expires, so that the next job finds it out again.

mod capability;

mod key_list;

mod facts;

mod answers;
mod deletion_answers;

pub use capability::{Capability, Observation};
pub use facts::Capabilities;
pub use key_list::{KeyForm, KeyList};
