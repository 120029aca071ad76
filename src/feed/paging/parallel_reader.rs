//! Reads a sweep from several positions at once.

use std::sync::Arc;

use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::link_circles::FollowedLinks;
use super::position::Position;
use super::step::Step;
use super::sweep::Sweep;
use super::windows::SeenTimes;
use crate::feed::http::{Client, FeedError};

/// The number of decoded pages that can wait for the caller. One keeps the caller busy
/// without holding more pages in memory.
const PAGES_AHEAD: usize = 1;

/// Returns the pages of several walks in the order of their arrival. Dropping it stops all
/// walks.
pub struct ParallelReader {
    steps: mpsc::Receiver<Result<Step, FeedError>>,
    _walks: JoinSet<()>,
}

impl ParallelReader {
    /// Starts one walk per position. Each position has the number of its walk.
    pub fn start(
        runtime: &Runtime,
        client: Arc<Client>,
        sweep: Sweep,
        positions: Vec<(usize, Position)>,
    ) -> ParallelReader {
        let (sender, steps) = mpsc::channel(PAGES_AHEAD);
        let mut walks = JoinSet::new();
        let sweep = Arc::new(sweep);
        for (walk, position) in positions {
            let (client, sweep, sender) = (client.clone(), sweep.clone(), sender.clone());
            let task = async move { read_all(&sweep, &client, walk, position, &sender).await };
            walks.spawn_on(task, runtime.handle());
        }
        ParallelReader {
            steps,
            _walks: walks,
        }
    }
}

impl Iterator for ParallelReader {
    type Item = Result<Step, FeedError>;

    /// Waits for the next page of any walk.
    fn next(&mut self) -> Option<Self::Item> {
        self.steps.blocking_recv()
    }
}

/// Reads one walk to its end, or to its first error. Links that the server refuses are no error
/// if windows of timestamps replace them.
async fn read_all(
    sweep: &Sweep,
    client: &Client,
    walk: usize,
    mut from: Position,
    sender: &mpsc::Sender<Result<Step, FeedError>>,
) {
    let (mut links, mut times) = (FollowedLinks::default(), SeenTimes::default());
    while !from.is_finished() {
        let step = Step::read(sweep, client, walk, &from)
            .await
            .and_then(|step| {
                let is_same_link = step.from == step.to;
                links.check(&step.page, &step.to, is_same_link)?;
                Ok(step)
            });
        if let Err(error @ FeedError::Refused { .. }) = &step
            && sweep.replication.is_none()
            && let Some(window) = times.divide(&from)
        {
            tracing::info!(resource = %sweep.shape.resource, %error, "dividing the records by their timestamps");
            (links, times) = Default::default();
            from = window;
            continue;
        }
        from = match &step {
            Ok(step) => {
                if step.from.next_link().is_none() {
                    times = SeenTimes::default();
                }
                times.add(&sweep.shape, &step.page);
                step.to.clone()
            }
            Err(_) => Position::Finished,
        };
        if sender.send(step).await.is_err() {
            return;
        }
    }
}
