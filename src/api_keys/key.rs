//! An API key: a static credential of one organization.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::api_keys::format;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;
use crate::base::text;
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
    /// Until when the secret before the last rotation still works.
    pub previous_until: Option<Timestamp>,
    /// To within a minute.
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
}

/// The returned key exists nowhere else.
pub async fn create(
    db: &mut PgConnection,
    new: &NewApiKey<'_>,
    prefix: &str,
    now: Timestamp,
) -> sqlx::Result<(ApiKeyId, Secret)> {
    // Eight characters are 2^47 ids: a clash is possible, so the next one is tried.
    loop {
        let key = format::generate(prefix, &format::generate_public_id());
        if let Some(id) = insert(db, new, &key, prefix, now).await? {
            return Ok((id, key));
        }
    }
}

/// For a key that somebody else made; `None` if its public id is taken.
pub async fn insert(
    db: &mut PgConnection,
    new: &NewApiKey<'_>,
    key: &Secret,
    prefix: &str,
    now: Timestamp,
) -> sqlx::Result<Option<ApiKeyId>> {
    let Some(parts) = format::parse(key.expose(), prefix) else { return Ok(None) };
    let id = ApiKeyId::new(now);
    let done = sqlx::query!(
        r#"
        insert into api_keys
               (id, organization_id, public_id, secret_hash, label, scopes, created_by, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        on conflict (public_id) do nothing
        "#,
        id as ApiKeyId,
        new.organization as OrganizationId,
        parts.public_id,
        &parts.secret_hash() as &SecretHash,
        new.label,
        new.scopes as &Scopes,
        new.created_by as Option<UserId>,
        now,
        new.expires_at,
    )
    .execute(db)
    .await?;
    Ok((done.rows_affected() > 0).then_some(id))
}

/// `None` if the organization has no such key.
pub async fn find(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
) -> sqlx::Result<Option<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"
        select k.id as "id: ApiKeyId", k.public_id, k.label, k.scopes as "scopes: Scopes",
               k.created_by as "created_by: UserId", u.email as "created_by_email?", k.created_at, k.expires_at,
               k.previous_until, k.last_used_at, k.last_used_from, k.revoked_at
          from api_keys k
          left join users u on u.id = k.created_by
         where k.organization_id = $1
           and k.id = $2
        "#,
        organization as OrganizationId,
        id as ApiKeyId,
    )
    .fetch_optional(db)
    .await
}

/// The newest first, at most `limit`, those older than `before`. Revoked ones too.
pub async fn list(
    db: &mut PgConnection,
    organization: OrganizationId,
    before: Option<ApiKeyId>,
    limit: i64,
) -> sqlx::Result<Vec<ApiKey>> {
    sqlx::query_as!(
        ApiKey,
        r#"
        select k.id as "id: ApiKeyId", k.public_id, k.label, k.scopes as "scopes: Scopes",
               k.created_by as "created_by: UserId", u.email as "created_by_email?", k.created_at, k.expires_at,
               k.previous_until, k.last_used_at, k.last_used_from, k.revoked_at
          from api_keys k
          left join users u on u.id = k.created_by
         where k.organization_id = $1
           and ($2::uuid is null or k.id < $2)
         order by k.id desc
         limit $3
        "#,
        organization as OrganizationId,
        before as Option<ApiKeyId>,
        limit,
    )
    .fetch_all(db)
    .await
}

/// What may be changed of a key; `None` leaves it.
#[derive(Debug, Default)]
pub struct Change<'a> {
    pub label: Option<&'a str>,
    pub scopes: Option<&'a Scopes>,
    /// `Some(None)`: never.
    pub expires_at: Option<Option<Timestamp>>,
}

/// `false` if the organization has no such live key.
pub async fn update(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
    change: &Change<'_>,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update api_keys
           set label = coalesce($3, label),
               scopes = coalesce($4, scopes),
               expires_at = case when $5 then $6 else expires_at end
         where organization_id = $1
           and id = $2
           and revoked_at is null
        "#,
        organization as OrganizationId,
        id as ApiKeyId,
        change.label,
        change.scopes as Option<&Scopes>,
        change.expires_at.is_some(),
        change.expires_at.flatten(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// A fresh secret under the same public id. The old one ends at once, or after `overlap`. `None` if the
/// organization has no such live key.
pub async fn rotate(
    db: &mut PgConnection,
    (organization, id): (OrganizationId, ApiKeyId),
    overlap: TimeDelta,
    prefix: &str,
    now: Timestamp,
) -> sqlx::Result<Option<Secret>> {
    let Some(found) = find(db, organization, id).await? else { return Ok(None) };
    let key = format::generate(prefix, &found.public_id);
    let Some(parts) = format::parse(key.expose(), prefix) else { return Ok(None) };
    let done = sqlx::query!(
        r#"
        update api_keys
           set previous_secret_hash = case when $4 then secret_hash end,
               previous_until = case when $4 then $5::timestamptz end,
               secret_hash = $3
         where organization_id = $1
           and id = $2
           and revoked_at is null
           and (expires_at is null or expires_at > $6)
        "#,
        organization as OrganizationId,
        id as ApiKeyId,
        &parts.secret_hash() as &SecretHash,
        overlap > TimeDelta::zero(),
        now + overlap,
        now,
    )
    .execute(db)
    .await?;
    Ok((done.rows_affected() > 0).then_some(key))
}

/// The next request with it is refused. `false` if the organization has no such live key.
pub async fn revoke(
    db: &mut PgConnection,
    organization: OrganizationId,
    id: ApiKeyId,
    now: Timestamp,
) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        r#"
        update api_keys
           set revoked_at = $3
         where organization_id = $1
           and id = $2
           and revoked_at is null
        "#,
        organization as OrganizationId,
        id as ApiKeyId,
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The label as it is kept, or `None` if it is empty, too long or has characters that no label has.
pub fn parse_label(text: &str) -> Option<&str> {
    let label = text.trim();
    let is_good = (1..=MAX_LABEL_LENGTH).contains(&label.chars().count()) && text::is_plain(label);
    is_good.then_some(label)
}
