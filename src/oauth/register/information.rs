//! What a client is told of its registration (RFC 7591 §3.2.1, RFC 7592 §3): all that was registered, also what was
//! filled in or changed. Never `null`: programs that check what they get would not take it.

use axum::Json;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Value;
use serde_json::json;

use crate::app::App;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::clients::metadata::CODE;
use crate::clients::registration::AUTHORIZATION_CODE;

/// What only this client may know.
#[derive(Debug, Clone, Copy)]
pub(super) struct Credentials<'a> {
    /// A new one: others exist nowhere but at the client.
    pub(super) secret: Option<&'a Secret>,
    /// `None` for a client that is shared, whose registration nobody can change.
    pub(super) token: Option<&'a Secret>,
}

pub(super) fn answer(app: &App, client: &Client, credentials: Credentials<'_>) -> Response {
    let information = information(app, client, credentials);
    // RFC 7591 §3.2.1 asks for both headers; `Pragma` is for caches older than HTTP/1.1.
    ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(information)).into_response()
}

fn information(app: &App, client: &Client, Credentials { secret, token }: Credentials<'_>) -> Value {
    let registration = &client.registration;
    let some = |list: &Vec<String>| Some(list.clone()).filter(|list| !list.is_empty());
    let is_redirected = client.has_grant_type(AUTHORIZATION_CODE);
    let mut information = json!({
        "client_id": client.id,
        "client_id_issued_at": client.created_at.timestamp(),
        "client_secret": secret.map(Secret::expose),
        // Never.
        "client_secret_expires_at": secret.map(|_| 0),
        "registration_client_uri": token.map(|_| app.config.links.to(&format!("/oauth/register/{}", client.id))),
        "registration_access_token": token.map(Secret::expose),
        "client_name": registration.name,
        "client_uri": registration.homepage_url,
        "logo_uri": registration.logo_url,
        "policy_uri": registration.policy_uri,
        "tos_uri": registration.tos_uri,
        "contacts": some(&registration.contacts),
        "redirect_uris": registration.redirect_uris,
        "grant_types": registration.grant_types,
        "response_types": if is_redirected { vec![CODE] } else { Vec::new() },
        "scope": registration.default_scopes.to_string(),
        "token_endpoint_auth_method": registration.token_endpoint_auth_method,
        "jwks": registration.jwks,
        "jwks_uri": registration.jwks_uri,
        "require_pushed_authorization_requests": registration.require_pushed_authorization_requests,
        "require_signed_request_object": registration.require_signed_request_object,
        "dpop_bound_access_tokens": registration.dpop_bound_access_tokens,
        "subject_type": registration.subject_type,
        "sector_identifier_uri": registration.sector_identifier_uri,
        "id_token_signed_response_alg": registration.id_token_signed_response_alg,
        "introspection_signed_response_alg": registration.introspection_signed_response_alg,
        "post_logout_redirect_uris": some(&registration.post_logout_redirect_uris),
        "backchannel_logout_uri": registration.backchannel_logout_uri,
        "backchannel_logout_session_required": registration.backchannel_logout_session_required,
    });
    if let Value::Object(members) = &mut information {
        members.retain(|_, member| !member.is_null());
    }
    information
}
