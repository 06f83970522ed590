//! Checks a presented API key: the hot path of every company's own API.

use chrono::TimeDelta;
use sqlx::PgConnection;

use crate::api_keys::format::KeyParts;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::SecretHash;
use crate::organizations::organization::Organization;
use crate::organizations::organization::OrganizationRow;
use crate::scopes::Scopes;

/// A use is noted no more often than this: a request should not cost a write.
const NOTE_USES_EVERY: TimeDelta = TimeDelta::minutes(1);

/// A key that may be used now.
#[derive(Debug)]
pub struct LiveKey {
    pub id: ApiKeyId,
    pub label: String,
    pub scopes: Scopes,
    pub created_by: Option<(UserId, String)>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    pub organization: Organization,
    last_used_at: Option<Timestamp>,
}

/// `None` if the key is not in force. Junk does not come this far: its checksum is wrong.
pub async fn find_live(
    db: &mut PgConnection,
    parts: &KeyParts<'_>,
    now: Timestamp,
) -> sqlx::Result<Option<LiveKey>> {
    let row = sqlx::query!(
        r#"
        select k.id as "id: ApiKeyId", k.label, k.scopes as "scopes: Scopes", k.expires_at,
               k.created_at as key_created_at, k.last_used_at, k.secret_hash as "secret_hash: SecretHash",
               case when k.previous_until > $2 then k.previous_secret_hash end
                   as "previous_secret_hash: SecretHash",
               u.id as "user_id?: UserId", u.email as "email?",
               o.id as "organization_id: OrganizationId", o.number, o.name, o.plan, p.requests_per_hour,
               p.requests_per_minute, p.has_oauth_apps, o.credits_cents, o.created_at
          from api_keys k
          join organizations o on o.id = k.organization_id
          join plans p on p.name = o.plan
          left join users u on u.id = k.created_by
         where k.public_id = $1
           and k.revoked_at is null
           and (k.expires_at is null or k.expires_at > $2)
        "#,
        parts.public_id,
        now,
    )
    .fetch_optional(db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let presented = parts.secret_hash();
    let is_current = row.secret_hash == presented;
    let is_previous = row.previous_secret_hash.is_some_and(|hash| hash == presented);
    if !(is_current || is_previous) {
        return Ok(None);
    }
    Ok(Some(LiveKey {
        id: row.id,
        label: row.label,
        scopes: row.scopes,
        created_by: row.user_id.zip(row.email),
        created_at: row.key_created_at,
        expires_at: row.expires_at,
        last_used_at: row.last_used_at,
        organization: Organization::from(OrganizationRow {
            organization_id: row.organization_id,
            number: row.number,
            name: row.name,
            plan: row.plan,
            requests_per_hour: row.requests_per_hour,
            requests_per_minute: row.requests_per_minute,
            has_oauth_apps: row.has_oauth_apps,
            credits_cents: row.credits_cents,
            created_at: row.created_at,
        }),
    }))
}

/// Writes at most once a minute.
pub async fn note_use(
    db: &mut PgConnection,
    key: &LiveKey,
    address: &str,
    now: Timestamp,
) -> sqlx::Result<()> {
    if key.last_used_at.is_some_and(|last| now < last + NOTE_USES_EVERY) {
        return Ok(());
    }
    sqlx::query!(
        "update api_keys set last_used_at = $2, last_used_from = $3 where id = $1",
        key.id as ApiKeyId,
        now,
        address,
    )
    .execute(db)
    .await?;
    Ok(())
}
