//! A small HTTP server for answers that a simulated feed does not give.

use std::{
    sync::{Arc, mpsc::channel},
    thread,
};

use axum::{Router, body::Body, extract::Request as HttpRequest, response::Response};

/// Serves answers over HTTP and returns the URL of the server. `answer` receives it, too.
pub fn serve(answer: impl Fn(&str, &HttpRequest) -> Response + Send + Sync + 'static) -> String {
    start(move |root, _, request| answer(root, request))
}

/// Serves answers over HTTP and returns the URL of the server. `answer` receives the body of
/// each request.
pub fn serve_forms(
    answer: impl Fn(&str, &HttpRequest) -> Response + Send + Sync + 'static,
) -> String {
    start(move |_, body, request| answer(body, request))
}

fn start(answer: impl Fn(&str, &str, &HttpRequest) -> Response + Send + Sync + 'static) -> String {
    let answer = Arc::new(answer);
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let root = format!("http://{}", listener.local_addr().unwrap());
            sender.send(root.clone()).unwrap();
            let router = Router::new().fallback(move |request: HttpRequest| {
                let (answer, root) = (answer.clone(), root.clone());
                async move {
                    let (parts, body) = request.into_parts();
                    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
                    let request = HttpRequest::from_parts(parts, Body::empty());
                    answer(&root, std::str::from_utf8(&body).unwrap(), &request)
                }
            });
            axum::serve(listener, router).await.unwrap();
        });
    });
    receiver.recv().unwrap()
}
