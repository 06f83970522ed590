//! `POST /oauth/introspect` (RFC 7662): of access tokens, refresh tokens and API keys.

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;
use sqlx::PgConnection;

use crate::api_keys::format;
use crate::api_keys::verify;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::ClientId;
use crate::base::ids::GrantId;
use crate::base::ids::OrganizationId;
use crate::clients::client;
use crate::clients::identifier;
use crate::gate::caller;
use crate::gate::client_address::ClientAddress;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission;
use crate::gate::principal;
use crate::grants::access_token;
use crate::grants::access_token::Audience;
use crate::grants::generation;
use crate::oauth::client_auth;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::scopes::ADMIN;
use crate::signing::derived::Kind;
use crate::signing::derived::Verdict;

/// Who asks: a confidential client, or an API key with `admin`.
struct Asker {
    /// `None`: a client that registered itself.
    organization: Option<OrganizationId>,
    client: Option<ClientId>,
}

impl Asker {
    /// Its organization's tokens, and those that it was given itself.
    fn may_see(&self, organization: OrganizationId, client: Option<ClientId>) -> bool {
        self.organization == Some(organization) || (self.client.is_some() && self.client == client)
    }
}

/// RFC 7662 §2.2. Everything but `active` is absent when it is `false`.
#[derive(Debug, Default, Serialize)]
#[serde(default)]
struct Introspection {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<Audience>,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org: Option<OrganizationId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant: Option<GrantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<ApiKeyId>,
}

pub async fn post(State(app): State<App>, address: ClientAddress, request: Request) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let params = match Params::read(request, &app).await {
        Ok(params) => params,
        Err(error) => return Answer(error, &app.config.links).into_response(),
    };
    let carries_key = headers.contains_key("x-api-key")
        || headers
            .get(header::AUTHORIZATION)
            .is_some_and(|value| value.as_bytes().to_ascii_lowercase().starts_with(b"bearer "));
    let asker = if carries_key {
        match asking_key(&app, &headers, address).await {
            Ok(asker) => asker,
            Err(error) => return error.into_response(),
        }
    } else {
        match asking_client(&app, &path, &headers, &params, address).await {
            Ok(asker) => asker,
            Err(error) => return Answer(error, &app.config.links).into_response(),
        }
    };
    match introspect(&app, &asker, &params).await {
        Ok(found) => ([(header::CACHE_CONTROL, "no-store")], Json(found)).into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

async fn asking_client(
    app: &App,
    path: &str,
    headers: &axum::http::HeaderMap,
    params: &Params,
    address: ClientAddress,
) -> Result<Asker, OAuthError> {
    let client = client_auth::authenticate(app, path, headers, params, address).await?;
    if !client.registration.is_confidential() {
        // RFC 7662 §4: or anybody could try tokens out.
        return Err(ErrorCode::InvalidClient.because("only a confidential client may introspect"));
    }
    Ok(Asker { organization: client.organization_id, client: Some(client.id) })
}

async fn asking_key(
    app: &App,
    headers: &axum::http::HeaderMap,
    address: ClientAddress,
) -> Result<Asker, ApiError> {
    let unknown = || {
        let challenge = caller::challenge(app, Some("invalid_token"));
        ApiErrorCode::Unauthorized.because("Invalid or missing API key").challenge(challenge)
    };
    let presented = principal::presented(headers)?.ok_or_else(unknown)?;
    let principal = principal::resolve(app, &presented, app.clock.now()).await?.ok_or_else(unknown)?;
    if principal.key.is_none() {
        return Err(unknown());
    }
    caller::check_organization(&principal, address)?;
    permission::check_scope(app, &principal, ADMIN)?;
    Ok(Asker { organization: Some(principal.organization.id), client: None })
}

async fn introspect(app: &App, asker: &Asker, params: &Params) -> Result<Introspection, OAuthError> {
    let token = params.required("token")?;
    params.optional("token_type_hint")?;
    let now = app.clock.now();
    let mut db = app.db.acquire().await?;
    let found = if let Some(parts) = format::parse(token, &app.config.api_key_prefix) {
        of_key(&mut db, asker, &parts, now).await?
    } else if token.starts_with(Kind::Refresh.prefix()) {
        of_refresh_token(app, &mut db, asker, token, now).await?
    } else {
        of_access_token(app, &mut db, asker, token, now).await?
    };
    Ok(found.unwrap_or_default())
}

async fn of_key(
    db: &mut PgConnection,
    asker: &Asker,
    parts: &format::KeyParts<'_>,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let key = verify::find(db, parts, now).await?;
    let key = key.filter(|key| {
        key.is_live && key.organization.suspended_at.is_none() && asker.may_see(key.organization.id, None)
    });
    Ok(key.map(|key| {
        let (sub, username) = key.created_by.map(|(id, email)| (id.to_string(), email)).unzip();
        Introspection {
            active: true,
            scope: Some(key.scopes.to_string()),
            username,
            token_type: Some("api_key"),
            exp: key.expires_at.map(|at| at.timestamp()),
            iat: Some(key.created_at.timestamp()),
            sub,
            org: Some(key.organization.id),
            key: Some(key.id),
            ..Introspection::default()
        }
    }))
}

/// Active if it could be presented now; looking at it does not count as presenting it.
async fn of_refresh_token(
    app: &App,
    db: &mut PgConnection,
    asker: &Asker,
    token: &str,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let keys = app.keys_that(|keys| keys.know(token)).await?;
    let Some((grant, presented)) = generation::find(db, &keys, Kind::Refresh, token).await? else {
        return Ok(None);
    };
    let Some(found) = client::find(db, grant.client_id, now).await? else { return Ok(None) };
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
    db: &mut PgConnection,
    asker: &Asker,
    token: &str,
    now: Timestamp,
) -> Result<Option<Introspection>, OAuthError> {
    let keys = app.keys_that(|keys| keys.know(token)).await?;
    let Some(claims) = access_token::read(&keys, app.config.links.issuer(), token, now) else {
        return Ok(None);
    };
    if !asker.may_see(claims.org, identifier::row_id(&claims.client_id)) {
        return Ok(None);
    }
    let live = access_token::find_live(db, &claims, now).await?;
    Ok(live.filter(|live| live.organization.suspended_at.is_none()).map(|live| Introspection {
        active: true,
        scope: Some(live.scopes.to_string()),
        client_id: Some(claims.client_id),
        username: live.user.map(|(_, email)| email),
        token_type: Some("Bearer"),
        exp: Some(claims.exp),
        iat: Some(claims.iat),
        sub: Some(claims.sub),
        aud: Some(claims.aud),
        iss: Some(claims.iss),
        jti: Some(claims.jti.to_string()),
        org: Some(claims.org),
        grant: claims.grant,
        key: None,
    }))
}
