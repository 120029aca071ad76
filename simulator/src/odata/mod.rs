//! Answers OData requests: filters, orders, pages, expansion and `$metadata`.

mod answer;
mod filter;
mod find;
mod metadata;
mod order;
mod page;
mod predicate;
mod query;
mod record;
mod routes;
mod span;
mod tokens;

pub use answer::Answer;
pub use query::{decode, pairs};
pub use routes::answer;
