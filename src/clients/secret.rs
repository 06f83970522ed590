//! A confidential client's secrets: any number, so that one can be replaced without a moment's outage.

use sqlx::PgConnection;

use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::base::secret::Secret;
use crate::base::secret::SecretHash;

/// What a secret begins with, so that people and secret scanners recognise it.
const PREFIX: &str = "cs_";
/// 256 bits.
const LENGTH: usize = 43;
/// More than a careful rotation needs.
pub const MAX_COUNT: i64 = 20;

#[derive(Debug)]
pub struct ClientSecret {
    pub id: ClientSecretId,
    pub label: String,
    pub created_at: Timestamp,
    pub expires_at: Option<Timestamp>,
    /// To within a minute.
    pub last_used_at: Option<Timestamp>,
}

/// `None` if the client has as many as it may. The returned secret exists nowhere else.
pub async fn create(
    db: &mut PgConnection,
    client: ClientId,
    label: &str,
    expires_at: Option<Timestamp>,
    now: Timestamp,
) -> sqlx::Result<Option<(ClientSecretId, Secret)>> {
    let secret = Secret::generate(PREFIX, LENGTH);
    let id = insert(db, client, label, &secret, (expires_at, now)).await?;
    Ok(id.map(|id| (id, secret)))
}

/// For a secret that somebody else made: `(expires_at, now)`.
pub async fn insert(
    db: &mut PgConnection,
    client: ClientId,
    label: &str,
    secret: &Secret,
    (expires_at, now): (Option<Timestamp>, Timestamp),
) -> sqlx::Result<Option<ClientSecretId>> {
    let id = ClientSecretId::new(now);
    let done = sqlx::query!(
        r#"
        insert into client_secrets (id, client_id, hash, label, created_at, expires_at)
        select $1, $2, $3, $4, $5, $6
         where (select count(*) from client_secrets where client_id = $2) < $7
        "#,
        id as ClientSecretId,
        client as ClientId,
        &secret.hash() as &SecretHash,
        label,
        now,
        expires_at,
        MAX_COUNT,
    )
    .execute(db)
    .await?;
    Ok((done.rows_affected() > 0).then_some(id))
}

/// The newest first.
pub async fn list(db: &mut PgConnection, client: ClientId) -> sqlx::Result<Vec<ClientSecret>> {
    sqlx::query_as!(
        ClientSecret,
        r#"
        select id as "id: ClientSecretId", label, created_at, expires_at, last_used_at
          from client_secrets
         where client_id = $1
         order by id desc
        "#,
        client as ClientId,
    )
    .fetch_all(db)
    .await
}

/// The next request with it is refused. `false` if the client has no such secret.
pub async fn delete(db: &mut PgConnection, client: ClientId, id: ClientSecretId) -> sqlx::Result<bool> {
    let done = sqlx::query!(
        "delete from client_secrets where id = $1 and client_id = $2",
        id as ClientSecretId,
        client as ClientId,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// Writes at most once a minute: proving who one is should not cost a write.
pub async fn note_use(
    db: &mut PgConnection,
    client: ClientId,
    secret: &Secret,
    now: Timestamp,
) -> sqlx::Result<()> {
    sqlx::query!(
        r#"
        update client_secrets
           set last_used_at = $3
         where client_id = $1
           and hash = $2
           and (last_used_at is null or last_used_at < $4)
        "#,
        client as ClientId,
        &secret.hash() as &SecretHash,
        now,
        now - chrono::TimeDelta::minutes(1),
    )
    .execute(db)
    .await?;
    Ok(())
}
