//! One id and one log line for each request. The only place that logs a failure.

use std::error::Error;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::MatchedPath;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::middleware::Next;
use axum::response::Response;
use tracing::Instrument;
use tracing::field::display;

use crate::app::App;
use crate::gate::principal::Whose;

pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// The id of the request that is being answered.
#[derive(Debug, Clone)]
pub struct RequestId(pub String);

/// Why we failed, for the operator. Put into a response's extensions by whoever made it.
#[derive(Debug, Clone)]
pub struct Detail(pub Arc<anyhow::Error>);

impl From<anyhow::Error> for Detail {
    fn from(error: anyhow::Error) -> Self {
        Self(Arc::new(error))
    }
}

/// The outermost layer. Who looks closer finds the request's number on everything that is said inside of it, too.
pub async fn log(State(app): State<App>, mut request: Request, next: Next) -> Response {
    let started = Instant::now();
    let id = request_id(&request);
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = request.method().clone();
    // The route, not the path: a path may hold what nobody should read in a log.
    let path = request.extensions().get::<MatchedPath>().cloned();
    let route = path.as_ref().map_or("(none)", MatchedPath::as_str);
    let span = tracing::debug_span!("request", request.id = id);

    let mut response = next.run(request).instrument(span).await;
    let status = response.status().as_u16();
    let duration = started.elapsed();
    app.metrics.count_request(route, &method, status, duration);
    // To the microsecond.
    let duration_ms = (duration.as_secs_f64() * 1e6).round() / 1e3;
    let whose = response.extensions().get::<Whose>();
    let organization = whose.map(|whose| display(whose.organization));
    let credential = whose.map(|whose| display(whose.credential));
    if let Some(Detail(error)) = response.extensions().get::<Detail>() {
        let cause = chain(error);
        tracing::error!(request.id = id, org.id = organization, credential.id = credential, %method, route, status,
                        duration_ms, cause, "request failed");
    } else {
        tracing::info!(request.id = id, org.id = organization, credential.id = credential, %method, route, status,
                       duration_ms, "request");
    }
    if let Ok(value) = HeaderValue::try_from(id) {
        response.headers_mut().insert(HEADER, value);
    }
    response
}

/// The caller's own id if it is harmless, so that a log can be followed across machines.
fn request_id(request: &Request) -> String {
    let given = request.headers().get(HEADER).and_then(|value| value.to_str().ok());
    let is_harmless = |id: &&str| {
        (8..=64).contains(&id.len())
            && id.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    match given.filter(is_harmless) {
        Some(id) => id.to_owned(),
        None => format!("{:032x}", rand::random::<u128>()),
    }
}

/// The error and all its causes; an error's own text never includes them.
fn chain(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    let mut cause: Option<&dyn Error> = error.source();
    while let Some(error) = cause {
        let _ = write!(text, ": {error}");
        cause = error.source();
    }
    text
}
