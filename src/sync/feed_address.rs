//! The address of the feed whose records the mirror holds.

use crate::config::Config;
use crate::mirror::Mirror;
use crate::sync::sync_error::Result;

/// The key in `_state` of the feed's address.
const ADDRESS: &str = "feed.base_url";

/// The mirror holds the records of another feed than the configured one.
#[derive(Debug, thiserror::Error)]
#[error(
    "the mirror holds the records of {mirrored}, but feed.base_url is {configured}{}",
    described(.asked)
)]
pub struct OtherFeed {
    /// The address of the feed whose records the mirror holds.
    pub mirrored: String,
    /// The configured address.
    pub configured: String,
    /// The number of rows that it was asked for, if the feed is said to have moved there: it knows
    /// no such record.
    pub asked: usize,
}

fn described(asked: &usize) -> String {
    match asked {
        0 => "; nothing was read".to_owned(),
        rows => format!(
            ", which was asked for {rows} rows of the mirror and has no such record; nothing was stored"
        ),
    }
}

/// Checks that the mirror holds records of the configured feed. A mirror that has read
/// nothing yet is of any feed.
///
/// # Errors
/// [`OtherFeed`], or an error of the database.
pub fn check_feed_address(config: &Config, mirror: &Mirror) -> anyhow::Result<()> {
    match other_feed(config, mirror)? {
        Some(other) => Err(other.into()),
        None => Ok(()),
    }
}

/// Returns the address of the mirror's feed and the configured one, if they differ.
pub(super) fn other_feed(config: &Config, mirror: &Mirror) -> rusqlite::Result<Option<OtherFeed>> {
    let configured = address(config);
    let mirrored = mirror.state(ADDRESS)?;
    let other = mirrored.filter(|mirrored| *mirrored != configured);
    Ok(other.map(|mirrored| OtherFeed {
        mirrored,
        configured,
        asked: 0,
    }))
}

/// Saves that the mirror holds the records of the configured feed.
pub(super) fn save_feed_address(config: &Config, mirror: &mut Mirror) -> Result<()> {
    let configured = address(config);
    let mirrored = mirror.state(ADDRESS)?;
    if mirrored.as_ref() == Some(&configured) {
        return Ok(());
    }
    let write = mirror.write()?;
    if mirrored.is_some() {
        write.forget_capabilities()?;
    }
    write.set_state(ADDRESS, &configured)?;
    Ok(write.commit()?)
}

/// Returns the root of the service. It has no query, because that can contain a key.
fn address(config: &Config) -> String {
    let mut address = config.feed.base_url.clone();
    address.set_query(None);
    address.as_str().trim_end_matches('/').to_owned()
}
