//! A request to stop, seen by everything that waits or works page by page.

use tokio::sync::watch;

/// Why the process was asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Signal {
    /// SIGINT, as Ctrl-C gives.
    Interrupt,
    /// SIGTERM, as a service manager gives.
    Terminate,
}

/// The listening side: cheap to clone and to ask.
#[derive(Clone, Debug)]
pub struct Stop(watch::Receiver<Option<Signal>>);

/// The side that asks for the stop.
#[derive(Debug)]
pub struct Stopper(watch::Sender<Option<Signal>>);

/// A pair of the two.
pub fn channel() -> (Stopper, Stop) {
    let (sender, receiver) = watch::channel(None);
    (Stopper(sender), Stop(receiver))
}

impl Stopper {
    /// Asks for the stop. The first reason stays.
    pub fn stop(&self, signal: Signal) {
        self.0
            .send_if_modified(|reason| reason.is_none() && reason.replace(signal).is_none());
    }
}

impl Stop {
    /// A stop that nobody asks for.
    pub fn never() -> Stop {
        channel().1
    }

    /// Why to stop, if it was asked for.
    pub fn requested(&self) -> Option<Signal> {
        *self.0.borrow()
    }

    /// Waits until a stop is asked for; for ever if nobody can.
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
