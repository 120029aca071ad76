//! The feed, asked over HTTP.
