//! Changes of an organization: its name by its own admins, everything else by the operator.
//!
//! Each is recorded with what was before, unless nothing changed. `false`: there is no such organization.

use serde_json::Value;
use serde_json::json;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::OrganizationId;
use crate::organizations::organization::OwnLimits;

/// `name` as [`crate::organizations::organization::parse_name`] gives it.
pub async fn rename(
    tx: &mut PgTransaction<'_>,
    id: OrganizationId,
    name: &str,
    act: &Act,
) -> sqlx::Result<bool> {
    let old = sqlx::query_scalar!(
        "select name from organizations where id = $1 for no key update",
        id as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(old) = old else { return Ok(false) };
    sqlx::query!("update organizations set name = $2 where id = $1", id as OrganizationId, name)
        .execute(&mut **tx)
        .await?;
    record(tx, (id, "organization.updated"), (json!({ "name": old }), json!({ "name": name })), act).await
}

/// `plan` is one that there is.
pub async fn change_plan(
    tx: &mut PgTransaction<'_>,
    id: OrganizationId,
    plan: &str,
    act: &Act,
) -> sqlx::Result<bool> {
    let old = sqlx::query_scalar!(
        "select plan from organizations where id = $1 for no key update",
        id as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(old) = old else { return Ok(false) };
    sqlx::query!("update organizations set plan = $2 where id = $1", id as OrganizationId, plan)
        .execute(&mut **tx)
        .await?;
    record(tx, (id, "organization.plan_changed"), (json!({ "plan": old }), json!({ "plan": plan })), act)
        .await
}

/// Limits in place of the plan's; `None`: the plan's. A limit is positive.
pub async fn set_own_limits(
    tx: &mut PgTransaction<'_>,
    id: OrganizationId,
    limits: OwnLimits,
    act: &Act,
) -> sqlx::Result<bool> {
    let old = sqlx::query_as!(
        OwnLimits,
        "select requests_per_hour, requests_per_minute from organizations where id = $1 for no key update",
        id as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(old) = old else { return Ok(false) };
    sqlx::query!(
        "update organizations set requests_per_hour = $2, requests_per_minute = $3 where id = $1",
        id as OrganizationId,
        limits.requests_per_hour,
        limits.requests_per_minute,
    )
    .execute(&mut **tx)
    .await?;
    let told = |limits: OwnLimits| {
        json!({
            "requests_per_hour": limits.requests_per_hour,
            "requests_per_minute": limits.requests_per_minute,
        })
    };
    record(tx, (id, "organization.limits_changed"), (told(old), told(limits)), act).await
}

/// No credential of it works until it is resumed.
pub async fn suspend(tx: &mut PgTransaction<'_>, id: OrganizationId, act: &Act) -> sqlx::Result<bool> {
    set_suspended(tx, (id, "organization.suspended"), Some(act.at), act).await
}

pub async fn resume(tx: &mut PgTransaction<'_>, id: OrganizationId, act: &Act) -> sqlx::Result<bool> {
    set_suspended(tx, (id, "organization.resumed"), None, act).await
}

async fn set_suspended(
    tx: &mut PgTransaction<'_>,
    (id, action): (OrganizationId, &str),
    since: Option<Timestamp>,
    act: &Act,
) -> sqlx::Result<bool> {
    let old = sqlx::query!(
        "select suspended_at from organizations where id = $1 for no key update",
        id as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(old) = old else { return Ok(false) };
    // Suspended twice is suspended since the first time.
    let new = since.map(|since| old.suspended_at.unwrap_or(since));
    sqlx::query!("update organizations set suspended_at = $2 where id = $1", id as OrganizationId, new)
        .execute(&mut **tx)
        .await?;
    let told = |at: Option<Timestamp>| json!({ "suspended_at": at });
    record(tx, (id, action), (told(old.suspended_at), told(new)), act).await
}

/// Whether its admins may move the credits of every organization.
pub async fn set_operator(
    tx: &mut PgTransaction<'_>,
    id: OrganizationId,
    is_operator: bool,
    act: &Act,
) -> sqlx::Result<bool> {
    let old = sqlx::query_scalar!(
        "select is_operator from organizations where id = $1 for no key update",
        id as OrganizationId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(old) = old else { return Ok(false) };
    sqlx::query!(
        "update organizations set is_operator = $2 where id = $1",
        id as OrganizationId,
        is_operator
    )
    .execute(&mut **tx)
    .await?;
    let told = |is_operator: bool| json!({ "is_operator": is_operator });
    record(tx, (id, "organization.updated"), (told(old), told(is_operator)), act).await
}

async fn record(
    tx: &mut PgTransaction<'_>,
    (id, action): (OrganizationId, &str),
    (before, after): (Value, Value),
    act: &Act,
) -> sqlx::Result<bool> {
    if before != after {
        let target = ("organization", id.to_string());
        let (before, after) = (Some(before), Some(after));
        log::record(tx, act, &Change { organization: Some(id), action, target, before, after }).await?;
    }
    Ok(true)
}
