//! `GET /.well-known/oauth-protected-resource…` (RFC 9728): what an API says of itself, be it this server's own or one
//! behind forward-auth, whose proxy passes the question on.
//!
//! All that is said comes from the configuration; the host that was asked only chooses between APIs that have the same
//! path. Of scopes it names those that apps should ask for if nobody tells them which: some ask for all that are there,
//! so `admin` is not among them, nor is what is about the person and not about the API.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::Uri;
use axum::http::header;
use axum::http::uri::Authority;
use axum::http::uri::PathAndQuery;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::app::resources::Resource;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::original_request;
use crate::oauth::metadata::CACHE;
use crate::signing::foreign::algorithm;

pub async fn get(State(app): State<App>, address: ClientAddress, uri: Uri, headers: HeaderMap) -> Response {
    let asked = uri.path_and_query().map(PathAndQuery::as_str).unwrap_or_default();
    let authority = uri.authority().map(Authority::as_str);
    let host = original_request::host(&headers, address).or(authority);
    match app.config.resources.described_at(asked, host) {
        Some(resource) => ([(header::CACHE_CONTROL, CACHE)], Json(document(&app, resource))).into_response(),
        None => ApiError::not_found().into_response(),
    }
}

fn document(app: &App, resource: &Resource) -> Value {
    let links = &app.config.links;
    let mut document = json!({
        "resource": resource.identifier,
        "authorization_servers": [links.issuer()],
        "scopes_supported": app.config.scopes.all().without_admin(),
        "bearer_methods_supported": ["header"],
        "dpop_signing_alg_values_supported": algorithm::names(),
        "dpop_bound_access_tokens_required": false,
        "resource_name": resource.name(),
    });
    if resource.identifier == links.issuer() {
        document["resource_documentation"] = links.to("/docs").into();
    }
    document
}
