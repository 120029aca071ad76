//! A sync that is killed at random moments, again and again, while the feed changes.
//!
//! `MLSMIRROR_KILLS=5000 cargo test --release --test it killed` kills more often.
//! `MLSMIRROR_SEED=N` starts with other moments. Each market has the next seed.
//! `MLSMIRROR_DIALECT=all` also kills in the dialects of all vendors, and
//! `MLSMIRROR_DIALECT=NAME` in one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rusqlite::Connection;
use simulator::{Behaviour, Dialect};

use crate::market::Dice;
use crate::moves::{assert_log_tells_all_steps, copy, last_change};
use crate::photo_files::*;
use crate::support::*;

const KILLS: u64 = 60;

/// The number of kills in each dialect.
const KILLS_IN_DIALECT: u64 = 20;

/// The largest number of kills in one market.
const KILLS_OF_A_MARKET: u64 = 200;

/// The number of kills before each comparison with the feed.
const ROUND: u64 = 10;

#[test]
fn a_sync_killed_at_any_moment_loses_and_invents_no_change() {
    let kills = given("MLSMIRROR_KILLS").unwrap_or(KILLS);
    let seeds = given("MLSMIRROR_SEED").unwrap_or(1)..;
    // A market grows with every kill, and takes longer to compare.
    for (seed, before) in seeds.zip((0..kills).step_by(KILLS_OF_A_MARKET as usize)) {
        kill(None, (kills - before).min(KILLS_OF_A_MARKET), seed);
    }
}

#[test]
fn a_sync_in_the_dialect_of_a_vendor_killed_at_any_moment_loses_and_invents_no_change() {
    let kills = given("MLSMIRROR_KILLS").unwrap_or(KILLS_IN_DIALECT);
    let seed = given("MLSMIRROR_SEED").unwrap_or(1);
    for dialect in dialects(1, seed) {
        kill(Some(dialect), kills, seed);
    }
}

pub fn given(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

/// Kills syncs this number of times, and compares the mirror with the feed after each round.
fn kill(dialect: Option<&Dialect>, kills: u64, seed: u64) {
    let name = dialect.map_or("none", |dialect| dialect.name);
    println!("MLSMIRROR_SEED={seed} kills at these moments again, dialect {name}");
    let mut dice = Dice(seed);
    let feed = feed_with(60, |options| options.seed = seed);
    let behaviours = dialect.map_or(&[][..], |dialect| dialect.behaviours);
    if let Some(dialect) = dialect {
        feed.speak(dialect);
    }
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "max_delete_percent = 100\n".to_owned();
        if let Some(dialect) = dialect {
            speak(settings, dialect);
        }
        settings.media = true;
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
        if behaviours.contains(&Behaviour::NoDeletionsAnnounced) {
            mirror.sync_ends(0, &["reconcile"]);
            mirror.sync_ends(0, &["media"]);
        }
        let db = mirror.open();
        assert_mirror_equals_feed(&db, &feed, &MAIN);
        assert_files_equal_feed(&mirror, &feed);
        assert_log_tells_all_steps(&db, since, &before, &copy(&db, &MAIN));
    }
    println!("{killed} were killed before they had ended, in {round} rounds");
}
