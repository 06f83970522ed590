//! `POST /oauth/register` (RFC 7591): an app registers itself.
//!
//! Anybody may, where the operator has not said otherwise, so nothing follows from it: no page lists such a client
//! until a person lets it in, it acts for people only, and what nobody uses for a month is removed.

pub mod management;

mod information;
mod sector;

use axum::body::Bytes;
use axum::extract::FromRequest;
use axum::extract::FromRequestParts;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde_json::Map;
use serde_json::Value;

use crate::app::App;
use crate::app::client_registration::ClientRegistration;
use crate::base::secret::Secret;
use crate::clients::client;
use crate::clients::metadata;
use crate::clients::registration::Invalid;
use crate::clients::registration::Registration;
use crate::clients::self_registered;
use crate::gate::client_address::ClientAddress;
use crate::gate::rate_limit;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::register::information::Credentials;

/// In bytes: fifty redirect URIs and a key set, and nothing to fill a table with.
const MAX_BODY: usize = 16 * 1024;

pub async fn post(State(app): State<App>, request: Request) -> Response {
    match register(&app, request).await {
        Ok(information) => (StatusCode::CREATED, information).into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

async fn register(app: &App, request: Request) -> Result<Response, OAuthError> {
    let (mut parts, body) = request.into_parts();
    let Ok(address) = ClientAddress::from_request_parts(&mut parts, app).await;
    let now = app.clock.now();
    rate_limit::count_registration(app, address, now).await.map_err(|seconds| {
        ErrorCode::RateLimitExceeded.because("too many apps register from this address").retry_after(seconds)
    })?;
    check_admission(app, &parts.headers)?;
    let metadata = read(Request::from_parts(parts, body), app).await?;
    let registration = accepted(app, &metadata).await?;
    let mut tx = app.db.begin().await?;
    let registered = self_registered::register(&mut tx, &registration, now).await?;
    let found = client::find(&mut tx, registered.id).await?;
    tx.commit().await?;
    let found = found.ok_or_else(|| anyhow::anyhow!("a new client was not found"))?;
    let credentials = Credentials { secret: registered.secret.as_ref(), token: registered.token.as_ref() };
    Ok(information::answer(app, &found.client, credentials))
}

fn check_admission(app: &App, headers: &HeaderMap) -> Result<(), OAuthError> {
    let registration = &app.config.client_registration;
    if registration.admits(bearer(headers).as_ref()) {
        return Ok(());
    }
    Err(match registration {
        ClientRegistration::Off => {
            ErrorCode::AccessDenied.because("apps do not register themselves here: ask for a client_id")
        }
        _ => ErrorCode::InvalidToken.because("registration needs the initial access token"),
    })
}

/// The token in `Authorization` (RFC 6750 §2.1), if there is exactly one.
fn bearer(headers: &HeaderMap) -> Option<Secret> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let (only, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = only.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| Secret::new(token.trim()))
}

/// What the body says, whose type has to be JSON: no form of another site can send that unasked.
async fn read(request: Request, app: &App) -> Result<Map<String, Value>, OAuthError> {
    let no_object = |why: &'static str| ErrorCode::InvalidClientMetadata.because(why);
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = content_type.and_then(|text| text.split(';').next()).unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(no_object("the body must be sent as application/json"));
    }
    let too_large = || ErrorCode::TooLarge.because(format!("a registration has at most {MAX_BODY} bytes"));
    let body = Bytes::from_request(request, app).await.map_err(|rejection| {
        match rejection.into_response().status() {
            StatusCode::PAYLOAD_TOO_LARGE => too_large(),
            _ => no_object("the body could not be read"),
        }
    })?;
    if body.len() > MAX_BODY {
        return Err(too_large());
    }
    match serde_json::from_slice(&body) {
        Ok(Value::Object(metadata)) => Ok(metadata),
        _ => Err(no_object("the body must be a JSON object")),
    }
}

/// The registration that follows from what a client says of itself, if it is one that may be.
async fn accepted(app: &App, metadata: &Map<String, Value>) -> Result<Registration, OAuthError> {
    // RFC 7591 §2.3: nobody's are trusted, and passing over one could pass over what the client relies on.
    if metadata.get("software_statement").is_some_and(|statement| !statement.is_null()) {
        return Err(ErrorCode::UnapprovedSoftwareStatement.because("software statements are not accepted"));
    }
    let registration =
        metadata::read(metadata, &app.config.self_registration()).map_err(|invalid| refused(&invalid))?;
    sector::check(app, &registration).await?;
    Ok(registration)
}

fn refused(invalid: &Invalid) -> OAuthError {
    let code = match invalid.field {
        "redirect_uris" => ErrorCode::InvalidRedirectUri,
        _ => ErrorCode::InvalidClientMetadata,
    };
    code.because(invalid.message.clone())
}
