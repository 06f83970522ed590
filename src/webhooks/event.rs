//! An event, and who is to hear of it (contract §7).

use chrono::DateTime;
use chrono::Utc;
use serde::Serialize;
use serde_json::Value;
use serde_json::json;
use sqlx::PgConnection;
use utoipa::ToSchema;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookDeliveryId;
use crate::base::ids::WebhookEndpointId;
use crate::base::ids::WebhookEventId;

/// All types of events, by the names under which endpoints subscribe to them.
pub const TYPES: [&str; 15] = [
    "api_key.created",
    "api_key.rotated",
    "api_key.revoked",
    "api_key.leaked",
    "client.created",
    "client.updated",
    "client.deleted",
    "grant.created",
    "grant.revoked",
    "grant.replayed",
    "user.registered",
    "member.added",
    "member.removed",
    "limit.exceeded",
    "credits.exhausted",
];

/// Not among the [`TYPES`]: it goes to one endpoint, and only when somebody asks for it.
pub const TEST: &str = "webhook.test";

/// What is sent.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = WebhookEvent)]
pub struct Event {
    /// Also `webhook-id`: the same however often it is sent.
    pub id: WebhookEventId,
    #[serde(rename = "type")]
    pub kind: String,
    pub created_at: DateTime<Utc>,
    pub organization: OrganizationId,
    /// What it is about, by its `id`, and what that is now or was.
    #[schema(value_type = Object)]
    pub data: Value,
}

/// Writes the event and its deliveries to the endpoints that want it; nothing if none does.
///
/// One statement, so a plain connection suffices where there is no other change.
pub async fn emit(
    db: &mut PgConnection,
    organization: OrganizationId,
    kind: &str,
    data: &Value,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        with wanted as (
            select id
              from webhook_endpoints
             where organization_id = $2
               and disabled_at is null
               and (events = '{}' or $3 = any(events))
        ), event as (
            insert into webhook_events (id, organization_id, type, data, created_at)
            select $1, $2, $3, $4, $5
             where exists (select from wanted)
            returning id
        )
        insert into webhook_deliveries (id, event_id, endpoint_id, next_attempt_at, started_at, created_at)
        select gen_random_uuid(), event.id, wanted.id, $5, $5, $5
          from event, wanted
        "#,
        WebhookEventId::new(now) as WebhookEventId,
        organization as OrganizationId,
        kind,
        data,
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An event for one endpoint, whatever events it wants, to see whether it works.
pub async fn emit_test(
    db: &mut PgConnection,
    organization: OrganizationId,
    endpoint: WebhookEndpointId,
    now: Timestamp,
) -> sqlx::Result<WebhookDeliveryId> {
    let id = WebhookDeliveryId::new(now);
    sqlx::query!(
        r#"
        with event as (
            insert into webhook_events (id, organization_id, type, data, created_at)
            values ($1, $2, $3, $4, $7)
            returning id
        )
        insert into webhook_deliveries (id, event_id, endpoint_id, next_attempt_at, started_at, created_at)
        select $5, event.id, $6, $7, $7, $7
          from event
        "#,
        WebhookEventId::new(now) as WebhookEventId,
        organization as OrganizationId,
        TEST,
        json!({ "endpoint": endpoint }),
        id as WebhookDeliveryId,
        endpoint as WebhookEndpointId,
        now,
    )
    .execute(db)
    .await?;
    Ok(id)
}
