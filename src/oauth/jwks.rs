//! `GET /oauth/jwks` (RFC 7517 §5).

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;

use crate::app::App;
use crate::signing::key::JWKS_MAX_AGE;

pub async fn get(State(app): State<App>) -> impl IntoResponse {
    let cache = format!("public, max-age={}", JWKS_MAX_AGE.num_seconds());
    let jwks = app.keys.current().jwks(app.clock.now());
    ([(header::CACHE_CONTROL, cache)], Json(jwks))
}
