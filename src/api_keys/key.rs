//! An API key: a static credential of one organization.

use chrono::TimeDelta;
use ipnet::IpNet;
use serde_json::Value;
use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::api_keys::format;
use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::text;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::scopes::Scopes;

/// In characters.
pub const MAX_LABEL_LENGTH: usize = 100;

#[derive(Debug)]
pub struct ApiKey {
    pub id: ApiKeyId,
    /// The readable part, by which its owner can tell it from others.
    pub public_id: String,
    pub label: String,
    pub scopes: Scopes,
    pub created_by: Option<UserId>,
    /// Of the creator.
    pub created_by_email: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Empty: from anywhere.
    pub ip_allowlist: IpAllowlist,
    /// Until when the secret before the last rotation still works.
    pub previous_until: Option<Timestamp>,
    /// To within a few seconds.
    pub last_used_at: Option<Timestamp>,
    /// Address.
    pub last_used_from: Option<String>,
    pub revoked_at: Option<Timestamp>,
}

#[derive(Debug)]
pub struct NewApiKey<'a> {
    pub organization: OrganizationId,
    pub label: &'a str,
    pub scopes: &'a Scopes,
    pub created_by: Option<UserId>,
    pub expires_at: Option<Timestamp>,
    /// Empty: from anywhere.
    pub ip_allowlist: &'a IpAllowlist,
}

/// What the audit log and the webhooks tell of a key.
fn told(label: &str, scopes: &Scopes, expires_at: Option<Timestamp>, from: &IpAllowlist) -> Value {
    json!({ "label": label, "scopes": scopes, "expires_at": expires_at, "ip_allowlist": from.to_texts() })
}

impl ApiKey {
    fn told(&self) -> Value {
        told(&self.label, &self.scopes, self.expires_at, &self.ip_allowlist)
    }
}

async fn record(
    tx: &mut PgTransaction<'_>,
    act: &Act,
    organization: OrganizationId,
    (action, id): (&str, ApiKeyId),
    (before, after): (Option<Value>, Option<Value>),
) -> sqlx::Result<()> {
    let target = ("api_key", id.to_string());
    log::record(tx, act, &Change { organization: Some(organization), action, target, before, after }).await
}

/// The returned key exists nowhere else.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    new: &NewApiKey<'_>,
    prefix: &str,
    act: &Act,
) -> sqlx::Result<(ApiKeyId, Secret)> {
    // Eight characters are 2^47 ids: a clash is possible, so the next one is tried.
    loop {
        let key = format::generate(prefix, &format::generate_public_id());
        if let Some(id) = insert(tx, new, &key, prefix, act).await? {
            return Ok((id, key));
        }
    }
}

/// For a key that somebody else made; `None` if its public id is taken.
pub async fn insert(
    tx: &mut PgTransaction<'_>,
    new: &NewApiKey<'_>,
    key: &Secret,
    prefix: &str,
    act: &Act,
) -> sqlx::Result<Option<ApiKeyId>> {
    let Some(parts) = format::parse(key.expose(), prefix) else { return Ok(None) };
    let id = ApiKeyId::new(act.at);
    let done = sqlx::query!(
        r#"
        insert into api_keys
               (id, organization_id, public_id, secret_hash, label, scopes, created_by, created_at, expires_at,
                ip_allowlist)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
        on conflict (public_id) do nothing
        "#,
        id as ApiKeyId,
        new.organization as OrganizationId,
        parts.public_id,
        &parts.secret_hash() as &SecretHash,
        new.label,
        new.scopes as &Scopes,
        new.created_by as Option<UserId>,
        act.at,
        new.expires_at,
        new.ip_allowlist.networks() as &[IpNet],
    )
    .execute(&mut **tx)
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    let after = told(new.label, new.scopes, new.expires_at, new.ip_allowlist);
    record(tx, act, new.organization, ("api_key.created", id), (None, Some(after))).await?;
    Ok(Some(id))
}

/// One place knows which columns make a key; the caller says which rows.
macro_rules! select_keys {
    ($which:tt $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            ApiKey,
            r#"
            select k.id as "id: ApiKeyId", k.public_id, k.label, k.scopes as "scopes: Scopes",
                   k.created_by as "created_by: UserId", u.email as "created_by_email?", k.created_at, k.expires_at,
                   k.ip_allowlist as "ip_allowlist: Vec<IpNet>", k.previous_until, k.last_used_at,
                   k.last_used_from, k.revoked_at
              from api_keys k
              left join users u on u.id = k.created_by
            "# + $which
            $(, $argument)*
        )
    };
}

/// `None` if the organization has no such key.
pub async fn find(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
) -> sqlx::Result<Option<ApiKey>> {
    select_keys!(
        "where k.organization_id = $1 and k.id = $2",
        organization as OrganizationId,
        id as ApiKeyId,
    )
    .fetch_optional(db)
    .await
}

/// Those that are neither revoked nor expired.
pub async fn count_live(
    db: &mut PgConnection,
    organization: OrganizationId,
    now: Timestamp,
) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"
        select count(*) as "count!"
          from api_keys
         where organization_id = $1
           and revoked_at is null
           and (expires_at is null or expires_at > $2)
        "#,
        organization as OrganizationId,
        now,
    )
    .fetch_one(db)
    .await
}

/// The newest first, at most `limit`, those older than `before`. Revoked ones too.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    before: Option<ApiKeyId>,
    limit: i64,
) -> sqlx::Result<Vec<ApiKey>> {
    select_keys!(
        "where k.organization_id = $1
           and ($2::uuid is null or k.id < $2)
         order by k.id desc
         limit $3",
        organization as OrganizationId,
        before as Option<ApiKeyId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What may be changed of a key; `None` leaves it.
#[derive(Debug, Default)]
pub struct Update<'a> {
    pub label: Option<&'a str>,
    pub scopes: Option<&'a Scopes>,
    /// `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
    pub ip_allowlist: Option<&'a IpAllowlist>,
}

/// A key that is not revoked, locked until the transaction ends.
async fn find_for_update(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: ApiKeyId,
) -> sqlx::Result<Option<ApiKey>> {
    sqlx::query!("select from api_keys where id = $1 for update", id as ApiKeyId)
        .fetch_optional(&mut **tx)
        .await?;
    let found = find(tx, organization, id).await?;
    Ok(found.filter(|key| key.revoked_at.is_none()))
}

/// `false` if the organization has no such live key.
pub async fn update(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: ApiKeyId,
    update: &Update<'_>,
    act: &Act,
) -> sqlx::Result<bool> {
    let Some(mut key) = find_for_update(tx, organization, id).await? else { return Ok(false) };
    let before = key.told();
    if let Some(label) = update.label {
        label.clone_into(&mut key.label);
    }
    if let Some(scopes) = update.scopes {
        key.scopes = scopes.clone();
    }
    if let Some(expires_at) = update.expires_at {
        key.expires_at = expires_at;
    }
    if let Some(ip_allowlist) = update.ip_allowlist {
        key.ip_allowlist = ip_allowlist.clone();
    }
    let Some((before, after)) = log::difference(&before, &key.told()) else { return Ok(true) };
    sqlx::query!(
        "update api_keys set label = $2, scopes = $3, expires_at = $4, ip_allowlist = $5 where id = $1",
        id as ApiKeyId,
        key.label,
        &key.scopes as &Scopes,
        key.expires_at,
        key.ip_allowlist.networks() as &[IpNet],
    )
    .execute(&mut **tx)
    .await?;
    record(tx, act, organization, ("api_key.updated", id), (Some(before), Some(after))).await?;
    Ok(true)
}

/// A fresh secret under the same public id. The old one ends at once, or after `overlap`. `None` if the
/// organization has no such live key.
pub async fn rotate(
    tx: &mut PgTransaction<'_>,
    (organization, id): (OrganizationId, ApiKeyId),
    overlap: TimeDelta,
    prefix: &str,
    act: &Act,
) -> sqlx::Result<Option<Secret>> {
    let found = find_for_update(tx, organization, id).await?;
    let live = found.filter(|key| key.expires_at.is_none_or(|at| act.at < at));
    let Some(found) = live else { return Ok(None) };
    let key = format::generate(prefix, &found.public_id);
    let Some(parts) = format::parse(key.expose(), prefix) else { return Ok(None) };
    let previous_until = (overlap > TimeDelta::zero()).then(|| act.at + overlap);
    sqlx::query!(
        r#"
        update api_keys
           set previous_secret_hash = case when $3::timestamptz is not null then secret_hash end,
               previous_until = $3,
               secret_hash = $2
         where id = $1
        "#,
        id as ApiKeyId,
        &parts.secret_hash() as &SecretHash,
        previous_until,
    )
    .execute(&mut **tx)
    .await?;
    let mut after = found.told();
    after["previous_until"] = json!(previous_until);
    record(tx, act, organization, ("api_key.rotated", id), (None, Some(after))).await?;
    Ok(Some(key))
}

/// Why a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Revoked,
    /// Somebody who should not have it showed that they do.
    Leaked,
}

/// The next request with it is refused. `false` if the organization has no such live key.
pub async fn revoke(
    tx: &mut PgTransaction<'_>,
    organization: OrganizationId,
    id: ApiKeyId,
    ending: Ending,
    act: &Act,
) -> sqlx::Result<bool> {
    let Some(key) = find_for_update(tx, organization, id).await? else { return Ok(false) };
    sqlx::query!("update api_keys set revoked_at = $2 where id = $1", id as ApiKeyId, act.at)
        .execute(&mut **tx)
        .await?;
    let action = match ending {
        Ending::Revoked => "api_key.revoked",
        Ending::Leaked => "api_key.leaked",
    };
    record(tx, act, organization, (action, id), (Some(key.told()), None)).await?;
    Ok(true)
}

/// The label as it is kept, or `None` if it is empty, too long or has characters that no label has.
pub fn parse_label(text: &str) -> Option<&str> {
    let label = text.trim();
    let is_good = (1..=MAX_LABEL_LENGTH).contains(&label.chars().count()) && text::is_plain(label);
    is_good.then_some(label)
}
