//! What clients can find out by themselves (RFC 8414). Lists only what is there.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::app::client_registration::ClientRegistration;
use crate::clients::registration::GRANT_TYPES;
use crate::grants::grant::ACR;
use crate::grants::id_token;
use crate::grants::identity;
use crate::oauth::client_auth::METHODS;
use crate::signing::foreign::algorithm;
use crate::signing::jwt;

/// Changes only with a new release or configuration.
pub(super) const CACHE: &str = "public, max-age=3600";

/// `GET /.well-known/oauth-authorization-server` and its OpenID Connect alias.
pub async fn authorization_server(State(app): State<App>) -> impl IntoResponse {
    ([(header::CACHE_CONTROL, CACHE)], Json(server_document(&app)))
}

fn server_document(app: &App) -> Value {
    let links = &app.config.links;
    // What authenticates for introspection is never a public client.
    let confidential_methods: Vec<_> = METHODS.into_iter().filter(|method| *method != "none").collect();
    let person = identity::CLAIMS.map(|(name, _)| name);
    let mut document = json!({
        "issuer": links.issuer(),
        "authorization_endpoint": links.to("/oauth/authorize"),
        "pushed_authorization_request_endpoint": links.to("/oauth/par"),
        // Each client says for itself whether it must (RFC 9126 §5).
        "require_pushed_authorization_requests": false,
        "token_endpoint": links.to("/oauth/token"),
        "device_authorization_endpoint": links.to("/oauth/device_authorization"),
        "jwks_uri": links.to("/oauth/jwks"),
        "revocation_endpoint": links.to("/oauth/revoke"),
        "introspection_endpoint": links.to("/oauth/introspect"),
        "userinfo_endpoint": links.to("/oauth/userinfo"),
        "end_session_endpoint": links.to("/oauth/logout"),
        "scopes_supported": app.config.scopes.for_people(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "grant_types_supported": GRANT_TYPES,
        "token_endpoint_auth_methods_supported": METHODS,
        "revocation_endpoint_auth_methods_supported": METHODS,
        "introspection_endpoint_auth_methods_supported": confidential_methods,
        "token_endpoint_auth_signing_alg_values_supported": algorithm::names(),
        "revocation_endpoint_auth_signing_alg_values_supported": algorithm::names(),
        "introspection_endpoint_auth_signing_alg_values_supported": algorithm::names(),
        "code_challenge_methods_supported": ["S256"],
        "dpop_signing_alg_values_supported": algorithm::names(),
        "introspection_signing_alg_values_supported": jwt::ALGORITHMS,
        "authorization_response_iss_parameter_supported": true,
        "request_parameter_supported": true,
        "request_object_signing_alg_values_supported": algorithm::names(),
        // As with pushed ones (RFC 9101 §10.5).
        "require_signed_request_object": false,
        // Of other servers; absent would mean that it is (OpenID Connect Discovery §3).
        "request_uri_parameter_supported": false,
        "prompt_values_supported": ["none", "login", "consent", "select_account"],
        "display_values_supported": ["page"],
        "acr_values_supported": [ACR],
        "subject_types_supported": ["public", "pairwise"],
        // RS256 is the one that every client knows.
        "id_token_signing_alg_values_supported": ["RS256", "ES256", "EdDSA"],
        "claim_types_supported": ["normal"],
        "claims_supported": id_token::CLAIMS.into_iter().chain(person).collect::<Vec<_>>(),
        "claims_parameter_supported": true,
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "ui_locales_supported": ["en"],
    });
    // The macro has room for no more.
    // Some clients register for signed answers unless they read that there are none.
    document["userinfo_signing_alg_values_supported"] = json!(["none"]);
    document["service_documentation"] = links.to("/errors").into();
    document["client_id_metadata_document_supported"] = app.config.client_metadata_hosts.is_some().into();
    if !matches!(app.config.client_registration, ClientRegistration::Off) {
        document["registration_endpoint"] = links.to("/oauth/register").into();
    }
    document
}
