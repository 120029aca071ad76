//! Compressed bodies.

use std::io::Read;

use flate2::read::MultiGzDecoder;
use reqwest::header::{CONTENT_ENCODING, HeaderMap};

use super::failure::Failure;
use super::headers::header;

/// Returns whether a body is compressed by gzip. RFC 9110 gives gzip a second name, `x-gzip`.
pub fn is_gzip(headers: &HeaderMap) -> bool {
    let encoding = header(headers, CONTENT_ENCODING.as_str()).map(str::trim);
    let is = |name: &str| encoding.is_some_and(|encoding| encoding.eq_ignore_ascii_case(name));
    is("gzip") || is("x-gzip")
}

/// Decompresses all members of a gzip body. Returns none if it exceeds the limit.
pub fn unzip(body: &[u8], limit_bytes: u64) -> Result<Option<Vec<u8>>, Failure> {
    let mut bytes = Vec::new();
    MultiGzDecoder::new(body)
        .take(limit_bytes + 1)
        .read_to_end(&mut bytes)
        .map_err(|error| Failure::temporary(format!("the gzip body is damaged: {error}")))?;
    Ok((bytes.len() as u64 <= limit_bytes).then_some(bytes))
}
