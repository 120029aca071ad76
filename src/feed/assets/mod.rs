//! Downloads photos from their hosts.

mod address;
mod asset_client;

pub use asset_client::{Asset, AssetError, Assets, Take, Untaken, Validators};
