//! `POST /oauth/par` (RFC 9126): a client hands its authorization request over, and gets a reference to it with which it
//! sends a person.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::audit::act::Act;
use crate::clients::client::Client;
use crate::gate::rate_limit;
use crate::grants::pending_request;
use crate::grants::pending_request::NewRequest;
use crate::oauth::authorize::request::AuthorizeRequest;
use crate::oauth::authorize::request_object;
use crate::oauth::authorize::source::Source;
use crate::oauth::client_form::ClientForm;
use crate::oauth::dpop;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;

/// In bytes, as a query: twice what a URL may have, and little enough for what anybody may have kept.
const MAX_PARAMETERS: usize = 16 * 1024;

/// RFC 9126 §2.2.
#[derive(Serialize)]
struct Pushed {
    request_uri: String,
    /// Seconds.
    expires_in: i64,
}

pub async fn post(State(app): State<App>, headers: HeaderMap, form: ClientForm) -> Response {
    let response = match push(&app, &headers, form).await {
        Ok(pushed) => {
            (StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(pushed)).into_response()
        }
        Err(error) => Answer(error, &app.config.links).into_response(),
    };
    dpop::give_nonce(&app, &headers, response)
}

/// The request is judged now, while the client listens, and again when a person comes with it: by then the client may
/// have changed.
async fn push(app: &App, headers: &HeaderMap, form: ClientForm) -> Result<Pushed, OAuthError> {
    let ClientForm { client, params, act } = form;
    let shown = dpop::shown_key(app, headers, "/oauth/par").await?;
    let mut source = Source::of_push(app, &client, &params, act.at).await?;
    source.params = dpop::asking_with(source.params, shown)?;
    let parameters = source.params.to_query(&[]);
    if parameters.len() > MAX_PARAMETERS {
        return Err(ErrorCode::TooLarge.because("the request is too large"));
    }
    let AuthorizeRequest { client, source, .. } =
        AuthorizeRequest::read(app, Arc::unwrap_or_clone(client), source).await?;
    count(app, &client, &act).await?;
    let new = NewRequest { client: client.id, parameters: &parameters, is_signed: source.is_signed };
    let mut tx = app.db.begin().await?;
    if let Some(object) = &source.object_id
        && !pending_request::use_object(&mut tx, client.id, object).await?
    {
        return Err(request_object::used_up());
    }
    let request_uri = pending_request::push(&mut tx, new, act.at).await?;
    tx.commit().await?;
    Ok(Pushed {
        request_uri: request_uri.expose().to_owned(),
        expires_in: pending_request::BEGIN_WITHIN.num_seconds(),
    })
}

/// Each request leaves a row, and anybody can say that they are a public client, or register one with a secret. Whom
/// somebody vouches for, and who has proved who it is, may push for all its people from one address.
async fn count(app: &App, client: &Client, act: &Act) -> Result<(), OAuthError> {
    let is_known = client.registration.is_confidential() && client.is_vouched_for();
    let Some(address) = act.address.filter(|_| !is_known) else { return Ok(()) };
    rate_limit::count_stranger(app, address, act.at).await.map_err(|seconds| {
        ErrorCode::RateLimitExceeded
            .because("too many requests are pushed from this address")
            .retry_after(seconds)
    })
}
