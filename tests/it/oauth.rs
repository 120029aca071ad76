//! Tokens from an OAuth 2.0 token endpoint.

use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::Response;

use crate::support::*;

const SECRET: &str = "cl1ent-s3cret-that-must-never-show";
const PASSWORD: &str = "p4ssword-that-must-never-show";
const REFRESH: &str = "r3fresh-token-that-must-never-show";

/// A request to a token endpoint.
#[derive(Clone, Debug)]
struct Asked {
    form: String,
    authorization: Option<String>,
    x_api_key: Option<String>,
}

/// A token endpoint and the requests that it received.
struct Endpoint {
    url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Endpoint {
    /// Starts an endpoint that answers each request by its number, from 1 on, and its form.
    fn start(answer: impl Fn(usize, &str) -> (u16, String) + Send + Sync + 'static) -> Endpoint {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let noted = asked.clone();
        let root = serve_forms(move |form, request| {
            let header = |name: &str| {
                let value = request.headers().get(name)?;
                Some(value.to_str().unwrap().to_owned())
            };
            assert_eq!(request.method(), "POST");
            let mut asked = noted.lock().unwrap();
            asked.push(Asked {
                form: form.to_owned(),
                authorization: header("authorization"),
                x_api_key: header("x-api-key"),
            });
            let (status, body) = answer(asked.len(), form);
            let response = Response::builder().status(status);
            response.body(Body::from(body)).unwrap()
        });
        Endpoint {
            url: format!("{root}/token"),
            asked,
        }
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    fn forms(&self) -> Vec<String> {
        self.asked().into_iter().map(|asked| asked.form).collect()
    }
}

/// Returns the answer with a token that is valid for this number of seconds.
fn token(token: &str, expires_in: u32) -> (u16, String) {
    let answer = serde_json::json!({
        "access_token": token,
        "token_type": "bEARER",
        "expires_in": expires_in.to_string(),
    });
    (200, answer.to_string())
}

/// Creates a mirror that gets its tokens from an endpoint.
fn mirror(base_url: &str, endpoint: &Endpoint, more: &str) -> Mirror {
    let lines = format!("{{ token_url = {:?}{more} }}", endpoint.url);
    Mirror::at(base_url, |settings| settings.set("oauth", lines))
}

/// Starts the program with the secrets in its environment.
fn run(mirror: &Mirror, arguments: &[&str]) -> Ended {
    let running = mirror.start_with(arguments, |command| {
        command
            .env_remove("WFRMLS_BEARER_TOKEN")
            .env("WFRMLS_CLIENT_ID", "the client")
            .env("WFRMLS_CLIENT_SECRET", SECRET)
            .env("WFRMLS_USERNAME", "the user")
            .env("WFRMLS_PASSWORD", PASSWORD);
    });
    running.wait()
}

/// Fails if a secret is in the output or in a file of the mirror.
#[track_caller]
fn assert_hidden(mirror: &Mirror, ended: &Ended) {
    for secret in [SECRET, PASSWORD, REFRESH, TOKEN] {
        assert_secret_hidden(mirror, ended, secret);
    }
}

#[test]
fn one_token_of_the_client_is_requested_for_all_workers() {
    let feed = feed(300);
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let mirror = mirror(&feed.base_url(), &endpoint, ", scope = \"api\"");
    let ended = run(&mirror, &["-vv", "sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    let form = format!(
        "grant_type=client_credentials&scope=api&client_id=the+client&client_secret={SECRET}"
    );
    assert_eq!(endpoint.forms(), [form]);
    assert_eq!(endpoint.asked()[0].authorization, None);
    assert_hidden(&mirror, &ended);
}

#[test]
fn the_client_can_identify_itself_by_http_basic() {
    let feed = feed(20);
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let mirror = mirror(&feed.base_url(), &endpoint, ", client_auth = \"basic\"");
    assert_eq!(run(&mirror, &["sync"]).code, Some(0));
    let asked = &endpoint.asked()[0];
    assert_eq!(asked.form, "grant_type=client_credentials");
    let header = asked.authorization.clone().unwrap();
    // "the+client:" in Base64 begins so.
    assert!(
        header.starts_with("Basic dGhlK2NsaWVudDpjbDFlbn"),
        "{header}"
    );
}

#[test]
fn the_password_grant_uses_the_refresh_token_and_then_the_password_again() {
    let (feed, proxy) = feed_that_changes_its_token(4);
    let endpoint = Endpoint::start(|number, form| match number {
        1 => (
            200,
            serde_json::json!({ "access_token": TOKEN, "refresh_token": REFRESH }).to_string(),
        ),
        _ if form.contains("refresh_token") => (400, r#"{"error":"invalid_grant"}"#.to_owned()),
        _ => token("the-second-token", 3_600),
    });
    let mirror = mirror(&proxy.base_url, &endpoint, ", grant = \"password\"");
    let ended = run(&mirror, &["-vv", "sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let client = format!("client_id=the+client&client_secret={SECRET}");
    let password = format!("grant_type=password&username=the+user&password={PASSWORD}&{client}");
    let refresh = format!("grant_type=refresh_token&refresh_token={REFRESH}&{client}");
    assert_eq!(endpoint.forms(), [password.clone(), refresh, password]);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
    assert_hidden(&mirror, &ended);
}

#[test]
fn a_refresh_token_gets_the_next_token_without_the_password() {
    let (_feed, proxy) = feed_that_changes_its_token(4);
    let endpoint = Endpoint::start(|number, _| {
        let token = if number == 1 {
            TOKEN
        } else {
            "the-second-token"
        };
        let answer = serde_json::json!({ "access_token": token, "refresh_token": REFRESH });
        (200, answer.to_string())
    });
    let mirror = mirror(
        &proxy.base_url,
        &endpoint,
        ", grant = \"password\", client_id_env = \"\"",
    );
    let ended = run(&mirror, &["sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let refresh = format!("grant_type=refresh_token&refresh_token={REFRESH}");
    assert_eq!(endpoint.forms()[1..], [refresh]);
}

#[test]
fn a_token_is_renewed_before_it_expires() {
    let feed = feed(300);
    // A gateway gives its cached token until that expires.
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 2));
    let mut mirror = mirror(&feed.base_url(), &endpoint, "");
    mirror.configure(|settings| {
        settings.set("requests_per_second", 5);
        settings.set("max_retries", 0);
    });
    let started = std::time::Instant::now();
    let ended = run(&mirror, &["sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    let seconds = started.elapsed().as_secs() as usize;
    let asked = endpoint.forms().len();
    assert!((2..=seconds + 1).contains(&asked), "{asked} in {seconds} s");
    let answered_401 = feed
        .requests()
        .iter()
        .filter(|request| request.status == 401)
        .count();
    assert_eq!(answered_401, 0);
}

#[test]
fn a_refused_token_is_renewed_once_for_all_workers() {
    let (feed, proxy) = feed_that_changes_its_token(12);
    let endpoint = Endpoint::start(|number, _| match number {
        1 => token(TOKEN, 3_600),
        _ => token("the-second-token", 3_600),
    });
    let mut mirror = mirror(&proxy.base_url, &endpoint, "");
    mirror.configure(|settings| {
        settings.set("max_concurrent", 8);
        settings.set("max_retries", 0);
    });
    let ended = run(&mirror, &["sync"]);
    assert_eq!(ended.code, Some(0), "{ended}");
    assert_eq!(endpoint.forms().len(), 2);
    assert_mirror_equals_feed(&mirror.open(), &feed, &MAIN);
}

#[test]
fn a_refused_client_ends_the_run_with_5() {
    let feed = feed(20);
    let echo = format!(r#"{{"error":"invalid_client","error_description":"not {SECRET}"}}"#);
    for (status, body) in [
        (400, echo.clone()),
        (401, String::new()),
        (200, echo.clone()),
        (200, r#"{"error":"invalid_grant"}"#.to_owned()),
    ] {
        let answer = body.clone();
        let endpoint = Endpoint::start(move |_, _| (status, answer.clone()));
        let mirror = mirror(&feed.base_url(), &endpoint, "");
        let ended = run(&mirror, &["-vv", "sync"]);
        ended.says(5, &["refused the credentials", "feed.oauth.token_url"]);
        assert_eq!(endpoint.forms().len(), 1, "{status} {body}");
        assert_eq!(feed.request_count(), 0);
        assert_hidden(&mirror, &ended);
    }
}

#[test]
fn an_endpoint_that_is_down_is_tried_again_and_no_redirect_is_followed() {
    let feed = feed(20);
    let endpoint = Endpoint::start(|number, _| match number {
        1 => (503, "later".to_owned()),
        _ => token(TOKEN, 3_600),
    });
    let good = mirror(&feed.base_url(), &endpoint, "");
    let ended = run(&good, &["sync"]);
    ended.says(0, &["feed.oauth.token_url: the answer is 503"]);

    let endpoint = Endpoint::start(|_, _| (404, String::new()));
    let ended = run(&mirror(&feed.base_url(), &endpoint, ""), &["sync"]);
    ended.says(1, &["feed.oauth.token_url", "404"]);
}

#[test]
fn a_page_with_the_status_200_can_refuse_the_token() {
    let feed = Arc::new(feed(100));
    let mut answered = 0;
    let proxy = Proxy::of(&feed, move |answer| {
        answered += 1;
        if answered == 4 {
            answer.body = serde_json::json!({ "error": "invalid_grant" });
        }
    });
    // The program prints another token, which the feed accepts.
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let refused = mirror(&proxy.base_url, &endpoint, "");
    let ended = run(&refused, &["sync"]);
    ended.says(5, &["refused the credentials (401: invalid_grant)"]);
    assert_eq!(
        endpoint.forms().len(),
        2,
        "the token is requested once more"
    );
}

#[test]
fn the_headers_of_the_feed_go_to_a_token_endpoint_of_its_origin_only() {
    let feed = feed(20);
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let mut elsewhere = mirror(&feed.base_url(), &endpoint, "");
    elsewhere.configure(|settings| settings.set("headers", "{ x-api-key = { env = \"KEY\" } }"));
    let with_key = |mirror: &Mirror| {
        let running = mirror.start_with(&["sync"], |command| {
            command
                .env_remove("WFRMLS_BEARER_TOKEN")
                .env("WFRMLS_CLIENT_ID", "the client")
                .env("WFRMLS_CLIENT_SECRET", SECRET)
                .env("KEY", "the-key");
        });
        running.wait()
    };
    assert_eq!(with_key(&elsewhere).code, Some(0));
    assert_eq!(endpoint.asked()[0].x_api_key, None);

    let root = endpoint.url.trim_end_matches("/token");
    let mut same = mirror(&format!("{root}/odata"), &endpoint, "");
    same.configure(|settings| {
        settings.set("headers", "{ x-api-key = { env = \"KEY\" } }");
        settings.set("max_retries", 0);
    });
    with_key(&same);
    assert_eq!(endpoint.asked()[1].x_api_key.as_deref(), Some("the-key"));
}

#[test]
fn a_missing_secret_is_reported_with_its_variable() {
    let feed = feed(20);
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let mirror = mirror(&feed.base_url(), &endpoint, "");
    let ended = mirror.run(&["sync"]);
    let parts = [
        "WFRMLS_CLIENT_ID is not set; put the id of the client there",
        "`export WFRMLS_CLIENT_ID=…`",
    ];
    ended.says(2, &parts);
    assert!(endpoint.forms().is_empty());
}

#[test]
fn requests_for_a_token_count_in_the_rate_budget() {
    let feed = feed(20);
    let endpoint = Endpoint::start(|_, _| token(TOKEN, 3_600));
    let mut mirror = mirror(&feed.base_url(), &endpoint, "");
    mirror.configure(|settings| settings.set("requests_per_hour", 1_000));
    run(&mirror, &["sync"]).says(0, &[]);
    run(&mirror, &["sync"]).says(0, &[]);
    assert_eq!(endpoint.asked().len(), 2);
    let json = mirror.run(&["status", "--json"]).json();
    assert_eq!(json["budget"][0]["sent"], feed.request_count() + 2);
}
