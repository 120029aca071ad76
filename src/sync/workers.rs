//! Threads that take their work from one place.

use std::thread::{Builder, Scope};

use anyhow::Context as _;

/// Starts up to this number of threads. If the system allows only some of them, those do all
/// the work.
///
/// # Errors
/// If not even one thread can be started.
pub(super) fn start_workers<'scope>(
    threads: &'scope Scope<'scope, '_>,
    count: usize,
    work: impl Fn() + Clone + Send + 'scope,
) -> anyhow::Result<()> {
    for started in 0..count.max(1) {
        match Builder::new().spawn_scoped(threads, work.clone()) {
            Ok(_) => {}
            Err(error) if started == 0 => return Err(error).context("starting a thread"),
            Err(_) => break,
        }
    }
    Ok(())
}
