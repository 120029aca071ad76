//! Requests to the feed: the token, retries, limits on size and origin, the rate budget.
//!
//! A request fails with a [`FeedError`]. Requests to photo hosts share the rate limiting,
//! the reading of headers and the limits.

mod body_deadline;
mod budget;
mod client;
mod content_encoding;
mod counting;
mod credentials;
mod current_token;
mod error;
mod error_body;
mod failure;
mod fixed_filter;
mod headers;
mod ledger;
mod limits;
mod next_link;
mod oauth;
mod pace;
mod quota_headers;
mod request_options;
mod secrets;
mod token;
mod token_command;
mod traffic;

pub use body_deadline::{BodyDeadline, too_slow};
pub use budget::ShowWait;
pub use client::{Client, Received};
pub use credentials::{Credentials, LOCAL_TOKEN};
pub use error::{BadBody, FeedError};
pub use failure::network_problem;
pub use headers::{asked_pause, header, http_date};
pub use ledger::{Ledger, Spent};
pub use limits::{
    DELAY_LIMIT, PAUSE_LIMIT, REDIRECTS_MAX, TOO_MANY_REDIRECTS, http_builder, locked,
};
pub use pace::{Limit, Pace};
pub use request_options::{RequestOptions, Tries};
pub use token::{Token, TokenError};
pub use traffic::{Meter, Traffic};
