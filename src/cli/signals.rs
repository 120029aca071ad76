//! SIGINT and SIGTERM: the first asks for a stop, the second ends the process.

use std::time::Duration;

use super::exit::Exit;
use crate::schedule::ReloadSender;
use crate::stop::{Signal, Stopper};

/// Sent where a file grows past the limit that a shell sets (`ulimit -f`). Unless it is
/// caught it ends the process; caught, the write fails with a message.
#[cfg(unix)]
const SIGXFSZ: i32 = 25;

/// What a daemon does about signals besides.
pub struct Daemon {
    /// Told of each SIGHUP.
    pub hangup: ReloadSender,
    /// How long it has to end by itself once it was asked to; then the process ends
    /// with exit code 0, which loses no more than the page in hand.
    pub grace: Duration,
}

/// Turns the first SIGINT or SIGTERM into a request to stop; a second one ends
/// the process at once, which loses no more than the page in hand.
pub fn listen_for_signals(stopper: Stopper, daemon: Option<Daemon>) -> anyhow::Result<()> {
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
                    Some(daemon) => signals.next_but_hangups(&daemon.hangup).await,
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
        // Caught for as long as the process lives.
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

    /// The next signal that asks for a stop; each SIGHUP meanwhile is told.
    async fn next_but_hangups(&mut self, hangup: &ReloadSender) -> Signal {
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
        // Without a console to press Ctrl-C in, nobody interrupts.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        Signal::Interrupt
    }

    async fn next_but_hangups(&mut self, _: &ReloadSender) -> Signal {
        self.next().await
    }
}
