//! A write-ahead log that is cut at random bytes, as after a power failure: the next sync
//! resumes, and rows and log are the same as without the cut.
//!
//! `MLSMIRROR_CUTS=2000 cargo test --release --test it cut_logs` cuts more often, and
//! `MLSMIRROR_SEED=N` at other bytes.

use crate::killed::given;
use crate::market::Dice;
use crate::stopped::{Stopped, a_day, empty, followed};
use crate::support::*;

const CUTS: u64 = 16;

#[test]
fn a_sync_whose_log_is_cut_at_any_byte_ends_the_same() {
    let cuts = given("MLSMIRROR_CUTS").unwrap_or(CUTS);
    let seed = given("MLSMIRROR_SEED").unwrap_or(1);
    println!("MLSMIRROR_SEED={seed} cuts at these bytes again");
    let mut dice = Dice(seed);
    let jobs = [
        Stopped::at(feed(24), empty, |_| {}, "full"),
        Stopped::at(feed(24), followed, a_day, "incremental"),
        Stopped::at(feed(24), followed, a_day, "reconcile"),
    ];
    for cut in 1..=cuts {
        let stopped = &jobs[dice.roll(jobs.len())];
        let bytes = dice.roll(stopped.log_bytes() + 1);
        let when = format!(
            "{} cut after {bytes} bytes, cut {cut} of seed {seed}",
            stopped.job
        );
        stopped.assert_goes_on(&stopped.mirror(bytes), &when);
    }
    println!("{cuts} logs were cut");
}
