//! Photo files: small, valid JPEGs. A comment makes each file unique.

use std::sync::OnceLock;

use anyhow::Context;
use jpeg_encoder::{ColorType, Encoder};

use crate::dice::mix;

const WIDTH: usize = 320;
const HEIGHT: usize = 240;
/// The number of different pictures.
const SCENES: usize = 12;
/// The maximum size of a comment segment.
const COMMENT: usize = 65_533;

/// Returns the file of a photo at a version, padded to `bytes` if it is smaller.
pub fn render(key: &str, version: u32, bytes: usize) -> anyhow::Result<Vec<u8>> {
    let name = fingerprint(key, version);
    let scene = scene(name as usize % SCENES)?;
    let (start, rest) = scene
        .split_at_checked(2)
        .context("the picture has no beginning")?;
    let mut file = Vec::with_capacity(bytes.max(scene.len() + 128));
    file.extend_from_slice(start);
    comment(format!("{key} version {version}").as_bytes(), &mut file);
    let mut noise = name;
    while file.len() + rest.len() + 4 < bytes {
        let length = (bytes - file.len() - rest.len() - 4).min(COMMENT);
        let mut padding = Vec::with_capacity(length + 8);
        while padding.len() < length {
            noise = mix(noise);
            padding.extend_from_slice(&noise.to_le_bytes());
        }
        comment(&padding[..length], &mut file);
    }
    file.extend_from_slice(rest);
    Ok(file)
}

/// Returns a number that depends on the key and the version.
pub fn fingerprint(key: &str, version: u32) -> u64 {
    mix(crate::dice::salt_of(key) ^ u64::from(version))
}

fn comment(text: &[u8], file: &mut Vec<u8>) {
    let length = (text.len().min(COMMENT) + 2) as u16;
    file.extend_from_slice(&[0xff, 0xfe]);
    file.extend_from_slice(&length.to_be_bytes());
    file.extend_from_slice(&text[..text.len().min(COMMENT)]);
}

fn scene(which: usize) -> anyhow::Result<&'static [u8]> {
    static DRAWN: [OnceLock<Vec<u8>>; SCENES] = [const { OnceLock::new() }; SCENES];
    if let Some(drawn) = DRAWN[which].get() {
        return Ok(drawn);
    }
    let drawn = draw(which)?;
    Ok(DRAWN[which].get_or_init(|| drawn))
}

/// Draws a house in front of mountains.
fn draw(which: usize) -> anyhow::Result<Vec<u8>> {
    let mut pixels = Vec::with_capacity(WIDTH * HEIGHT * 3);
    let hue = mix(which as u64).to_le_bytes();
    for y in 0..HEIGHT {
        for x in 0..WIDTH {
            let ridge = 70 + (x * (3 + which % 4) / 7) % 60;
            let is_house = (90..230).contains(&x) && (130..210).contains(&y);
            let is_roof = (90..130).contains(&y) && x.abs_diff(160) < (y - 85) * 2;
            pixels.extend_from_slice(&if is_house {
                [180 + hue[0] % 60, 150 + hue[1] % 60, 120 + hue[2] % 80]
            } else if is_roof {
                [110, 50 + hue[3] % 40, 40]
            } else if y > 200 {
                [60, 120 + hue[4] % 60, 60]
            } else if y > ridge {
                [120 + hue[5] % 30, 125, 140]
            } else {
                [120, 170 + (y / 4) as u8, 230]
            });
        }
    }
    let mut file = Vec::new();
    Encoder::new(&mut file, 70)
        .encode(&pixels, WIDTH as u16, HEIGHT as u16, ColorType::Rgb)
        .context("encoding a picture")?;
    Ok(file)
}
