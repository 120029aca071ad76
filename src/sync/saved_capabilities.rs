//! Loads what is known of the feed from the mirror, and saves it there.

use crate::config::Config;
use crate::feed::Feed;
use crate::mirror::Mirror;

/// Loads what earlier jobs found out about the feed.
pub(in crate::sync) fn load_capabilities(feed: &Feed, mirror: &Mirror) -> rusqlite::Result<()> {
    feed.capabilities().load(mirror.capabilities()?);
    Ok(())
}

/// Saves what `check` found out, if there is a mirror that can be written.
pub fn remember_capabilities(config: &Config, feed: &Feed) {
    let Ok(mut mirror) = Mirror::open_to_read(&config.mirror.database) else {
        return;
    };
    if let Err(error) = save_capabilities(feed, &mut mirror) {
        tracing::warn!(%error, "the mirror does not remember what the feed can do");
    }
}

/// Saves what was found out about the feed since the last time.
pub(in crate::sync) fn save_capabilities(feed: &Feed, mirror: &mut Mirror) -> rusqlite::Result<()> {
    feed.capabilities().note_gzip();
    let unsaved = feed.capabilities().unsaved();
    if unsaved.is_empty() {
        return Ok(());
    }
    let write = mirror.write()?;
    for ((resource, capability), observation) in &unsaved {
        match observation {
            Some(observation) => write.save_capability(observation)?,
            None => write.forget_capability(resource, *capability)?,
        }
    }
    write.commit()?;
    feed.capabilities().set_saved(&unsaved);
    Ok(())
}
