//! How a client says and proves who it is (RFC 6749 §2.3): by nothing, by a secret in the header or in the body, or by
//! a signature.

mod basic;
mod private_key_jwt;

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::http::header;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::clients::client::ClientWithSecrets;
use crate::gate::client_address::ClientAddress;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::known_client;
use crate::oauth::known_client::Missing;
use crate::oauth::params::Params;

/// `token_endpoint_auth_methods_supported` (RFC 8414 §2).
pub(super) const METHODS: [&str; 4] =
    ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"];

/// Who a request says it is from.
struct Claimed {
    id: String,
    /// `None` for a public client.
    secret: Option<Secret>,
}

/// One refusal for every cause, so that a stranger cannot learn which clients exist.
fn refused() -> OAuthError {
    ErrorCode::InvalidClient.because("client authentication failed")
}

fn two_ways() -> OAuthError {
    ErrorCode::InvalidRequest.because("the client authenticates in two ways at once")
}

/// The client, once it has proved who it is. Consumes nothing but a signature that is right: a code presented with it
/// is still good. `path` is that of the endpoint.
pub(super) async fn authenticate(
    app: &App,
    path: &str,
    headers: &HeaderMap,
    params: &Params,
    address: ClientAddress,
) -> Result<Arc<Client>, OAuthError> {
    if let Some(assertion) = private_key_jwt::presented(params)? {
        if headers.contains_key(header::AUTHORIZATION) || params.optional("client_secret")?.is_some() {
            return Err(two_ways());
        }
        let client_id = params.optional("client_id")?;
        return Box::pin(private_key_jwt::authenticate(app, path, assertion, client_id, address)).await;
    }
    let claimed = claimed(headers, params)?;
    let now = app.clock.now();
    let found = find(app, &claimed.id, address, now).await?.ok_or_else(refused)?;
    let registration = &found.client.registration;
    match &claimed.secret {
        Some(secret) => {
            let proof = found.proved_by(secret, now);
            let proof = proof.filter(|_| registration.token_endpoint_auth_method.has_secret());
            app.access_log.push_secret_use(found.client.id, proof.ok_or_else(refused)?, now);
        }
        None if registration.is_confidential() => return Err(refused()),
        None => {}
    }
    Ok(Arc::clone(&found.client))
}

/// `None` also for a client that nobody may use for now.
async fn find(
    app: &App,
    id: &str,
    address: ClientAddress,
    now: Timestamp,
) -> Result<Option<Arc<ClientWithSecrets>>, OAuthError> {
    match known_client::find(app, id, address, now).await {
        Ok(found) => Ok(Some(found)),
        Err(Missing::Unknown) => Ok(None),
        Err(missing) => Err(missing.into()),
    }
}

fn claimed(headers: &HeaderMap, params: &Params) -> Result<Claimed, OAuthError> {
    let body_id = params.optional("client_id")?;
    let body_secret = params.optional_secret("client_secret")?;
    let Some(basic) = basic::claimed(headers)? else {
        let id = body_id.ok_or_else(|| {
            ErrorCode::InvalidClient.because("the request does not say which client it is from")
        })?;
        return Ok(Claimed { id: id.to_owned(), secret: body_secret });
    };
    if body_secret.is_some() {
        return Err(two_ways());
    }
    if body_id.is_some_and(|id| id != basic.id) {
        return Err(ErrorCode::InvalidRequest.because("client_id differs from the Authorization header"));
    }
    Ok(basic)
}
