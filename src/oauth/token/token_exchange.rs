//! Token exchange (RFC 8693): a client passes a part of a person's grant on, to an agent or to the next service, as a
//! grant of its own ([`child`]).
//!
//! Who may: the client to which the subject token was issued, and every confidential client of the same organization,
//! if it is registered for the grant type. Others who see a token, such as the APIs that it is sent to, get nothing for
//! it. A public client gains neither time nor another audience, because whoever finds a token of its can say that they
//! are that client; and it proves to hold the key that the token is bound to. A service that has proved who it is needs
//! no such proof: it cannot have the other client's key. The new token is bound to the key of whoever asks for it.

use std::sync::Arc;

use chrono::DateTime;
use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use sqlx::Connection;

use crate::app::App;
use crate::app::config::Config;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::base::text;
use crate::clients::client::Client;
use crate::grants::access_token::Claims;
use crate::grants::access_token::LiveToken;
use crate::grants::child;
use crate::grants::child::NewChild;
use crate::grants::child::Passed;
use crate::grants::generation;
use crate::grants::generation::PresentedGrant;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::Given;
use crate::oauth::token::TokenResponse;
use crate::oauth::token::answer_for;
use crate::scopes::Scopes;

/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// What our access tokens are, too.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// Of what was passed on: until then it can be exchanged itself. Exchanging its parent again prolongs it.
const LIFETIME: TimeDelta = TimeDelta::hours(1);

const MAX_LABEL_LENGTH: usize = 100;

/// Each actor makes the token longer.
const MAX_ACTORS: usize = 8;

pub(super) async fn exchange(
    app: &App,
    client: &Client,
    params: &Params,
    act: &Act,
    key: Option<&str>,
) -> Result<TokenResponse, OAuthError> {
    check_types(params)?;
    let label = label(params)?;
    let now = act.at;
    let (claims, live) = find(app, "subject_token", params.required("subject_token")?, now).await?;
    check_holder(client, &live)?;
    check_key(client, &claims, key)?;
    let dead = || ErrorCode::InvalidRequest.because("the grant of subject_token has ended");
    let parent = claims.grant.ok_or_else(|| {
        ErrorCode::InvalidRequest.because("subject_token acts for no person: its client can ask for its own")
    })?;
    let actor = actor(app, client, params, key, now).await?;
    let acting = acting(&actor, claims.act.as_ref())?;
    let scopes = scopes(params, client, &live.scopes, app.config.scopes.for_people())?;

    let mut db = app.db.acquire().await?;
    let grant = generation::find_by_id(&mut db, parent).await?.ok_or_else(dead)?;
    let resources = targets(params, client, &app.config, (&claims, &grant))?;
    let is_proved = client.registration.is_confidential();
    let new = NewChild {
        parent,
        client: client.id,
        scopes: &scopes,
        resources: &resources,
        label,
        act: &acting,
        expires_at: ends_at(is_proved, &claims, now).min(grant.expires_at),
        token_key: app.keys.current().newest_token_key(),
    };
    let mut tx = db.begin().await?;
    let id = match child::pass_on(&mut tx, &new, act).await? {
        Passed::On(id) => id,
        Passed::ParentEnded => return Err(dead()),
        Passed::TooMany => {
            let why = format!("{} parts of the grant are in use: use their labels again", child::MAX_LIVE);
            return Err(ErrorCode::InvalidRequest.because(why));
        }
    };
    let child = generation::find_by_id(&mut tx, id).await?.ok_or_else(dead)?;
    tx.commit().await?;
    let given = Given { grant: &child, scopes: &child.scopes, resources: &child.resources, key, nonce: None };
    drop(db);
    let answer = answer_for(app, client, given, now).await?;
    Ok(TokenResponse { issued_token_type: Some(ACCESS_TOKEN), ..answer })
}

/// What a token is, it says itself; the parameters only must not say otherwise (RFC 8693 §3).
fn check_types(params: &Params) -> Result<(), OAuthError> {
    let is_ours = |kind: &str| kind == ACCESS_TOKEN || kind == JWT;
    params.required("subject_token")?;
    if !is_ours(params.required("subject_token_type")?) {
        return Err(ErrorCode::InvalidRequest.because("subject_token_type must be that of access tokens"));
    }
    match (params.optional("actor_token")?, params.optional("actor_token_type")?) {
        (None, None) => {}
        (Some(_), Some(kind)) if is_ours(kind) => {}
        (Some(_), Some(_)) => {
            return Err(ErrorCode::InvalidRequest.because("actor_token_type must be that of access tokens"));
        }
        (Some(_), None) | (None, Some(_)) => {
            return Err(ErrorCode::InvalidRequest.because("actor_token and actor_token_type go together"));
        }
    }
    if params.optional("requested_token_type")?.is_some_and(|kind| kind != ACCESS_TOKEN) {
        return Err(ErrorCode::InvalidRequest.because("requested_token_type must be that of access tokens"));
    }
    Ok(())
}

/// A parameter of ours: as the person will find what was passed on among what they allowed.
fn label(params: &Params) -> Result<Option<&str>, OAuthError> {
    let label = params.optional("label")?.map(str::trim).filter(|label| !label.is_empty());
    if label.is_some_and(|label| label.chars().count() > MAX_LABEL_LENGTH || !text::is_plain(label)) {
        return Err(ErrorCode::InvalidRequest.because("label is plain text of at most 100 characters"));
    }
    Ok(label)
}

/// An access token of ours that is in force. Sessions, API keys, ID tokens and refresh tokens are none.
async fn find(
    app: &App,
    name: &str,
    token: &str,
    now: Timestamp,
) -> Result<(Arc<Claims>, LiveToken), OAuthError> {
    let refused = || ErrorCode::InvalidRequest.because(format!("{name} is not an access token in force"));
    let claims = app.read_token(token, now).await?.ok_or_else(refused)?;
    let live = app.cache.live_token(&claims, now).await?;
    let live = live.filter(|live| live.organization.suspended_at.is_none()).ok_or_else(refused)?;
    Ok((claims, live))
}

fn check_holder(client: &Client, subject: &LiveToken) -> Result<(), OAuthError> {
    let is_colleague = client.registration.is_confidential()
        && client.organization_id.is_some()
        && client.organization_id == subject.client.organization_id;
    if client.id == subject.client.id || is_colleague {
        return Ok(());
    }
    Err(ErrorCode::InvalidRequest.because("subject_token was issued to another client"))
}

/// A copy of a bound token is of no use to whoever only says that they are its client (RFC 9449 §7).
fn check_key(client: &Client, claims: &Claims, key: Option<&str>) -> Result<(), OAuthError> {
    match &claims.cnf {
        Some(bound) if !client.registration.is_confidential() && key != Some(&bound.jkt) => {
            Err(ErrorCode::InvalidRequest
                .because("a token is bound to a key, and there is no proof of that key"))
        }
        _ => Ok(()),
    }
}

/// `sub` of who will act: the holder of the actor token, or else the client itself. A token of somebody else proves
/// nothing of whoever sends it.
async fn actor(
    app: &App,
    client: &Client,
    params: &Params,
    key: Option<&str>,
    now: Timestamp,
) -> Result<String, OAuthError> {
    let Some(token) = params.optional("actor_token")? else { return Ok(client.identifier()) };
    let (claims, live) = find(app, "actor_token", token, now).await?;
    if live.client.id != client.id {
        return Err(ErrorCode::InvalidRequest.because("actor_token was issued to another client"));
    }
    check_key(client, &claims, key)?;
    Ok(claims.sub.clone())
}

/// With those who acted before inside (RFC 8693 §4.1); they are told, and have no say.
fn acting(actor: &str, before: Option<&Value>) -> Result<Value, OAuthError> {
    let mut act = json!({ "sub": actor });
    if let Some(before) = before {
        act["act"] = before.clone();
    }
    let actors = std::iter::successors(Some(&act), |act| act.get("act")).count();
    if actors > MAX_ACTORS {
        return Err(ErrorCode::InvalidRequest.because("subject_token has been passed on too often"));
    }
    Ok(act)
}

/// Those asked for, among what the subject token has and the client may ask for; or else all of these.
fn scopes(params: &Params, client: &Client, had: &Scopes, known: &Scopes) -> Result<Scopes, OAuthError> {
    let most = had.only_in(&client.registration.scopes_for_people()).only_in(known);
    let asked = Scopes::parse(params.optional("scope")?.unwrap_or_default())
        .map_err(|_| ErrorCode::InvalidScope.because("the scope is malformed"))?;
    if !asked.is_subset_of(had) {
        return Err(ErrorCode::InvalidScope.because("the scope is more than subject_token has"));
    }
    if !asked.is_subset_of(&most) {
        return Err(ErrorCode::InvalidScope.because("the client is not registered for that scope"));
    }
    let scopes = if asked.is_empty() { most } else { asked };
    if scopes.is_empty() {
        return Err(ErrorCode::InvalidScope.because("the client is registered for no scope of subject_token"));
    }
    Ok(scopes)
}

/// The APIs asked for, among those that the person granted; or else those of the subject token.
fn targets(
    params: &Params,
    client: &Client,
    config: &Config,
    (claims, grant): (&Claims, &PresentedGrant),
) -> Result<Vec<String>, OAuthError> {
    let own = claims.aud.to_vec();
    let asked = resource::asked_of_exchange(params, config)?;
    let most = if client.registration.is_confidential() { &grant.resources } else { &own };
    resource::check_granted(&asked, config, most)?;
    let mut resources = if asked.is_empty() { own } else { asked };
    // In one spelling, so that the same part of a grant is found again.
    if resources == [config.links.issuer()] {
        resources.clear();
    }
    resources.sort_unstable();
    Ok(resources)
}

fn ends_at(is_proved: bool, claims: &Claims, now: Timestamp) -> Timestamp {
    if is_proved { now + LIFETIME } else { DateTime::from_timestamp(claims.exp, 0).unwrap_or(now) }
}
