//! mlsmirror: an exact local mirror of an MLS's RESO Web API feed in one SQLite file.
pub mod resource;
pub mod simulator;
