//! The layers around groups of routes.

use std::future::poll_fn;
use std::pin::Pin;

use axum::body::Body;
use axum::body::HttpBody;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use tower_http::cors::Any;
use tower_http::cors::CorsLayer;
use tower_sessions::Expiry;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;

use crate::accounts::browser_session::Store;
use crate::app::App;
use crate::gate::dpop;

/// No request of ours needs more; hostile ones would like to.
pub(super) const MAX_BODY: usize = 64 * 1024;
/// Longer than any page of ours.
const MAX_PAGE: usize = 8 * 1024 * 1024;

/// What is read of a body that is too large, and thrown away: many clients listen only when they have sent all of
/// it, and would see a broken connection instead of the reason.
const MAX_DISCARDED: usize = 16 * 1024 * 1024;

/// Reads the body whole, and of one that is too large just enough to be refused by whoever takes it.
pub(super) async fn read_body(request: Request, next: Next) -> Response {
    let (parts, mut body) = request.into_parts();
    let mut kept = Vec::new();
    let mut length = 0;
    while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Ok(frame) = frame else { return StatusCode::BAD_REQUEST.into_response() };
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length > MAX_DISCARDED {
            break;
        }
        let room = (MAX_BODY + 1 - kept.len()).min(data.len());
        kept.extend_from_slice(&data[..room]);
    }
    next.run(Request::from_parts(parts, Body::from(kept))).await
}

/// Whoever is answered that something has changed finds it changed on this node.
pub(super) async fn catch_up(State(app): State<App>, request: Request, next: Next) -> Response {
    let may_change = !request.method().is_safe();
    let response = next.run(request).await;
    if may_change {
        app.cache.catch_up().await;
    }
    response
}

/// Of the endpoints that scripts of any origin may call: never with credentials of the browser.
pub(super) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::ACCEPT,
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            HeaderName::from_static("mcp-protocol-version"),
            dpop::HEADER,
        ])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER, dpop::NONCE])
        .max_age(std::time::Duration::from_hours(1))
}

pub(super) fn sessions(app: &App) -> SessionManagerLayer<Store> {
    let is_https = app.config.links.is_https();
    // `__Host-` keeps a sibling domain from setting it; browsers accept that only with HTTPS.
    let name = if is_https { "__Host-countersign" } else { "countersign" };
    SessionManagerLayer::new(Store::new(app.db.clone(), app.clock.clone()))
        .with_name(name)
        .with_secure(is_https)
        .with_http_only(true)
        // Lax, not Strict: people come here from apps, and must be known then.
        .with_same_site(SameSite::Lax)
        .with_path("/")
        // The cookie stays as long as browsers allow; when a session ends is the store's to say.
        .with_expiry(Expiry::OnInactivity(Duration::days(400)))
}

/// For an issuer with a path: addresses on pages and in redirects, which begin with a slash, get it in front.
///
/// Here, in one place, because it is the same for all of them; nothing else on a page looks like an attribute of
/// ours, since quotes in what people typed are escaped.
pub(super) async fn issuer_path(State(app): State<App>, request: Request, next: Next) -> Response {
    let base_path = app.config.links.base_path().to_owned();
    let mut response = next.run(request).await;
    let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
    if let Some(path) = location.filter(|location| location.starts_with('/'))
        && let Ok(moved) = HeaderValue::try_from(format!("{base_path}{path}"))
    {
        response.headers_mut().insert(header::LOCATION, moved);
    }
    let content_type = response.headers().get(header::CONTENT_TYPE);
    if !content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html")) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let Ok(body) = axum::body::to_bytes(body, MAX_PAGE).await else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut html = String::from_utf8_lossy(&body).into_owned();
    for attribute in ["href", "action", "src"] {
        html = html.replace(&format!("{attribute}=\"/"), &format!("{attribute}=\"{base_path}/"));
    }
    parts.headers.remove(header::CONTENT_LENGTH);
    Response::from_parts(parts, Body::from(html))
}
