//! Somebody whom the server sends requests to, on this machine.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use tokio::net::TcpListener;

pub struct Receiver {
    /// With a path.
    pub url: String,
    state: Arc<Mutex<Inner>>,
}

struct Inner {
    received: Vec<Received>,
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Takes what comes, and answers nothing.
    is_silent: bool,
}

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    pub headers: HeaderMap,
    pub body: String,
}

impl Received {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", self.headers)).to_str().unwrap()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}

impl Receiver {
    /// Answers 200 with `ok` until it is told otherwise.
    pub async fn start() -> Self {
        let inner = Inner {
            received: Vec::new(),
            status: 200,
            headers: HeaderMap::new(),
            body: b"ok".to_vec(),
            is_silent: false,
        };
        let state = Arc::new(Mutex::new(inner));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let router = Router::new().fallback(receive).with_state(Arc::clone(&state));
        tokio::spawn(async { axum::serve(listener, router).await });
        Self { url, state }
    }

    pub fn answer(&self, status: u16, body: &[u8]) {
        let mut inner = self.state.lock().unwrap();
        inner.status = status;
        inner.headers.clear();
        inner.body = body.to_vec();
    }

    pub fn redirect_to(&self, url: &str) {
        self.answer(307, b"");
        self.add_header("location", url);
    }

    /// A document, with what is said of caching it.
    pub fn publish(&self, document: &Value, cache_control: &str) {
        self.answer(200, document.to_string().as_bytes());
        self.add_header("content-type", "application/json");
        self.add_header("cache-control", cache_control);
    }

    pub fn add_header(&self, name: &'static str, value: &str) {
        self.state.lock().unwrap().headers.insert(name, value.parse().unwrap());
    }

    pub fn be_silent(&self, is_silent: bool) {
        self.state.lock().unwrap().is_silent = is_silent;
    }

    /// So far, the oldest first.
    pub fn received(&self) -> Vec<Received> {
        self.state.lock().unwrap().received.clone()
    }

    pub fn last(&self) -> Received {
        self.received().pop().expect("something was received")
    }

    /// Waits for a process that works by itself.
    pub async fn wait_for(&self, count: usize) {
        for _ in 0..3000 {
            if self.received().len() >= count {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{} of {count} were received", self.received().len());
    }
}

async fn receive(State(state): State<Arc<Mutex<Inner>>>, headers: HeaderMap, body: Bytes) -> Response {
    let (answer, is_silent) = {
        let mut inner = state.lock().unwrap();
        inner.received.push(Received { headers, body: String::from_utf8(body.to_vec()).unwrap() });
        let status = StatusCode::from_u16(inner.status).unwrap();
        let answer = (status, inner.headers.clone(), inner.body.clone()).into_response();
        (answer, inner.is_silent)
    };
    if is_silent {
        std::future::pending::<()>().await;
    }
    answer
}
