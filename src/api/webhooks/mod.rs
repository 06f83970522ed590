//! `/v1/webhooks`: where the organization wants to hear of events.

pub mod deliveries;

mod event_type;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::DateTime;
use chrono::TimeDelta;
use chrono::Utc;
use serde::Deserialize;
use serde::Serialize;
use utoipa::ToSchema;

use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::api::webhooks::event_type::EventType;
use crate::app::App;
use crate::base::clock::Timestamp;
use crate::base::ids::WebhookEndpointId;
use crate::base::secret::Secret;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::organizations::webhook;
use crate::webhooks::endpoint;
use crate::webhooks::endpoint::Endpoint;
use crate::webhooks::endpoint::Invalid;
use crate::webhooks::endpoint::MAX_COUNT;
use crate::webhooks::endpoint::Settings;

/// Longer than any roll-out takes.
const MAX_OVERLAP: TimeDelta = TimeDelta::days(30);

#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookCreate)]
pub struct Create {
    /// Events are posted to it. Begins with `https://` and leads to a public address.
    #[schema(format = "uri", max_length = 2000)]
    url: String,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: String,
    /// What it wants to hear of; with none, everything.
    #[serde(default)]
    #[schema(value_type = Vec<EventType>)]
    events: Vec<String>,
}

/// What is absent stays as it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookUpdate)]
pub struct Update {
    #[serde(default)]
    #[schema(format = "uri", max_length = 2000)]
    url: Option<String>,
    #[serde(default)]
    #[schema(max_length = 200)]
    description: Option<String>,
    #[serde(default)]
    #[schema(value_type = Option<Vec<EventType>>)]
    events: Option<Vec<String>>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(as = WebhookRotate)]
pub struct Rotate {
    /// For how long the old secret signs, too.
    #[schema(minimum = 0, maximum = 2_592_000)]
    overlap_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookStatus)]
pub enum Status {
    Enabled,
    Disabled,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct Webhook {
    id: WebhookEndpointId,
    url: String,
    description: String,
    /// Empty: all of them.
    events: Vec<String>,
    status: Status,
    disabled_at: Option<DateTime<Utc>>,
    disabled_because: Option<String>,
    /// The first failure since the last success.
    failing_since: Option<DateTime<Utc>>,
    /// Until when the secret before the last rotation signs, too.
    previous_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
pub struct WebhookWithSecret {
    #[serde(flatten)]
    webhook: Webhook,
    /// Signs the events. No other answer holds it.
    secret: String,
}

impl Webhook {
    fn new(endpoint: Endpoint, now: Timestamp) -> Self {
        Self {
            id: endpoint.id,
            url: endpoint.url,
            description: endpoint.description,
            events: endpoint.events,
            status: if endpoint.disabled_at.is_some() { Status::Disabled } else { Status::Enabled },
            disabled_at: endpoint.disabled_at,
            disabled_because: endpoint.disabled_because,
            failing_since: endpoint.failing_since,
            previous_until: endpoint.previous_until.filter(|until| *until > now),
            created_at: endpoint.created_at,
        }
    }

    fn with_secret(self, secret: &Secret) -> WebhookWithSecret {
        WebhookWithSecret { webhook: self, secret: secret.expose().to_owned() }
    }
}

/// The organization's webhooks, newest first
#[utoipa::path(
    get, path = "/v1/webhooks",
    params(PageRequest),
    responses(
        (status = 200, description = "A page of webhooks", body = Page<Webhook>),
    ),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    request: PageRequest,
) -> Result<Json<Page<Webhook>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let page = (request.after()?, request.limit + 1);
    let rows = endpoint::list(&mut db, caller.organization_id(), page.0, page.1).await?;
    let shown = |endpoint| Webhook::new(endpoint, caller.act.at);
    Ok(Json(Page::of(rows, &request, |endpoint| endpoint.id.to_string(), shown)))
}

/// One webhook
#[utoipa::path(
    get, path = "/v1/webhooks/{id}",
    params(("id" = WebhookEndpointId, Path)),
    responses(
        (status = 200, description = "The webhook", body = Webhook),
    ),
)]
pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
) -> Result<Json<Webhook>, ApiError> {
    find(&app, &caller, id).await.map(Json)
}

/// Add a webhook
///
/// The answer holds the secret that signs the events: this once.
#[utoipa::path(
    post, path = "/v1/webhooks",
    request_body = Create,
    responses(
        (status = 201, description = "The new webhook", body = WebhookWithSecret, headers(("Location" = String))),
        (status = 409, description = "The organization has as many as it may"),
    ),
)]
pub async fn create(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    JsonBody(body): JsonBody<Create>,
) -> Result<impl IntoResponse, ApiError> {
    let settings = Settings { url: body.url, description: body.description, events: body.events };
    let settings = settings.checked(&app.outgoing).map_err(invalid)?;
    let organization = caller.organization_id();
    let mut tx = app.db.begin().await?;
    let created = webhook::create(&mut tx, organization, &settings, &app.secret, &caller.act).await?;
    let Some((id, secret)) = created else {
        return Err(
            ApiErrorCode::Conflict.because(format!("An organization has at most {MAX_COUNT} webhooks"))
        );
    };
    tx.commit().await?;
    let shown = find(&app, &caller, id).await?.with_secret(&secret);
    let location = (header::LOCATION, format!("/v1/webhooks/{id}"));
    Ok((StatusCode::CREATED, [location, no_store()], Json(shown)))
}

/// Change, enable or disable a webhook
#[utoipa::path(
    patch, path = "/v1/webhooks/{id}",
    params(("id" = WebhookEndpointId, Path)),
    request_body = Update,
    responses(
        (status = 200, description = "The webhook as it is now", body = Webhook),
    ),
)]
pub async fn update(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
    JsonBody(body): JsonBody<Update>,
) -> Result<Json<Webhook>, ApiError> {
    let (organization, act) = (caller.organization_id(), &caller.act);
    let mut tx = app.db.begin().await?;
    let endpoint = endpoint::lock(&mut tx, organization, id).await?.ok_or_else(ApiError::not_found)?;
    let before = endpoint.settings();
    let settings = Settings {
        url: body.url.unwrap_or(before.url),
        description: body.description.unwrap_or(before.description),
        events: body.events.unwrap_or(before.events),
    };
    let settings = settings.checked(&app.outgoing).map_err(invalid)?;
    webhook::update(&mut tx, organization, &endpoint, &settings, act).await?;
    match body.status {
        Some(Status::Enabled) => webhook::enable(&mut tx, organization, &endpoint, act).await?,
        Some(Status::Disabled) => {
            webhook::disable(&mut tx, organization, &endpoint, webhook::BY_HAND, act).await?;
        }
        None => {}
    }
    tx.commit().await?;
    find(&app, &caller, id).await.map(Json)
}

/// Rotate the secret of a webhook
///
/// The old one ends at once, or signs beside the new one for `overlap_seconds`: `webhook-signature` then holds a
/// signature of each, and the other header, which has room for one, that of the new secret. The answer holds the new
/// secret: this once.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/rotate",
    params(("id" = WebhookEndpointId, Path)),
    request_body = Option<Rotate>,
    responses(
        (status = 200, description = "The webhook with its new secret", body = WebhookWithSecret),
    ),
)]
pub async fn rotate(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
    body: Option<JsonBody<Rotate>>,
) -> Result<impl IntoResponse, ApiError> {
    let overlap = TimeDelta::try_seconds(body.map_or(0, |JsonBody(body)| body.overlap_seconds))
        .filter(|overlap| (TimeDelta::zero()..=MAX_OVERLAP).contains(overlap))
        .ok_or_else(|| {
            ApiErrorCode::ValidationError
                .because("overlap_seconds must be 0 to 2592000")
                .at("overlap_seconds")
        })?;
    let mut tx = app.db.begin().await?;
    let whose = (caller.organization_id(), id);
    let secret = webhook::rotate(&mut tx, whose, overlap, &app.secret, &caller.act).await?;
    let secret = secret.ok_or_else(ApiError::not_found)?;
    tx.commit().await?;
    let shown = find(&app, &caller, id).await?.with_secret(&secret);
    Ok(([no_store()], Json(shown)))
}

/// Delete a webhook
///
/// With the log of what was sent to it.
#[utoipa::path(
    delete, path = "/v1/webhooks/{id}",
    params(("id" = WebhookEndpointId, Path)),
    responses(
        (status = 204, description = "The webhook is gone"),
    ),
)]
pub async fn delete(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
) -> Result<StatusCode, ApiError> {
    let mut tx = app.db.begin().await?;
    if !webhook::delete(&mut tx, caller.organization_id(), id, &caller.act).await? {
        return Err(ApiError::not_found());
    }
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

/// An answer with a secret in it is for its caller alone.
fn no_store() -> (header::HeaderName, String) {
    (header::CACHE_CONTROL, "no-store".to_owned())
}

async fn find(app: &App, caller: &Caller, id: WebhookEndpointId) -> Result<Webhook, ApiError> {
    let mut db = app.db.acquire().await?;
    let endpoint = endpoint::find(&mut db, caller.organization_id(), id).await?;
    endpoint.map(|endpoint| Webhook::new(endpoint, caller.act.at)).ok_or_else(ApiError::not_found)
}

fn invalid(invalid: Invalid) -> ApiError {
    ApiErrorCode::ValidationError.because(invalid.message).at(invalid.field)
}
