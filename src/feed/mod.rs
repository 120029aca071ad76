//! Requests to an MLS's RESO Web API and to the hosts of its photos.
//!
//! This is the only module that uses the network. All asynchronous code stays inside:
//! a caller blocks on a request, or takes pages from a [`ParallelReader`] while the next ones
//! arrive.

mod assets;
mod capabilities;
mod connection;
mod http;
mod odata;
mod paging;

pub use assets::{Asset, AssetError, Assets, RejectedDownload, Validators};
pub use capabilities::{Capabilities, Capability, KeyForm, KeyList, Observation};
pub use connection::Feed;
pub use http::{
    BadBody, Credentials, DELAY_LIMIT, FeedError, LOCAL_TOKEN, Ledger, Spent, Token, TokenError,
    Traffic, Tries,
};
pub use odata::{
    Announced, Announcement, DELETED_NAMES, DeletedNames, DeletedPosition, KeylessAnnouncement,
    Known, Metadata, Page, ShapeError, Wanted, columns, declared, is_nested, member_value,
    metadata, parent, query, resource_named, shape,
};
pub use paging::{
    Circle, Cursor, Key, KeyRange, Loss, PageSize, ParallelReader, Position, READINGS, Step, Sweep,
};
