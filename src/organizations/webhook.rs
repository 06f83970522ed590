//! Webhook endpoints as an organization changes them: on the record.

use chrono::TimeDelta;
use serde_json::Value;
use serde_json::json;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::ids::OrganizationId;
use crate::base::ids::WebhookEndpointId;
use crate::base::secret::Secret;
use crate::base::server_secret::ServerSecret;
use crate::webhooks::endpoint;
use crate::webhooks::endpoint::Endpoint;
use crate::webhooks::endpoint::Settings;

/// Why an endpoint is disabled that nobody but its owner found fault with.
pub const BY_HAND: &str = "Somebody of the organization disabled it";

/// `None` if the organization has as many as it may. The returned secret cannot be had again.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    settings: &Settings,
    server_secret: &ServerSecret,
    act: &Act,
) -> anyhow::Result<Option<(WebhookEndpointId, Secret)>> {
    let created = endpoint::create(tx, organization, settings, server_secret, act.at).await?;
    let Some((id, secret)) = created else { return Ok(None) };
    record(tx, act, (organization, id, "webhook.created"), (None, Some(shown(settings)))).await?;
    Ok(Some((id, secret)))
}

/// `endpoint` is locked, and as it was before.
pub async fn update(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    endpoint: &Endpoint,
    settings: &Settings,
    act: &Act,
) -> sqlx::Result<()> {
    let old = endpoint.settings();
    if old == *settings {
        return Ok(());
    }
    endpoint::update(tx, endpoint.id, settings).await?;
    let (before, after) = differences(&shown(&old), &shown(settings));
    record(tx, act, (organization, endpoint.id, "webhook.updated"), (Some(before), Some(after))).await
}

/// `endpoint` is locked.
pub async fn enable(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    endpoint: &Endpoint,
    act: &Act,
) -> sqlx::Result<()> {
    if endpoint.disabled_at.is_none() {
        return Ok(());
    }
    endpoint::enable(tx, endpoint.id).await?;
    let (before, after) = (json!({ "status": "disabled" }), json!({ "status": "enabled" }));
    record(tx, act, (organization, endpoint.id, "webhook.enabled"), (Some(before), Some(after))).await
}

/// `endpoint` is locked.
pub async fn disable(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    endpoint: &Endpoint,
    because: &str,
    act: &Act,
) -> sqlx::Result<()> {
    if endpoint.disabled_at.is_some() {
        return Ok(());
    }
    endpoint::disable(tx, endpoint.id, because, act.at).await?;
    let before = json!({ "status": "enabled" });
    let after = json!({ "url": endpoint.url, "status": "disabled", "disabled_because": because });
    record(tx, act, (organization, endpoint.id, "webhook.disabled"), (Some(before), Some(after))).await
}

/// `None` if there is no such endpoint. The old secret signs beside the new one for `overlap`.
pub async fn rotate(
    tx: &mut PgTransaction<'_>,
    (organization, id): (OrganizationId, WebhookEndpointId),
    overlap: TimeDelta,
    server_secret: &ServerSecret,
    act: &Act,
) -> anyhow::Result<Option<Secret>> {
    if endpoint::lock(tx, organization, id).await?.is_none() {
        return Ok(None);
    }
    let secret = endpoint::rotate(tx, id, overlap, server_secret, act.at).await?;
    let after = json!({ "overlap_seconds": overlap.num_seconds() });
    record(tx, act, (organization, id, "webhook.rotated"), (None, Some(after))).await?;
    Ok(Some(secret))
}

/// `false` if there is no such endpoint.
pub async fn delete(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: WebhookEndpointId,
    act: &Act,
) -> sqlx::Result<bool> {
    let Some(endpoint) = endpoint::lock(tx, organization, id).await? else { return Ok(false) };
    endpoint::delete(tx, id).await?;
    let before = shown(&endpoint.settings());
    record(tx, act, (organization, id, "webhook.deleted"), (Some(before), None)).await?;
    Ok(true)
}

async fn record(
    tx: &mut PgTransaction<'_>,
    act: &Act,
    (organization, id, action): (OrganizationId, WebhookEndpointId, &str),
    (before, after): (Option<Value>, Option<Value>),
) -> sqlx::Result<()> {
    let target = ("webhook", id.to_string());
    log::record(tx, act, &Change { organization: Some(organization), action, target, before, after }).await
}

fn shown(settings: &Settings) -> Value {
    json!({ "url": settings.url, "description": settings.description, "events": settings.events })
}

/// Of two objects with the same fields those that differ.
fn differences(before: &Value, after: &Value) -> (Value, Value) {
    let of = |one: &Value, other: &Value| {
        let fields = one.as_object().into_iter().flatten();
        fields
            .filter(|(name, value)| other[name.as_str()] != **value)
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    };
    (of(before, after), of(after, before))
}
