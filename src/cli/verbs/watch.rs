//! `watch`: runs the jobs on their schedule until it is asked to stop.

use std::sync::Arc;
use std::time::Duration;

use sd_notify::NotifyState;

use crate::cli::arguments::Arguments;
use crate::cli::exit::Exit;
use crate::cli::metrics_server::serve_metrics;
use crate::cli::output::Output;
use crate::cli::session::configuration;
use crate::cli::signals::{DaemonSignals, listen_for_signals};
use crate::cli::system_limits::check_system_limits;
use crate::cli::watch_host::WatchHost;
use crate::cli::watchdog::{Pulse, notify_watchdog};
use crate::schedule::{Daemon, connect, reload_requests};
use crate::stop;

/// How long a stop may take. The documentation promises 10 seconds.
const GRACE: Duration = Duration::from_secs(9);

pub fn run(arguments: &Arguments, output: &Output) -> anyhow::Result<Exit> {
    let config = configuration(arguments, output)?;
    check_system_limits(&config)?;
    let (stopper, stop) = stop::channel();
    let (hangup, reloads) = reload_requests();
    let signals = DaemonSignals {
        hangup,
        grace: GRACE,
    };
    listen_for_signals(stopper, Some(signals))?;

    let pulse = Arc::new(Pulse::default());
    let host = WatchHost::new(arguments, output, stop.clone(), pulse.clone());
    let feed = connect(&host, &config, &stop)?;
    let daemon = Daemon::new(&host, config.clone(), feed, stop, reloads)?;
    if let Some(address) = config.watch.metrics {
        serve_metrics(address, config, pulse.clone())?;
    }

    notify_watchdog(pulse)?;
    daemon.run()?;

    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    host.log_info("stopped");
    Ok(Exit::Done)
}
