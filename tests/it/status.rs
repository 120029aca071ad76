//! The status shows the conditions that need attention, and no others.

use mlsmirror::report::{AlertFacts, Condition, Facts, PhotoFiles, conditions, metrics, status};
use mlsmirror::sync::CredentialsProblem;
use rusqlite::Connection;
use serde_json::{Value as Json, json};
use simulator::{Fault, FaultRule, RetryAfter};

use crate::photo_files::with_photos;
use crate::support::*;

fn change_database(mirror: &Mirror, sql: &str) {
    let db = Connection::open(mirror.database_path()).unwrap();
    db.execute_batch(sql).unwrap();
}

/// Fails unless the text and the exit code of `status` and its JSON say that exactly these
/// conditions need attention.
#[track_caller]
pub fn needs(mirror: &Mirror, parts: &[&str]) {
    let ended = mirror.run(&["status"]);
    let code = if parts.is_empty() { 0 } else { 3 };
    assert_eq!(ended.code, Some(code), "{ended}");
    let json = mirror.run(&["status", "--json"]).json();
    assert_eq!(json["exit_code"], code);
    let sentences: Vec<&str> = (json["needs_attention"].as_array().unwrap().iter())
        .map(|sentence| sentence.as_str().unwrap())
        .collect();
    for part in parts {
        assert!(
            sentences.iter().any(|sentence| sentence.contains(part)),
            "{part}: {json}"
        );
        assert!(ended.stdout.contains(part), "no `{part}`: {ended}");
    }
    if parts.is_empty() {
        assert!(sentences.is_empty(), "{sentences:?}");
    }
}

fn fault(path: &str, kind: Fault) -> FaultRule {
    FaultRule {
        path_contains: Some(path.to_owned()),
        ..FaultRule::always(kind)
    }
}

#[test]
fn deletions_that_were_held_back_are_shown_with_the_commands_for_them() {
    let feed = feed(100);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    needs(&mirror, &[]);
    for key in feed.listing_keys().into_iter().take(30) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    mirror.sync_ends(3, &["reconcile"]);
    let shown = [
        "Property: deletions of 30 listings were held back",
        "`mlsmirror verify` shows them",
        "`mlsmirror sync reconcile --allow-deletes 30`",
    ];
    needs(&mirror, &shown);
    // An incremental reads other things, and settles nothing.
    mirror.sync_ends(0, &["incremental"]);
    needs(&mirror, &shown);
    // The error of each resource is shown.
    let json = mirror.run(&["status", "--json"]).json();
    let jobs = json["jobs"].as_array().unwrap();
    let job = jobs.iter().find(|job| job["job"] == "reconcile").unwrap();
    let errors = job["errors"].as_array().unwrap();
    let text = mirror.run(&["status"]).stdout;
    assert!(!errors.is_empty(), "{json}");
    for error in errors {
        let line = format!(
            "  {}: {}",
            error["resource"].as_str().unwrap(),
            error["error"].as_str().unwrap()
        );
        assert!(text.contains(&line), "no `{line}`: {text}");
    }
    mirror.sync_ends(0, &["reconcile", "--allow-deletes", "1000"]);
    needs(&mirror, &[]);
}

#[test]
fn photos_that_fail_need_attention_until_they_are_there() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let broken = FaultRule {
        on: simulator::Host::Assets,
        ..FaultRule::always(Fault::Status(503))
    };
    feed.fault(broken);
    assert_eq!(mirror.run(&["sync"]).code, Some(3));
    needs(
        &mirror,
        &["photos could not be downloaded", "media.download_error"],
    );
    feed.clear_faults();
    mirror.sync_ends(0, &["media"]);
    needs(&mirror, &[]);
}

#[test]
fn a_resource_that_does_not_answer_needs_attention_until_it_answers() {
    let feed = feed(6);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = vec!["Property", "Media", "Member", "Office"];
    });
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.fault(fault("/Member", Fault::Status(503)));
    feed.fault(fault("/Office", Fault::Status(404)));
    assert_eq!(mirror.run(&["sync"]).code, Some(3));
    needs(
        &mirror,
        &[
            "Member: incremental failed: ",
            "Office: incremental failed: ",
        ],
    );
    let text = mirror.run(&["status"]).stdout;
    for line in ["\n  Member: ", "\n  Office: "] {
        assert!(text.contains(line), "no `{line}`: {text}");
    }
    feed.clear_faults();
    mirror.sync();
    needs(&mirror, &[]);
    let text = mirror.run(&["status"]).stdout;
    assert!(!text.contains("503"), "{text}");
}

#[test]
fn hosts_of_photos_and_open_houses_that_do_not_answer_are_all_that_needs_attention() {
    let feed = feed(6);
    let mirror = with_photos(&feed);
    let listing = feed.listing_keys()[0];
    let house = feed.add_open_house(listing).unwrap();
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    feed.delete("OpenHouse", &house, false).unwrap();
    feed.add_photo(listing, true).unwrap();
    feed.fault(fault("/OpenHouse", Fault::Status(503)));
    feed.fault(FaultRule {
        on: simulator::Host::Assets,
        ..FaultRule::always(Fault::Status(500))
    });
    mirror.sync_ends(3, &[]);
    let shown = [
        "Property: incremental partial: the listings no longer have 1 open house, \
         and OpenHouse does not say whether that is a deletion: ",
        "OpenHouse: incremental failed: ",
        "1 photo could not be downloaded; ",
    ];
    needs(&mirror, &shown);
    let json = mirror.run(&["status", "--json"]).json();
    let all = json["needs_attention"].as_array().unwrap();
    assert_eq!(all.len(), shown.len(), "{json:#}");
    feed.clear_faults();
    mirror.sync_ends(0, &["incremental"]);
    needs(&mirror, &["1 photo could not be downloaded; "]);
    mirror.sync_ends(0, &["media"]);
    needs(&mirror, &[]);
}

#[test]
fn an_error_that_all_resources_share_is_shown_once_for_its_job() {
    let feed = feed(6);
    let mirror = Mirror::of(&feed);
    feed.set_server(|server| server.metadata_status = Some(503));
    mirror.sync_ends(1, &[]);
    let shared = "Property, Media, OpenHouse: incremental failed: ";
    needs(&mirror, &[shared]);
    let text = mirror.run(&["status"]).stdout;
    assert!(
        text.contains("\n  Property, Media, OpenHouse: reading "),
        "{text}"
    );
    assert_eq!(text.matches("$metadata").count(), 2, "{text}");
    assert!(
        text.contains("; `mlsmirror sync incremental` tries again\n"),
        "{text}"
    );
}

#[test]
fn an_error_that_another_job_has_settled_is_not_shown() {
    let feed = feed(6);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let key = feed.listing_keys()[0].to_string();
    feed.fault(fault("/Property", Fault::Status(503)));
    assert_ne!(mirror.run(&["refresh", &key]).code, Some(0));
    needs(&mirror, &["Property: refresh "]);
    feed.clear_faults();
    feed.advance(chrono::Duration::hours(1));
    mirror.sync();
    needs(&mirror, &[]);
    let text = mirror.run(&["status"]).stdout;
    assert!(!text.contains("503"), "{text}");
}

#[test]
fn a_program_of_an_alert_that_fails_or_does_not_exist_needs_attention() {
    let feed = feed(6);
    let alert = |command: &str| {
        format!("\n[[alerts]]\nname = \"mail\"\non = [\"price\"]\ncommand = [{command}]\n")
    };
    let mut mirror = Mirror::with(&feed, |settings| settings.sync = alert("\"false\""));
    mirror.sync_ends(0, &["monitor"]);
    needs(&mirror, &[]);
    feed.advance(chrono::Duration::hours(1));
    let key = feed.listing_keys()[0].to_string();
    feed.edit("Property", &key, fields(json!({ "ListPrice": 1 })))
        .unwrap();
    mirror.sync_ends(3, &["monitor"]);
    needs(
        &mirror,
        &["alert `mail`: 1 change was not reported (command `false` failed"],
    );
    mirror.configure(|settings| settings.sync = alert("\"no-such-program\""));
    needs(
        &mirror,
        &["alert `mail`: there is no program `no-such-program`"],
    );
    mirror.configure(|settings| {
        settings.sync = "\n[monitor]\ncommand = [\"./nowhere\"]\n".to_owned()
    });
    needs(&mirror, &["[monitor]: there is no program `./nowhere`"]);
    mirror.configure(|settings| settings.sync = alert("\"cat\""));
    mirror.sync_ends(0, &["monitor"]);
    needs(&mirror, &[]);
}

#[test]
fn a_watermark_in_the_future_and_unresolved_counts_need_attention() {
    let feed = feed(6);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    let later = "UPDATE sync_runs SET watermark_after = '2098-01-02 03:04:05'
                 WHERE resource = 'Property' AND watermark_after IS NOT NULL";
    let counts = "INSERT INTO _state VALUES ('counts:OpenHouse', '-3', '2026-01-01 00:00:00')";
    change_database(&mirror, &format!("{later}; {counts}"));
    let shown = [
        "Property has a watermark in the future, 2098-01-0",
        "OpenHouse: the feed counts 3 records fewer than the mirror has",
    ];
    needs(&mirror, &shown);
}

#[test]
fn a_pause_that_the_feed_asked_for_needs_attention() {
    let feed = feed(6);
    let mirror = Mirror::with(&feed, |settings| settings.set("max_retries", 0));
    mirror.sync();
    feed.advance(chrono::Duration::hours(1));
    let retry_after = RetryAfter::Seconds(3_000);
    feed.fault(FaultRule::once(Fault::TooMany { retry_after }));
    let running = mirror.start(&["sync"]);
    wait_until("the feed was asked", || feed.fault_hits() > 0);
    wait_until("the pause is known", || {
        mirror.run(&["status"]).stdout.contains("pause until")
    });
    needs(&mirror, &["the feed asked for a pause until "]);
    drop(running);
}

#[test]
fn a_mirror_that_is_older_than_the_licence_allows_needs_attention() {
    let feed = feed(6);
    let mut mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            "\n[schedule]\nincremental = \"every 12h\"\n[status]\nmax_age = \"12h\"\n".to_owned();
    });
    mirror.sync();
    needs(&mirror, &[]);
    change_database(
        &mirror,
        "UPDATE sync_runs SET started_at = datetime('now', '-13 hours')",
    );
    needs(
        &mirror,
        &[
            "Property was last brought up to date 13 h 0 min ago, more than status.max_age = 12 h 0 min",
        ],
    );
    mirror.configure(|settings| settings.sync = "\n[status]\nmax_age = \"2m\"\n".to_owned());
    needs(&mirror, &["more than status.max_age = 2 min 0 s"]);
    mirror.sync();
    needs(&mirror, &[]);
}

#[test]
fn a_first_sync_in_progress_shows_how_far_it_is_and_needs_no_attention() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| settings.set("max_concurrent", 1));
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 2,
        ..FaultRule::always(Fault::Stall)
    });
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 2);
    let ended = mirror.run(&["status"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(
        ended
            .stdout
            .contains("first sync in progress: 40 of 60 read (66 %)"),
        "{ended}"
    );
    let json = mirror.run(&["status", "--json"]).json();
    assert_eq!(
        json["resources"][0]["first_sync"],
        json!({ "read": 40, "count": 60 })
    );
    assert_eq!(json["needs_attention"], Json::Array(Vec::new()));
    running.signal("KILL");
    running.wait();
    needs(
        &mirror,
        &["Property has not completed its first full sync; run `mlsmirror sync`"],
    );
}

#[test]
fn a_child_resource_that_the_feed_does_not_declare_needs_no_attention() {
    let feed = feed(6);
    let proxy = Proxy::of(&feed, |_| {});
    proxy.hide("OpenHouse");
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    mirror.sync();
    needs(&mirror, &[]);
    let config = mirror.folder.path().join("mlsmirror.toml");
    let config = mlsmirror::config::Config::load(&config).unwrap();
    let shown = |is_declared: bool| {
        let ended = mirror.run(&["status"]);
        let note = "left out: the feed does not declare it";
        assert_eq!(
            ended.stdout.matches(note).count(),
            usize::from(!is_declared),
            "{ended}"
        );
        let json = mirror.run(&["status", "--json"]).json();
        let declared = json["resources"].as_array().unwrap().iter();
        let declared: Vec<&Json> = declared.map(|one| &one["is_declared"]).collect();
        assert_eq!(declared, [true, true, is_declared]);
        let path = mirror.database_path();
        let mut held = mlsmirror::mirror::Mirror::open_to_read(path).unwrap();
        let status = status(&config, &mut held, PhotoFiles::Counted, chrono::Utc::now());
        let metrics = metrics(&status.unwrap());
        assert!(metrics.contains("{kind=\"never_synced\"} 0\n"), "{metrics}");
    };
    shown(false);
    proxy.declare(|metadata| metadata);
    mirror.sync();
    shown(true);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn conditions_follow_from_facts_alone() {
    let facts = Facts::default();
    assert_eq!(conditions(&facts), []);
    let facts = Facts {
        credentials: Some(CredentialsProblem::Refused),
        alerts: vec![AlertFacts {
            name: "mail".to_owned(),
            error: Some("it failed".to_owned()),
            missing_program: None,
        }],
        ..facts
    };
    let found = conditions(&facts);
    let kinds: Vec<&str> = found.iter().map(Condition::kind).collect();
    assert_eq!(kinds, ["credentials_refused", "alert_fails"]);
}
