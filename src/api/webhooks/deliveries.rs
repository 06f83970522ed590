//! `/v1/webhooks/{id}/deliveries`: what was sent and what was answered; sending something again, or a test.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use sqlx::PgTransaction;
use utoipa::ToSchema;

use crate::api::page::Page;
use crate::api::page::PageRequest;
use crate::api::path::Path;
use crate::app::App;
use crate::base::ids::WebhookDeliveryId;
use crate::base::ids::WebhookEndpointId;
use crate::gate::caller::Caller;
use crate::gate::error::ApiError;
use crate::gate::error::ApiErrorCode;
use crate::gate::permission::MayAdmin;
use crate::webhooks::delivery;
use crate::webhooks::delivery::State as DeliveryState;
use crate::webhooks::endpoint;
use crate::webhooks::event;
use crate::webhooks::event::Event;

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookDelivery)]
pub struct Delivery {
    id: WebhookDeliveryId,
    /// As it is sent.
    event: Event,
    status: Status,
    /// The newest twenty, the oldest first.
    attempts: Vec<Attempt>,
    next_attempt_at: Option<DateTime<Utc>>,
    delivered_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = WebhookDeliveryStatus)]
pub enum Status {
    Pending,
    Delivered,
    /// Given up.
    Failed,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = WebhookAttempt)]
pub struct Attempt {
    /// From one.
    number: i32,
    at: DateTime<Utc>,
    duration_ms: i32,
    /// Of the answer, if one came.
    status: Option<i16>,
    /// The beginning of its body.
    answer: Option<String>,
    /// Why no answer came.
    problem: Option<String>,
}

impl From<delivery::Attempt> for Attempt {
    fn from(attempt: delivery::Attempt) -> Self {
        Self {
            number: attempt.number,
            at: attempt.at,
            duration_ms: attempt.duration_ms,
            status: attempt.status,
            answer: attempt.answer,
            problem: attempt.problem,
        }
    }
}

impl From<delivery::Delivery> for Delivery {
    fn from(delivery: delivery::Delivery) -> Self {
        Self {
            status: match delivery.state() {
                DeliveryState::Pending => Status::Pending,
                DeliveryState::Delivered => Status::Delivered,
                DeliveryState::Failed => Status::Failed,
            },
            id: delivery.id,
            event: delivery.event,
            attempts: delivery.attempts.into_iter().map(Attempt::from).collect(),
            next_attempt_at: delivery.next_attempt_at,
            delivered_at: delivery.delivered_at,
            created_at: delivery.created_at,
        }
    }
}

/// What was sent to a webhook in the last 30 days, newest first
#[utoipa::path(
    get, path = "/v1/webhooks/{id}/deliveries",
    params(("id" = WebhookEndpointId, Path), PageRequest),
    responses(
        (status = 200, description = "A page of deliveries", body = Page<Delivery>),
    ),
)]
pub async fn list(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
    request: PageRequest,
) -> Result<Json<Page<Delivery>>, ApiError> {
    let mut db = app.db.acquire().await?;
    let endpoint = endpoint::find(&mut db, caller.organization_id(), id).await?;
    let endpoint = endpoint.ok_or_else(ApiError::not_found)?;
    let rows = delivery::list(&mut db, endpoint.id, request.after()?, request.limit + 1).await?;
    Ok(Json(Page::of(rows, &request, |delivery| delivery.id.to_string(), Delivery::from)))
}

/// Send a test event
///
/// Of the type `webhook.test`, to this webhook alone, whatever it wants to hear of, and only once.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/test",
    params(("id" = WebhookEndpointId, Path)),
    responses(
        (status = 202, description = "The event is on its way", body = Delivery),
        (status = 409, description = "The webhook is disabled"),
    ),
)]
pub async fn test(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path(id): Path<WebhookEndpointId>,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let mut tx = app.db.begin().await?;
    lock_enabled(&mut tx, &caller, id).await?;
    let delivery = event::emit_test(&mut tx, caller.organization_id(), id, caller.act.at).await?;
    tx.commit().await?;
    accepted(&app, id, delivery).await
}

/// Send an event again
///
/// Whatever became of it; what waits for its next attempt is sent now.
#[utoipa::path(
    post, path = "/v1/webhooks/{id}/deliveries/{delivery_id}/redeliver",
    params(("id" = WebhookEndpointId, Path), ("delivery_id" = WebhookDeliveryId, Path)),
    responses(
        (status = 202, description = "The event is on its way", body = Delivery),
        (status = 409, description = "The webhook is disabled"),
    ),
)]
pub async fn redeliver(
    State(app): State<App>,
    MayAdmin(caller): MayAdmin,
    Path((id, delivery)): Path<(WebhookEndpointId, WebhookDeliveryId)>,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let mut tx = app.db.begin().await?;
    lock_enabled(&mut tx, &caller, id).await?;
    if !delivery::redeliver(&mut tx, id, delivery, caller.act.at).await? {
        return Err(ApiError::not_found());
    }
    tx.commit().await?;
    accepted(&app, id, delivery).await
}

async fn lock_enabled(
    tx: &mut PgTransaction<'_>,
    caller: &Caller,
    id: WebhookEndpointId,
) -> Result<(), ApiError> {
    let endpoint = endpoint::lock(tx, caller.organization_id(), id).await?.ok_or_else(ApiError::not_found)?;
    if endpoint.disabled_at.is_some() {
        return Err(ApiErrorCode::Conflict.because("The webhook is disabled; enable it first"));
    }
    Ok(())
}

async fn accepted(
    app: &App,
    endpoint: WebhookEndpointId,
    id: WebhookDeliveryId,
) -> Result<(StatusCode, Json<Delivery>), ApiError> {
    let mut db = app.db.acquire().await?;
    let delivery = delivery::find(&mut db, endpoint, id).await?.ok_or_else(ApiError::not_found)?;
    Ok((StatusCode::ACCEPTED, Json(delivery.into())))
}
