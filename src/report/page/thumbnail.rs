//! Small copies of photos that are part of the page.

use std::path::{Component, Path};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{ImageReader, Limits};

/// The greatest width and height of a copy, in pixels.
const SIZE: (u32, u32) = (320, 240);

/// The JPEG quality of a copy, from 1 to 100.
const QUALITY: u8 = 70;

/// A photo with more pixels than these on a side is left out.
const LARGEST_SIDE: u32 = 12_000;

/// The greatest number of bytes that decoding a photo may allocate.
const LARGEST_BYTES: u64 = 256 << 20;

/// Returns a small copy of a photo as a `data:` URL; None if the file is missing, is not below the
/// folder, or is not a readable JPEG or PNG.
pub fn thumbnail(media_dir: &Path, file: &str) -> Option<String> {
    let file = Path::new(file);
    let is_below = |part| matches!(part, Component::Normal(_));
    if !file.components().all(is_below) {
        return None;
    }
    let mut reader = ImageReader::open(media_dir.join(file)).ok()?;
    let mut limits = Limits::default();
    limits.max_image_width = Some(LARGEST_SIDE);
    limits.max_image_height = Some(LARGEST_SIDE);
    limits.max_alloc = Some(LARGEST_BYTES);
    reader.limits(limits);
    let photo = reader.with_guessed_format().ok()?.decode().ok()?;

    let small = photo.thumbnail(SIZE.0, SIZE.1).to_rgb8();
    let mut jpeg = Vec::new();
    JpegEncoder::new_with_quality(&mut jpeg, QUALITY)
        .encode_image(&small)
        .ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}
