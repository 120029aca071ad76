//! Requests to the feed: the token, retries, limits on size and origin, the rate budget.

mod client;
mod error;
mod headers;
mod ledger;
mod pace;
mod patience;
mod token;

pub use client::{
    Asking, Client, DELAY_LIMIT, Meter, PAUSE_LIMIT, REDIRECTS_MAX, TOO_MANY_REDIRECTS, Traffic,
    Tries, http_builder, locked, network_words,
};
pub use error::{BadBody, FeedError};
pub use headers::{asked_pause, header, http_date};
pub use ledger::{Ledger, Spent};
pub use pace::{Limit, Pace};
pub use patience::{Patience, too_slow};
pub use token::{Token, TokenError};
