//! A field's value in its storage form: one spelling for equal values.
//!
//! The feed spells one value in several ways (`1600.0` and `1600`, `…00Z` and
//! `…00.000Z`, an absent field and null). A value passes through its [`ValueForm`]
//! before it is stored or compared, so that equal values compare as equal.

mod canonical;
mod form;
mod media_url;
mod storage;
mod time;
mod untyped;

pub use canonical::canonical;
pub use form::{TypeMismatch, ValueForm};
pub use media_url::{is_same_file, without_signature};
pub use storage::{Value, ValueRef};
pub use time::{day, instant, stored_instant, stored_second, timestamp};
pub use untyped::untyped;
