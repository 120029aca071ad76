//! The limits of the system for this process, checked before it starts any thread.

use std::sync::{PoisonError, RwLock};
use std::thread;

use anyhow::Context as _;

use crate::config::Config;

/// The number of threads that a job needs: for signals, the token and the metrics, for requests to
/// the feed and to photo hosts with their name resolution, and for one download.
const THREADS: usize = 12;

/// The largest address space that is needed with many downloads at the same time. The C
/// library reserves 64 MB for each thread, and uses little of it.
#[cfg(unix)]
const ADDRESS_SPACE_MB: u64 = 1_200;

/// The number of files that a job keeps open with any configuration: the database, its locks, and
/// the files of its threads.
#[cfg(unix)]
const FILES: u64 = 40;

/// Fails if the system gives this process too few threads, open files or too little memory for a
/// job. Otherwise the process would end in the middle of the job, without a helpful message.
pub fn check_system_limits(config: &Config) -> anyhow::Result<()> {
    check_files(config)?;
    check_threads_and_memory()
}

/// Fails if the system gives this process too few threads or too little memory. A simulated feed
/// needs no more than a job.
pub fn check_threads_and_memory() -> anyhow::Result<()> {
    check_memory()?;
    check_threads().with_context(|| {
        format!("this process cannot start {THREADS} threads; raise their limit (`ulimit -u`, TasksMax= of systemd, or --pids-limit of a container)")
    })
}

#[cfg(unix)]
fn check_memory() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::As).current else {
        return Ok(());
    };
    let megabytes = limit >> 20;
    anyhow::ensure!(
        megabytes >= ADDRESS_SPACE_MB,
        "this process may use only {megabytes} MB of memory (`ulimit -v`), and may need {ADDRESS_SPACE_MB} MB of addresses; raise that limit, or limit with MemoryMax= of systemd or --memory of a container, which count only used memory"
    );
    Ok(())
}

#[cfg(not(unix))]
fn check_memory() -> anyhow::Result<()> {
    Ok(())
}

#[cfg(unix)]
fn check_files(config: &Config) -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit};
    let Some(limit) = getrlimit(Resource::Nofile).current else {
        return Ok(());
    };
    // A download has a connection and a file.
    let connections = config.feed.max_concurrent + 2 * config.media.max_concurrent_downloads;
    let needed = FILES + connections as u64;
    anyhow::ensure!(
        limit >= needed,
        "this process may open only {limit} files, and needs {needed}; raise that limit (`ulimit -n`, or LimitNOFILE= of systemd)"
    );
    Ok(())
}

#[cfg(not(unix))]
fn check_files(_: &Config) -> anyhow::Result<()> {
    Ok(())
}

/// Starts the threads at the same time, and lets them end.
fn check_threads() -> std::io::Result<()> {
    let gate = RwLock::new(());
    let closed = gate.write().unwrap_or_else(PoisonError::into_inner);
    thread::scope(|threads| {
        let started = (0..THREADS).try_for_each(|_| {
            let waiting = || drop(gate.read());
            thread::Builder::new()
                .spawn_scoped(threads, waiting)
                .map(drop)
        });
        drop(closed);
        started
    })
}
