//! A token that ends while a sync runs.

use crate::support::*;

/// Lets a mirror get its tokens from a program that prints these, one after the other, and
/// the last one from then on.
fn print_tokens(mirror: &mut Mirror, tokens: &[&str]) {
    let tokens = tokens.join("\n");
    std::fs::write(mirror.folder.path().join("tokens"), tokens).unwrap();
    let script = "echo asked >> asked; head -n $(wc -l < asked) tokens | tail -n 1";
    mirror.token = None;
    mirror.configure(|settings| {
        settings.set("token_command", format!("{:?}", ["sh", "-c", script]));
    });
}

/// Returns how often the program was run.
fn times_asked(mirror: &Mirror) -> usize {
    let asked = std::fs::read_to_string(mirror.folder.path().join("asked")).unwrap();
    asked.lines().count()
}

#[test]
fn a_token_that_ends_in_the_middle_is_asked_for_again_once_for_all_requests() {
    for after in [1, 4, 12] {
        let (feed, proxy) = feed_that_changes_its_token(after);
        let mut mirror = Mirror::at(&proxy.base_url, |settings| {
            settings.set("max_concurrent", 8);
            settings.set("max_retries", 0);
        });
        print_tokens(&mut mirror, &[TOKEN, "the-second-token", "a-wrong-token"]);
        let ended = mirror.run(&["sync"]);
        assert_eq!(ended.code, Some(0), "after {after}: {ended}");
        assert_eq!(times_asked(&mirror), 2);
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn a_new_token_that_is_refused_too_ends_the_run_with_5() {
    let (_feed, proxy) = feed_that_changes_its_token(4);
    let mut mirror = Mirror::at(&proxy.base_url, |settings| {
        settings.set("max_concurrent", 8);
    });
    print_tokens(&mut mirror, &[TOKEN, "a-wrong-token", "the-second-token"]);
    mirror.run(&["sync"]).says(5, &["refused the credentials"]);
    assert_eq!(times_asked(&mirror), 2);
}

#[test]
fn a_program_that_fails_or_repeats_the_refused_token_is_run_once_more_only() {
    for (second, said) in [
        ("", "feed.token_command"),
        (TOKEN, "refused the credentials"),
    ] {
        let (_feed, proxy) = feed_that_changes_its_token(4);
        let mut mirror = Mirror::at(&proxy.base_url, |_| {});
        print_tokens(&mut mirror, &[TOKEN, second, second, "the-second-token"]);
        mirror.run(&["sync"]).says(5, &[said]);
        assert_eq!(times_asked(&mirror), 2);
    }
}

#[test]
fn a_daemon_gets_a_new_token_within_a_job() {
    let (feed, proxy) = feed_that_changes_its_token(4);
    let mut mirror = Mirror::at(&proxy.base_url, |_| {});
    print_tokens(&mut mirror, &[TOKEN, "the-second-token"]);
    let running = mirror.start(&["watch"]);
    wait_until("the first full has ended", || {
        mirror.database_path().exists()
            && mirror
                .open()
                .query_row(
                    "SELECT count(*) FROM sync_runs WHERE job = 'full' AND finished_at IS NOT NULL",
                    [],
                    |row| row.get(0),
                )
                .unwrap_or(0)
                == MAIN.len() as i64
    });
    running.signal("TERM");
    running.wait();
    assert_eq!(times_asked(&mirror), 2);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}
