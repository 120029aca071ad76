//! A proxy that changes the answers of a simulated feed, for servers that behave otherwise.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, mpsc::channel};
use std::thread;

use axum::{
    Router, body::Body, extract::Request as HttpRequest, http::HeaderMap, response::Response,
};
use serde_json::Value as Json;
use simulator::Simulator;

/// One answer of the feed.
pub struct Answer {
    /// The decoded path and query of the request.
    pub request: String,
    pub status: u16,
    pub body: Json,
    /// Headers that the answer has in addition.
    pub headers: Vec<(&'static str, String)>,
    /// Turns the text of the body into the bytes that are sent.
    pub write: Box<dyn FnOnce(String) -> Vec<u8> + Send>,
}

impl Answer {
    /// Returns the records of a page.
    pub fn records(&mut self) -> &mut Vec<Json> {
        self.body["value"].as_array_mut().unwrap()
    }

    /// Returns whether the request is for a page or a count of this entity set.
    pub fn is_of(&self, entity_set: &str) -> bool {
        let path = self.request.split('?').next().unwrap_or_default();
        path.ends_with(&format!("/{entity_set}"))
    }
}

type Change = dyn FnMut(&mut Answer) + Send;
type Declare = dyn FnMut(String) -> String + Send;

/// A running proxy. Its changes can be replaced.
#[derive(Clone)]
pub struct Proxy {
    pub base_url: String,
    change: Arc<Mutex<Box<Change>>>,
    declare: Arc<Mutex<Box<Declare>>>,
    origin: Arc<Mutex<String>>,
    has_clock: Arc<AtomicBool>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

impl Proxy {
    /// Starts a proxy in front of a feed. `change` receives every JSON answer.
    pub fn of(feed: &Simulator, change: impl FnMut(&mut Answer) + Send + 'static) -> Proxy {
        let change: Arc<Mutex<Box<Change>>> = Arc::new(Mutex::new(Box::new(change)));
        let (sender, receiver) = channel();
        let declare: Arc<Mutex<Box<Declare>>> = Arc::new(Mutex::new(Box::new(|text| text)));
        let origin = Arc::new(Mutex::new(origin_of(&feed.base_url())));
        let has_clock = Arc::new(AtomicBool::new(true));
        let seen = Arc::default();
        let upstream = Upstream {
            path: url::Url::parse(&feed.base_url()).unwrap().path().to_owned(),
            origin: origin.clone(),
            has_clock: has_clock.clone(),
            change: change.clone(),
            declare: declare.clone(),
            seen: Arc::clone(&seen),
        };
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .unwrap();
            runtime.block_on(serve(upstream, sender));
        });
        let base_url = receiver.recv().unwrap();
        Proxy {
            base_url,
            change,
            declare,
            origin,
            has_clock,
            seen,
        }
    }

    /// Returns the path, the query and the headers of each request.
    pub fn seen(&self) -> Vec<(String, HeaderMap)> {
        self.seen.lock().unwrap().clone()
    }

    /// Sends a `Date` header that is no date from now on.
    pub fn stop_clock(&self) {
        self.has_clock.store(false, Ordering::Relaxed);
    }

    /// Forwards requests to another feed from now on.
    pub fn forward_to(&self, feed: &Simulator) {
        *self.origin.lock().unwrap() = origin_of(&feed.base_url());
    }

    /// Replaces the change.
    pub fn change(&self, change: impl FnMut(&mut Answer) + Send + 'static) {
        *self.change.lock().unwrap() = Box::new(change);
    }

    /// Replaces the change of `$metadata`.
    pub fn declare(&self, change: impl FnMut(String) -> String + Send + 'static) {
        *self.declare.lock().unwrap() = Box::new(change);
    }

    /// Removes an entity set from `$metadata`, with the navigation to it.
    pub fn hide(&self, entity_set: &str) {
        let entity_set = entity_set.to_owned();
        self.declare(move |metadata| without(metadata, &entity_set));
    }
}

/// Returns `$metadata` without an entity set and the navigations to it.
fn without(mut metadata: String, set: &str) -> String {
    for element in ["EntitySet", "EntityType", "NavigationProperty"] {
        let start = format!("<{element} Name=\"{set}\"");
        let other = format!("<{element} EntityType=\"Odata.Models.{set}\"");
        while let Some(from) = metadata.find(&start).or_else(|| metadata.find(&other)) {
            let rest = &metadata[from..];
            let head = rest.find('>').unwrap();
            let end = if rest[..head].ends_with('/') {
                head + 1
            } else {
                let close = format!("</{element}>");
                rest.find(&close).unwrap() + close.len()
            };
            metadata.replace_range(from..from + end, "");
        }
    }
    metadata
}

fn origin_of(base_url: &str) -> String {
    let url = url::Url::parse(base_url).unwrap();
    url.origin().ascii_serialization()
}

#[derive(Clone)]
struct Upstream {
    path: String,
    origin: Arc<Mutex<String>>,
    has_clock: Arc<AtomicBool>,
    change: Arc<Mutex<Box<Change>>>,
    declare: Arc<Mutex<Box<Declare>>>,
    seen: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

async fn serve(upstream: Upstream, sender: std::sync::mpsc::Sender<String>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    sender.send(format!("{origin}{}", upstream.path)).unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let router = Router::new().fallback(move |request: HttpRequest| {
        let (client, upstream) = (client.clone(), upstream.clone());
        let origin = origin.clone();
        let upstream_origin = upstream.origin.lock().unwrap().clone();
        async move { forward(request, &client, &upstream, &origin, &upstream_origin).await }
    });
    axum::serve(listener, router).await.unwrap();
}

async fn forward(
    request: HttpRequest,
    client: &reqwest::Client,
    upstream: &Upstream,
    origin: &str,
    upstream_origin: &str,
) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    let mut headers = request.headers().clone();
    let seen = (path.clone(), headers.clone());
    upstream.seen.lock().unwrap().push(seen);
    headers.remove("host");
    headers.remove("accept-encoding");
    let url = format!("{upstream_origin}{path}");
    let answer = client.get(&url).headers(headers).send().await.unwrap();
    let status = answer.status().as_u16();
    let mut response = Response::builder();
    for name in ["date", "content-type", "odata-version", "retry-after"] {
        if name == "date" && !upstream.has_clock.load(Ordering::Relaxed) {
            response = response.header(name, "unknown");
        } else if let Some(value) = answer.headers().get(name) {
            response = response.header(name, value);
        }
    }
    let text = answer.text().await.unwrap();
    let Ok(body) = serde_json::from_str::<Json>(&text) else {
        let text = (upstream.declare.lock().unwrap())(text);
        return response.status(status).body(Body::from(text)).unwrap();
    };
    let request = percent_decoded(&path);
    let mut answer = Answer {
        request,
        status,
        body,
        headers: Vec::new(),
        write: Box::new(String::into_bytes),
    };
    (upstream.change.lock().unwrap())(&mut answer);
    for (name, value) in &answer.headers {
        response = response.header(*name, value);
    }
    let text = answer.body.to_string().replace(upstream_origin, origin);
    response
        .status(answer.status)
        .body(Body::from((answer.write)(text)))
        .unwrap()
}

fn percent_decoded(path: &str) -> String {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs = url::form_urlencoded::parse(query.as_bytes());
    let query: Vec<String> = pairs
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{path}?{}", query.join("&"))
}
