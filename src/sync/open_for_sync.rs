//! Before and after the jobs of a process: opening the mirror, sharing the rate
//! budget, and remembering whether the feed accepts the credentials.

use std::path::PathBuf;
use std::sync::Arc;

use super::feed_address::check_feed_address;
use super::outcome::Ending;
use super::time_zone::save_time_zone;
use crate::config::Config;
use crate::feed::{Feed, TokenError};
use crate::mirror::{Lease, Mirror, RequestLedger};

/// The key in `_state` of whether the feed accepts the credentials.
const CREDENTIALS: &str = "credentials";
const ACCEPTED: &str = "accepted";
const REFUSED: &str = "refused";
/// The state if no token could be obtained; the reason follows it.
const MISSING: &str = "missing: ";

/// A problem of the credentials at the last try.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CredentialsProblem {
    /// The feed refused them.
    Refused,
    /// No token could be obtained, for this reason.
    Missing(String),
}

/// Opens the mirror for a job: takes the lease, and marks the runs of crashed
/// processes as interrupted. With `feed_has_moved`, its feed may have another address than
/// before: the next job finds out whether it is the same feed.
///
/// # Errors
/// [`crate::mirror::LeaseTaken`], [`crate::mirror::NotAMirror`],
/// [`OtherFeed`](super::feed_address::OtherFeed), or an error of the database.
pub fn open_for_sync(config: &Config, feed_has_moved: bool) -> anyhow::Result<Mirror> {
    let mut mirror = Mirror::open(&config.mirror.database)?;
    mirror.take_lease(Lease::Sync)?;
    if !feed_has_moved {
        check_feed_address(config, &mirror)?;
    }
    mirror.mark_abandoned_runs()?;
    save_time_zone(config, &mut mirror)?;
    Ok(mirror)
}

/// Shares the feed's rate budget with the other processes that use the same account, also
/// without limits: a pause that the feed asked for holds for all of them. Saves in `mirror`,
/// if it is open, where the requests are counted.
pub fn share_budget(config: &Config, feed: &Feed, mirror: Option<&mut Mirror>) {
    if let Err(error) = try_to_share_budget(config, feed, mirror) {
        tracing::warn!(%error, "the rate budget is not shared with other processes");
    }
}

fn try_to_share_budget(
    config: &Config,
    feed: &Feed,
    mirror: Option<&mut Mirror>,
) -> rusqlite::Result<()> {
    let database = config.mirror.database.as_path();
    // Nothing is created next to a file that is not a mirror.
    let opened = match &mirror {
        Some(_) => None,
        None => Mirror::open_to_read(database).ok(),
    };
    let known = mirror.as_deref().or(opened.as_ref());
    let keeps_ledger = known.map(Mirror::keeps_request_ledger).transpose()?;
    let ledger = match keeps_ledger {
        Some(true) => Some(RequestLedger::of_database(database)?),
        _ => RequestLedger::of(feed.account(), keeps_ledger.map(|_| database))?,
    };
    let Some(ledger) = ledger else { return Ok(()) };
    if let Some(mirror) = mirror {
        mirror.save_request_ledger(ledger.path())?;
    }
    feed.share_budget(Arc::new(ledger));
    Ok(())
}

/// Returns the problem of the credentials, if they had one at the last try.
pub fn credentials_problem(mirror: &Mirror) -> rusqlite::Result<Option<CredentialsProblem>> {
    let state = mirror.state(CREDENTIALS)?.unwrap_or_default();
    let missing = state.strip_prefix(MISSING);
    Ok(match missing {
        Some(reason) => Some(CredentialsProblem::Missing(reason.to_owned())),
        None => (state == REFUSED).then_some(CredentialsProblem::Refused),
    })
}

/// Remembers whether the feed refuses the credentials, if that has changed.
pub(super) fn save_credentials(mirror: &mut Mirror, ending: &Ending) -> rusqlite::Result<()> {
    let found = match ending {
        Ending::Unauthorized => REFUSED,
        Ending::Done | Ending::Partial => ACCEPTED,
        _ => return Ok(()),
    };
    save_credentials_state(mirror, found)
}

/// Remembers that no token could be obtained.
pub(super) fn save_missing_token(
    mirror: &mut Mirror,
    missing: &TokenError,
) -> rusqlite::Result<()> {
    save_credentials_state(mirror, &format!("{MISSING}{missing}"))
}

fn save_credentials_state(mirror: &mut Mirror, found: &str) -> rusqlite::Result<()> {
    let known = mirror.state(CREDENTIALS)?;
    if known.as_deref().unwrap_or(ACCEPTED) == found {
        return Ok(());
    }
    mirror.set_state(CREDENTIALS, found)
}

/// The disk of the database caused the error.
#[derive(Debug, thiserror::Error)]
#[error("{} could not be written", .0.display())]
pub struct DatabaseUnwritable(pub PathBuf);

/// Adds [`DatabaseUnwritable`] to an error that the disk of the database caused.
pub fn naming_database<T>(config: &Config, result: anyhow::Result<T>) -> anyhow::Result<T> {
    result.map_err(|error| {
        let is_of_disk = |cause: &(dyn std::error::Error + 'static)| {
            cause
                .downcast_ref()
                .is_some_and(crate::mirror::is_disk_error)
        };
        if error.chain().any(is_of_disk) {
            error.context(DatabaseUnwritable(config.mirror.database.clone()))
        } else {
            error
        }
    })
}
