//! Deliveries whose time has come: taking them, and what becomes of them.

use chrono::TimeDelta;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookDeliveryId;
use crate::base::ids::WebhookEndpointId;
use crate::base::ids::WebhookEventId;
use crate::webhooks::event;
use crate::webhooks::event::Event;

/// When a delivery that fails is tried again, in seconds from its start: soon at first, for what is over in a moment,
/// and at last after a day.
const RETRIES: [i64; 13] =
    [5, 30, 120, 600, 1800, 3600, 7200, 14_400, 28_800, 43_200, 57_600, 72_000, 86_400];

/// For so long nobody else makes a delivery that somebody took: longer than a request may take, and as short as that
/// allows, because it is also how long the deliveries of a process that died have to wait.
pub const LEASE: TimeDelta = TimeDelta::seconds(20);

/// An endpoint at which everything fails for so long is disabled.
const PATIENCE: TimeDelta = TimeDelta::days(1);

/// To one endpoint at once: a slow one must not hold up the others.
const AT_ONCE: i32 = 4;

/// To all endpoints of one organization at once: nor must an organization that has many slow ones hold up the others.
const AT_ONCE_OF_ORGANIZATION: i32 = 16;

/// Why an endpoint is disabled.
pub const FAILED_FOR_A_DAY: &str = "Every delivery failed for 24 hours";
pub const GONE: &str = "It answered 410 Gone";

/// Taken by whoever holds this, to be made now.
#[derive(Debug)]
pub struct Due {
    pub id: WebhookDeliveryId,
    pub event: Event,
    pub endpoint: WebhookEndpointId,
    pub url: String,
    pub secret_sealed: Vec<u8>,
    /// That is still to sign, too.
    pub previous_secret_sealed: Option<Vec<u8>>,
    started_at: Timestamp,
    /// Until when it is ours alone.
    lease: Timestamp,
}

/// How it went.
#[derive(Debug)]
pub struct Attempt {
    pub at: Timestamp,
    pub duration_ms: i32,
    pub outcome: Outcome,
}

#[derive(Debug)]
pub enum Outcome {
    Answered { status: u16, answer: String },
    Failed { problem: String },
}

impl Outcome {
    /// As the metrics call it.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Answered { status: 200..=299, .. } => "delivered",
            Self::Answered { .. } => "refused",
            Self::Failed { .. } => "failed",
        }
    }

    fn is_success(&self) -> bool {
        matches!(self, Self::Answered { status: 200..=299, .. })
    }
}

/// Takes up to `most` deliveries, of each endpoint and organization a few. Those of an organization of which little is
/// under way come first: `under_way` has the endpoint and the organization of each that was taken and has not ended.
pub async fn take(
    db: &mut PgConnection,
    under_way: (&[WebhookEndpointId], &[OrganizationId]),
    most: i64,
    now: Timestamp,
) -> sqlx::Result<Vec<Due>> {
    let lease = now + LEASE;
    let rows = sqlx::query_as!(
        Row,
        r#"
        with first as (
            select d.id, d.endpoint_id, p.organization_id, d.next_attempt_at as due_at, of_endpoint, of_organization
              from webhook_deliveries d
              join webhook_endpoints p on p.id = d.endpoint_id
        cross join lateral (
                       select cardinality(array_positions($2::uuid[], p.id)) as of_endpoint,
                              cardinality(array_positions($3::uuid[], p.organization_id)) as of_organization
                   ) under_way
             where d.next_attempt_at <= $1
               and of_endpoint < $4
               and of_organization < $5
             order by due_at
             limit 1000
        ), fair as (
            select id,
                   of_endpoint + row_number() over (partition by endpoint_id order by due_at, id) as place,
                   of_organization + row_number() over (partition by organization_id order by due_at, id)
                       as place_of_organization
              from first
        ), taken as materialized (
            select d.id
              from webhook_deliveries d
              join fair on fair.id = d.id
             where fair.place <= $4
               and fair.place_of_organization <= $5
               and d.next_attempt_at <= $1
             order by fair.place_of_organization, d.next_attempt_at
             limit $6
           for update of d skip locked
        )
        update webhook_deliveries d
           set next_attempt_at = case when p.disabled_at is null then $7::timestamptz end
          from taken, webhook_events e, webhook_endpoints p
         where d.id = taken.id
           and e.id = d.event_id
           and p.id = d.endpoint_id
        returning d.id as "id: WebhookDeliveryId", d.started_at, e.id as "event_id: WebhookEventId", e.type as kind,
                  e.organization_id as "organization: OrganizationId", e.data, e.created_at,
                  p.id as "endpoint: WebhookEndpointId", p.url, p.secret_sealed,
                  case when p.previous_until > $1 then p.previous_secret_sealed end as previous_secret_sealed,
                  p.disabled_at is null as "is_wanted!"
        "#,
        now,
        under_way.0 as &[WebhookEndpointId],
        under_way.1 as &[OrganizationId],
        AT_ONCE,
        AT_ONCE_OF_ORGANIZATION,
        most,
        lease,
    )
    .fetch_all(db)
    .await?;
    // An event may have been written while its endpoint was being disabled.
    let wanted = rows.into_iter().filter(|row| row.is_wanted);
    Ok(wanted.map(|row| row.into_due(lease)).collect())
}

struct Row {
    id: WebhookDeliveryId,
    started_at: Timestamp,
    event_id: WebhookEventId,
    kind: String,
    organization: OrganizationId,
    data: serde_json::Value,
    created_at: Timestamp,
    endpoint: WebhookEndpointId,
    url: String,
    secret_sealed: Vec<u8>,
    previous_secret_sealed: Option<Vec<u8>>,
    is_wanted: bool,
}

impl Row {
    fn into_due(self, lease: Timestamp) -> Due {
        let (kind, organization) = (self.kind, self.organization);
        Due {
            id: self.id,
            event: Event {
                id: self.event_id,
                kind,
                created_at: self.created_at,
                organization,
                data: self.data,
            },
            endpoint: self.endpoint,
            url: self.url,
            secret_sealed: self.secret_sealed,
            previous_secret_sealed: self.previous_secret_sealed,
            started_at: self.started_at,
            lease,
        }
    }
}

/// Records how it went. The answer is why the endpoint is now to be disabled, if it is.
pub async fn finish(
    tx: &mut PgTransaction<'_>,
    due: &Due,
    attempt: &Attempt,
    now: Timestamp,
) -> sqlx::Result<Option<&'static str>> {
    let endpoint = sqlx::query!(
        "select failing_since, disabled_at from webhook_endpoints where id = $1 for no key update",
        due.endpoint as WebhookEndpointId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    // Deleted in the meantime, and its deliveries with it.
    let Some(endpoint) = endpoint else { return Ok(None) };
    record(tx, due, attempt, now).await?;

    let is_success = attempt.outcome.is_success();
    let is_gone = matches!(attempt.outcome, Outcome::Answered { status: 410, .. });
    let failing_since = match endpoint.failing_since {
        _ if is_success => None,
        // Somebody tries a new endpoint out.
        since if due.event.kind == event::TEST => since,
        since => since.or(Some(now)),
    };
    if failing_since != endpoint.failing_since {
        sqlx::query!(
            "update webhook_endpoints set failing_since = $2 where id = $1",
            due.endpoint as WebhookEndpointId,
            failing_since,
        )
        .execute(&mut **tx)
        .await?;
    }
    let has_failed_for_long = failing_since.is_some_and(|since| since + PATIENCE <= now);
    let fault = match has_failed_for_long {
        _ if is_gone => Some(GONE),
        true => Some(FAILED_FOR_A_DAY),
        false => None,
    };
    Ok(fault.filter(|_| endpoint.disabled_at.is_none()))
}

/// The attempt, and when the next one is. If the lease is no longer ours, somebody else says that.
async fn record(
    tx: &mut PgTransaction<'_>,
    due: &Due,
    attempt: &Attempt,
    now: Timestamp,
) -> sqlx::Result<()> {
    let is_success = attempt.outcome.is_success();
    let is_test = due.event.kind == event::TEST;
    let next = if is_success || is_test { None } else { next_attempt(due.started_at, now) };
    let (status, answer, problem) = match &attempt.outcome {
        Outcome::Answered { status, answer } => (i16::try_from(*status).ok(), Some(answer), None),
        Outcome::Failed { problem } => (None, None, Some(problem)),
    };
    sqlx::query!(
        r#"
        with delivery as (
            update webhook_deliveries
               set attempts = attempts + 1,
                   delivered_at = case when $3 then coalesce(delivered_at, $4) else delivered_at end,
                   next_attempt_at = case when next_attempt_at = $5 then $6 else next_attempt_at end
             where id = $1
            returning id, attempts
        )
        insert into webhook_attempts (delivery_id, number, at, duration_ms, status, answer, problem)
        select id, attempts, $2, $7, $8, $9, $10
          from delivery
        "#,
        due.id as WebhookDeliveryId,
        attempt.at,
        is_success,
        now,
        due.lease,
        next,
        attempt.duration_ms,
        status,
        answer,
        problem,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// `None` when it is time to give up.
pub fn next_attempt(started_at: Timestamp, now: Timestamp) -> Option<Timestamp> {
    RETRIES.into_iter().map(|seconds| started_at + TimeDelta::seconds(seconds)).find(|at| *at > now)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retries_get_rarer_and_end_after_a_day() {
        let start = Timestamp::from_timestamp(1_893_456_000, 0).unwrap();
        let after = |seconds| {
            next_attempt(start, start + TimeDelta::seconds(seconds)).map(|at| (at - start).num_seconds())
        };

        assert_eq!((after(0), after(4), after(5), after(3600)), (Some(5), Some(5), Some(30), Some(7200)));
        assert_eq!((after(86_399), after(86_400), after(999_999)), (Some(86_400), None, None));
    }
}
