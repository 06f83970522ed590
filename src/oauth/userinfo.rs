//! `/oauth/userinfo` (OpenID Connect Core §5.3): who the person is, for the app that they signed in to.
//!
//! A token is good here whatever resource it is for (RFC 8707). An app that names the resource for which it wants a
//! token gets one for that alone, and would otherwise never be told what the person let it know; and the answer holds
//! nothing but what the token's own scopes stand for, which the person has seen beside the resource.

use axum::Json;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderValue;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;

use crate::accounts::user;
use crate::app::App;
use crate::grants::access_token;
use crate::grants::identity;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::scopes::OPENID;

pub async fn get(State(app): State<App>, headers: HeaderMap) -> Response {
    answer(&app, bearer(&headers)).await
}

/// The token may be in the form instead (RFC 6750 §2.2).
pub async fn post(State(app): State<App>, request: Request) -> Response {
    let headers = request.headers().clone();
    let presented = match (bearer(&headers), in_form(&app, request).await) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(Some(_)), Ok(Some(_))) => {
            Err(ErrorCode::InvalidRequest.because("the request has an access token in two places"))
        }
        (Ok(header), Ok(form)) => Ok(header.or(form)),
    };
    answer(&app, presented).await
}

/// In the header; another scheme is as good as none (RFC 6750 §3.1).
fn bearer(headers: &HeaderMap) -> Result<Option<String>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ErrorCode::InvalidRequest.because("the Authorization header is repeated"));
    }
    let value = String::from_utf8_lossy(value.as_bytes());
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    Ok(scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned()))
}

/// A body of another kind is no form, and holds no token.
async fn in_form(app: &App, request: Request) -> Result<Option<String>, OAuthError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let params = Params::read(request, app).await?;
    Ok(params.optional("access_token")?.map(str::to_owned))
}

async fn answer(app: &App, presented: Result<Option<String>, OAuthError>) -> Response {
    let told = match presented {
        // RFC 6750 §3.1: who shows nothing is told nothing but the way.
        Ok(None) => {
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge(app, None))])
                .into_response();
        }
        Ok(Some(token)) => tell(app, &token).await,
        Err(error) => Err(error),
    };
    match told {
        Ok(claims) => ([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response(),
        Err(error) => refused(app, error),
    }
}

async fn tell(app: &App, token: &str) -> Result<Map<String, Value>, OAuthError> {
    let dead = || ErrorCode::InvalidToken.because("the access token is unknown, expired or revoked");
    let now = app.clock.now();
    let keys = app.keys_that(|keys| keys.know(token)).await?;
    let claims = access_token::read(&keys, app.config.links.issuer(), token, now).ok_or_else(dead)?;
    let mut db = app.db.acquire().await?;
    let live = access_token::find_live(&mut db, &claims, now).await?.ok_or_else(dead)?;
    if live.organization.suspended_at.is_some() {
        return Err(dead());
    }
    // Whoever shows a token that is bound to a key has to show the key, too (RFC 9449 §7.1).
    if claims.cnf.is_some() {
        return Err(ErrorCode::InvalidToken.because("the access token is bound to a key"));
    }
    let Some((user, _)) = live.user.filter(|_| live.scopes.contains(OPENID)) else {
        return Err(ErrorCode::InsufficientScope.because("the access token has no scope openid"));
    };
    let user = user::find(&mut db, user).await?.ok_or_else(dead)?;
    let mut told = identity::claims(&user, &live.scopes);
    told.insert("sub".to_owned(), claims.sub.into());
    Ok(told)
}

/// RFC 6750 §3.
fn refused(app: &App, error: OAuthError) -> Response {
    let challenge = challenge(app, Some(&error));
    let is_about_token = error.code.status().is_client_error();
    let mut response = Answer(error, &app.config.links).into_response();
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    if is_about_token && let Ok(challenge) = HeaderValue::try_from(challenge) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn challenge(app: &App, error: Option<&OAuthError>) -> String {
    let realm = format!("Bearer realm=\"{}\"", app.config.links.issuer());
    let Some(error) = error else { return realm };
    let (name, description) = (error.code.name(), &error.description);
    let scope = if error.code == ErrorCode::InsufficientScope { ", scope=\"openid\"" } else { "" };
    format!("{realm}, error=\"{name}\", error_description=\"{description}\"{scope}")
}
