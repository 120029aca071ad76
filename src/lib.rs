//! mlsmirror: an exact local mirror of an MLS's RESO Web API feed in one SQLite file.
pub mod change;
pub mod cli;
pub mod config;
pub mod feed;
pub mod mirror;
pub mod record;
pub mod resource;
pub mod simulator;
pub mod stop;
pub mod sync;
pub mod value;
