//! Decodes the body of a response into records in storage form.

mod entry;
mod key_order;
mod name_hints;
mod record_builder;
mod records_page;
mod reject_texts;
mod seeds;
mod separate_entries;

#[cfg(test)]
pub use records_page::LastChange;
pub use records_page::{LeftOut, Page, Part};
