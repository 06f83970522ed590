//! A request object by value (RFC 9101): the parameters of an authorization request, signed by the client.

use std::fmt::Display;

use chrono::TimeDelta;
use serde::Deserialize;
use serde_json::Map;
use serde_json::Value;

use crate::app::App;
use crate::base::clock::Timestamp;
use crate::clients::client::Client;
use crate::grants::access_token::Audience;
use crate::grants::pending_request::ObjectId;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::signing::foreign::jws::Jws;
use crate::signing::foreign::key_set::KeySet;
use crate::signing::foreign::numeric_date::NumericDate;

/// `typ`, where there is one (RFC 9101 §10.8): no JWT that is for something else passes.
const TYPES: [&str; 2] = ["oauth-authz-req+jwt", "jwt"];

/// By how much the client's clock may be wrong.
const SKEW: TimeDelta = TimeDelta::seconds(30);

/// What an object says of itself. Where it leaves something out, that is not held against it (RFC 9101 §4), but for the
/// client: without it a JWT that the client signed for something else could pass.
#[derive(Deserialize)]
struct Claims {
    client_id: Option<String>,
    iss: Option<String>,
    aud: Option<Audience>,
    exp: Option<NumericDate>,
    nbf: Option<NumericDate>,
    jti: Option<String>,
    request: Option<Value>,
    request_uri: Option<Value>,
}

/// One that the client signed.
pub(super) struct RequestObject {
    pub params: Params,
    /// `None` if it has no `jti`, or never expires: then it is meant to be used again.
    pub id: Option<ObjectId>,
    /// Why it does not count nevertheless. The client is told where its object says.
    pub fault: Option<OAuthError>,
}

/// An error if it is not proven that the client signed the object: then nothing in it counts.
pub(super) async fn read(
    app: &App,
    client: &Client,
    object: &str,
    now: Timestamp,
) -> Result<RequestObject, OAuthError> {
    let jws = Jws::parse(object).map_err(invalid)?;
    if jws.header.typ().is_some_and(|typ| !TYPES.contains(&typ.as_str())) {
        return Err(invalid("has a typ that is neither oauth-authz-req+jwt nor JWT"));
    }
    let suffice = |keys: &KeySet| keys.has_candidate(&jws.header);
    let keys = app.client_keys.of(&client.registration, suffice, now).await;
    let keys = keys.map_err(|_| {
        invalid("cannot be verified: the client has neither jwks nor jwks_uri, or its keys cannot be fetched")
    })?;
    let all: Map<String, Value> = jws.verify(&keys).map_err(invalid)?;
    let claims: Claims = jws.unproven_claims().map_err(invalid)?;
    Ok(RequestObject {
        params: Params::of_claims(all)?,
        fault: fault(app, client, &claims, now).map(invalid),
        id: claims.jti.zip(claims.exp).map(|(id, exp)| ObjectId { id, expires_at: exp.moment() + SKEW }),
    })
}

fn fault(app: &App, client: &Client, claims: &Claims, now: Timestamp) -> Option<String> {
    let (issuer, client) = (app.config.links.issuer(), client.identifier());
    let fault = if claims.client_id.as_ref() != Some(&client) {
        "must have a client_id, the same as beside it"
    } else if claims.iss.as_ref().is_some_and(|iss| *iss != client) {
        "must have the client as iss"
    } else if claims.aud.as_ref().is_some_and(|aud| !aud.includes(issuer)) {
        return Some(format!("must have {issuer} as aud"));
    } else if claims.exp.is_some_and(|exp| exp.moment() <= now - SKEW) {
        "has expired"
    } else if claims.nbf.is_some_and(|nbf| nbf.moment() > now + SKEW) {
        "is not valid yet: its nbf is in the future"
    } else if claims.request.is_some() || claims.request_uri.is_some() {
        "cannot hold another one: request and request_uri have no place in it"
    } else {
        return None;
    };
    Some(fault.to_owned())
}

fn invalid(what: impl Display) -> OAuthError {
    ErrorCode::InvalidRequestObject.because(format!("the request object {what}"))
}

/// For one that led to an answer before.
pub(in crate::oauth) fn used_up() -> OAuthError {
    invalid("was used before: each has a jti of its own")
}
