//! The token shows nowhere, even if a server repeats it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use simulator::{Fault, FaultRule};

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
