//! One event on its way to one endpoint: the log that an organization sees, and asking for one again.

use chrono::TimeDelta;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookDeliveryId;
use crate::base::ids::WebhookEndpointId;
use crate::base::ids::WebhookEventId;
use crate::webhooks::event::Event;

/// For how long events and their deliveries can be looked at.
pub const RETENTION: TimeDelta = TimeDelta::days(30);

/// Of each delivery the log shows the newest attempts; it can be asked for again and again.
const ATTEMPTS_SHOWN: i32 = 20;

#[derive(Debug, Clone)]
pub struct Delivery {
    pub id: WebhookDeliveryId,
    pub event: Event,
    /// `None`: delivered, or given up.
    pub next_attempt_at: Option<Timestamp>,
    pub delivered_at: Option<Timestamp>,
    pub created_at: Timestamp,
    /// The oldest first.
    pub attempts: Vec<Attempt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    Pending,
    Delivered,
    /// Given up.
    Failed,
}

impl Delivery {
    pub const fn state(&self) -> State {
        match (self.next_attempt_at, self.delivered_at) {
            (Some(_), _) => State::Pending,
            (None, Some(_)) => State::Delivered,
            (None, None) => State::Failed,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Attempt {
    pub delivery_id: WebhookDeliveryId,
    /// From one.
    pub number: i32,
    pub at: Timestamp,
    pub duration_ms: i32,
    /// `None`: no answer came.
    pub status: Option<i16>,
    /// Its beginning.
    pub answer: Option<String>,
    /// Why no answer came.
    pub problem: Option<String>,
}

struct Row {
    id: WebhookDeliveryId,
    next_attempt_at: Option<Timestamp>,
    delivered_at: Option<Timestamp>,
    created_at: Timestamp,
    event_id: WebhookEventId,
    organization_id: OrganizationId,
    kind: String,
    data: serde_json::Value,
    event_created_at: Timestamp,
}

impl From<Row> for Delivery {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            event: Event {
                id: row.event_id,
                kind: row.kind,
                created_at: row.event_created_at,
                organization: row.organization_id,
                data: row.data,
            },
            next_attempt_at: row.next_attempt_at,
            delivered_at: row.delivered_at,
            created_at: row.created_at,
            attempts: Vec::new(),
        }
    }
}

/// One place knows which columns make a delivery; the caller says which rows.
macro_rules! select_deliveries {
    ($which:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"
            select d.id as "id: WebhookDeliveryId", d.next_attempt_at, d.delivered_at, d.created_at,
                   e.id as "event_id: WebhookEventId", e.organization_id as "organization_id: OrganizationId",
                   e.type as kind, e.data, e.created_at as event_created_at
              from webhook_deliveries d
              join webhook_events e on e.id = d.event_id
            "# + $which
            $(, $argument)*
        )
    };
}

/// The newest event first, at most `limit`, those older than that of `before`.
pub async fn list(
    db: &mut PgConnection,
    endpoint: WebhookEndpointId,
    before: Option<WebhookDeliveryId>,
    limit: i64,
) -> sqlx::Result<Vec<Delivery>> {
    let rows = select_deliveries!(
        "where d.endpoint_id = $1
           and ($2::uuid is null
                or d.event_id < (select event_id from webhook_deliveries where id = $2 and endpoint_id = $1))
         order by d.event_id desc
         limit $3",
        endpoint as WebhookEndpointId,
        before as Option<WebhookDeliveryId>,
        limit,
    )
    .fetch_all(&mut *db)
    .await?;
    with_attempts(db, rows).await
}

pub async fn find(
    db: &mut PgConnection,
    endpoint: WebhookEndpointId,
    id: WebhookDeliveryId,
) -> sqlx::Result<Option<Delivery>> {
    let rows = select_deliveries!(
        "where d.endpoint_id = $1 and d.id = $2",
        endpoint as WebhookEndpointId,
        id as WebhookDeliveryId,
    )
    .fetch_all(&mut *db)
    .await?;
    Ok(with_attempts(db, rows).await?.pop())
}

async fn with_attempts(db: &mut PgConnection, rows: Vec<Row>) -> sqlx::Result<Vec<Delivery>> {
    let mut deliveries: Vec<Delivery> = rows.into_iter().map(Delivery::from).collect();
    let ids: Vec<WebhookDeliveryId> = deliveries.iter().map(|delivery| delivery.id).collect();
    let attempts = sqlx::query_as!(
        Attempt,
        r#"
        select a.delivery_id as "delivery_id: WebhookDeliveryId", a.number, a.at, a.duration_ms, a.status, a.answer,
               a.problem
          from webhook_attempts a
          join webhook_deliveries d on d.id = a.delivery_id
         where d.id = any($1)
           and a.number > d.attempts - $2
         order by a.number
        "#,
        &ids as &[WebhookDeliveryId],
        ATTEMPTS_SHOWN,
    )
    .fetch_all(db)
    .await?;
    for attempt in attempts {
        if let Some(delivery) = deliveries.iter_mut().find(|delivery| delivery.id == attempt.delivery_id) {
            delivery.attempts.push(attempt);
        }
    }
    Ok(deliveries)
}

/// Sends it again, or now if it waits, and if need be for another day. The endpoint is locked and enabled. `false` if
/// it has no such delivery.
pub async fn redeliver(
    tx: &mut PgTransaction<'_>,
    endpoint: WebhookEndpointId,
    id: WebhookDeliveryId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update webhook_deliveries
           set next_attempt_at = $3, started_at = $3, delivered_at = null
         where id = $1
           and endpoint_id = $2
        "#,
        id as WebhookDeliveryId,
        endpoint as WebhookEndpointId,
        now,
    )
    .execute(&mut **tx)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Events with their deliveries, unless one is still to be made.
pub async fn delete_old(db: &mut PgConnection, now: Timestamp) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        delete from webhook_events e
         where created_at < $1
           and not exists (
                   select from webhook_deliveries
                    where event_id = e.id
                      and next_attempt_at is not null
               )
        "#,
        now - RETENTION,
    )
    .execute(db)
    .await?;
    Ok(())
}
