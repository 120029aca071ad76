//! A request to stop, which long waits and loops over pages observe.

use tokio::sync::watch;

/// Why the process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM, as from a service manager.
    Terminate,
}

/// Receives the request. It is cheap to clone and to query.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Signal>>);

/// Sends the request.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Signal>>);

/// Returns a connected pair.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Requests a stop. A later reason does not replace the first one.
    pub fn stop(&self, signal: Signal) {
        self.0
            .send_if_modified(|reason| reason.is_none() && reason.replace(signal).is_none());
    }
}

impl Stop {
    /// Returns a receiver that never gets a request.
    pub fn never() -> Stop {
        channel().1
    }

    /// Returns the reason to stop, if a stop was requested.
    pub fn requested(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits for a request, for ever if none can come.
    pub async fn wait(&self) -> Signal {
        let mut receiver = self.0.clone();
        let signal = match receiver.wait_for(Option::is_some).await {
            Ok(signal) => *signal,
            Err(_) => None,
        };
        match signal {
            Some(signal) => signal,
            None => std::future::pending().await,
        }
    }
}
