//! Proofs of possession at the endpoints that clients call (RFC 9449 §5, §10): the key that a client shows there is
//! the one to which its tokens are bound.

use axum::http::HeaderMap;
use axum::http::Method;
use axum::response::Response;

use crate::app::App;
use crate::clients::client::Client;
use crate::gate::dpop;
use crate::gate::dpop::HEADER;
use crate::gate::dpop::proof::Expected;
use crate::gate::dpop::proof::Proof;
use crate::gate::dpop::proof::Refusal;
use crate::grants::generation::PresentedGrant;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::signing::foreign::used_id;

/// Of a SHA-256 in base64url.
const THUMBPRINT_LENGTH: usize = 43;

/// The thumbprint of the key that the request proves to hold, `None` if it proves none. The proof is used up.
pub(super) async fn shown_key(
    app: &App,
    headers: &HeaderMap,
    path: &str,
) -> Result<Option<String>, OAuthError> {
    let Some(text) = dpop::presented(headers)? else { return Ok(None) };
    let now = app.clock.now();
    let url = app.config.links.to(path);
    let expected = Expected { method: &Method::POST, url: Some(&url), token: None };
    let nonces = app.config.dpop_nonces.at_token_endpoint().then_some(&app.nonces);
    let proof = Proof::read(text, &expected, nonces, now)?;
    let mut db = app.db.acquire().await?;
    if !used_id::use_once(&mut db, proof.id(), proof.counts_until).await? {
        return Err(Refusal::Used.into());
    }
    Ok(Some(proof.key))
}

/// Whoever sends proofs, good or not, learns the nonce for the next one.
pub(super) fn give_nonce(app: &App, headers: &HeaderMap, mut response: Response) -> Response {
    if headers.contains_key(HEADER) && app.config.dpop_nonces.at_token_endpoint() {
        dpop::give_nonce(app, app.clock.now(), response.headers_mut());
    }
    response
}

/// Whether the request proves to hold the key that a code or refresh token is bound to. Comes before the replay check:
/// a copy without the key must not log its owner out.
pub(super) fn check_binding(
    client: &Client,
    grant: &PresentedGrant,
    generation: i32,
    key: Option<&str>,
) -> Result<(), OAuthError> {
    // A confidential client's refresh tokens are bound to the client, whatever its key (RFC 9449 §5).
    let is_free = generation > 0 && client.registration.is_confidential();
    match grant.key_of(generation) {
        Some(bound) if !is_free && key != Some(bound) => Err(ErrorCode::InvalidGrant
            .because("the code or refresh token is bound to a key, and there is no proof of that key")),
        _ => Ok(()),
    }
}

/// `dpop_jkt` of an authorization request (RFC 9449 §10).
pub(super) fn asked_key(params: &Params) -> Result<Option<String>, OAuthError> {
    let Some(thumbprint) = params.optional("dpop_jkt")? else { return Ok(None) };
    let is_base64url = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if thumbprint.len() != THUMBPRINT_LENGTH || !thumbprint.bytes().all(is_base64url) {
        return Err(ErrorCode::InvalidRequest.because("dpop_jkt is not a base64url SHA-256"));
    }
    Ok(Some(thumbprint.to_owned()))
}

/// A request that was pushed with a proof asks for a code that is bound to its key (RFC 9449 §10.1).
pub(super) fn asking_with(params: Params, shown: Option<String>) -> Result<Params, OAuthError> {
    match (params.optional("dpop_jkt")?, shown) {
        (None, Some(key)) => Ok(params.with("dpop_jkt", key)),
        (Some(asked), Some(key)) if asked != key => {
            Err(ErrorCode::InvalidRequest.because("dpop_jkt is not the key of the DPoP proof"))
        }
        _ => Ok(params),
    }
}

impl From<Refusal> for OAuthError {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal.code() {
            "use_dpop_nonce" => ErrorCode::UseDpopNonce,
            "invalid_token" => ErrorCode::InvalidToken,
            _ => ErrorCode::InvalidDpopProof,
        };
        code.because(format!("the DPoP proof {refusal}"))
    }
}
