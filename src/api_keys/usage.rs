//! When keys were last used, as the writer of the access log tells, and what its readers call them.

use std::net::IpAddr;

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::ids::ApiKeyId;
use crate::base::ids::OrganizationId;

/// A use of a key.
#[derive(Debug, Clone, Copy)]
pub struct Use {
    pub key: ApiKeyId,
    pub at: Timestamp,
    pub from: IpAddr,
}

/// Notes the last use of keys; one that is older than what is noted is left. At most one for each key.
pub async fn note_uses(tx: &mut PgTransaction<'_>, uses: &[Use]) -> sqlx::Result<()> {
    let keys: Vec<ApiKeyId> = uses.iter().map(|one| one.key).collect();
    let moments: Vec<Timestamp> = uses.iter().map(|one| one.at).collect();
    let addresses: Vec<String> = uses.iter().map(|one| one.from.to_string()).collect();
    sqlx::query!(
        r#"
        update api_keys k
           set last_used_at = used.at, last_used_from = used.address
          from unnest($1::uuid[], $2::timestamptz[], $3::text[]) used (id, at, address)
         where k.id = used.id
           and (k.last_used_at is null or k.last_used_at < used.at)
        "#,
        &keys as &[ApiKeyId],
        &moments,
        &addresses,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The labels of keys of the organization.
pub async fn labels(
    db: &mut PgConnection,
    organization: OrganizationId,
    keys: &[ApiKeyId],
) -> sqlx::Result<Vec<(ApiKeyId, String)>> {
    let rows = sqlx::query!(
        r#"select id as "id: ApiKeyId", label from api_keys where organization_id = $1 and id = any($2)"#,
        organization as OrganizationId,
        keys as &[ApiKeyId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.label)).collect())
}
