//! A sync that is killed at random moments, again and again, while the feed changes.
//!
//! `MLSMIRROR_KILLS=5000 cargo test --release --test it killed` kills more often.
//! `MLSMIRROR_SEED=N` starts with other moments.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;

use crate::market::Dice;
use crate::moves::{assert_log_tells_all_steps, copy, last_change};
use crate::photo_files::*;
use crate::support::*;

const KILLS: u64 = 60;

/// The number of kills before each comparison with the feed.
const ROUND: u64 = 10;

#[test]
fn a_sync_killed_at_any_moment_loses_and_invents_no_change() {
    let given = |name: &str| std::env::var(name).ok().and_then(|text| text.parse().ok());
    let kills: u64 = given("MLSMIRROR_KILLS").unwrap_or(KILLS);
    let seed: u64 = given("MLSMIRROR_SEED").unwrap_or(1);
    println!("MLSMIRROR_SEED={seed} kills at these moments again");
    let mut dice = Dice(seed);
    let feed = feed_with(60, |options| options.seed = seed);
    let mirror = with_photos_and(&feed, "", |settings| {
        settings.sync = format!("max_delete_percent = 100\n{}", settings.sync);
    });
    mirror.sync();
    let mut killed = 0;
    let mut round = 0;
    while killed < kills {
        round += 1;
        let (before, since) = (copy(&mirror.open(), &MAIN), last_change(&mirror.open()));
        let ends = AtomicBool::new(false);
        thread::scope(|threads| {
            let moving = threads.spawn(|| {
                while !ends.load(Ordering::Relaxed) {
                    feed.advance(chrono::Duration::seconds(30));
                    feed.move_market(1);
                    thread::park_timeout(Duration::from_millis(5));
                }
            });
            for _ in 0..ROUND {
                let job: &[&str] = match dice.roll(8) {
                    0 => &["sync", "full"],
                    1 => &["sync", "reconcile"],
                    2 => &["sync", "media"],
                    3 => &["sync", "monitor"],
                    _ => &["sync"],
                };
                let running = mirror.start(job);
                // A whole sync takes about 200 ms.
                thread::park_timeout(Duration::from_millis(dice.roll(120) as u64));
                running.signal_if_alive("KILL");
                killed += u64::from(running.wait().code.is_none());
                let db = Connection::open(mirror.database_path()).unwrap();
                let check = text(&db, "PRAGMA integrity_check");
                assert_eq!(check, "ok", "round {round} of seed {seed}");
            }
            ends.store(true, Ordering::Relaxed);
            moving.join().unwrap();
        });
        // Some seconds later, no change is new.
        feed.advance(chrono::Duration::minutes(1));
        mirror.sync();
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        assert_files_equal_feed(&mirror, &feed);
        assert_log_tells_all_steps(&db, since, &before, &copy(&db, &MAIN));
    }
    println!("{killed} were killed before they had ended, in {round} rounds");
}
