//! A simulated feed: the WFRMLS RESO Web API over HTTP on loopback, with a
//! market of listings that moves, and with every fault a client must survive.
//!
//! The market is a pure function of a seed; only what moved is kept, so that a
//! million listings start in an instant. Two servers run: the service with the
//! records, under `/reso/odata`, and the host with the photos on a port of its
//! own, which must never see the token.
//!
//! Read `base`, `listing` and `make_listing` for what the market is made of,
//! `market` for what is kept of its moves, `filter` to `page` for how a request
//! is answered, `service`, `faults` and `flow` for how answers go wrong.
//! The crate depends on no client.
#![warn(
    clippy::expect_used,
    clippy::print_stderr,
    clippy::print_stdout,
    clippy::unwrap_used
)]

mod assets;
mod base;
mod behaviour;
mod children;
mod control;
mod dice;
mod faults;
mod filter;
mod find;
mod flow;
mod listing;
mod make_child;
mod make_listing;
mod make_other;
mod make_role;
mod makers;
mod market;
mod metadata;
mod meter;
mod moves;
mod page;
mod people;
mod photo_file;
mod places;
mod predicate;
mod query;
mod reference;
mod reply;
mod row;
mod running;
mod schema;
mod service;
mod shared;
mod span;
mod steering;
mod tokens;
mod trade;
mod value;
mod words;

#[cfg(test)]
mod tests;

pub use behaviour::{Clock, DeletedNames, Limits, Names, Options, ServerBehaviour, Spoil};
pub use faults::{Fault, FaultRule, Host, RetryAfter};
pub use moves::Fields;
pub use running::Simulator;
pub use shared::Request;
pub use trade::Moved;
