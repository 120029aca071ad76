//! An export that is killed at random moments, again and again, while the market moves.
//!
//! `MLSMIRROR_KILLS=500 cargo test --release --test it export_killed` kills more often, and
//! `MLSMIRROR_SEED=N` at other moments.

use std::thread;
use std::time::Duration;

use crate::export::{TABLES, assert_equal, lake, move_on};
use crate::killed::given;
use crate::market::Dice;
use crate::support::*;

const KILLS: u64 = 16;

/// The number of kills before each complete export.
const ROUND: u64 = 4;

#[test]
fn an_export_killed_at_any_moment_leaves_whole_tables_and_the_next_one_is_complete() {
    let kills = given("MLSMIRROR_KILLS").unwrap_or(KILLS);
    let seed = given("MLSMIRROR_SEED").unwrap_or(1);
    println!("MLSMIRROR_SEED={seed} kills at these moments again");
    let mut dice = Dice(seed);
    let feed = feed_with(60, |options| options.seed = seed);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "[export]\nkeep = \"1h\"\n".to_owned();
    });
    mirror.sync();
    let (mut killed, mut tries) = (0, 0);
    while killed < kills {
        tries += 1;
        let running = mirror.start(&["export"]);
        // A whole export takes about 100 ms.
        thread::park_timeout(Duration::from_millis(dice.roll(120) as u64));
        running.signal_if_alive("KILL");
        killed += u64::from(running.wait().code.is_none());
        for (table, _) in TABLES {
            let table = lake(&mirror).join(table);
            if table.is_dir() && !versions(&table).is_empty() {
                Delta::read(&table).rows(&table);
            }
        }
        if tries % ROUND == 0 {
            mirror.run(&["export"]).says(0, &[]);
            assert_equal(&mirror);
        }
        move_on(&feed, &mirror, 5);
    }
    mirror.run(&["export"]).says(0, &[]);
    assert_equal(&mirror);
    for (table, _) in TABLES {
        let names = names_in(&lake(&mirror).join(table));
        assert!(
            !names.iter().any(|name| name.ends_with(".tmp")),
            "{names:?}"
        );
    }
    println!("{killed} of {tries} were killed before they had ended");
}
