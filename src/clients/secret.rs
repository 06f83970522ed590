//! A confidential client's secrets: any number, so that one can be replaced without a moment's outage.

use serde_json::json;
use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::audit::act::Act;
use crate::audit::log;
use crate::audit::log::Change;
use crate::base::clock::Timestamp;
use crate::base::ids::ClientId;
use crate::base::ids::ClientSecretId;
use crate::base::ids::OrganizationId;
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
    /// To within a few seconds.
    pub last_used_at: Option<Timestamp>,
}

/// A client and whose it is.
pub type OwnedClient = (Option<OrganizationId>, ClientId);

pub(super) fn generate() -> Secret {
    Secret::generate(PREFIX, LENGTH)
}

/// `None` if the client has as many as it may. The returned secret exists nowhere else.
pub async fn create(
    tx: &mut PgTransaction<'_>,
    client: OwnedClient,
    label: &str,
    expires_at: Option<Timestamp>,
    act: &Act,
) -> sqlx::Result<Option<(ClientSecretId, Secret)>> {
    let secret = generate();
    let id = insert(tx, client, (label, expires_at), &secret, act).await?;
    Ok(id.map(|id| (id, secret)))
}

/// For a secret that somebody else made, with its label and expiry.
pub async fn insert(
    tx: &mut PgTransaction<'_>,
    (organization, client): OwnedClient,
    (label, expires_at): (&str, Option<Timestamp>),
    secret: &Secret,
    act: &Act,
) -> sqlx::Result<Option<ClientSecretId>> {
    let Some(id) = store(tx, client, (label, expires_at), secret, act.at).await? else { return Ok(None) };
    let change = Change {
        organization,
        action: "client.secret_created",
        target: ("client", client.to_string()),
        before: None,
        after: Some(json!({ "secret": id, "label": label, "expires_at": expires_at })),
    };
    log::record(tx, act, &change).await?;
    Ok(Some(id))
}

/// Tells nobody of it.
pub(super) async fn store(
    db: &mut PgConnection,
    client: ClientId,
    (label, expires_at): (&str, Option<Timestamp>),
    secret: &Secret,
    now: Timestamp,
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
pub async fn delete(
    tx: &mut PgTransaction<'_>,
    (organization, client): OwnedClient,
    id: ClientSecretId,
    act: &Act,
) -> sqlx::Result<bool> {
    let label = sqlx::query_scalar!(
        "delete from client_secrets where id = $1 and client_id = $2 returning label",
        id as ClientSecretId,
        client as ClientId,
    )
    .fetch_optional(&mut **tx)
    .await?;
    let Some(label) = label else { return Ok(false) };
    let change = Change {
        organization,
        action: "client.secret_deleted",
        target: ("client", client.to_string()),
        before: Some(json!({ "secret": id, "label": label })),
        after: None,
    };
    log::record(tx, act, &change).await?;
    Ok(true)
}
