//! The length and hash of a file.

use std::fmt::Write as _;

/// The length and hash of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

/// Returns a hash in hexadecimal digits.
pub(super) fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
