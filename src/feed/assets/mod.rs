//! Downloads photos from their hosts. A download fails with an [`AssetError`].

mod address;
mod asset_client;
mod asset_error;
mod photo_hosts;
mod photo_token;

pub use asset_client::{Asset, Assets, Validators};
pub use asset_error::{AssetError, RejectedDownload};
