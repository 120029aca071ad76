//! A machine that takes the database away: the run fails with a message, and the next one
//! completes.

use simulator::Simulator;

use crate::support::*;

/// Syncs while the second page of listings changes the folder, and fails unless the sync
/// notices.
#[track_caller]
fn assert_noticed(job: &[&str], feed: &Simulator, mirror: &Mirror, proxy: &Proxy) {
    let ended = mirror.run(&[&["sync"], job].concat());
    ended.says(
        1,
        &["mirror.db was removed or replaced while this process wrote it"],
    );
    proxy.change(|_| {});
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), feed, &MAIN);
}

#[test]
fn a_sync_whose_database_is_removed_or_replaced_under_it_fails() {
    for job in [&[] as &[&str], &["full"]] {
        for replaces in [false, true] {
            let feed = feed(60);
            let proxy = Proxy::of(&feed, |_| {});
            let mirror = Mirror::at(&proxy.base_url, |settings| {
                settings.set("max_concurrent", 1);
            });
            if !job.is_empty() {
                mirror.sync();
            }
            let database = mirror.database_path().to_owned();
            let other = mirror.folder.path().join("other.db");
            if replaces {
                let second = Mirror::at(&proxy.base_url, |_| {});
                second.run(&["sync", "deletions"]).says(0, &[]);
                std::fs::copy(second.database_path(), &other).unwrap();
            }
            let mut pages = 0;
            proxy.change(move |answer| {
                pages += u32::from(answer.request.contains("$expand"));
                if pages == 2 {
                    for suffix in ["", "-wal", "-shm"] {
                        let _ = std::fs::remove_file(format!("{}{suffix}", database.display()));
                    }
                    if replaces {
                        std::fs::copy(&other, &database).unwrap();
                    }
                }
            });
            assert_noticed(job, &feed, &mirror, &proxy);
        }
    }
}
