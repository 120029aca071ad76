//! Response bodies that pause, grow or break.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

/// The maximum number of spaces in one frame.
const SPACES: usize = 64 << 10;

/// A part of a body.
#[derive(Debug)]
pub enum Part {
    Bytes(Bytes),
    Spaces(u64),
    Wait(Duration),
    /// Closes the connection, even if the body is shorter than its `Content-Length`.
    Break,
}

impl Part {
    pub fn bytes(bytes: Vec<u8>) -> Part {
        Part::Bytes(Bytes::from(bytes))
    }
}

/// Counts a request until its response is sent.
#[derive(Debug)]
pub struct Busy(Arc<AtomicUsize>);

impl Busy {
    /// Starts to count a request, and returns the number of requests in progress.
    pub fn begin(count: &Arc<AtomicUsize>) -> (Busy, usize) {
        let now = count.fetch_add(1, Ordering::SeqCst) + 1;
        (Busy(Arc::clone(count)), now)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

/// A body made of parts.
pub struct Flow {
    parts: VecDeque<Part>,
    wait: Option<Pin<Box<tokio::time::Sleep>>>,
    /// Held until the body is sent or dropped.
    _busy: Busy,
}

impl Flow {
    pub fn new(parts: impl IntoIterator<Item = Part>, busy: Busy) -> Flow {
        Flow {
            parts: parts.into_iter().collect(),
            wait: None,
            _busy: busy,
        }
    }
}

impl Body for Flow {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        loop {
            if let Some(wait) = self.wait.as_mut() {
                if wait.as_mut().poll(task).is_pending() {
                    return Poll::Pending;
                }
                self.wait = None;
            }
            let frame = match self.parts.pop_front() {
                None => return Poll::Ready(None),
                Some(Part::Bytes(bytes)) if bytes.is_empty() => continue,
                Some(Part::Bytes(bytes)) => Ok(Frame::data(bytes)),
                Some(Part::Spaces(0)) => continue,
                Some(Part::Spaces(left)) => {
                    let now = left.min(SPACES as u64);
                    self.parts.push_front(Part::Spaces(left - now));
                    Ok(Frame::data(Bytes::from(vec![b' '; now as usize])))
                }
                Some(Part::Wait(duration)) => {
                    self.wait = Some(Box::pin(tokio::time::sleep(duration)));
                    continue;
                }
                Some(Part::Break) => Err(io::Error::other("broken on purpose")),
            };
            return Poll::Ready(Some(frame));
        }
    }

    fn is_end_stream(&self) -> bool {
        self.parts.is_empty() && self.wait.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let mut size = 0;
        for part in &self.parts {
            match part {
                Part::Bytes(bytes) => size += bytes.len() as u64,
                Part::Spaces(spaces) => size += spaces,
                Part::Wait(_) => {}
                Part::Break => return SizeHint::default(),
            }
        }
        SizeHint::with_exact(size)
    }
}
