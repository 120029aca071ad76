//! How a simulated feed is set up.

use chrono::{DateTime, Utc};

use crate::behaviour::ServerBehaviour;

/// The vendor caps a page here, whatever `$top` asks.
const PAGE_SIZE: usize = 200;

/// What a simulated feed starts with.
#[derive(Clone, Debug)]
pub struct Options {
    /// Port of the service on 127.0.0.1; 0 lets the system choose.
    pub port: u16,
    /// Port of the asset host on 127.0.0.1; 0 lets the system choose.
    pub asset_port: u16,
    /// How many listings there are at first. At most 2,900,000: keys have seven digits.
    pub listings: u64,
    /// The same seed gives the same market.
    pub seed: u64,
    /// The bearer token that the service wants.
    pub token: String,
    /// Records a page at most.
    pub page_size: usize,
    /// Photos a listing at most; 0 for none.
    pub photos: u32,
    /// Size that a photo file is padded to; 0 leaves it as encoded.
    pub photo_bytes: usize,
    /// Whether some active listings have open houses.
    pub open_houses: bool,
    /// Whether multi-family listings have unit types, and some houses an ADU.
    pub units: bool,
    /// Bytes of JSON that a listing is to have, roughly; its remarks make up for the rest.
    pub bytes_per_listing: usize,
    /// What time it is.
    pub clock: Clock,
    /// How the server behaves at first.
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
    /// The system's.
    Real,
    /// The system's, ahead by this much.
    Ahead(chrono::Duration),
    /// Stands at this time until it is advanced.
    At(DateTime<Utc>),
}
