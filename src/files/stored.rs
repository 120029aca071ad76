//! The length and hash of a file.

use std::fmt::Write as _;

use ring::digest::{Context, SHA256};

/// The length and hash of a file's content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// The length in bytes.
    pub bytes: u64,
    /// The SHA-256 of its content, in hexadecimal digits.
    pub sha256: String,
}

/// Computes the length and hash of a content that comes in parts.
#[derive(Clone)]
pub struct Hash {
    sha256: Context,
    bytes: u64,
}

impl Default for Hash {
    fn default() -> Hash {
        Hash {
            sha256: Context::new(&SHA256),
            bytes: 0,
        }
    }
}

impl Hash {
    /// Adds the next part.
    pub fn update(&mut self, part: &[u8]) {
        self.sha256.update(part);
        self.bytes += part.len() as u64;
    }

    /// Returns the number of bytes of all parts.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns the length and hash of all parts.
    pub fn finish(self) -> Stored {
        Stored {
            bytes: self.bytes,
            sha256: hexadecimal(self.sha256.finish().as_ref()),
        }
    }
}

/// Returns a hash in hexadecimal digits.
fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}
