//! How behaviours change the bytes and the headers of responses.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::reply::Reply;
use crate::behaviour::{Behaviour, ServerBehaviour};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Changes a response of the service. `takes_gzip`: whether the client accepts gzip.
pub fn alter(server: &ServerBehaviour, takes_gzip: bool, reply: &mut Reply) {
    if server.has(Behaviour::ByteOrderMark) {
        reply.body.splice(0..0, BYTE_ORDER_MARK.iter().copied());
    }
    if server.has(Behaviour::DateHeaderUnreadable) {
        reply.set("date", "today".to_owned());
    }
    if server.has(Behaviour::GzipMultiMember)
        && takes_gzip
        && let Ok(body) = two_members(&reply.body)
    {
        reply.body = body;
        reply.set("content-encoding", "gzip".to_owned());
    }
}

/// Compresses each half of a body as a gzip member of its own.
fn two_members(body: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut out = Vec::new();
    let (first, second) = body.split_at(body.len() / 2);
    for half in [first, second] {
        let mut encoder = GzEncoder::new(&mut out, Compression::fast());
        encoder.write_all(half)?;
        encoder.finish()?;
    }
    Ok(out)
}
