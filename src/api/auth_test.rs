//! `GET /v1/auth/test`: who am I, and what may I?

use axum::Json;
use axum::extract::State;
use serde_json::Value;
use serde_json::json;

use crate::api::profile;
use crate::app::App;
use crate::gate::caller::Caller;

pub async fn get(State(_app): State<App>, Caller { principal, rate, .. }: Caller) -> Json<Value> {
    let window = rate.tightest();
    Json(json!({
        "authenticated": true,
        "user": principal.user.as_ref().map(|user| json!({ "id": user.id, "email": user.email })),
        "client": principal.client.as_ref().map(|client| json!({ "id": client.id, "name": client.name })),
        "key": principal.key.as_ref().map(|key| json!({ "id": key.id, "label": key.name })),
        "organization": profile::organization(&principal.organization),
        "scopes": principal.scopes,
        "rate_limit": {
            "limit": window.limit,
            "remaining": window.remaining,
            "reset": window.resets_at,
        },
    }))
}
