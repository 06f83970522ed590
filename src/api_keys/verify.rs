//! Checks a presented API key: the hot path of every company's own API.

use sqlx::PgConnection;

use crate::api_keys::format::KeyParts;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::SecretHash;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::organizations::organization;
use crate::organizations::organization::Organization;
use crate::scopes::Scopes;

/// A key as whoever holds its secret finds it.
#[derive(Debug)]
pub struct FoundKey {
    pub id: ApiKeyId,
    pub label: String,
    pub scopes: Scopes,
    /// Empty: from anywhere.
    pub ip_allowlist: IpAllowlist,
    pub created_by: Option<(UserId, String)>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// Neither revoked nor expired.
    pub is_live: bool,
    pub organization: Organization,
}

/// `None` if nobody has this key (any more). Junk does not come this far: its checksum is wrong.
pub async fn find(
    db: &mut PgConnection,
    parts: &KeyParts<'_>,
    now: Timestamp,
) -> sqlx::Result<Option<FoundKey>> {
    let row = sqlx::query!(
        r#"
        select k.id as "id: ApiKeyId", k.organization_id as "organization_id: OrganizationId", k.label,
               k.scopes as "scopes: Scopes", k.ip_allowlist, k.created_at, k.expires_at, k.revoked_at,
               k.secret_hash as "secret_hash: SecretHash",
               case when k.previous_until > $2 then k.previous_secret_hash end
                   as "previous_secret_hash: SecretHash",
               u.id as "user_id?: UserId", u.email as "email?"
          from api_keys k
          left join users u on u.id = k.created_by
         where k.public_id = $1
        "#,
        parts.public_id,
        now,
    )
    .fetch_optional(&mut *db)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let presented = parts.secret_hash();
    let is_current = row.secret_hash == presented;
    let is_previous = row.previous_secret_hash.is_some_and(|hash| hash == presented);
    if !(is_current || is_previous) {
        return Ok(None);
    }
    let Some(organization) = organization::find(db, row.organization_id).await? else { return Ok(None) };
    Ok(Some(FoundKey {
        id: row.id,
        label: row.label,
        scopes: row.scopes,
        ip_allowlist: row.ip_allowlist.into(),
        created_by: row.user_id.zip(row.email),
        created_at: row.created_at,
        expires_at: row.expires_at,
        is_live: row.revoked_at.is_none() && row.expires_at.is_none_or(|at| now < at),
        organization,
    }))
}
