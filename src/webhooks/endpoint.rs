//! Where an organization wants to hear of events.

use chrono::TimeDelta;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookEndpointId;
use crate::base::outgoing::Outgoing;
use crate::base::secret::Secret;
use crate::base::server_secret::ServerSecret;
use crate::base::text;
use crate::webhooks::event;
use crate::webhooks::signature;

/// Of one organization: every event is sent to each.
pub const MAX_COUNT: i64 = 20;
/// In characters.
pub const MAX_DESCRIPTION_LENGTH: usize = 200;

#[derive(Debug, Clone)]
pub struct Endpoint {
    pub id: WebhookEndpointId,
    pub url: String,
    pub description: String,
    /// Empty: all of them.
    pub events: Vec<String>,
    /// Until when deliveries are signed with the secret before the last rotation, too.
    pub previous_until: Option<Timestamp>,
    /// The first failure since the last success.
    pub failing_since: Option<Timestamp>,
    pub disabled_at: Option<Timestamp>,
    pub disabled_because: Option<String>,
    pub created_at: Timestamp,
}

/// What its owner says of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub url: String,
    pub description: String,
    /// Empty: all of them.
    pub events: Vec<String>,
}

/// What is wrong with settings, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    pub field: &'static str,
    pub message: String,
}

impl Settings {
    /// As they are kept.
    pub fn checked(self, outgoing: &Outgoing) -> Result<Self, Invalid> {
        let invalid = |field, message: String| Invalid { field, message };
        let url = outgoing
            .check(self.url.trim())
            .map_err(|refusal| invalid("url", format!("The URL {refusal}")))?;
        let description = self.description.trim();
        if description.chars().count() > MAX_DESCRIPTION_LENGTH || !text::is_plain(description) {
            let most = format!("A description has at most {MAX_DESCRIPTION_LENGTH} characters, on one line");
            return Err(invalid("description", most));
        }
        if let Some(unknown) = self.events.iter().find(|event| !event::TYPES.contains(&event.as_str())) {
            return Err(invalid("events", format!("There is no event {unknown:?}")));
        }
        let is_wanted = |event: &&str| self.events.iter().any(|wanted| wanted == event);
        let events = event::TYPES.into_iter().filter(is_wanted).map(str::to_owned).collect();
        Ok(Self { url: url.into(), description: description.to_owned(), events })
    }
}

impl Endpoint {
    pub fn settings(&self) -> Settings {
        Settings { url: self.url.clone(), description: self.description.clone(), events: self.events.clone() }
    }
}

/// `None` if the organization has as many as it may. The returned secret cannot be had again.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    settings: &Settings,
    server_secret: &ServerSecret,
    now: Timestamp,
) -> anyhow::Result<Option<(WebhookEndpointId, Secret)>> {
    // Several at once take turns, or together they would be too many.
    sqlx::query!("select id from organizations where id = $1 for update", organization as OrganizationId)
        .fetch_optional(&mut **tx)
        .await?;
    let id = WebhookEndpointId::new(now);
    let secret = signature::new_secret();
    let done = sqlx::query!(
        r#"
        insert into webhook_endpoints (id, organization_id, url, description, events, secret_sealed, created_at)
        select $1, $2, $3, $4, $5, $6, $7
         where (select count(*) from webhook_endpoints where organization_id = $2) < $8
        "#,
        id as WebhookEndpointId,
        organization as OrganizationId,
        settings.url,
        settings.description,
        &settings.events,
        server_secret.seal(&context(id), secret.expose().as_bytes())?,
        now,
        MAX_COUNT,
    )
    .execute(&mut **tx)
    .await?;
    Ok((done.rows_affected() > 0).then_some((id, secret)))
}

pub async fn find(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: WebhookEndpointId,
) -> sqlx::Result<Option<Endpoint>> {
    sqlx::query_as!(
        Endpoint,
        r#"
        select id as "id: WebhookEndpointId", url, description, events, previous_until, failing_since, disabled_at,
               disabled_because, created_at
          from webhook_endpoints
         where id = $1
           and organization_id = $2
        "#,
        id as WebhookEndpointId,
        organization as OrganizationId,
    )
    .fetch_optional(db)
    .await
}

/// For a change: whoever else would change it waits. Always before its deliveries are locked.
pub async fn lock(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: WebhookEndpointId,
) -> sqlx::Result<Option<Endpoint>> {
    sqlx::query!(
        "select id from webhook_endpoints where id = $1 and organization_id = $2 for update",
        id as WebhookEndpointId,
        organization as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    find(tx, organization, id).await
}

/// The newest first, at most `limit`, those older than `before`.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    before: Option<WebhookEndpointId>,
    limit: i64,
) -> sqlx::Result<Vec<Endpoint>> {
    sqlx::query_as!(
        Endpoint,
        r#"
        select id as "id: WebhookEndpointId", url, description, events, previous_until, failing_since, disabled_at,
               disabled_because, created_at
          from webhook_endpoints
         where organization_id = $1
           and ($2::uuid is null or id < $2)
         order by id desc
         limit $3
        "#,
        organization as OrganizationId,
        before as Option<WebhookEndpointId>,
        limit,
    )
    .fetch_all(db)
    .await
}

pub async fn count(db: &mut PgConnection, organization: OrganizationId) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"select count(*) as "count!" from webhook_endpoints where organization_id = $1"#,
        organization as OrganizationId,
    )
    .fetch_one(db)
    .await
}

/// An endpoint that is sent elsewhere begins with a clean slate: the failures were another's.
pub async fn update(
    tx: &mut PgTransaction<'_>,
    id: WebhookEndpointId,
    settings: &Settings,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update webhook_endpoints
           set url = $2, description = $3, events = $4,
               failing_since = case when url = $2 then failing_since end
         where id = $1
        "#,
        id as WebhookEndpointId,
        settings.url,
        settings.description,
        &settings.events,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub async fn enable(tx: &mut PgTransaction<'_>, id: WebhookEndpointId) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update webhook_endpoints
           set disabled_at = null, disabled_because = null, failing_since = null
         where id = $1
        "#,
        id as WebhookEndpointId,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Nothing more is sent to it. What waits to be sent is given up; it can be asked for when the endpoint is enabled.
pub async fn disable(
    tx: &mut PgTransaction<'_>,
    id: WebhookEndpointId,
    because: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        "update webhook_endpoints set disabled_at = $2, disabled_because = $3 where id = $1",
        id as WebhookEndpointId,
        now,
        because,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "update webhook_deliveries set next_attempt_at = null where endpoint_id = $1 and next_attempt_at is not null",
        id as WebhookEndpointId,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The old secret signs beside the new one for `overlap`; one that was older ends now.
pub async fn rotate(
    tx: &mut PgTransaction<'_>,
    id: WebhookEndpointId,
    overlap: TimeDelta,
    server_secret: &ServerSecret,
    now: Timestamp,
) -> anyhow::Result<Secret> {
    let secret = signature::new_secret();
    sqlx::query!(
        r#"
        update webhook_endpoints
           set secret_sealed = $2,
               previous_secret_sealed = case when $3::timestamptz is not null then secret_sealed end,
               previous_until = $3
         where id = $1
        "#,
        id as WebhookEndpointId,
        server_secret.seal(&context(id), secret.expose().as_bytes())?,
        (overlap > TimeDelta::zero()).then(|| now + overlap),
    )
    .execute(&mut **tx)
    .await?;
    Ok(secret)
}

/// With its deliveries.
pub async fn delete(tx: &mut PgTransaction<'_>, id: WebhookEndpointId) -> sqlx::Result<()> {
    sqlx::query!("delete from webhook_endpoints where id = $1", id as WebhookEndpointId)
        .execute(&mut **tx)
        .await?;
    Ok(())
}

/// What [`create`] and [`rotate`] sealed.
pub fn unseal(server_secret: &ServerSecret, id: WebhookEndpointId, sealed: &[u8]) -> anyhow::Result<Secret> {
    let opened = server_secret.open(&context(id), sealed).and_then(|bytes| String::from_utf8(bytes).ok());
    let sealed_elsewhere = || anyhow::anyhow!("the secret of {id} was sealed under another server secret");
    opened.map(Secret::new).ok_or_else(sealed_elsewhere)
}

fn context(id: WebhookEndpointId) -> String {
    format!("webhook endpoint {id}")
}
