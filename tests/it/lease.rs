//! Only one process syncs a mirror, on every system, and no crashed one blocks it.

use simulator::{Fault, FaultRule, Simulator};

use crate::support::*;

/// Lets all pages of listings but the first wait for ever.
fn stall(feed: &Simulator) {
    feed.fault(FaultRule {
        path_contains: Some("$expand".to_owned()),
        skip: 1,
        ..FaultRule::always(Fault::Stall)
    });
}

fn small_pages(feed: &Simulator) -> Mirror {
    Mirror::with(feed, |settings| settings.set("max_concurrent", 1))
}

/// Starts `sync` by a script that ends with `exec "$0" sync`. Returns `None` if the system
/// does not allow the namespaces that it creates.
fn start_in(mirror: &Mirror, namespaces: &str, script: &str) -> Option<Running> {
    let is_allowed = format!("unshare {namespaces} true");
    if mirror.run_script(&is_allowed).code != Some(0) {
        return None;
    }
    let script = format!("exec unshare {namespaces} sh -c '{script} exec \"$0\" sync' \"$0\"");
    Some(mirror.start_script(&script))
}

#[test]
fn two_containers_with_one_host_name_do_not_write_at_the_same_time() {
    let feed = feed(60);
    let mirror = small_pages(&feed);
    stall(&feed);
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 1);
    if let Some(second) = start_in(&mirror, "-rpf --mount-proc", "") {
        second.wait().says(4, &["is syncing this mirror"]);
    }
    running.signal("KILL");
    running.wait();
}

#[test]
fn a_killed_container_does_not_lock_the_mirror() {
    let feed = feed(60);
    for (namespaces, script) in [
        ("-ru", "hostname 3f2a9c61d0b4;"),
        ("-rm", "mount -t tmpfs none /proc;"),
    ] {
        let mirror = small_pages(&feed);
        stall(&feed);
        let Some(running) = start_in(&mirror, namespaces, script) else {
            continue;
        };
        mirror.wait_for_pages("Property", 1);
        running.signal("KILL");
        running.wait();
        assert!(mirror.lease("sync").is_none());
        feed.clear_faults();
        if let Some(next) = start_in(&mirror, namespaces, script) {
            assert_eq!(next.wait().code, Some(0));
        }
        mirror.sync();
        assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    }
}

#[test]
fn the_holder_of_the_lease_is_named_while_it_runs() {
    let feed = feed(60);
    let mirror = small_pages(&feed);
    stall(&feed);
    let running = mirror.start(&["sync"]);
    mirror.wait_for_pages("Property", 1);
    let id = running.id();
    let by = format!("process {id} ");
    mirror
        .sync_ends(4, &[])
        .says(4, &[&by, "is syncing this mirror"]);
    let status = mirror.run(&["status", "--json"]).json();
    assert_eq!(status["syncing"]["pid"], id);
    running.signal("TERM");
    running.wait();
    let status = mirror.run(&["status", "--json"]).json();
    assert!(status["syncing"].is_null(), "{status}");
    feed.clear_faults();
    mirror.sync();
}

#[test]
fn a_second_daemon_is_refused_before_it_opens_the_port_of_the_metrics() {
    let feed = feed(20);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = port.local_addr().unwrap();
    drop(port);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync =
            format!("\n[schedule]\nincremental = \"every 1h\"\n[watch]\nmetrics = \"{address}\"\n");
    });
    let running = mirror.start(&["watch"]);
    wait_until("it watches", || mirror.lease("watch").is_some());
    wait_until("it serves metrics", || {
        std::net::TcpStream::connect(address).is_ok()
    });
    let second = mirror.run(&["watch"]);
    second.says(4, &["is watching this mirror"]);
    running.signal("TERM");
    running.wait();
}
