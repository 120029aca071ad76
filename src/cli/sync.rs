//! `sync`: bring the mirror up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;

use super::arguments::{Arguments, Sync, SyncJob};
use super::check::describe;
use super::exit::{Exit, UsageError};
use super::output::Output;
use super::progress::Shown;
use super::text::{bytes, counted, listed, thousands, time};
use crate::config::Config;
use crate::feed::{Feed, Token};
use crate::mirror::{Counts, Mirror, RunSummary, Status};
use crate::resource::Resource;
use crate::stop::{self, Signal, Stop, Stopper};
use crate::sync::{self, Context, Ending, Progress, Report};

/// What every verb that asks the feed works with.
pub struct Session {
    pub config: Config,
    pub feed: Feed,
    pub stop: Stop,
}

/// Progress that nobody watches.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: Resource, _: Option<u64>) {}
    fn page(&self, _: Resource, _: &Counts, _: u64) {}
    fn end(&self, _: Resource) {}
}

impl Session {
    /// Reads the configuration and the token, and listens for signals.
    pub fn open(arguments: &Arguments, output: &Output) -> anyhow::Result<Session> {
        let path = arguments
            .config
            .clone()
            .unwrap_or_else(|| PathBuf::from("mlsmirror.toml"));
        let config = Config::load(&path)?;
        for warning in config.warnings() {
            output.say(&format!("mlsmirror: {warning}"));
        }
        let token = Token::fetch(&config.feed.token)?;
        Session::with(config, token)
    }

    /// With a configuration and a token that are at hand.
    pub fn with(config: Config, token: Token) -> anyhow::Result<Session> {
        let (stopper, stop) = stop::channel();
        listen_for_signals(stopper)?;
        let feed = Feed::open(&config.feed, token, stop.clone())?;
        Ok(Session { config, feed, stop })
    }

    pub fn context<'a>(&'a self, progress: &'a dyn Progress, allow_deletes: u64) -> Context<'a> {
        Context {
            config: &self.config,
            feed: &self.feed,
            stop: &self.stop,
            progress,
            allow_deletes,
        }
    }
}

/// Turns the first SIGINT or SIGTERM into a request to stop; a second one ends
/// the process at once, which loses no more than the page in hand.
fn listen_for_signals(stopper: Stopper) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let mut signals = {
        let _inside = runtime.enter();
        Signals::new()?
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let first = signals.next().await;
                stopper.stop(first);
                let second = signals.next().await;
                std::process::exit(Exit::Stopped(second).code().into());
            });
        })?;
    Ok(())
}

/// Waits for SIGINT or SIGTERM.
pub fn wait_for_signal() -> anyhow::Result<Signal> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async { Ok(Signals::new()?.next().await) })
}

#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Signals {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::Interrupt,
            _ = self.terminate.recv() => Signal::Terminate,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> std::io::Result<Signals> {
        Ok(Signals)
    }

    async fn next(&mut self) -> Signal {
        // Without a console to press Ctrl-C in, nobody interrupts.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }
}

/// What `sync --json` prints.
#[derive(Serialize)]
struct Document<'a> {
    status: &'static str,
    exit_code: u8,
    database: &'a Path,
    runs: &'a [RunSummary],
}

pub fn run(arguments: &Arguments, wanted: &Sync, output: &Output) -> anyhow::Result<Exit> {
    let session = Session::open(arguments, output)?;
    let configured = &session.config.sync.resources;
    if let Some(other) = wanted
        .only
        .iter()
        .find(|resource| !configured.contains(resource))
    {
        let names: Vec<&str> = configured
            .iter()
            .map(|resource| resource.entity_set())
            .collect();
        return Err(UsageError(format!(
            "--only {other}: not among sync.resources, which are {}",
            names.join(", ")
        ))
        .into());
    }
    let chosen = |resource: &Resource| wanted.only.is_empty() || wanted.only.contains(resource);
    let resources: Vec<Resource> = configured.iter().copied().filter(chosen).collect();
    let progress = Shown::new(output, &session.config.feed);
    let context = session.context(&progress, wanted.allow_deletes);
    if wanted.dry_run {
        let plan = sync::plan(&context, &resources)?;
        output.result(&plan, &describe(&plan))?;
        return Ok(super::check::exit(&plan));
    }
    let mut mirror = sync::open_for_sync(&session.config)?;
    let done = sync_once(&context, &mut mirror, wanted.job, &resources);
    // A lease that cannot be given back is found dead by the next process.
    if let Err(error) = mirror.release_lease() {
        tracing::warn!(%error, "giving back the lease");
    }
    let report = done?;
    print_report(&report, &session.config.mirror.database, output)
}

/// Runs the job, or those that are needed.
pub fn sync_once(
    context: &Context<'_>,
    mirror: &mut Mirror,
    job: Option<SyncJob>,
    resources: &[Resource],
) -> anyhow::Result<Report> {
    match job {
        Some(SyncJob::Full) => sync::full(context, mirror, resources),
        None => sync::up_to_date(context, mirror, resources),
    }
}

fn print_report(report: &Report, database: &Path, output: &Output) -> anyhow::Result<Exit> {
    let exit = Exit::from(&report.ending);
    let status = match report.ending {
        Ending::Done => "succeeded",
        Ending::Partial => "partial",
        Ending::Failed | Ending::Misconfigured | Ending::Unauthorized => "failed",
        Ending::Interrupted(_) => "interrupted",
    };
    let document = Document {
        status,
        exit_code: exit.code(),
        database,
        runs: &report.runs,
    };
    let text: String = report
        .runs
        .iter()
        .map(|run| describe_run(run) + "\n")
        .collect();
    output.result(&document, &text)?;
    // What went wrong for all of them alike is said once.
    let mut complaints: Vec<(&str, Vec<&str>)> = Vec::new();
    for run in &report.runs {
        let Some(error) = &run.error else { continue };
        match complaints.iter_mut().find(|(known, _)| known == error) {
            Some((_, resources)) => resources.push(&run.resource),
            None => complaints.push((error, vec![&run.resource])),
        }
    }
    for (error, resources) in complaints {
        output.complain(&format!("{}: {error}", resources.join(", ")));
    }
    Ok(exit)
}

/// A run in a line: what it came to.
pub fn describe_run(run: &RunSummary) -> String {
    let counts = [
        (run.inserted, "new"),
        (run.updated, "changed"),
        (run.unchanged, "unchanged"),
        (run.restored, "restored"),
        (run.deleted, "deleted"),
        (run.rejected, "rejected"),
    ];
    let parts: Vec<String> = counts
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(*count as u64)))
        .collect();
    let nouns = run
        .resource
        .parse()
        .map_or(("record", "records"), Resource::nouns);
    let mut line = format!("{}: ", run.resource);
    if run.status != Status::Succeeded.as_str() {
        line += &format!("{}: ", run.status);
    }
    line += &format!("{} read", counted(run.records_seen as u64, nouns));
    if !parts.is_empty() {
        line += &format!(": {}", listed(&parts));
    }
    if run.requests > 0 {
        let duration = Duration::from_millis(run.duration_ms.unwrap_or(0) as u64);
        line += &format!(
            " ({}, {}, {})",
            counted(run.requests as u64, ("request", "requests")),
            bytes(run.bytes_received as u64),
            time(duration)
        );
    }
    line
}
