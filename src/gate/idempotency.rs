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
    let response = next.run(Request::from_parts(parts, Body::from(body))).await;
    finished(app, key, response).await
}

async fn finished(app: &App, key: RequestKey<'_>, response: Response) -> Result<Response, ApiError> {
    let mut db = app.db.acquire().await?;
    if response.status().is_server_error() {
        idempotent_request::forget(&mut db, key).await?;
        return Ok(response);
    }
    let (parts, body) = response.into_parts();
    let body = body::to_bytes(body, MAX_BODY).await.map_err(|error| ApiError::internal(error.into()))?;
    let sealed = app.secret.seal(&context(key.key), &body)?;
    idempotent_request::finish(&mut db, key, parts.status.as_u16(), &sealed).await?;
    Ok(Response::from_parts(parts, Body::from(body)))
}

fn replayed(app: &App, key: &str, status: u16, sealed: &[u8]) -> Result<Response, ApiError> {
    let unsealed = app.secret.open(&context(key), sealed);
    let body = unsealed.ok_or_else(|| ApiError::internal(anyhow::anyhow!("a kept answer does not open")))?;
    let status = StatusCode::from_u16(status).map_err(|error| ApiError::internal(error.into()))?;
    let mut response = (status, [(header::CACHE_CONTROL, "no-store")], Bytes::from(body)).into_response();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
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
