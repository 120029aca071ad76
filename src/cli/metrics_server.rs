//! Metrics for Prometheus over HTTP, while `watch` runs.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use chrono::Utc;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::Semaphore;

use super::watchdog::Pulse;
use crate::config::Config;
use crate::mirror::Mirror;
use crate::report::{self, PhotoFiles};

/// The content type of the Prometheus text format.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The number of connections at the same time. Each uses a file of this process.
const CONNECTIONS_MAX: usize = 32;

/// How long a client may take to send the head of its request.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a connection may last.
const CONNECTION_TIMEOUT: Duration = Duration::from_secs(30);

/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves `/metrics` and `/healthz` on an address until the process ends.
pub fn serve_metrics(address: SocketAddr, config: Config, pulse: Arc<Pulse>) -> anyhow::Result<()> {
    let listening = || format!("serving metrics on {address} ([watch] metrics)");
    let listener = TcpListener::bind(address).with_context(listening)?;
    listener.set_nonblocking(true).with_context(listening)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let router = Router::new().route(
                    "/metrics",
                    get(move || {
                        let config = config.clone();
                        async move { response(&config) }
                    }),
                );
                let router = router.route(
                    "/healthz",
                    get(move || async move { health(pulse.is_alive()) }),
                );
                match tokio::net::TcpListener::from_std(listener) {
                    Ok(listener) => accept_all(&listener, &router).await,
                    Err(error) => tracing::error!(%error, "cannot serve metrics"),
                }
            });
        })?;
    Ok(())
}

/// Answers one request on each connection. A connection beyond the limit is closed at once.
async fn accept_all(listener: &tokio::net::TcpListener, router: &Router) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            // The process may have too many files open for the moment.
            tokio::time::sleep(ACCEPT_PAUSE).await;
            continue;
        };
        let Ok(slot) = slots.clone().try_acquire_owned() else {
            continue;
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(HEAD_TIMEOUT)
            .keep_alive(false)
            .serve_connection(TokioIo::new(stream), service);
        tokio::spawn(async move {
            // The client sees an error that ends the connection.
            let _ = tokio::time::timeout(CONNECTION_TIMEOUT, connection).await;
            drop(slot);
        });
    }
}

/// Returns the answer to the question whether the daemon makes progress.
fn health(is_alive: bool) -> Response {
    if is_alive {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        let hangs = "the daemon has made no progress for 15 minutes\n";
        (StatusCode::SERVICE_UNAVAILABLE, hangs).into_response()
    }
}

/// Reads the metrics from the mirror for one request.
fn response(config: &Config) -> Response {
    let status = Mirror::open_to_read(&config.mirror.database).and_then(|mut mirror| {
        let photo_files = PhotoFiles::AsRecorded;
        report::status(config, &mut mirror, photo_files, Utc::now())
    });
    match status {
        Ok(status) => {
            let content_type = [(header::CONTENT_TYPE, CONTENT_TYPE)];
            (content_type, report::metrics(&status)).into_response()
        }
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, format!("{error:#}\n")).into_response(),
    }
}
