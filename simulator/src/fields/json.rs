//! Writing JSON strings.

/// Appends a JSON string.
pub fn write_text(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_escaped(text, out);
    out.push(b'"');
}

/// Appends text, escaped for a JSON string, without the quotes.
#[inline]
pub fn write_escaped(text: &str, out: &mut Vec<u8>) {
    /// Bytes that are checked together; one SIMD instruction can check this many.
    const BLOCK: usize = 16;
    let special = |byte: &u8| (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\');
    let (blocks, _) = text.as_bytes().as_chunks::<BLOCK>();
    let plain = blocks
        .iter()
        .position(|block| block.iter().fold(false, |any, byte| any | special(byte)));
    let plain = plain.unwrap_or(blocks.len()) * BLOCK;
    out.extend_from_slice(&text.as_bytes()[..plain]);
    let bytes = &text.as_bytes()[plain..];
    let mut from = 0;
    for (at, &byte) in bytes.iter().enumerate() {
        if !special(&byte) {
            continue;
        }
        out.extend_from_slice(&bytes[from..at]);
        from = at + 1;
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => out.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
        }
    }
    out.extend_from_slice(&bytes[from..]);
}
