//! `/livez` and `/readyz`: for whoever decides whether to restart us, or to send us requests.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::json;

use crate::app::App;
use crate::base::db;
use crate::gate::error::RETRY_AFTER_OUTAGE;
use crate::signing::key;

/// The process runs and answers: nothing else, or a database outage would get every node restarted.
pub async fn livez() -> &'static str {
    "ok"
}

/// Whether requests can be served: database, migrations, a signing key of each algorithm.
pub async fn readyz(State(app): State<App>) -> Response {
    let mut database = app.db.acquire().await;
    let is_migrated = match &mut database {
        Ok(connection) => db::is_migrated(connection).await.unwrap_or(false),
        Err(_) => false,
    };
    let (keys, now) = (app.keys.current(), app.clock.now());
    let has_signing_key = key::ALGORITHMS.into_iter().all(|algorithm| keys.signer(algorithm, now).is_ok());
    let is_ready = database.is_ok() && is_migrated && has_signing_key;
    let said = |is_good: bool| if is_good { "ok" } else { "failing" };
    let body = Json(json!({
        "status": said(is_ready),
        "database": said(database.is_ok()),
        "migrations": said(is_migrated),
        "signing_key": said(has_signing_key),
    }));
    if is_ready {
        return ([(header::CACHE_CONTROL, "no-store")], body).into_response();
    }
    let headers = [
        (header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_OUTAGE)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
}
