//! Answers OData requests: filters, orders, pages, expansion and `$metadata`.

mod altered;
mod altered_children;
mod answer;
mod asked;
mod filter;
mod find;
mod limited;
mod metadata;
mod order;
mod page;
mod predicate;
mod query;
mod record;
mod replication;
mod routes;
mod span;
mod tokens;

pub use answer::Answer;
pub use asked::Asked;
pub use query::{decode, pairs};
pub use routes::answer;
