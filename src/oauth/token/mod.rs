//! `POST /oauth/token` (RFC 6749 §3.2): picks the grant, answers with tokens.

mod authorization_code;
mod client_credentials;
mod device_code;
mod refresh_token;
mod token_exchange;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use chrono::TimeDelta;
use serde::Serialize;
use serde_json::Map;
use serde_json::Value;

use crate::accounts::user;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::secret::Secret;
use crate::clients::client::Client;
use crate::clients::registration::AUTHORIZATION_CODE;
use crate::clients::registration::CLIENT_CREDENTIALS;
use crate::clients::registration::DEVICE_CODE;
use crate::clients::registration::REFRESH_TOKEN;
use crate::clients::registration::TOKEN_EXCHANGE;
use crate::gate::dpop::proof::Refusal;
use crate::grants::access_token;
use crate::grants::access_token::Holder;
use crate::grants::access_token::NewToken;
use crate::grants::generation::PresentedGrant;
use crate::grants::id_token;
use crate::grants::id_token::NewIdToken;
use crate::grants::identity;
use crate::oauth::client_form::ClientForm;
use crate::oauth::dpop;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::scopes::OPENID;
use crate::scopes::Scopes;

pub async fn post(State(app): State<App>, headers: HeaderMap, form: ClientForm) -> Response {
    let response = match grant(&app, &headers, &form).await {
        Ok(tokens) => tokens.into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    };
    dpop::give_nonce(&app, &headers, response)
}

async fn grant(app: &App, headers: &HeaderMap, form: &ClientForm) -> Result<TokenResponse, OAuthError> {
    let ClientForm { client, params, act } = form;
    let grant_type = params.required("grant_type")?;
    let offered = [AUTHORIZATION_CODE, REFRESH_TOKEN, CLIENT_CREDENTIALS, DEVICE_CODE, TOKEN_EXCHANGE];
    let Some(grant_type) = offered.into_iter().find(|offered| *offered == grant_type) else {
        return Err(ErrorCode::UnsupportedGrantType.because("the server does not offer that grant type"));
    };
    if !client.has_grant_type(grant_type) {
        return Err(ErrorCode::UnauthorizedClient
            .because(format!("the client is not registered for the grant type {grant_type}")));
    }
    let key = Box::pin(dpop::shown_key(app, headers, "/oauth/token")).await?;
    if client.registration.dpop_bound_access_tokens && key.is_none() {
        return Err(Refusal::Missing.into());
    }
    let key = key.as_deref();
    // Boxed, each in its own size.
    let tokens = match grant_type {
        AUTHORIZATION_CODE => Box::pin(authorization_code::exchange(app, client, params, act, key)).await,
        REFRESH_TOKEN => Box::pin(refresh_token::refresh(app, client, params, act, key)).await,
        DEVICE_CODE => Box::pin(device_code::exchange(app, client, params, act, key)).await,
        TOKEN_EXCHANGE => Box::pin(token_exchange::exchange(app, client, params, act, key)).await,
        _ => client_credentials::issue(app, client, params, key),
    }?;
    app.metrics.count_token_issue(grant_type);
    Ok(tokens.bound_to(key))
}

/// What a client gets of a person's grant, at this time.
#[derive(Debug, Clone, Copy)]
struct Given<'a> {
    grant: &'a PresentedGrant,
    scopes: &'a Scopes,
    resources: &'a [String],
    /// To which its access token is bound (RFC 9449 §5).
    key: Option<&'a str>,
    /// Of the authorization request, for the first ID token (OpenID Connect Core §12.2).
    nonce: Option<&'a str>,
}

/// The one place where the tokens of a grant are made, however the client came to it. Whoever calls it holds no connection
/// to the database: it may need one.
async fn answer_for(
    app: &App,
    client: &Client,
    given: Given<'_>,
    now: Timestamp,
) -> Result<TokenResponse, OAuthError> {
    let Given { grant, scopes, resources, key, nonce } = given;
    // For a retry on another node than the first attempt's, its key may be news.
    let keys = app.keys_that(|keys| keys.has_token_key(grant.token_key)).await?;
    let holder = Holder::Grant(grant);
    let new = NewToken { client, holder, scopes, resources, dpop_jkt: key };
    let access_token = access_token::mint(&keys, app.issuer(), &new, now)?;
    // A part of a grant is passed on again as long as its parent lives, not refreshed.
    let is_refreshed = client.has_grant_type(REFRESH_TOKEN) && grant.parent_id.is_none();
    let refresh_token = if is_refreshed { Some(grant.token(&keys)?) } else { None };
    let lifetime = access_token::lifetime(client, holder, now);
    let tokens = TokenResponse::bearer(&access_token, lifetime, refresh_token.as_ref(), scopes);
    // Nobody signs in to an agent.
    if grant.parent_id.is_some() {
        return Ok(tokens);
    }
    let new = NewIdToken { client, grant, scopes, access_token: &access_token, nonce };
    let person = person(app, grant, scopes).await?;
    let id_token = id_token::mint(&keys, app.issuer(), &new, person, now)?;
    Ok(tokens.with_id_token(id_token.as_ref()))
}

/// What an ID token tells of them.
async fn person(app: &App, grant: &PresentedGrant, scopes: &Scopes) -> sqlx::Result<Map<String, Value>> {
    if !scopes.contains(OPENID) || !identity::is_told_by(scopes) {
        return Ok(Map::new());
    }
    let user = user::find(&mut *app.db.acquire().await?, grant.user_id).await?;
    Ok(user.map(|user| identity::claims(&user, scopes)).unwrap_or_default())
}

/// RFC 6749 §5.1.
#[derive(Serialize)]
pub struct TokenResponse {
    access_token: String,
    /// Of an exchange (RFC 8693 §2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_token_type: Option<&'static str>,
    token_type: &'static str,
    /// Seconds.
    expires_in: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// OpenID Connect Core §3.1.3.3.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_token: Option<String>,
    /// Always stated: a person may have granted less than was asked.
    scope: String,
}

impl TokenResponse {
    fn bearer(
        access_token: &Secret,
        lifetime: TimeDelta,
        refresh_token: Option<&Secret>,
        scopes: &Scopes,
    ) -> Self {
        Self {
            access_token: access_token.expose().to_owned(),
            issued_token_type: None,
            token_type: "Bearer",
            expires_in: lifetime.num_seconds(),
            refresh_token: refresh_token.map(|token| token.expose().to_owned()),
            id_token: None,
            scope: scopes.to_string(),
        }
    }

    /// RFC 9449 §5.
    fn bound_to(self, key: Option<&str>) -> Self {
        Self { token_type: if key.is_some() { "DPoP" } else { self.token_type }, ..self }
    }

    fn with_id_token(self, id_token: Option<&Secret>) -> Self {
        Self { id_token: id_token.map(|token| token.expose().to_owned()), ..self }
    }
}

impl IntoResponse for TokenResponse {
    fn into_response(self) -> Response {
        // RFC 6749 §5.1 asks for both headers; `Pragma` is for caches older than HTTP/1.1.
        ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(self)).into_response()
    }
}
