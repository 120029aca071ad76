//! The token shows nowhere, even if a server repeats it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use simulator::{Fault, FaultRule, Simulator};

use crate::support::*;

#[track_caller]
fn assert_hidden(mirror: &Mirror, ended: &Ended) {
    assert_secret_hidden(mirror, ended, TOKEN);
}

#[test]
fn the_token_is_in_no_output_and_no_file() {
    let feed = feed(60);
    feed.fault(FaultRule {
        one_in: 5,
        ..FaultRule::always(Fault::Status(503))
    });
    let mirror = Mirror::with(&feed, |settings| settings.set("max_retries", 12));
    let ended = mirror.run(&["-vv", "sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert!(ended.stderr.contains("GET"), "-vv logs requests: {ended}");
    assert_hidden(&mirror, &ended);
    for arguments in [
        &["-vv", "check"][..],
        &["-vv", "--json", "sync", "--dry-run"],
    ] {
        assert_hidden(&mirror, &mirror.run(arguments));
    }
}

/// Starts a server that gives this answer to every request.
fn server(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/odata", listener.local_addr().unwrap());
    thread::spawn(move || {
        for connection in listener.incoming() {
            let Ok(connection) = connection else { return };
            let _ = reply(connection, &answer);
        }
    });
    url
}

fn reply(mut connection: TcpStream, answer: &str) -> std::io::Result<()> {
    let mut lines = BufReader::new(connection.try_clone()?).lines();
    while lines
        .next()
        .transpose()?
        .is_some_and(|line| !line.is_empty())
    {}
    connection.write_all(answer.as_bytes())
}

#[test]
fn a_token_that_the_server_repeats_is_not_shown() {
    let error = format!("{{\"error\":{{\"message\":\"Bearer {TOKEN} is not good\"}}}}");
    let answers = [
        ("401 Unauthorized", "", error.clone(), 5),
        ("400 Bad Request", "", error.clone(), 1),
        ("500 Internal Server Error", "", error.clone(), 1),
        ("200 OK", "", error, 1),
        (
            "200 OK",
            "",
            format!("<edmx {TOKEN}=\"{TOKEN}\"><{TOKEN}></edmx>"),
            1,
        ),
        (
            "302 Found",
            &*format!("Location: http://localhost:9/{TOKEN}?token={TOKEN}\r\n"),
            String::new(),
            1,
        ),
    ];
    for (status, header, body, code) in answers {
        let answer = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\n{header}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mirror = Mirror::at(&server(answer), |_| {});
        let ended = mirror.run(&["-vv", "--json", "sync"]);
        assert_eq!(ended.code, Some(code), "{status} {body}: {ended}");
        assert_hidden(&mirror, &ended);
    }
}

#[test]
fn a_token_that_is_refused_or_unfit_is_not_shown_either() {
    let feed = feed_with(10, |options| options.token = "another".to_owned());
    let mut mirror = Mirror::of(&feed);
    let ended = mirror.run(&["-vv", "sync"]);
    assert_eq!(ended.code, Some(5), "{ended}");
    assert_hidden(&mirror, &ended);
    mirror.token = Some(format!("{TOKEN} with\tspaces"));
    let ended = mirror.run(&["-vv", "sync"]);
    assert_eq!(ended.code, Some(2), "{ended}");
    assert_hidden(&mirror, &ended);
}

/// Returns a token in spellings that a server may repeat it in, each as it must not show.
fn spellings() -> Vec<String> {
    let each = |write: &dyn Fn(u8) -> String| TOKEN.bytes().map(write).collect::<String>();
    vec![
        TOKEN[..13].to_owned(),
        TOKEN.to_ascii_uppercase(),
        each(&|byte| format!("%{byte:02X}")),
        each(&|byte| format!("\\u{byte:04x}")),
        each(&|byte| format!("{byte:02x}")),
        // base64 of "Bearer " and the token, and of the token alone.
        "QmVhcmVyIHRvazNuLXRoYXQtbXVzdC1uZXZlci1zaG93".to_owned(),
        "dG9rM24tdGhhdC1tdXN0LW5ldmVyLXNob3c".to_owned(),
    ]
}

#[test]
fn no_spelling_of_the_token_and_no_part_of_it_is_shown() {
    for spelling in spellings() {
        let json = serde_json::json!({ "error": { "message": format!("<{spelling}> is bad") } });
        let answers = [
            ("400 Bad Request", "", json.to_string(), 1),
            ("200 OK", "", format!("<{spelling}></{spelling}>"), 1),
            ("200 OK", "", format!("<!{spelling}>"), 1),
            (
                "302 Found",
                &*format!("Location: http://{}.example:9/\r\n", &spelling[..13]),
                String::new(),
                1,
            ),
        ];
        for (status, header, body, code) in answers {
            let answer = format!(
                "HTTP/1.1 {status}\r\nConnection: close\r\n{header}Content-Length: {}\r\n\r\n{body}",
                body.len()
            );
            let mirror = Mirror::at(&server(answer), |_| {});
            let ended = mirror.run(&["-vv", "--json", "sync"]);
            assert_eq!(ended.code, Some(code), "{status} {body}: {ended}");
            // Part of it would be of use, too.
            assert_secret_hidden(&mirror, &ended, &spelling[..13]);
        }
    }
}

#[test]
fn a_record_or_a_link_that_repeats_the_token_is_stored_without_it() {
    let feed = feed(60);
    let proxy = Proxy::of(&feed, |answer| {
        if answer.is_of("Property") && answer.body["value"].is_array() {
            for record in answer.records() {
                record["PublicRemarks"] = format!("seen with {TOKEN}").into();
            }
        }
    });
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let ended = mirror.run(&["-vv", "sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_hidden(&mirror, &ended);
    let db = mirror.open();
    assert_eq!(
        text(&db, "SELECT DISTINCT \"PublicRemarks\" FROM listings"),
        "seen with …"
    );
    // The next syncs find no change.
    mirror.sync_ends(0, &["full"]);
    assert_eq!(number(&db, "SELECT count(*) FROM changes"), 0);
    assert_eq!(mirror.run(&["verify"]).code, Some(0));
}

#[test]
fn a_photo_host_that_repeats_the_token_does_not_bring_it_into_the_mirror() {
    let moved = format!("HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1:9/{TOKEN}/?t={TOKEN}");
    let refused = format!("HTTP/1.1 500 {TOKEN}\r\ncontent-type: text/plain\r\nx-id: {TOKEN}");
    let page = format!("HTTP/1.1 200 OK\r\ncontent-type: text/{TOKEN}");
    for head in [moved, refused, page] {
        let host = server(format!(
            "{head}\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{TOKEN}",
            TOKEN.len()
        ));
        let feed = feed(4);
        for photo in feed.truth("Media") {
            let url = fields(serde_json::json!({ "MediaURL": format!("{host}/a.jpg") }));
            let key = photo["MediaKey"].as_str().unwrap();
            feed.edit("Media", key, url).unwrap();
        }
        let mirror = Mirror::with(&feed, |settings| {
            settings.media = true;
            settings.set("max_retries", 0);
        });
        let ended = mirror.run(&["-vv", "sync"]);
        assert_eq!(ended.code, Some(3), "{head}: {ended}");
        let failed = "SELECT count(*) FROM media WHERE download_error IS NOT NULL";
        assert!(number(&mirror.open(), failed) > 0, "{head}: {ended}");
        assert_hidden(&mirror, &ended);
        assert_hidden(&mirror, &mirror.run(&["status"]));
    }
}

fn read_by_links() -> Simulator {
    feed_with(60, |options| {
        options.server.page_cap = Some(20);
        options.server.refuse_orderby = true;
    })
}

/// Returns a proxy whose next links repeat a part of the token.
fn repeating(feed: &Simulator, part: &'static str) -> Proxy {
    Proxy::of(feed, move |answer| {
        if let Some(link) = answer.body["@odata.nextLink"].as_str() {
            answer.body["@odata.nextLink"] = format!("{link}&position={part}").into();
        }
    })
}

#[test]
fn a_link_with_a_part_of_the_token_is_logged_without_it() {
    let (feed, part) = (read_by_links(), &TOKEN[..16]);
    let proxy = repeating(&feed, part);
    let mirror = Mirror::at(&proxy.base_url, |_| {});
    let ended = mirror.run(&["-vv", "sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let is_marked = |(request, _): &(String, _)| request.contains(part);
    assert!(proxy.seen().iter().any(is_marked), "the links are followed");
    assert!(ended.stderr.contains("position="), "{ended}");
    assert!(!ended.stderr.contains(part), "{ended}");
}

#[test]
fn a_link_with_a_part_of_the_token_is_not_stored() {
    let (feed, part) = (read_by_links(), &TOKEN[..16]);
    let proxy = repeating(&feed, part);
    let mirror = Mirror::at(&proxy.base_url, |settings| settings.set("max_retries", 0));
    feed.fault(FaultRule {
        path_contains: Some("$skip=40".to_owned()),
        ..FaultRule::always(Fault::Status(503))
    });
    for _ in 0..2 {
        let ended = mirror.sync_ends(1, &[]);
        assert_eq!(live(&mirror.open(), "Property"), 40);
        let stored = "SELECT count(*) FROM sync_runs WHERE instr(checkpoint, 'next_link')";
        assert_eq!(number(&mirror.open(), stored), 1);
        assert_secret_hidden(&mirror, &ended, part);
    }
    feed.clear_faults();
    mirror.sync();
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn the_programs_get_an_environment_without_the_secrets() {
    let feed = feed(20);
    let mirror = Mirror::with(&feed, |settings| {
        settings.sync = "\n[monitor]\ntransitions = [\"Active>Pending\"]\n\
                         command = [\"sh\", \"-c\", \"env > env.txt; cat > /dev/null\"]\n"
            .to_owned();
    });
    let key = feed.listing_keys()[0].to_string();
    let status = |status: &str| {
        feed.advance(chrono::Duration::minutes(5));
        let fields = fields(serde_json::json!({ "StandardStatus": status }));
        feed.edit("Property", &key, fields).unwrap();
    };
    status("Active");
    mirror.sync();
    mirror.sync_ends(0, &["monitor"]);
    status("Pending");
    let copied = |command: &mut std::process::Command| {
        command
            .env("COPY", format!("Bearer {TOKEN}"))
            .env("MINE", "kept");
    };
    let ended = mirror.start_with(&["sync", "monitor"], copied).wait();
    assert_eq!(ended.code, Some(0), "{ended}");
    let environment = std::fs::read_to_string(mirror.folder.path().join("env.txt")).unwrap();
    assert!(environment.contains("MINE=kept"), "{environment}");
    assert!(environment.contains("PATH="), "{environment}");
    for hidden in [TOKEN, "WFRMLS_BEARER_TOKEN", "COPY="] {
        // Another profile's variable has the token's value, too.
        assert!(!environment.contains(hidden), "{hidden}: {environment}");
    }
}

#[test]
fn the_program_for_the_token_gets_no_other_secret_and_is_bounded() {
    let feed = feed(20);
    let run = |script: &str| {
        let mut mirror = Mirror::with(&feed, |settings| {
            settings.set("token_command", format!("{:?}", ["sh", "-c", script]));
            settings.set("headers.x-api-key", "{ env = \"API_KEY\" }");
        });
        mirror.token = None;
        let with_key = |command: &mut std::process::Command| {
            command
                .env("API_KEY", "an-api-key-of-mine")
                .env("MINE", TOKEN);
        };
        mirror.start_with(&["sync"], with_key).wait()
    };
    let ended = run("test -z \"$API_KEY\" && echo $MINE");
    assert_eq!(ended.code, Some(0), "{ended}");
    run("while :; do echo aaaaaaaaaaaaaaaa; done")
        .says(2, &["feed.token_command", "printed more than 65536 bytes"]);
}

#[cfg(target_os = "linux")]
#[test]
fn a_crash_leaves_no_core_dump() {
    let feed = feed(60);
    feed.fault(FaultRule::always(Fault::Stall));
    let mirror = Mirror::of(&feed);
    let running = mirror.start(&["sync"]);
    wait_until("it sends a request", || feed.request_count() > 0);
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", running.id())).unwrap();
    let core = limits
        .lines()
        .find(|line| line.starts_with("Max core file size"));
    let core: Vec<&str> = core.unwrap().split_whitespace().collect();
    assert_eq!(core[4..6], ["0", "0"], "{limits}");
    running.signal("KILL");
    running.wait();
}
