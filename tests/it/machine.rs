//! A machine that takes the database away, or gives few threads or little memory: the run
//! fails with a message, and the next one completes.

use std::os::unix::fs::PermissionsExt;

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

#[test]
fn a_process_with_little_memory_fails_with_the_reason() {
    let feed = feed(24);
    // The program itself must start.
    let starts = |megabytes: &u64| {
        let script = format!("ulimit -v {}; \"$0\" --version", megabytes * 1024);
        Mirror::of(&feed).run_script(&script).code == Some(0)
    };
    let (mut refused, mut done) = (0, 0);
    for megabytes in (40..3_000)
        .step_by(40)
        .skip_while(|megabytes| !starts(megabytes))
    {
        if megabytes > 400 && megabytes % 400 != 0 {
            continue;
        }
        let mirror = Mirror::with(&feed, |settings| settings.media = true);
        let script = format!("ulimit -v {}; \"$0\" sync", megabytes * 1024);
        let ended = mirror.run_script(&script);
        if ended.code == Some(0) {
            done += 1;
            continue;
        }
        refused += 1;
        ended.says(1, &["may use only", "MB of memory", "`ulimit -v`"]);
        assert_eq!(done, 0, "{megabytes} MB are too few, and fewer were enough");
    }
    assert!(
        refused > 3 && done > 2,
        "{refused} were refused, {done} were enough"
    );
}

/// Creates a mirror for another user than the administrator, and the command that runs a program
/// as this user. Returns none if this machine cannot.
fn with_user(feed: &Simulator) -> Option<(Mirror, &'static str)> {
    let mirror = Mirror::with(feed, |settings| settings.media = true);
    for folder in [mirror.folder.path(), mirror.state.path()] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o777)).unwrap();
    }
    let user = match mirror.run_script("id -u").stdout.trim() {
        "0" => "setpriv --reuid 65431 --clear-groups",
        _ => "unshare -U",
    };
    let can_start = mirror.run_script(&format!("{user} \"$0\" --version"));
    if can_start.code != Some(0) {
        println!("not tried: {can_start}");
        return None;
    }
    Some((mirror, user))
}

#[test]
fn verbs_that_start_a_feed_or_a_daemon_fail_with_the_reason_on_few_threads() {
    let feed = feed(6);
    let Some((mirror, user)) = with_user(&feed) else {
        return;
    };
    for verb in ["watch", "demo --dir demo", "simulate --port 0"] {
        let script = format!("exec {user} bash -c 'ulimit -u 3; exec \"$0\" {verb}' \"$0\"");
        let ended = mirror.run_script(&script);
        ended.says(1, &["threads", "TasksMax"]);
    }
}

#[test]
fn a_folder_without_the_right_to_write_is_named_with_the_way_out() {
    let feed = feed(6);
    let Some((mirror, user)) = with_user(&feed) else {
        return;
    };
    let closed = mirror.folder.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o555)).unwrap();
    for (verb, way_out) in [
        ("demo --dir closed", "--dir"),
        ("--config closed/mlsmirror.toml init", "where you may write"),
    ] {
        let ended = mirror.run_script(&format!("exec {user} \"$0\" {verb}"));
        ended.says(2, &["closed", "ermission denied", way_out]);
    }
}

#[test]
fn a_process_with_few_threads_fails_with_the_reason() {
    let feed = feed(24);
    let (mut refused, mut done) = (0, 0);
    for threads in (1..30).step_by(2) {
        // The limit does not hold for the administrator, and counts the threads of the user.
        let Some((mirror, user)) = with_user(&feed) else {
            return;
        };
        let script = format!("exec {user} bash -c 'ulimit -u {threads}; exec \"$0\" sync' \"$0\"");
        let ended = mirror.run_script(&script);
        if ended.code == Some(0) {
            done += 1;
            assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
            continue;
        }
        refused += 1;
        ended.says(1, &["threads", "TasksMax"]);
        assert_eq!(
            done, 0,
            "{threads} threads are too few, and fewer were enough"
        );
    }
    assert!(
        refused > 3 && done > 3,
        "{refused} were refused, {done} were enough"
    );
}

#[test]
fn a_process_that_may_open_few_files_fails_with_the_reason() {
    let feed = feed(24);
    for downloads in [8, 20] {
        let (mut refused, mut done) = (0, 0);
        for files in (8..100).step_by(4) {
            let mirror = Mirror::with(&feed, |settings| {
                settings.media = true;
                settings.sync = format!("[media]\nmax_concurrent_downloads = {downloads}");
            });
            let ended = mirror.run_script(&format!("ulimit -n {files}; \"$0\" sync"));
            if ended.code == Some(0) {
                done += 1;
                continue;
            }
            refused += 1;
            ended.says(1, &["may open only", "`ulimit -n`", "LimitNOFILE"]);
            assert_eq!(done, 0, "{files} are too few, and fewer were enough");
        }
        assert!(
            refused > 3 && done > 2,
            "{refused} were refused, {done} were enough"
        );
    }
}
