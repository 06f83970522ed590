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
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;

use crate::accounts::user;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::gate::challenge::Challenge;
use crate::gate::challenge::Scheme;
use crate::gate::dpop;
use crate::gate::dpop::Call;
use crate::grants::identity;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::params::Params;
use crate::scopes::OPENID;

/// An access token as a request shows it.
struct Shown {
    token: String,
    scheme: Scheme,
}

/// The request, as far as a proof of possession has to be for it.
struct Asked {
    headers: HeaderMap,
    method: Method,
}

pub async fn get(State(app): State<App>, method: Method, headers: HeaderMap) -> Response {
    let shown = in_header(&headers);
    answer(&app, &Asked { headers, method }, shown).await
}

/// The token may be in the form instead (RFC 6750 §2.2).
pub async fn post(State(app): State<App>, request: Request) -> Response {
    let asked = Asked { headers: request.headers().clone(), method: request.method().clone() };
    let shown = match (in_header(&asked.headers), in_form(&app, request).await) {
        (Err(error), _) | (_, Err(error)) => Err(error),
        (Ok(Some(_)), Ok(Some(_))) => {
            Err(ErrorCode::InvalidRequest.because("the request has an access token in two places"))
        }
        (Ok(header), Ok(form)) => Ok(header.or(form)),
    };
    answer(&app, &asked, shown).await
}

/// Another scheme is as good as none (RFC 6750 §3.1).
fn in_header(headers: &HeaderMap) -> Result<Option<Shown>, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() {
        return Err(ErrorCode::InvalidRequest.because("the Authorization header is repeated"));
    }
    let value = String::from_utf8_lossy(value.as_bytes());
    let (scheme, token) = value.split_once(' ').unwrap_or_default();
    let scheme = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => Scheme::Bearer,
        "dpop" => Scheme::Dpop,
        _ => return Ok(None),
    };
    Ok(Some(Shown { token: token.trim().to_owned(), scheme }))
}

/// A body of another kind is no form, and holds no token.
async fn in_form(app: &App, request: Request) -> Result<Option<Shown>, OAuthError> {
    let content_type = request.headers().get(header::CONTENT_TYPE).map_or(&b""[..], |value| value.as_bytes());
    if !content_type.to_ascii_lowercase().starts_with(b"application/x-www-form-urlencoded") {
        return Ok(None);
    }
    let params = Params::read(request, app).await?;
    let token = params.optional("access_token")?;
    Ok(token.map(|token| Shown { token: token.to_owned(), scheme: Scheme::Bearer }))
}

async fn answer(app: &App, asked: &Asked, shown: Result<Option<Shown>, OAuthError>) -> Response {
    let now = app.clock.now();
    let (scheme, told) = match shown {
        // RFC 6750 §3.1: who shows nothing is told nothing but the way.
        Ok(None) => {
            let challenge = challenge(app, Scheme::Bearer, None);
            return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response();
        }
        Ok(Some(shown)) => (shown.scheme, tell(app, asked, &shown, now).await),
        Err(error) => (Scheme::Bearer, Err(error)),
    };
    let mut response = match told {
        Ok(claims) => ([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response(),
        Err(error) => refused(app, scheme, error),
    };
    if scheme == Scheme::Dpop && app.config.dpop_nonces.at_apis() {
        dpop::give_nonce(app, now, response.headers_mut());
    }
    response
}

async fn tell(
    app: &App,
    asked: &Asked,
    Shown { token, scheme }: &Shown,
    now: Timestamp,
) -> Result<Map<String, Value>, OAuthError> {
    let dead = || ErrorCode::InvalidToken.because("the access token is unknown, expired or revoked");
    let claims = app.read_token(token, now).await?.ok_or_else(dead)?;
    let url = app.config.links.to("/oauth/userinfo");
    let call = Call { headers: &asked.headers, method: &asked.method, url: Some(&url) };
    let call = (*scheme == Scheme::Dpop).then_some(call);
    let proof = dpop::check(app, (&claims, token), call, now)?;
    let live = app.cache.live_token(&claims, now).await?.ok_or_else(dead)?;
    if live.organization.suspended_at.is_some() {
        return Err(dead());
    }
    let Some((user, _)) = live.user.filter(|_| live.scopes.contains(OPENID)) else {
        return Err(ErrorCode::InsufficientScope.because("the access token has no scope openid"));
    };
    let user = user::find(&mut *app.db.acquire().await?, user).await?.ok_or_else(dead)?;
    // Last: what is refused for another reason has not used its proof up.
    if let Some(proof) = proof {
        dpop::use_once(app, &proof, now).await?;
    }
    let mut told = identity::claims(&user, &live.scopes);
    told.insert("sub".to_owned(), claims.sub.as_str().into());
    Ok(told)
}

/// RFC 6750 §3, RFC 9449 §7.1: whatever is wrong with a proof is a 401 here.
fn refused(app: &App, scheme: Scheme, error: OAuthError) -> Response {
    let code = error.code;
    let challenge = challenge(app, scheme, Some(&error));
    let mut response = Answer(error, &app.config.links).into_response();
    if matches!(code, ErrorCode::InvalidDpopProof | ErrorCode::UseDpopNonce) {
        *response.status_mut() = StatusCode::UNAUTHORIZED;
    }
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    if code.status().is_client_error()
        && let Ok(challenge) = HeaderValue::try_from(challenge)
    {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    }
    response
}

fn challenge(app: &App, scheme: Scheme, error: Option<&OAuthError>) -> String {
    let mut challenge = Challenge::new(app.config.resources.own(), scheme);
    if let Some(error) = error {
        challenge = challenge.error(error.code.name(), &error.description);
        if error.code == ErrorCode::InsufficientScope {
            challenge = challenge.with("scope", OPENID);
        }
    }
    challenge.write(app)
}
