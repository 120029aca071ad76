//! What a full sync would ask for: requests, bytes and time, before any of it.
use super::catalog::Catalog;
