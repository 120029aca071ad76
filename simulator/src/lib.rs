//! A simulated RESO Web API feed over HTTP on loopback: the WFRMLS service, with a market
//! that changes and with every fault that a client must survive.
//!
//! The market is a pure function of a seed. The crate stores only the changes to it, so a
//! feed of a million listings starts at once. Two servers run: the service with the records,
//! under `/reso/odata`, and the host with the photos, on a port of its own, which must never
//! receive the token.
//!
//! In reading order, where each module imports only from the modules before it:
//!
//! - `behaviour`: the switches of the server; `dice`: random numbers without state
//! - `fields`: entity sets, fields, enumerations, values and their JSON
//! - `world`: the market at the start
//! - `makers`: the field values of each record
//! - `market`: the market as it is now, and its changes
//! - `odata`: how a request becomes a document
//! - `options`: the setup of a feed; `http`: the servers, their faults and limits
//!
//! The crate does not depend on a client.
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

pub use behaviour::{
    Behaviour, Counts, DeletedNames, Dialect, ErrorForm, Limit, Names, QuotaHeaders,
    ServerBehaviour, Spoil,
};
pub use http::{Fault, FaultRule, Host, Request, RetryAfter, Simulator};
pub use market::{Fields, Moved};
pub use options::{Clock, Options};
