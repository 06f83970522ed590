//! `/v1/clients/{id}/secrets`

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::DateTime;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::clients::find;
use crate::api::json_body::JsonBody;
use crate::api::path::Path;
use crate::api_keys::key;
use crate::app::App;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::clients::secret;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ClientSecretCreate)]
pub struct Create {
    /// Tells its owner which it is.
    #[schema(min_length = 1, max_length = 100)]
    label: String,
    /// In the future; without it the secret never expires.
    #[serde(default)]
    expires_at: Option<DateTime<Utc>>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = ClientSecretCreated)]
pub struct NewSecret {
    id: ClientSecretId,
    label: String,
    created_at: DateTime<Utc>,
    /// `null` is never.
    expires_at: Option<DateTime<Utc>>,
    /// The secret itself, which no other answer holds.
    client_secret: String,
}

/// Give a client a further secret
#[utoipa::path(
    post, path = "/v1/clients/{id}/secrets",
    params(("id" = ClientId, Path)),
    request_body = Create,
    responses(
        (status = 201, description = "The new secret", body = NewSecret),
        (status = 409, description = "A public client has no secrets, and no client more than 20"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<ClientId>,
    JsonBody(body): JsonBody<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let now = app.clock.now();
    let client = find(&app, &caller, id).await?;
    if !client.registration.token_endpoint_auth_method.has_secret() {
        return Err(ApiErrorCode::Conflict.because("This client does not prove itself with a secret"));
    }
    let label = key::parse_label(&body.label).ok_or_else(|| {
        ApiErrorCode::ValidationError.because("A label has 1 to 100 characters").at("label")
    })?;
    if body.expires_at.is_some_and(|at| at <= now) {
        return Err(ApiErrorCode::ValidationError.because("expires_at is in the past").at("expires_at"));
    }
    let mut tx = app.db.begin().await?;
    let whose = (client.organization_id, client.id);
    let created = secret::create(&mut tx, whose, label, body.expires_at, &caller.act).await?;
    tx.commit().await?;
    let (secret_id, secret) = created.ok_or_else(|| {
        ApiErrorCode::Conflict.because("The client has as many secrets as it may; delete one first")
    })?;
    let shown = NewSecret {
        id: secret_id,
        label: label.to_owned(),
        created_at: now,
        expires_at: body.expires_at,
        client_secret: secret.expose().to_owned(),
    };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(shown)))
}

/// Delete a client's secret
///
/// The next request with it is refused.
#[utoipa::path(
    delete, path = "/v1/clients/{id}/secrets/{secret_id}",
    params(("id" = ClientId, Path), ("secret_id" = ClientSecretId, Path)),
    responses((status = 204, description = "The secret is deleted")),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path((id, secret_id)): Path<(ClientId, ClientSecretId)>,
) -> Result<StatusCode, ApiError> {
    let client = find(&app, &caller, id).await?;
    let mut tx = app.db.begin().await?;
    let whose = (client.organization_id, client.id);
    let was_there = secret::delete(&mut tx, whose, secret_id, &caller.act).await?;
    tx.commit().await?;
    if was_there { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
