//! How a simulated feed is set up.

use chrono::{DateTime, Utc};

use crate::behaviour::ServerBehaviour;

/// The vendor's page size, a limit for `$top` too.
const PAGE_SIZE: usize = 200;

/// The setup of a simulated feed.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of the service on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// Port of the asset host on 127.0.0.1; 0 lets the system choose.
    pub asset_port: u16,
    /// The number of listings at the start. At most 2,900,000: keys have seven digits.
    pub listings: u64,
    /// The seed of the market. The same seed creates the same market.
    pub seed: u64,
    /// The bearer token that the service accepts.
    pub token: String,
    /// The maximum number of records per page.
    pub page_size: usize,
    /// The maximum number of photos per listing at the start.
    pub photos: u32,
    /// The size, in bytes, to which smaller photo files are padded.
    pub photo_bytes: usize,
    /// Whether some active listings have open houses.
    pub open_houses: bool,
    /// Whether multi-family listings have unit types, and some houses an ADU.
    pub units: bool,
    /// The approximate size of a listing's JSON. Longer remarks fill up smaller listings.
    pub bytes_per_listing: usize,
    /// The feed's clock.
    pub clock: Clock,
    /// How the server behaves at the start.
    pub server: ServerBehaviour,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            port: 0,
            asset_port: 0,
            listings: 2_000,
            seed: 1,
            token: "simulated-token".to_owned(),
            page_size: PAGE_SIZE,
            photos: 6,
            photo_bytes: 0,
            open_houses: true,
            units: true,
            bytes_per_listing: 6_000,
            clock: Clock::Real,
            server: ServerBehaviour::default(),
        }
    }
}

/// The feed's clock.
#[derive(Clone, Copy, Debug)]
pub enum Clock {
    /// The system's clock.
    Real,
    /// The system's clock plus this duration.
    Ahead(chrono::Duration),
    /// A clock that stops at this time until it is advanced.
    At(DateTime<Utc>),
}
