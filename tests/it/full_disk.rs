//! A disk that becomes full at any point: the run fails with a message and applies nothing
//! in part, and the next run completes.

use rusqlite::Connection;

use crate::stopped::{Stopped, a_day, empty, followed};
use crate::support::*;

/// Limits the file size, from zero in steps, until a run succeeds. After each failure, the
/// next run must complete the work. `MLSMIRROR_ALL=1` tries four times as many sizes.
fn at_every_size(stopped: &Stopped) {
    let job = stopped.job;
    let mut failures = 0;
    for kilobytes in sample((0..).step_by(16), 4) {
        let mirror = stopped.mirror(0);
        let ended = mirror.run_script(&format!("ulimit -f {kilobytes}; \"$0\" sync {job}"));
        if ended.code == Some(0) {
            break;
        }
        failures += 1;
        ended.says(1, &["mirror.db", "could not be written", "it resumes"]);
        let db = Connection::open(mirror.database_path()).unwrap();
        let check = text(&db, "PRAGMA integrity_check");
        assert_eq!(check, "ok", "files of {kilobytes} KB");
        drop(db);
        stopped.assert_goes_on(&mirror, &format!("with files of {kilobytes} KB at most"));
        assert!(kilobytes < 100_000, "it never succeeds");
    }
    let least = if runs_all() { 8 } else { 4 };
    assert!(failures > least, "it failed only {failures} times");
}

#[test]
fn a_first_full_sync_survives_a_disk_that_is_full_anywhere() {
    at_every_size(&Stopped::at(feed(24), empty, |_| {}, "full"));
}

#[test]
fn an_incremental_sync_survives_a_disk_that_is_full_anywhere() {
    at_every_size(&Stopped::at(feed(24), followed, a_day, "incremental"));
}

#[test]
fn status_names_a_disk_that_is_full() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| {
        settings.database = "disk/mirror.db".to_owned();
    });
    std::fs::create_dir(mirror.folder.path().join("disk")).unwrap();
    let script = "unshare -rm true || exit 77
        exec unshare -rm sh -c 'mount -t tmpfs -o size=20m tmpfs disk || exit 77
            \"$0\" sync && \"$0\" status || exit 78
            cat /dev/zero > disk/fill
            \"$0\" sync; test $? = 1 || exit 79
            \"$0\" status; test $? = 1 || exit 80
            truncate -s -400K disk/fill
            exec \"$0\" status' \"$0\"";
    let ended = mirror.run_script(script);
    if ended.code == Some(77) {
        println!("not tried: {ended}");
        return;
    }
    ended.says(
        3,
        &["reading disk/mirror.db: disk I/O error; free space on its disk"],
    );
    assert!(
        ended
            .stdout
            .contains("the disk of disk/mirror.db is full; free space"),
        "{ended}"
    );
}

#[test]
fn the_daemon_survives_a_full_disk() {
    let feed = feed(200);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "\n[schedule]\nincremental = \"every 1s\"\nmonitor = \"\"\nfull = \"\"\n".to_owned();
    });
    // A mirror that has its tables, without space for the feed's records.
    mirror.run(&["sync", "deletions"]).says(0, &[]);
    // The daemon stops after its second failure.
    let script = "ulimit -f $(($(stat -c %s mirror.db) / 1024)); \"$0\" watch 2> log & daemon=$!
                  for _ in $(seq 600); do
                      [ \"$(grep -c 'could not be written' log)\" -ge 2 ] && break
                      kill -0 $daemon || break
                      sleep 0.05
                  done
                  kill -TERM $daemon; wait $daemon; code=$?; cat log >&2; exit $code";
    let ended = mirror.run_script(script);
    ended.says(0, &["mirror.db could not be written", "stopped"]);
    let failures = ended.stderr.matches("could not be written").count();
    assert!(failures >= 2, "it failed only {failures} times");
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
