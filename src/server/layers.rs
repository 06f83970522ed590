//! The layers around groups of routes.

use axum::http::HeaderName;
use axum::http::Method;
use axum::http::header;
use tower_http::cors::Any;
use tower_http::cors::CorsLayer;
use tower_sessions::Expiry;
use tower_sessions::SessionManagerLayer;
use tower_sessions::cookie::SameSite;
use tower_sessions::cookie::time::Duration;

use crate::accounts::browser_session::Store;
use crate::app::App;

/// No request of ours needs more; hostile ones would like to.
pub(super) const MAX_BODY: usize = 64 * 1024;

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
        ])
        .expose_headers([header::WWW_AUTHENTICATE, header::RETRY_AFTER])
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
