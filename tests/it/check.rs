//! The plan of `check`, compared with a full sync of the same feed.

use serde_json::{Value as Json, json};
use simulator::{Behaviour, Dialect, Simulator};

use crate::support::*;

fn feed_that(behaviours: &[Behaviour]) -> Simulator {
    let feed = feed(60);
    feed.behave(behaviours);
    feed
}

/// Fails unless a plan differs by at most a tenth from the requests that a sync sent.
#[track_caller]
fn assert_close(plan: &Json, sent: i64, what: &str) {
    let planned = plan["requests"].as_i64().unwrap();
    let tolerance = (sent / 10).max(1);
    let difference = (planned - sent).abs();
    assert!(
        difference <= tolerance,
        "{what}: {planned} planned, {sent} sent: {plan:#}"
    );
}

/// Compares the plan of a feed with its first sync. Returns the plan.
fn compare(feed: &Simulator, what: &str) -> Json {
    compare_mirror(feed, Mirror::of(feed), what)
}

fn compare_mirror(feed: &Simulator, mirror: Mirror, what: &str) -> Json {
    let checked = mirror.run(&["check", "--json"]);
    let plan = checked.json();
    let dry = mirror.run(&["sync", "--dry-run", "--json"]);
    assert_eq!(
        (dry.code, &dry.json()),
        (checked.code, &plan),
        "{what}: {dry}"
    );
    let before = feed.requests().len();
    let ended = mirror.run(&["sync"]);
    let sent = (feed.requests().len() - before) as i64;
    assert_eq!(checked.code, ended.code, "{what}: {checked}\n{ended}");
    assert_close(&plan, sent, what);
    plan
}

#[test]
fn a_first_sync_sends_the_planned_requests_in_the_dialect_of_each_vendor() {
    for dialect in sample(Dialect::ALL, 4) {
        let feed = feed_with(300, |options| options.page_size = 20);
        feed.speak(dialect);
        let mut mirror = Mirror::of(&feed);
        mirror.configure(|settings| {
            speak(settings, dialect);
            settings.set("page_size", 20);
        });
        compare_mirror(&feed, mirror, dialect.name);
    }
}

#[test]
fn the_photos_of_a_first_sync_are_planned() {
    let feed = feed_with(40, |options| options.photo_bytes = 20_000);
    let mirror = Mirror::with(&feed, |settings| settings.media = true);
    let checked = mirror.run(&["check", "--json"]);
    let photos = checked.json()["photos"].clone();
    let said = mirror.run(&["check"]).stdout;
    mirror.sync();
    let db = mirror.open();
    let found = |sql: &str| number(&db, sql);
    assert_eq!(photos["files"], found("SELECT count(file_path) FROM media"));
    let bytes = found("SELECT sum(file_bytes) FROM media");
    assert_eq!(photos["bytes"], bytes, "{checked}");
    assert!(photos["seconds"].as_u64() < Some(60), "{checked}");
    assert!(
        said.contains(&format!("photos: {} files, about ", photos["files"])),
        "{said}"
    );
    // There is nothing left to download.
    let photos = mirror.run(&["check", "--json"]).json()["photos"].clone();
    assert_eq!((&photos["files"], &photos["bytes"]), (&json!(0), &json!(0)));
    assert_check(&mirror, 0, &["\nphotos: 0 files\n"]);
}

#[test]
fn expand_is_not_used_where_it_takes_longer_than_reading_the_children_separately() {
    let feed = feed_with(100, |options| options.page_size = 20);
    feed.set_server(|server| server.expand_latency_ms = 3_100);
    let mirror = Mirror::of(&feed);
    let plan = mirror.run(&["check", "--json"]).json();
    assert_eq!(plan["resources"][1]["way"], "by_key");
    feed.clear_requests();
    mirror.sync();
    assert_close(&plan, feed.requests().len() as i64, "slow $expand");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let expanded = |feed: &Simulator| {
        let requests = feed.requests().into_iter();
        requests.filter(|one| one.query.contains("$expand")).count()
    };
    assert_eq!(expanded(&feed), 1);
    let failed = "SELECT count(*) FROM sync_runs WHERE status <> 'succeeded'";
    assert_eq!(number(&mirror.open(), failed), 0);

    // The choice is remembered and shown.
    feed.clear_requests();
    mirror.sync_full();
    assert_check(
        &mirror,
        0,
        &[
            "read without $expand: a page of listings takes 3.",
            "expand: slow",
        ],
    );
    assert_eq!(expanded(&feed), 0);
}

/// Runs `check`, and looks for these parts in its output.
#[track_caller]
fn assert_check(mirror: &Mirror, code: i32, parts: &[&str]) {
    let ended = mirror.run(&["check"]);
    assert_eq!(ended.code, Some(code), "{ended}");
    for part in parts {
        let is_said = ended.stdout.contains(part) || ended.stderr.contains(part);
        assert!(is_said, "no `{part}`: {ended}");
    }
}

#[test]
fn check_ends_as_a_full_sync_does_and_plans_its_requests() {
    let behaviours = [
        Behaviour::OrderbyIgnored,
        Behaviour::OrderbyRefused,
        Behaviour::ExpandRefused,
        Behaviour::ExpandIgnored,
        Behaviour::ExpandCapped,
        Behaviour::ExpandEmpty,
        Behaviour::ExpandPoorer,
        Behaviour::ShortPagesWithoutLink,
        Behaviour::UndeclaredChild,
        Behaviour::NoDeletionsAnnounced,
    ];
    let plan = compare(&feed_that(&[]), "no behaviour");
    assert_eq!(plan["deletions"], "announced");
    for behaviour in behaviours {
        let feed = feed(220);
        feed.behave(&[behaviour]);
        compare(&feed, behaviour.name());
    }
}

#[test]
fn the_plan_uses_the_page_size_that_the_server_sends() {
    let feed = feed_with(60, |options| options.server.page_cap = Some(6));
    let plan = compare(&feed, "pages of 6");
    assert_eq!(plan["resources"][0]["page_size"], 6);
    assert!(plan["requests"].as_i64() > Some(10), "{plan}");
}

#[test]
fn all_resources_are_planned_with_the_requests_of_a_first_sync() {
    let feed = feed(60);
    let mirror = Mirror::with(&feed, |settings| {
        settings.resources = ALL.to_vec();
        settings.sync = "[sync.filter]\nMedia = \"Order ge 0\"\n".to_owned();
    });
    let plan = mirror.run(&["check", "--json"]).json();
    let before = feed.requests().len();
    mirror.sync();
    let sent = (feed.requests().len() - before) as i64;
    assert_close(&plan, sent, "all resources");
    let separate = plan["resources"][1]["separate"].as_str();
    assert_eq!(separate, Some("it has its own filter"));
}

#[test]
fn check_is_partial_where_the_pages_contradict_the_count() {
    let feed = feed_that(&[]);
    let proxy = Proxy::of(&feed, |answer| {
        let count = answer.body["@odata.count"].as_u64();
        if let (true, Some(count)) = (answer.is_of("Property"), count) {
            answer.body["@odata.count"] = json!(count + 5);
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.set("page_size", 100));
    let contradiction = "the feed counts 65 listings, and its pages give 60";
    assert_check(&mirror, 3, &[contradiction]);
    mirror.sync_ends(3, &["full"]);
}

#[test]
fn check_and_sync_follow_the_links_where_pages_by_key_contradict_the_count() {
    let feed = feed_that(&[Behaviour::LargestKeyAtPageEnd]);
    let mirror = Mirror::of(&feed);
    assert_check(&mirror, 0, &["by next links"]);
    mirror.sync_ends(0, &["full"]);
}

#[test]
fn check_names_the_way_in_which_each_resource_is_read() {
    let with_listings = "read with their listings";
    let announced = "deletions: announced by the feed";
    let cases: [(&[Behaviour], &[&str]); 7] = [
        (&[], &["by key, 20 in a page", with_listings, announced]),
        (
            &[Behaviour::OrderbyRefused],
            &["by next links, 60 in a page", with_listings],
        ),
        (
            &[Behaviour::OrderbyIgnored, Behaviour::ExpandIgnored],
            &["by next links", "$expand: the server ignores $expand"],
        ),
        (
            &[Behaviour::ExpandRefused],
            &["$expand: the feed refused the request (400"],
        ),
        (
            &[Behaviour::ExpandCapped],
            &["$expand: $expand lacks records or fields of it"],
        ),
        (
            &[Behaviour::UndeclaredChild],
            &["OpenHouse: this feed does not declare it"],
        ),
        (
            &[Behaviour::NoDeletionsAnnounced],
            &["deletions: not announced by the feed"],
        ),
    ];
    for (behaviours, parts) in cases {
        let feed = feed_that(behaviours);
        assert_check(&Mirror::of(&feed), 0, parts);
    }
}

#[test]
fn a_plan_uses_what_earlier_syncs_found_out() {
    let feed = feed_that(&[Behaviour::ExpandCapped]);
    let mirror = Mirror::of(&feed);
    mirror.sync();
    feed.behave(&[]);
    let plan = mirror.run(&["check", "--json"]).json();
    assert_eq!(plan["resources"][1]["resource"], "Media");
    assert_eq!(plan["resources"][1]["way"], "by_key");
}

#[test]
fn a_child_resource_that_the_account_may_not_read_is_said() {
    let refused = "403";
    let feed = feed_that(&[Behaviour::ChildForbidden]);
    let mirror = Mirror::of(&feed);
    assert_check(&mirror, 3, &["OpenHouse: ", refused]);
    mirror.sync_ends(3, &[]).says(3, &["OpenHouse", refused]);

    // The photos come with their listings, but their changes do not.
    let feed = feed_with(60, |options| options.server.media_status = Some(403));
    let mirror = Mirror::of(&feed);
    assert_check(&mirror, 3, &["Media: ", refused]);
    mirror.run(&["sync"]);
    feed.advance(chrono::Duration::hours(1));
    mirror.sync_ends(3, &[]).says(3, &["Media", refused]);

    // No resource can be read without a token.
    feed.set_server(|server| server.media_status = Some(401));
    assert_check(&mirror, 5, &["401"]);
    mirror.sync_ends(5, &[]);
}

#[test]
fn the_children_of_listings_that_cannot_be_read_are_not_planned() {
    let feed = feed(20);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") {
            answer.status = 403;
            answer.body = json!({"error": {"message": "not for you"}});
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    assert_check(&mirror, 5, &["Media: ", "not for you"]);
    mirror.sync_ends(5, &[]);
}

/// Returns the ways of the jobs for a resource, as `job: way (why)`.
fn ways(plan: &Json, resource: &str) -> Vec<String> {
    let resources = plan["resources"].as_array().unwrap();
    let found = resources.iter().find(|one| one["resource"] == resource);
    let jobs = found.unwrap()["jobs"].as_array().unwrap();
    jobs.iter()
        .map(|job| {
            let text = |name: &str| job[name].as_str().unwrap_or("-").to_owned();
            format!("{}: {} ({})", text("job"), text("way"), text("why"))
        })
        .collect()
}

#[test]
fn check_names_the_way_of_each_job_and_why() {
    let feed = feed_that(&[]);
    let mirror = Mirror::of(&feed);
    let plan = mirror.run(&["check", "--json"]).json();
    let expected = [
        "full: pages in the order of keys (-)",
        "incremental: changes since the watermark, in the order of timestamps (-)",
        "deletions: reads the announcements of the feed (-)",
        "reconcile: keys and timestamps in the order of keys; then the records that differ, \
         20 in a request with `in` (they are few)",
    ];
    assert_eq!(ways(&plan, "Property"), expected);
    assert_eq!(
        ways(&plan, "Media")[0],
        "full: with the listings, by $expand (-)"
    );
    let parts = [
        "    full: pages in the order of keys\n",
        "capabilities of the feed:\n  feed: count: all matching records; top: whole answer; ",
        "  Property: page size with children: 20; in: accepted; keys in one request: 400\n",
    ];
    assert_check(&mirror, 0, &parts);

    feed.behave(&[
        Behaviour::OrderbyRefused,
        Behaviour::ExpandIgnored,
        Behaviour::InRefused,
        Behaviour::NoDeletionsAnnounced,
    ]);
    let plan = mirror.run(&["check", "--json"]).json();
    let no_order = "the server refuses or ignores $orderby";
    let expected = [
        format!("full: pages by next links ({no_order})"),
        format!("incremental: changes since the watermark, by next links ({no_order})"),
        "deletions: by counts at the end of a sync, and by reconcile \
         (the feed has no resource Deleted)"
            .to_owned(),
        format!(
            "reconcile: keys and timestamps by next links; then the records that differ, \
             20 in a request with `or` ({no_order})"
        ),
    ];
    assert_eq!(ways(&plan, "Property"), expected);
    let media = "full: pages by next links (the server refuses or ignores $orderby)";
    assert_eq!(ways(&plan, "Media")[0], media);
}

#[test]
fn check_remembers_what_the_feed_can_do_if_there_is_a_mirror() {
    let feed = feed_that(&[]);
    let mirror = Mirror::of(&feed);
    mirror.run(&["check"]);
    assert!(!mirror.database_path().exists());
    mirror.sync();
    let rows = "SELECT capability || ' ' || value FROM _capabilities
                WHERE capability = 'in' ORDER BY 1";
    let others = "SELECT count(*) FROM sync_runs UNION ALL SELECT count(*) FROM changes";
    let before = texts(&mirror.open(), others);
    assert_eq!(texts(&mirror.open(), rows), [] as [&str; 0]);
    mirror.run(&["sync", "--dry-run"]);
    assert_eq!(texts(&mirror.open(), rows), [] as [&str; 0]);
    mirror.run(&["check"]);
    // Lists of keys are proven for each resource.
    let found = ["in accepted", "in accepted"];
    assert_eq!(texts(&mirror.open(), rows), found);
    assert_eq!(texts(&mirror.open(), others), before);

    // A later check does not find it out again.
    feed.clear_requests();
    mirror.run(&["check"]);
    let asked = feed.requests().into_iter();
    let probes = asked
        .filter(|request| request.query.contains(" in (") && request.path.ends_with("/Property"));
    assert_eq!(probes.count(), 0);
}

#[test]
fn check_reports_programs_that_do_not_exist() {
    let feed = feed_that(&[]);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "[monitor]\ncommand = [\"no-such-program\"]\n\
             [[alerts]]\nname = \"mail\"\non = [\"new\"]\ncommand = [\"./nowhere\"]"
            .to_owned();
    });
    let parts = [
        "[monitor]: there is no program `no-such-program`",
        "alert `mail`: there is no program `./nowhere`",
    ];
    assert_check(&mirror, 0, &parts);
}
