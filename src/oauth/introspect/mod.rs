//! `POST /oauth/introspect` (RFC 7662): of access tokens, refresh tokens and API keys.

mod answer;
mod asker;

use axum::extract::Request;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::Response;

use crate::api_keys::format;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::clients::identifier;
use crate::gate::client_address::ClientAddress;
use crate::grants::access_token::Claims;
use crate::grants::generation;
use crate::oauth::error::Answer;
use crate::oauth::error::OAuthError;
use crate::oauth::introspect::answer::Introspection;
use crate::oauth::introspect::asker::Asker;
use crate::oauth::params::Params;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;

pub async fn post(State(app): State<App>, address: ClientAddress, request: Request) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let failed = |error| Answer(error, &app.config.links).into_response();
    let params = match Params::read(request, &app).await {
        Ok(params) => params,
        Err(error) => return failed(error),
    };
    let asker = match Asker::authenticate(&app, &path, (&headers, &params), address).await {
        Ok(asker) => asker,
        Err(refusal) => return refusal,
    };
    let found = introspect(&app, &asker, &params).await;
    found.and_then(|found| found.answer(&app, &asker, &headers)).unwrap_or_else(failed)
}

async fn introspect(app: &App, asker: &Asker, params: &Params) -> Result<Introspection, OAuthError> {
    let token = params.required("token")?;
    params.optional("token_type_hint")?;
    let now = app.clock.now();
    let found = if let Some(parts) = format::parse(token, &app.config.api_key_prefix) {
        of_key(app, asker, &parts, now).await?
    } else if token.starts_with(Kind::Refresh.prefix()) {
        Box::pin(of_refresh_token(app, asker, token, now)).await?
    } else {
        of_access_token(app, asker, token, now).await?
    };
    Ok(found.unwrap_or_default())
}

async fn of_key(
    app: &App,
    asker: &Asker,
    presented: &format::KeyParts<'_>,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let found = app.cache.key(presented.public_id).await?.filter(|(key, organization)| {
        key.is_proved_by(presented, now)
            && key.is_live(now)
            && organization.suspended_at.is_none()
            && asker.may_see(organization.id, None)
    });
    Ok(found.map(|(key, organization)| {
        let creator = key.created_by.as_ref();
        let (sub, username) = creator.map(|(id, email)| (id.to_string(), email.clone())).unzip();
        Introspection {
            active: true,
            scope: Some(key.scopes.to_string()),
            username,
            token_type: Some("api_key"),
            exp: key.expires_at.map(|at| at.timestamp()),
            iat: Some(key.created_at.timestamp()),
            sub,
            org: Some(organization.id),
            key: Some(key.id),
            ..Introspection::default()
        }
    }))
}

/// Active if it could be presented now; looking at it does not count as presenting it.
async fn of_refresh_token(
    app: &App,
    asker: &Asker,
    token: &str,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let keys = app.keys_that(|keys| keys.know(token)).await?;
    let Some((grant, presented)) =
        generation::find(&mut *app.db.acquire().await?, &keys, Kind::Refresh, token).await?
    else {
        return Ok(None);
    };
    let Some(found) = app.cache.client(grant.client_id).await? else { return Ok(None) };
    let lifetimes = &found.client.registration.lifetimes;
    let until = grant.presentable_until(lifetimes);
    let is_live = grant.revoked_at.is_none()
        && found.client.works()
        && now < until
        && grant.judge(presented, lifetimes, now) != Verdict::Replay;
    if !is_live || !asker.may_see(grant.organization_id, Some(grant.client_id)) {
        return Ok(None);
    }
    Ok(Some(Introspection {
        active: true,
        scope: Some(grant.scopes.to_string()),
        client_id: Some(found.client.identifier()),
        token_type: Some("refresh_token"),
        exp: Some(until.timestamp()),
        iat: Some(grant.rotated_at.timestamp()),
        sub: Some(app.subjects.subject(&found.client, grant.user_id)),
        iss: Some(app.config.links.issuer().to_owned()),
        org: Some(grant.organization_id),
        grant: Some(grant.id),
        ..Introspection::default()
    }))
}

async fn of_access_token(
    app: &App,
    asker: &Asker,
    token: &str,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let Some(claims) = app.read_token(token, now).await? else { return Ok(None) };
    if !asker.may_see(claims.org, identifier::row_id(&claims.client_id)) {
        return Ok(None);
    }
    let live = app.cache.live_token(&claims, now).await?;
    let claims = Claims::clone(&claims);
    Ok(live.filter(|live| live.organization.suspended_at.is_none()).map(|live| Introspection {
        active: true,
        scope: Some(live.scopes.to_string()),
        client_id: Some(claims.client_id),
        username: live.user.map(|(_, email)| email),
        token_type: Some(if claims.cnf.is_some() { "DPoP" } else { "Bearer" }),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        sub: Some(claims.sub),
        aud: Some(claims.aud),
        iss: Some(claims.iss),
        jti: Some(claims.jti.to_string()),
        auth_time: claims.auth_time,
        acr: claims.acr,
        amr: claims.amr,
        cnf: claims.cnf,
        act: claims.act,
        org: Some(claims.org),
        grant: claims.grant,
        key: None,
    }))
}
