//! The options of a request, other than its URL.

/// How often a request is tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tries {
    /// As often as configured.
    Configured,
    /// Once, because the caller has an alternative if it fails.
    Once,
}

/// The options of a request, other than its URL.
#[derive(Clone, Copy, Debug)]
pub struct RequestOptions {
    /// How often it is tried.
    pub tries: Tries,
    /// The value of `Prefer: odata.maxpagesize`, for servers that support it.
    pub max_page_size: Option<u32>,
    /// The media type in the `Accept` header.
    pub accept: &'static str,
}

impl RequestOptions {
    /// The options of a request for records.
    pub const RECORDS: RequestOptions = RequestOptions {
        tries: Tries::Configured,
        max_page_size: None,
        accept: "application/json",
    };
    /// The options of a request for `$metadata`.
    pub const METADATA: RequestOptions = RequestOptions {
        accept: "application/xml",
        ..RequestOptions::RECORDS
    };
}
