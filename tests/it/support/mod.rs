//! The parts that all tests share: a simulated feed, a folder with a configuration, the
//! program, and a comparison of a mirror with its feed that uses no code of the program.

mod comparison;
mod database;
mod declared_feed;
#[cfg(feature = "export")]
mod delta;
mod dialects;
mod feed;
mod hidden;
mod mirror;
mod odata_filter;
mod process;
mod proxy;
mod sample;
mod server;
mod shifted_clock;

pub use comparison::*;
pub use database::*;
pub use declared_feed::*;
#[cfg(feature = "export")]
pub use delta::*;
pub use dialects::*;
pub use feed::*;
pub use hidden::*;
pub use mirror::*;
pub use process::*;
pub use proxy::*;
pub use sample::*;
pub use server::*;
pub use shifted_clock::*;
