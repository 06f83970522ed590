//! `POST /oauth/device_authorization` (RFC 8628 §3.1): a device without a browser asks for a code for itself and one
//! for its person, who types it at `/device`.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use axum::response::Response;
use serde::Serialize;

use crate::app::App;
use crate::clients::registration::DEVICE_CODE;
use crate::gate::rate_limit;
use crate::grants::device;
use crate::oauth::client_form::ClientForm;
use crate::oauth::error::Answer;
use crate::oauth::error::ErrorCode;
use crate::oauth::error::OAuthError;
use crate::oauth::resource;
use crate::protocol;

/// RFC 8628 §3.2.
#[derive(Serialize)]
struct DeviceResponse {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    /// Seconds, of both codes.
    expires_in: i64,
    /// Seconds.
    interval: i64,
}

pub async fn post(State(app): State<App>, form: ClientForm) -> Response {
    match authorize(&app, &form).await {
        Ok(codes) => ([(header::CACHE_CONTROL, "no-store")], Json(codes)).into_response(),
        Err(error) => Answer(error, &app.config.links).into_response(),
    }
}

async fn authorize(app: &App, form: &ClientForm) -> Result<DeviceResponse, OAuthError> {
    let ClientForm { client, params, act } = form;
    if !client.has_grant_type(DEVICE_CODE) {
        return Err(ErrorCode::UnauthorizedClient
            .because(format!("the client is not registered for the grant type {DEVICE_CODE}")));
    }
    let scopes = protocol::device::decide(client, params.optional("scope")?, app.config.scopes.for_people())?;
    let resources = resource::asked(params, &app.config)?;
    // Anybody can say that they are a public client, and each request leaves a row.
    if let Some(address) = act.address {
        rate_limit::count_stranger(app, address, act.at).await.map_err(|seconds| {
            ErrorCode::RateLimitExceeded
                .because("too many devices ask from this address")
                .retry_after(seconds)
        })?;
    }
    let mut db = app.db.acquire().await?;
    let codes = device::create(&mut db, client.id, (&scopes, &resources), act).await?;
    let page = app.config.links.to("/device");
    Ok(DeviceResponse {
        device_code: codes.device_code.expose().to_owned(),
        user_code: codes.user_code.to_string(),
        verification_uri_complete: format!("{page}?user_code={}", codes.user_code),
        verification_uri: page,
        expires_in: device::LIFETIME.num_seconds(),
        interval: device::INTERVAL.num_seconds(),
    })
}
