//! The metrics for Prometheus, and the documents that use them.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use simulator::Clock;

use crate::support::*;
use crate::watch::{schedule_of, stop, wait_for_runs};

/// Returns a port that was free a moment ago.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}

fn document(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// Returns the names of metrics in a text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !(letter.is_ascii_lowercase() || letter == '_'));
    let names = words.filter(|word| word.starts_with("mlsmirror_"));
    names.map(str::to_owned).collect()
}

#[test]
fn prometheus_gets_the_status_of_the_mirror() {
    let feed = feed(20);
    let port = free_port();
    let mirror = Mirror::with(&feed, |settings| {
        settings.set("requests_per_hour", 1000);
        settings.media = true;
        settings.sync = format!(
            "max_delete_percent = 0\n{}\n[watch]\nmetrics = \"127.0.0.1:{port}\"\n",
            schedule_of("incremental = \"every 1h\"")
        );
    });
    let running = mirror.start(&["watch"]);
    wait_for_runs(&mirror, "media", "succeeded", 1);
    let answer = get(port, "/metrics");
    let (sent, health) = (feed.request_count(), get(port, "/healthz"));
    stop(running, "TERM");
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("text/plain; version=0.0.4"), "{answer}");
    let requests =
        "SELECT sum(requests) FROM sync_runs WHERE job = 'full' AND resource = 'Property'";
    let requests = number(&mirror.open(), requests);
    for line in [
        "mlsmirror_rows{resource=\"Property\",state=\"live\"} 20",
        "mlsmirror_open_rejects{resource=\"Media\"} 0",
        &format!(
            "mlsmirror_budget_requests_left{{seconds=\"3600\"}} {}",
            1000 - sent
        ),
        "mlsmirror_needs_attention 0",
        "# TYPE mlsmirror_lag_seconds gauge",
        "# TYPE mlsmirror_requests_total counter",
        &format!("mlsmirror_requests_total{{job=\"full\",resource=\"Property\"}} {requests}"),
        &format!(
            "mlsmirror_photos_total{{result=\"fetched\"}} {}",
            live(&mirror.open(), "Media")
        ),
        "mlsmirror_photos_total{result=\"failed\"} 0",
        "mlsmirror_changes_total{resource=\"Property\"} 0",
        "mlsmirror_runs_total{job=\"full\",resource=\"Media\"} 1",
        "mlsmirror_job_last_status{job=\"full\",status=\"succeeded\"} 1",
        "mlsmirror_job_last_status{job=\"full\",status=\"failed\"} 0",
        "mlsmirror_job_last_duration_seconds{job=\"full\"} ",
        "mlsmirror_condition{kind=\"deletions_held\"} 0",
        concat!(
            "mlsmirror_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    ] {
        assert!(answer.contains(line), "no `{line}`: {answer}");
    }
    assert!(
        health.starts_with("HTTP/1.1 200") && health.ends_with("ok\n"),
        "{health}"
    );

    // Half of the listings disappear, and so does the folder of photos.
    for key in feed.listing_keys().iter().step_by(2) {
        feed.delete("Property", &key.to_string(), false).unwrap();
    }
    mirror.sync_ends(3, &["full"]);
    std::fs::rename(
        mirror.folder.path().join("media"),
        mirror.folder.path().join("away"),
    )
    .unwrap();
    let running = mirror.start(&["watch"]);
    wait_until("the daemon answers", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let needs = get(port, "/metrics");
    stop(running, "TERM");
    for kind in ["deletions_held", "media_folder"] {
        let line = format!("mlsmirror_condition{{kind=\"{kind}\"}} ");
        let number = needs
            .split(&line)
            .nth(1)
            .and_then(|rest| rest.chars().next());
        assert!(
            number.is_some_and(|number| number != '0'),
            "{line}: {needs}"
        );
    }
    assert!(!needs.contains("\nmlsmirror_needs_attention 0"), "{needs}");

    // The rules and the dashboard use only metrics that exist, and the document names all.
    let exposed = names(&answer);
    let configuration = names(&document("docs/configuration.md"));
    assert_eq!(
        exposed,
        configuration.intersection(&exposed).cloned().collect()
    );
    for name in ["docs/prometheus-rules.yml", "docs/grafana-dashboard.json"] {
        let used = names(&document(name));
        assert!(used.len() >= 5, "{name}: {used:?}");
        let unknown: Vec<&String> = used.difference(&exposed).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
    let dashboard: serde_json::Value =
        serde_json::from_str(&document("docs/grafana-dashboard.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 5);
    // A label that no series has would select nothing.
    let labels = ["kind=\"", "status=\"", "result=\"", "state=\"", "job=\""];
    for name in ["docs/prometheus-rules.yml", "docs/grafana-dashboard.json"] {
        let text = document(name).replace("\\\"", "\"");
        for label in labels {
            for rest in text.split(label).skip(1) {
                let selected = format!("{label}{}\"", rest.split('"').next().unwrap());
                assert!(
                    answer.contains(&selected),
                    "{name}: no series with {selected}"
                );
            }
        }
    }
}

/// Returns the answer to a scrape, or None if the connection was refused. Fails if it is slow.
fn scrape(port: u16) -> Option<String> {
    let begun = Instant::now();
    let mut connection = TcpStream::connect(("127.0.0.1", port)).ok()?;
    let request = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let mut answer = String::new();
    let sent = connection.write_all(request.as_bytes());
    let read = sent.and_then(|()| connection.read_to_string(&mut answer));
    let elapsed = begun.elapsed();
    assert!(elapsed < Duration::from_secs(3), "{elapsed:?}");
    read.is_ok_and(|bytes| bytes > 0).then_some(answer)
}

#[test]
fn connections_that_stay_open_delay_no_sync_and_end_soon() {
    let feed = feed(20);
    let port = free_port();
    let mirror = Mirror::with(&feed, |settings| {
        let schedule = schedule_of("incremental = \"every 1s\"");
        settings.sync = format!("{schedule}\n[watch]\nmetrics = \"127.0.0.1:{port}\"\n");
    });
    // The program can open fewer files than there are connections.
    let running = mirror.start_script("ulimit -n 128; exec \"$0\" watch");
    wait_until("the metrics are served", || scrape(port).is_some());
    let address = ([127, 0, 0, 1], port).into();
    let open: Vec<TcpStream> = (0..400)
        .filter_map(|_| TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok())
        .collect();
    assert!(open.len() > 300, "{} connections", open.len());
    for (number, mut connection) in open.iter().enumerate() {
        if number % 2 == 0 {
            // The connection may be closed already.
            let _ = connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: ");
        }
    }
    wait_for_runs(&mirror, "incremental", "succeeded", 6);
    let syncs = number(
        &mirror.open(),
        "SELECT count(*) FROM sync_runs WHERE job = 'incremental'",
    );
    wait_for_runs(&mirror, "incremental", "succeeded", syncs + 6);
    wait_until("the connections have ended", || {
        scrape(port).is_some_and(|answer| answer.starts_with("HTTP/1.1 200"))
    });
    let ended = stop(running, "TERM");
    assert!(!ended.stderr.contains("ERROR"), "{ended}");
}

#[test]
fn the_counters_do_not_fall_when_retention_removes_runs() {
    let feed = feed_with(20, |options| options.clock = Clock::Real);
    let port = free_port();
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = format!(
            "{}\n[watch]\nmetrics = \"127.0.0.1:{port}\"\n[retention]\nruns = \"1d\"\n",
            schedule_of("reconcile = \"\"")
        );
    });
    mirror.sync();
    for _ in 0..3 {
        feed.advance(chrono::Duration::hours(1));
        feed.move_market(10);
        mirror.sync();
    }
    let db = rusqlite::Connection::open(mirror.database_path()).unwrap();
    let total = |db: &rusqlite::Connection| number(db, "SELECT sum(requests) FROM sync_runs");
    let before = total(&db);
    db.execute(
        "UPDATE sync_runs SET started_at = datetime('now', '-9 days')",
        [],
    )
    .unwrap();
    drop(db);
    for _ in 0..2 {
        mirror.sync();
    }
    let added = "SELECT sum(requests) FROM sync_runs WHERE started_at > datetime('now', '-1 days')";
    let added = number(&mirror.open(), added);
    assert!(total(&mirror.open()) < before + added, "no run was removed");

    // Nothing is scheduled.
    let running = mirror.start(&["watch"]);
    wait_until("the metrics are served", || {
        TcpStream::connect(("127.0.0.1", port)).is_ok()
    });
    let answer = get(port, "/metrics");
    stop(running, "TERM");
    let lines = answer
        .lines()
        .filter(|line| line.starts_with("mlsmirror_requests_total{"));
    let exposed: i64 = lines
        .map(|line| line.rsplit(' ').next().unwrap().parse::<i64>().unwrap())
        .sum();
    assert_eq!(exposed, before + added);
}
