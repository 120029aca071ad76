//! SIGINT and SIGTERM: the first asks for a stop, the second ends the process.

use std::time::Duration;

use super::exit::Exit;
use crate::schedule::ReloadSender;
use crate::stop::{Signal, Stopper};

/// The signal for a file that grows past the limit of the shell (`ulimit -f`). By default
/// it ends the process. If it is caught, the write fails with a message.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// The additional signal handling of a daemon.
pub struct DaemonSignals {
    /// Receives each SIGHUP.
    pub hangup: ReloadSender,
    /// How long the daemon may take to stop. After that the process ends with exit code 0,
    /// and loses at most the page that it is processing.
    pub grace: Duration,
}

/// Turns the first SIGINT or SIGTERM into a request to stop. A second one ends the process
/// at once, and loses at most the page that it is processing.
pub fn listen_for_signals(stopper: Stopper, daemon: Option<DaemonSignals>) -> anyhow::Result<()> {
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
                let first = match &daemon {
                    Some(daemon) => signals.next_stop(&daemon.hangup).await,
                    None => signals.next().await,
                };
                stopper.stop(first);
                let second = match daemon {
                    Some(daemon) => tokio::select! {
                        second = signals.next() => Some(second),
                        () = tokio::time::sleep(daemon.grace) => None,
                    },
                    None => Some(signals.next().await),
                };
                let exit = second.map_or(Exit::Done, Exit::Stopped);
                std::process::exit(exit.code().into());
            });
        })?;
    Ok(())
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
        // The signal stays caught until the process ends.
        let _ = signal(SignalKind::from_raw(SIGXFSZ))?;
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

    /// Waits for SIGINT or SIGTERM, and forwards each SIGHUP.
    async fn next_stop(&mut self, hangup: &ReloadSender) -> Signal {
        use tokio::signal::unix::{SignalKind, signal};
        let Ok(mut hangups) = signal(SignalKind::hangup()) else {
            return self.next().await;
        };
        loop {
            tokio::select! {
                signal = self.next() => return signal,
                _ = hangups.recv() => hangup.send_modify(|times| *times += 1),
            }
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
        // Without a console there is no Ctrl-C.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }

    async fn next_stop(&mut self, _: &ReloadSender) -> Signal {
        self.next().await
    }
}
