//! `/v1/webhooks`: where the organization wants to hear of events.

pub mod deliveries;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;
use chrono::TimeDelta;
use serde::Deserialize;
use serde::Serialize;

use crate::api::json_body::JsonBody;
use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
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

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Create {
    url: String,
    #[serde(default)]
    description: String,
    /// None: all of them.
    #[serde(default)]
    events: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Update {
    #[serde(default)]
    url: Option<String>,
    #[serde(default)]
    description: Option<String>,
    #[serde(default)]
    events: Option<Vec<String>>,
    #[serde(default)]
    status: Option<Status>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Rotate {
    overlap_seconds: i64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Enabled,
    Disabled,
}

#[derive(Debug, Serialize)]
pub struct Webhook {
    id: WebhookEndpointId,
    url: String,
    description: String,
    /// Empty: all of them.
    events: Vec<String>,
    status: Status,
    disabled_at: Option<Timestamp>,
    disabled_because: Option<String>,
    /// The first failure since the last success.
    failing_since: Option<Timestamp>,
    /// Until when the secret before the last rotation signs, too.
    previous_until: Option<Timestamp>,
    created_at: Timestamp,
    /// Only where it was just made.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
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
            secret: None,
        }
    }

    fn with_secret(self, secret: &Secret) -> Self {
        Self { secret: Some(secret.expose().to_owned()), ..self }
    }
}

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

pub async fn get(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
) -> Result<Json<Webhook>, ApiError> {
    find(&app, &caller, id).await.map(Json)
}

/// Answers with the secret that signs, once.
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

/// The old secret ends at once, or signs beside the new one for `overlap_seconds`.
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
