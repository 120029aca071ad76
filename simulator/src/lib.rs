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

mod behaviour;
mod dice;
mod fields;
mod http;
mod makers;
mod market;
mod odata;
mod options;
mod world;

#[cfg(test)]
mod tests;

pub use behaviour::{DeletedNames, Limits, Names, ServerBehaviour, Spoil};
pub use http::{Fault, FaultRule, Host, Request, RetryAfter, Simulator};
pub use market::{Fields, Moved};
pub use options::{Clock, Options};
