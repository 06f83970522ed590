//! `private_key_jwt`: the client signs a JWT with a key of its own (RFC 7523 §2.2 and §3, OpenID Connect Core §9).
//!
//! What is wrong with an assertion in itself is said to whoever sent it. Whatever depends on the client is one refusal,
//! so that a stranger cannot learn which clients exist and how they authenticate.

use std::sync::Arc;

use std::fmt::Display;

use chrono::TimeDelta;
use serde::Deserialize;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::clients::client::Client;
use crate::clients::identifier;
use crate::clients::registration::AuthMethod;
use crate::gate::client_address::ClientAddress;
use crate::grants::access_token::Audience;
use crate::oauth::client_auth;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::signing::foreign::jws::Jws;
use crate::signing::foreign::key_set::KeySet;
use crate::signing::foreign::numeric_date::NumericDate;
use crate::signing::foreign::used_id;
use crate::signing::foreign::used_id::UsedId;

/// `client_assertion_type`.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// `typ` (draft-ietf-oauth-rfc7523bis), where there is one: no JWT that is for something else passes (RFC 8725 §3.11).
const TYPES: [&str; 2] = ["client-authentication+jwt", "jwt"];

/// How far ahead an assertion may expire: Authlib signs for an hour. For as long its id is kept.
const LONGEST: TimeDelta = TimeDelta::hours(1);

/// By how much the client's clock may be wrong.
const SKEW: TimeDelta = TimeDelta::seconds(30);

#[derive(Debug, Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Audience,
    exp: NumericDate,
    nbf: Option<NumericDate>,
    iat: Option<NumericDate>,
    jti: String,
}

/// `None` if a request does not want to authenticate with an assertion.
pub(super) fn presented(params: &Params) -> Result<Option<&str>, OAuthError> {
    match (params.optional("client_assertion_type")?, params.optional("client_assertion")?) {
        (None, None) => Ok(None),
        (Some(TYPE), Some(assertion)) => Ok(Some(assertion)),
        (Some(_), None) => Err(fault("is missing")),
        _ => Err(ErrorCode::InvalidClient.because(format!("client_assertion_type is not {TYPE}"))),
    }
}

/// `path` is that of the endpoint, `client_id` what stands beside the assertion.
pub(super) async fn authenticate(
    app: &App,
    path: &str,
    assertion: &str,
    client_id: Option<&str>,
    address: ClientAddress,
) -> Result<Arc<Client>, OAuthError> {
    let now = app.clock.now();
    let jws = Jws::parse(assertion).map_err(fault)?;
    let claims: Claims = jws.unproven_claims().map_err(fault)?;
    check_kind(&jws, &claims)?;
    check_times(&claims, now)?;
    check_audience(app, path, &claims)?;
    if client_id.is_some_and(|id| id != claims.sub) {
        return Err(ErrorCode::InvalidClient.because("client_id differs from the sub of client_assertion"));
    }

    let found = client_auth::find(app, &claims.sub, address, now).await?.ok_or_else(refused)?;
    let client = Arc::clone(&found.client);
    if client.registration.token_endpoint_auth_method != AuthMethod::PrivateKeyJwt {
        return Err(refused());
    }
    let suffice = |keys: &KeySet| keys.has_candidate(&jws.header);
    let keys = app.client_keys.of(&client.registration, suffice, now).await.map_err(|_| refused())?;
    let claims: Claims = jws.verify(&keys).map_err(|_| refused())?;

    // Last of all, so that nobody else can use the id up.
    let id = UsedId { purpose: "client_assertion", issuer: &claims.iss, id: &claims.jti };
    let mut db = app.db.acquire().await?;
    if !used_id::use_once(&mut db, id, claims.exp.moment() + SKEW).await? {
        return Err(fault("was used before: each has a jti of its own"));
    }
    Ok(client)
}

fn check_kind(jws: &Jws<'_>, claims: &Claims) -> Result<(), OAuthError> {
    if jws.header.typ().is_some_and(|typ| !TYPES.contains(&typ.as_str())) {
        return Err(fault("has a typ that is neither JWT nor client-authentication+jwt"));
    }
    if claims.iss != claims.sub {
        return Err(fault("must name the client both as iss and as sub"));
    }
    if claims.jti.is_empty() {
        return Err(fault("has an empty jti"));
    }
    Ok(())
}

fn check_times(claims: &Claims, now: Timestamp) -> Result<(), OAuthError> {
    let is_ahead = |date: Option<NumericDate>| date.is_some_and(|date| date.moment() > now + SKEW);
    let expires_at = claims.exp.moment();
    if expires_at <= now - SKEW {
        return Err(fault("has expired"));
    }
    if expires_at > now + LONGEST + SKEW {
        return Err(fault(format!("must expire within {} minutes", LONGEST.num_minutes())));
    }
    if is_ahead(claims.nbf) || is_ahead(claims.iat) {
        return Err(fault("is not valid yet: its nbf or iat is in the future"));
    }
    Ok(())
}

/// Nobody but this server: by its issuer, as draft-ietf-oauth-rfc7523bis wants it of everybody. By the URL of the token
/// endpoint or of the endpoint that is called, as RFC 7523 §3 and RFC 9126 §2 allow it, only from those who were
/// registered here: an app that is the same client everywhere could be talked into signing for this server by another
/// one, which names our endpoint as its own. Some libraries name issuer and token endpoint both.
fn check_audience(app: &App, path: &str, claims: &Claims) -> Result<(), OAuthError> {
    let links = &app.config.links;
    let is_endpoint = |audience: &str| {
        !identifier::is_url(&claims.sub)
            && [links.to("/oauth/token"), links.to(path)].iter().any(|url| url == audience)
    };
    let is_us = |audience: &String| audience == links.issuer() || is_endpoint(audience);
    let is_for_us = match &claims.aud {
        Audience::One(one) => is_us(one),
        Audience::Several(several) => !several.is_empty() && several.iter().all(is_us),
    };
    if is_for_us {
        return Ok(());
    }
    Err(fault(format!("must have {} as its only aud", links.issuer())))
}

fn fault(what: impl Display) -> OAuthError {
    ErrorCode::InvalidClient.because(format!("client_assertion {what}"))
}

/// What a stranger may know, and what a developer should look at.
fn refused() -> OAuthError {
    ErrorCode::InvalidClient.because(
        "client authentication failed: there is no such client that authenticates with private_key_jwt, or \
         client_assertion is not signed with one of the keys in its jwks or at its jwks_uri",
    )
}
