//! The refresh token grant (RFC 6749 §6, RFC 9700 §4.14).

use chrono::TimeDelta;
use sqlx::Connection;
use sqlx::PgConnection;

use crate::app::App;
use crate::audit::act::Act;
use crate::base::clock::Timestamp;
use crate::clients::client::Client;
use crate::grants::generation;
use crate::grants::generation::Ending;
use crate::grants::generation::PlainRefresh;
use crate::grants::generation::PresentedGrant;
use crate::oauth::dpop;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::oauth::resource;
use crate::oauth::token::Given;
use crate::oauth::token::TokenResponse;
use crate::oauth::token::answer_for;
use crate::protocol::refresh;
use crate::protocol::refresh::RefreshRequest;
use crate::scopes::Scopes;
use crate::signing::derived;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;
use crate::signing::keyring::Keys;

/// Longer than a request waits for a connection and for its statement. Who loses a race is found in a retry window of that
/// length; with a shorter one the token must be looked at first, or a lost race could not be told from a replay.
const LONGEST_RACE: TimeDelta = TimeDelta::seconds(20);

pub(super) async fn refresh(
    app: &App,
    client: &Client,
    params: &Params,
    act: &Act,
    key: Option<&str>,
) -> Result<TokenResponse, OAuthError> {
    let refresh_token = params.required("refresh_token")?;
    let scope = params.optional("scope")?.filter(|scope| !scope.trim().is_empty());
    let request = RefreshRequest { client_id: client.id, refresh_token, scope };
    let now = act.at;
    let keys = app.keys_that(|keys| keys.know(refresh_token)).await?;
    let lifetimes = &client.registration.lifetimes;
    let allowed = client.registration.scopes_for_people().only_in(app.config.scopes.for_people());

    if key.is_none()
        && lifetimes.retry_window >= LONGEST_RACE
        && params.all("resource").next().is_none()
        && let Some((grant, scopes)) = refresh_plainly(app, client, request, (&keys, &allowed), now).await?
    {
        let given = Given { grant: &grant, scopes: &scopes, resources: &grant.resources, key, nonce: None };
        return answer_for(app, client, given, now).await;
    }
    let mut db = app.db.acquire().await?;

    // Once more only if another request has moved the row on since it was read. Then this one is a retry, whatever
    // the window: both came while the token was the current one.
    let mut lost_race = false;
    loop {
        let found = generation::find(&mut db, &keys, Kind::Refresh, refresh_token).await?;
        let scopes = refresh::decide(request, found.as_ref().map(|(grant, _)| grant))?;
        // What the client, or anybody, may no longer ask for is not refreshed either.
        let scopes = scopes.only_in(&allowed);
        let Some((grant, presented)) = found else {
            return Err(ErrorCode::InvalidGrant.because("the refresh token is unknown"));
        };
        if grant.revoked_at.is_some() {
            return Err(ErrorCode::InvalidGrant.because("the grant was revoked"));
        }
        if scopes.is_empty() {
            return Err(ErrorCode::InvalidScope.because("the client may no longer have what was granted"));
        }
        dpop::check_binding(client, &grant, presented, key)?;
        let resources = resource::narrowed(params, &app.config, &grant.resources)?;
        let grant = match grant.judge(presented, lifetimes, now) {
            _ if now >= grant.expires_at => {
                return Err(ErrorCode::InvalidGrant.because("the refresh token has expired"));
            }
            Verdict::Current if now >= grant.presentable_until(lifetimes) => {
                return Err(ErrorCode::InvalidGrant.because("the refresh token has expired"));
            }
            Verdict::Current => {
                let bound_to = key.filter(|_| !client.registration.is_confidential());
                let with = (keys.newest_token_key(), bound_to);
                let Some(moved) = generation::move_on(&mut db, &grant, with, now).await? else {
                    lost_race = true;
                    continue;
                };
                moved
            }
            // A lost answer: the same successor again, with a new access token.
            Verdict::Retry => grant,
            Verdict::Replay if lost_race && presented == grant.generation - 1 => grant,
            Verdict::Replay => return Err(replayed(app, &mut db, &grant, act).await?),
        };
        // The successor may be bound though what was presented is not.
        dpop::check_binding(client, &grant, grant.generation, key)?;

        let given = Given { grant: &grant, scopes: &scopes, resources: &resources, key, nonce: None };
        drop(db);
        return answer_for(app, client, given, now).await;
    }
}

/// The usual case in one round trip to the database; `None` for all others. With the scopes of the new access token.
async fn refresh_plainly(
    app: &App,
    client: &Client,
    request: RefreshRequest<'_>,
    (keys, allowed): (&Keys, &Scopes),
    now: Timestamp,
) -> Result<Option<(PresentedGrant, Scopes)>, OAuthError> {
    let Some(presented) = derived::read(keys, Kind::Refresh, request.refresh_token) else { return Ok(None) };
    // What is malformed is refused by those who say why.
    let Ok(asked) = Scopes::parse(request.scope.unwrap_or_default()) else { return Ok(None) };
    let plain = PlainRefresh {
        client_id: client.id,
        asked: &asked,
        allowed: if asked.is_empty() { allowed } else { &asked.only_in(allowed) },
        idle: client.registration.lifetimes.refresh_token_idle,
        token_key: keys.newest_token_key(),
    };
    let mut lane = app.lanes.take().await?;
    let moved = generation::refresh_plainly(&mut lane, presented, plain, now).await;
    let Some(grant) = lane.end(moved)? else { return Ok(None) };
    let scopes = refresh::decide(request, Some(&grant))?.only_in(allowed);
    Ok(Some((grant, scopes)))
}

/// Ends the grant. Committed before the refusal: returning the error would take it back.
async fn replayed(
    app: &App,
    db: &mut PgConnection,
    grant: &PresentedGrant,
    act: &Act,
) -> sqlx::Result<OAuthError> {
    let mut tx = db.begin().await?;
    generation::revoke(&mut tx, grant, Ending::Replay, act).await?;
    tx.commit().await?;
    app.cache.catch_up().await;
    tracing::warn!(grant.id = %grant.id, client.id = %grant.client_id, "a refresh token was replayed: grant revoked");
    Ok(ErrorCode::InvalidGrant.because("the refresh token was used before; its grant is revoked"))
}
