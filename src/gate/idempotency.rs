//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a `POST` that is sent again, because its answer
//! was lost, is answered again and not done again.

use axum::body;
use axum::body::Body;
use axum::body::Bytes;
use axum::extract::Request;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::HeaderName;
use axum::http::HeaderValue;
use axum::http::Method;
use axum::http::StatusCode;
use axum::http::header;
use axum::middleware::Next;
use axum::response::IntoResponse;
use axum::response::Response;
use tracing::Instrument;

use crate::app::App;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::organizations::idempotent_request;
use crate::organizations::idempotent_request::Known;
use crate::organizations::idempotent_request::RequestKey;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is an earlier one.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
const MAX_KEY: usize = 255;
/// Of a request or an answer; ours are small.
const MAX_BODY: usize = 64 * 1024;

/// Layer behind [`crate::gate::caller::identify`].
pub async fn repeat(State(app): State<App>, caller: Caller, request: Request, next: Next) -> Response {
    if request.method() != Method::POST || !request.headers().contains_key(HEADER) {
        return next.run(request).await;
    }
    match once(&app, &caller, request, next).await {
        Ok(response) => response,
        Err(error) => error.into_response(),
    }
}

async fn once(app: &App, caller: &Caller, request: Request, next: Next) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let text = key(&parts.headers)?.to_owned();
    let too_large = |_| ApiErrorCode::PayloadTooLarge.because("The body is too large");
    let body = body::to_bytes(body, MAX_BODY).await.map_err(too_large)?;
    let content =
        [parts.method.as_str().as_bytes(), b" ", parts.uri.path().as_bytes(), b"\n", &body].concat();
    let principal = &caller.principal;
    let key = RequestKey { credential: principal.credential.to_bytes(), key: &text };

    let known = {
        let mut db = app.db.acquire().await?;
        let organization = principal.organization.id;
        idempotent_request::begin(&mut db, key, organization, &content, app.clock.now()).await?
    };
    match known {
        Known::New => {}
        Known::Done { status, answer_sealed } => return replayed(app, &text, status, &answer_sealed),
        Known::InProgress => {
            return Err(ApiErrorCode::Conflict.because("A request with this Idempotency-Key is being done"));
        }
        Known::Different => {
            let error =
                ApiErrorCode::ValidationError.because("This Idempotency-Key was used for another request");
            return Err(error.at("Idempotency-Key"));
        }
    }
    // In a task of its own: a caller that hangs up, which is what the key is for, must not cancel it half-way.
    let (app, credential) = (app.clone(), key.credential);
    let request = Request::from_parts(parts, Body::from(body));
    let done = async move {
        let response = next.run(request).await;
        let key = RequestKey { credential, key: &text };
        let (response, sealed) = sealed(&app, key, response).await?;
        if let Err(error) = keep(&app, key, response.status().as_u16(), sealed).await {
            // It was done: that the answer cannot be had again is no reason to keep it from the caller now.
            tracing::error!(%error, "the answer to an idempotent request was not kept");
        }
        Ok(response)
    };
    let span = tracing::Span::current();
    let done = tokio::spawn(done.instrument(span)).await;
    done.map_err(|error| ApiError::internal(error.into()))?
}

/// The answer, and its `Location` and body sealed if it is one to be kept: a refusal may be none the next time.
async fn sealed(
    app: &App,
    key: RequestKey<'_>,
    response: Response,
) -> Result<(Response, Option<Vec<u8>>), ApiError> {
    if !response.status().is_success() {
        return Ok((response, None));
    }
    let (parts, body) = response.into_parts();
    let body = body::to_bytes(body, MAX_BODY).await.map_err(|error| ApiError::internal(error.into()))?;
    let location = parts.headers.get(header::LOCATION).map_or(&b""[..], HeaderValue::as_bytes);
    let sealed = app.secret.seal(&context(key.key), &[location, b"\n", &body].concat())?;
    Ok((Response::from_parts(parts, Body::from(body)), Some(sealed)))
}

async fn keep(app: &App, key: RequestKey<'_>, status: u16, sealed: Option<Vec<u8>>) -> sqlx::Result<()> {
    let mut db = app.db.acquire().await?;
    match sealed {
        Some(sealed) => idempotent_request::finish(&mut db, key, status, &sealed).await,
        None => idempotent_request::forget(&mut db, key).await,
    }
}

fn replayed(app: &App, key: &str, status: u16, sealed: &[u8]) -> Result<Response, ApiError> {
    let unsealed = app.secret.open(&context(key), sealed);
    let unreadable = || ApiError::internal(anyhow::anyhow!("a kept answer does not open"));
    let kept = unsealed.ok_or_else(unreadable)?;
    // The first line is where the answer said that the new thing is.
    let end = kept.iter().position(|byte| *byte == b'\n').ok_or_else(unreadable)?;
    let (location, body) = (&kept[..end], kept[end + 1..].to_vec());
    let status = StatusCode::from_u16(status).map_err(|error| ApiError::internal(error.into()))?;
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Bytes::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let (false, Ok(location)) = (location.is_empty(), HeaderValue::from_bytes(location)) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn key(headers: &HeaderMap) -> Result<&str, ApiError> {
    let invalid = || {
        let error =
            ApiErrorCode::BadRequest.because("Idempotency-Key must be 1 to 255 printable characters, once");
        error.at("Idempotency-Key")
    };
    let mut values = headers.get_all(HEADER).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default().trim();
    let is_good = (1..=MAX_KEY).contains(&value.len()) && values.next().is_none();
    if is_good { Ok(value) } else { Err(invalid()) }
}

fn context(key: &str) -> String {
    format!("answer {key}")
}
