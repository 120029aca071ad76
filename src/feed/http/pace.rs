//! Computes when the next request may be sent.
//!
//! This file does no I/O: callers pass the time and receive a pause. A limit holds for
//! every window of its length. It therefore satisfies vendors that count by calendar
//! minute and vendors that count over the last sixty seconds.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// A limit of the vendor: a number of requests in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// The number of requests.
    pub requests: u32,
    /// The span.
    pub span: Duration,
}

/// A limit of the vendor: a number of bytes in a span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByteLimit {
    /// The number of bytes as they are sent, which may be compressed.
    pub bytes: u64,
    /// The span.
    pub span: Duration,
}

/// Returns the length of the windows of a span.
fn window(span: Duration) -> Duration {
    span + (span / SLACK_PART).clamp(SLACK_MIN, SLACK_MAX)
}

/// The number of requests that the feed still allows, from its headers.
#[derive(Clone, Copy, Debug)]
struct Allowance {
    remaining: u64,
    until: Instant,
}

/// Compares the requests sent with the limits.
#[derive(Debug, Default)]
pub struct Pace {
    limits: Vec<Limit>,
    byte_limits: Vec<ByteLimit>,
    sent: VecDeque<Instant>,
    /// The bytes of answers, and when they were received.
    received: VecDeque<(Instant, u64)>,
    /// By the number of the feed's count.
    allowances: BTreeMap<usize, Allowance>,
    paused_until: Option<Instant>,
    /// The number of requests that the job still needs, as far as it is known.
    expected: u64,
}

/// Requests are spread evenly over windows up to this length. A limit over a longer window
/// is spent at the pace of the shorter ones.
const SPREAD_MAX: Duration = Duration::from_secs(60);

/// Requests can arrive closer together than they were sent. Each window is extended by
/// this part of its span, at least by [`SLACK_MIN`] and at most by [`SLACK_MAX`].
const SLACK_PART: u32 = 60;
const SLACK_MIN: Duration = Duration::from_millis(50);
const SLACK_MAX: Duration = Duration::from_secs(1);

impl Pace {
    /// Returns an unused budget.
    pub fn new(limits: Vec<Limit>) -> Pace {
        Pace {
            limits,
            ..Pace::default()
        }
    }

    /// Limits the bytes of answers, too.
    pub fn with_byte_limits(self, byte_limits: Vec<ByteLimit>) -> Pace {
        Pace {
            byte_limits,
            ..self
        }
    }

    /// Takes one request out of the budget, or returns the time to wait before the next
    /// attempt.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        self.allowances.retain(|_, allowance| allowance.until > now);
        let free_at = self.opens(now).max(self.next_of_spread(now));
        if let Some(free_at) = free_at.filter(|&free_at| free_at > now) {
            return Err(free_at - now);
        }
        for allowance in self.allowances.values_mut() {
            allowance.remaining = allowance.remaining.saturating_sub(1);
        }
        let counted_max = self
            .limits
            .iter()
            .map(|limit| limit.requests as usize)
            .max()
            .unwrap_or(0);
        self.expected = self.expected.saturating_sub(1);
        self.count(now);
        while self.sent.len() > counted_max {
            self.sent.pop_front();
        }
        Ok(())
    }

    /// Counts a request that was sent at this time, by this process or another one.
    pub fn count(&mut self, sent: Instant) {
        let place = self.sent.partition_point(|known| *known <= sent);
        self.sent.insert(place, sent);
    }

    /// Counts bytes that were received at this time, by this process or another one.
    pub fn receive(&mut self, at: Instant, bytes: u64) {
        let spans = self.byte_limits.iter().map(|limit| window(limit.span));
        let Some(longest) = spans.max().filter(|_| bytes > 0) else {
            return;
        };
        let place = self.received.partition_point(|(known, _)| *known <= at);
        self.received.insert(place, (at, bytes));
        let newest = self.received.back().map_or(at, |(newest, _)| *newest);
        while let Some((oldest, _)) = self.received.front()
            && *oldest + longest < newest
        {
            self.received.pop_front();
        }
    }

    /// Expects this number of requests.
    pub fn expect(&mut self, requests: u64) {
        self.expected = requests;
    }

    /// Returns whether a pause or a limit allows no request now.
    pub fn is_closed(&self, now: Instant) -> bool {
        self.opens(now).is_some_and(|at| at > now)
    }

    /// Returns the time until the limits allow the last of this number of requests, if
    /// nothing else sends any.
    pub fn time_for(&self, now: Instant, requests: u64) -> Duration {
        let Some(last) = requests.checked_sub(1) else {
            return Duration::ZERO;
        };
        let wait = |limit: &Limit| {
            let (number, window) = (u64::from(limit.requests), window(limit.span));
            // A request is allowed one window after the request that is this number of places
            // before it.
            let (windows, place) = (last / number, (last % number) as usize);
            let unused = (limit.requests as usize).saturating_sub(self.sent.len());
            let before = place.checked_sub(unused).and_then(|place| {
                let first = self.sent.len().saturating_sub(limit.requests as usize);
                self.sent.get(first + place)
            });
            let opens = before.map_or(Duration::ZERO, |sent| {
                (*sent + window).saturating_duration_since(now)
            });
            opens + window * u32::try_from(windows).unwrap_or(u32::MAX)
        };
        let opens = self.opens(now).map(|at| at.saturating_duration_since(now));
        let waits = self.limits.iter().map(wait);
        waits.chain(opens).max().unwrap_or_default()
    }

    /// Returns when a pause and all limits allow the next request.
    fn opens(&self, now: Instant) -> Option<Instant> {
        [
            self.paused_until,
            self.window_opens(now),
            self.byte_window_opens(now),
            self.allowance_opens(),
        ]
        .into_iter()
        .flatten()
        .max()
    }

    /// Returns when the next request is due, if the expected ones do not fit in what is left
    /// of a window. They then take as long as the window needs to open again.
    fn next_of_spread(&self, now: Instant) -> Option<Instant> {
        let last = *self.sent.back()?;
        let due = |limit: &Limit| {
            let window = window(limit.span);
            let begin = self.sent.partition_point(|sent| *sent + window <= now);
            let used = (self.sent.len() - begin) as u64;
            let left = u64::from(limit.requests).saturating_sub(used);
            if self.expected <= left {
                return None;
            }
            let opens = self.sent.get(begin).map_or(now, |oldest| *oldest + window);
            let rest = opens.saturating_duration_since(now);
            let share = rest / u32::try_from(left).unwrap_or(u32::MAX).max(1);
            Some(last + share.max(window / limit.requests))
        };
        let limits = self.limits.iter();
        limits
            .filter(|limit| limit.span <= SPREAD_MAX)
            .filter_map(due)
            .max()
    }

    fn window_opens(&self, now: Instant) -> Option<Instant> {
        let opens = |limit: &Limit| {
            let oldest = self.sent.len().checked_sub(limit.requests as usize)?;
            Some(*self.sent.get(oldest)? + window(limit.span))
        };
        self.limits
            .iter()
            .filter_map(opens)
            .filter(|&at| at > now)
            .max()
    }

    /// Returns when the limits of bytes allow the next request, if they allow none now. The
    /// size of its answer is not known before: it may exceed what is left.
    fn byte_window_opens(&self, now: Instant) -> Option<Instant> {
        let opens = |limit: &ByteLimit| {
            let window = window(limit.span);
            let mut sum = 0;
            let newest_first = self.received.iter().rev();
            newest_first
                .take_while(|(at, _)| *at + window > now)
                .find(|(_, bytes)| {
                    sum += bytes;
                    sum >= limit.bytes
                })
                .map(|(at, _)| *at + window)
        };
        self.byte_limits.iter().filter_map(opens).max()
    }

    fn allowance_opens(&self) -> Option<Instant> {
        self.allowances
            .values()
            .filter(|allowance| allowance.remaining == 0)
            .map(|allowance| allowance.until)
            .max()
    }

    /// Records that the feed allows `remaining` more requests within `reset_in`, by its count
    /// of this number. A feed may have one per minute and one per hour.
    pub fn set_remaining(
        &mut self,
        count: usize,
        now: Instant,
        remaining: u64,
        reset_in: Duration,
    ) {
        let allowance = Allowance {
            remaining,
            until: now + reset_in,
        };
        // Responses can arrive out of order. Within one period the smaller count is newer.
        match self.allowances.get(&count) {
            Some(known) if known.until > now && known.remaining < remaining => {}
            _ => {
                self.allowances.insert(count, allowance);
            }
        }
    }

    /// Returns whether a pause is not over yet.
    pub fn is_paused(&self, now: Instant) -> bool {
        self.paused_until.is_some_and(|until| until > now)
    }

    /// Allows no request until the pause is over.
    pub fn pause(&mut self, now: Instant, pause: Duration) {
        let until = now + pause;
        self.paused_until = Some(self.paused_until.map_or(until, |known| known.max(until)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit(requests: u32, seconds: u64) -> Limit {
        Limit {
            requests,
            span: Duration::from_secs(seconds),
        }
    }

    /// Sends as fast as the budget allows. Returns the times in milliseconds.
    fn send(pace: &mut Pace, start: Instant, count: usize) -> Vec<u128> {
        let mut now = start;
        let mut times = Vec::new();
        while times.len() < count {
            match pace.take(now) {
                Ok(()) => times.push((now - start).as_millis()),
                Err(pause) => now += pause,
            }
        }
        times
    }

    #[test]
    fn a_burst_is_sent_at_once_and_no_window_exceeds_the_limit() {
        let times = send(&mut Pace::new(vec![limit(60, 6)]), Instant::now(), 180);
        assert_eq!(times[59], 0, "the burst");
        for window in times.windows(61) {
            assert!(
                window[60] - window[0] >= 6_000,
                "61 requests within {window:?}"
            );
        }
        assert!(
            times[179] <= 13_200,
            "at most 10 % longer than the shortest time: {}",
            times[179]
        );
    }

    #[test]
    fn a_job_larger_than_the_budget_is_spread_evenly_from_its_first_request() {
        let mut pace = Pace::new(vec![limit(60, 60)]);
        // The last requests of a job fit in what is left, and are sent at once.
        pace.expect(200);
        let times = send(&mut pace, Instant::now(), 180);
        for pair in times.windows(2) {
            let gap = pair[1] - pair[0];
            assert!((1_000..1_100).contains(&gap), "{gap} ms");
        }

        // What another job left of the budget is spread, too, and then the pace is even.
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(60, 60)]);
        assert_eq!(send(&mut pace, start, 30)[29], 0);
        pace.expect(120);
        let times = send(&mut pace, start, 120);
        let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
        assert!(gaps.clone().max() < Some(2_100), "{:?}", gaps.max());
    }

    #[test]
    fn a_job_that_fits_in_the_budget_is_sent_at_once() {
        let mut pace = Pace::new(vec![limit(60, 60), limit(70, 3_600)]);
        pace.expect(60);
        assert_eq!(send(&mut pace, Instant::now(), 60)[59], 0);
    }

    #[test]
    fn the_time_for_requests_counts_those_that_were_sent() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(60, 60)]);
        let seconds = |pace: &Pace, requests| pace.time_for(start, requests).as_secs();
        assert_eq!((seconds(&pace, 60), seconds(&pace, 61)), (0, 61));
        send(&mut pace, start, 40);
        let found = [20, 21, 80, 81].map(|requests| seconds(&pace, requests));
        assert_eq!(found, [0, 61, 61, 122]);
        pace.pause(start, Duration::from_secs(300));
        assert_eq!(seconds(&pace, 1), 300);
    }

    #[test]
    fn the_tightest_limit_decides() {
        let times = send(
            &mut Pace::new(vec![limit(2, 1), limit(3, 60)]),
            Instant::now(),
            4,
        );
        assert_eq!(times[..2], [0, 0]);
        assert!(times[2] >= 1_000 && times[3] >= 60_000, "{times:?}");
    }

    #[test]
    fn bytes_delay_requests_until_they_leave_the_window() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let hour = ByteLimit {
            bytes: 1_000,
            span: Duration::from_secs(3_600),
        };
        let mut pace = Pace::new(Vec::new()).with_byte_limits(vec![hour]);
        pace.receive(at(10), 400);
        pace.receive(at(0), 400);
        assert_eq!(pace.take(at(11)), Ok(()));
        pace.receive(at(20), 400);
        // Until the oldest bytes are an hour old, plus one second.
        assert_eq!(pace.take(at(21)), Err(Duration::from_secs(3_580)));
        assert_eq!(pace.take(at(3_601)), Ok(()));
        // One answer may have more bytes than a window allows.
        pace.receive(at(3_700), 5_000);
        assert_eq!(pace.take(at(3_701)), Err(Duration::from_secs(3_600)));
    }

    #[test]
    fn requests_of_another_process_count() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(3, 60)]);
        let now = start + Duration::from_secs(50);
        pace.count(start + Duration::from_secs(40));
        pace.count(start);
        assert_eq!(pace.take(now), Ok(()));
        // Until the oldest of the three is a minute old, plus one second.
        assert_eq!(pace.take(now), Err(Duration::from_secs(11)));
    }

    #[test]
    fn the_count_of_the_feed_lowers_the_budget() {
        let start = Instant::now();
        let mut pace = Pace::new(vec![limit(100, 60)]);
        pace.set_remaining(0, start, 2, Duration::from_secs(10));
        // The count of another window does not replace the first one.
        pace.set_remaining(1, start, 50, Duration::from_secs(3_600));
        assert_eq!(send(&mut pace, start, 3), [0, 0, 10_000]);
    }

    #[test]
    fn a_pause_delays_all_requests() {
        let start = Instant::now();
        let mut pace = Pace::new(Vec::new());
        pace.pause(start, Duration::from_secs(3));
        pace.pause(start, Duration::from_secs(1));
        assert_eq!(send(&mut pace, start, 2), [3_000, 3_000]);
    }
}
