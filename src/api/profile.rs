//! `GET /v1/profile`: the caller, its organization and its plan.

use axum::Json;
use serde_json::Value;
use serde_json::json;

use crate::gate::caller::Caller;
use crate::organizations::organization::Organization;

pub async fn get(Caller { principal, .. }: Caller) -> Json<Value> {
    let plan = &principal.organization.plan;
    Json(json!({
        "user": principal.user.as_ref().map(|user| json!({ "id": user.id, "email": user.email })),
        "client": principal.client.as_ref().map(|client| json!({ "id": client.id, "name": client.name })),
        "key": principal.key.as_ref().map(|key| json!({ "id": key.id, "label": key.name })),
        "organization": organization(&principal.organization),
        "plan": {
            "name": plan.name,
            "requests_per_hour": plan.requests_per_hour,
            "requests_per_minute": plan.requests_per_minute,
            "oauth_apps": plan.has_oauth_apps,
        },
        "scopes": principal.scopes,
    }))
}

/// An organization as every answer names it.
pub(super) fn organization(organization: &Organization) -> Value {
    json!({
        "id": organization.id,
        "number": organization.number,
        "name": organization.name,
        "plan": organization.plan.name,
    })
}
