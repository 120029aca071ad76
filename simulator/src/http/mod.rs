//! The two servers, their faults, and the handle that controls them.

mod assets;
mod control;
mod error_body;
mod faults;
mod flow;
mod harm;
mod meter;
mod photo_file;
mod quota;
mod replicas;
mod reply;
mod running;
mod service;
mod shared;
mod steering;
mod wire;

pub use faults::{Fault, FaultRule, Host, RetryAfter};
pub use running::Simulator;
pub use shared::Request;
