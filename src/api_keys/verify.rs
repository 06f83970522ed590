//! Checks a presented API key: the hot path of every company's own API.

use sqlx::PgConnection;

use crate::api_keys::format::KeyParts;
use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;
use crate::base::ids::UserId;
use crate::base::secret::SecretHash;
use crate::organizations::ip_allowlist::IpAllowlist;
use crate::scopes::Scopes;

/// A key as its row has it: whoever presents it has still to be judged.
#[derive(Debug)]
pub struct KnownKey {
    pub id: ApiKeyId,
    pub organization_id: OrganizationId,
    pub label: String,
    pub scopes: Scopes,
    /// Empty: from anywhere.
    pub ip_allowlist: IpAllowlist,
    pub created_by: Option<(UserId, String)>,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    revoked_at: Option<Timestamp>,
    secret_hash: SecretHash,
    /// Before the last rotation, and until when it still counts.
    previous: Option<(SecretHash, Timestamp)>,
}

impl KnownKey {
    /// Whether who presents it holds its secret.
    pub fn is_proved_by(&self, presented: &KeyParts<'_>, now: Timestamp) -> bool {
        let hash = presented.secret_hash();
        let is_current = self.secret_hash == hash;
        let is_previous = self.previous.as_ref().is_some_and(|(known, until)| *known == hash && now < *until);
        is_current || is_previous
    }

    /// Neither revoked nor expired.
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.revoked_at.is_none() && self.expires_at.is_none_or(|at| now < at)
    }
}

/// `None` if nobody has a key with this public part (any more). Junk does not come this far: its checksum is wrong.
pub async fn find(db: &mut PgConnection, public_id: &str) -> sqlx::Result<Option<KnownKey>> {
    let row = sqlx::query!(
        r#"
        select k.id as "id: ApiKeyId", k.organization_id as "organization_id: OrganizationId", k.label,
               k.scopes as "scopes: Scopes", k.ip_allowlist, k.created_at, k.expires_at, k.revoked_at,
               k.secret_hash as "secret_hash: SecretHash", k.previous_secret_hash as "previous_secret_hash: SecretHash",
               k.previous_until, u.id as "user_id?: UserId", u.email as "email?"
          from api_keys k
          left join users u on u.id = k.created_by
         where k.public_id = $1
        "#,
        public_id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| KnownKey {
        id: row.id,
        organization_id: row.organization_id,
        label: row.label,
        scopes: row.scopes,
        ip_allowlist: row.ip_allowlist.into(),
        created_by: row.user_id.zip(row.email),
        created_at: row.created_at,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        secret_hash: row.secret_hash,
        previous: row.previous_secret_hash.zip(row.previous_until),
    }))
}

/// The key, if who presents it holds its secret.
pub async fn find_presented(
    db: &mut PgConnection,
    presented: &KeyParts<'_>,
    now: Timestamp,
) -> sqlx::Result<Option<KnownKey>> {
    let key = find(db, presented.public_id).await?;
    Ok(key.filter(|key| key.is_proved_by(presented, now)))
}
