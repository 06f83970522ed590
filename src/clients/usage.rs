//! When clients and their secrets were last used, as the writer of the access log tells, and what its readers call
//! them.

use sqlx::PgConnection;
use sqlx::PgTransaction;

use crate::base::clock::Timestamp;
use crate::base::db::note_last_uses;
use crate::base::ids::ClientId;
use crate::base::secret::SecretHash;

/// Notes the last use of clients; one that is older than what is noted is left. At most one for each.
pub async fn note_uses(tx: &mut PgTransaction<'_>, uses: &[(ClientId, Timestamp)]) -> sqlx::Result<()> {
    note_last_uses!(tx, "clients", uses)
}

/// A use of a secret, known by its hash.
#[derive(Debug, Clone)]
pub struct SecretUse {
    pub client: ClientId,
    pub hash: SecretHash,
    pub at: Timestamp,
}

/// Notes the last use of secrets; one that is older than what is noted is left.
pub async fn note_secret_uses(tx: &mut PgTransaction<'_>, uses: &[SecretUse]) -> sqlx::Result<()> {
    let clients: Vec<ClientId> = uses.iter().map(|one| one.client).collect();
    let hashes: Vec<SecretHash> = uses.iter().map(|one| one.hash.clone()).collect();
    let moments: Vec<Timestamp> = uses.iter().map(|one| one.at).collect();
    sqlx::query!(
        r#"
        update client_secrets s
           set last_used_at = used.at
          from (select client_id, hash, max(at) as at
                  from unnest($1::uuid[], $2::bytea[], $3::timestamptz[]) used (client_id, hash, at)
                 group by client_id, hash) used
         where s.client_id = used.client_id
           and s.hash = used.hash
           and (s.last_used_at is null or s.last_used_at < used.at)
        "#,
        &clients as &[ClientId],
        &hashes as &[SecretHash],
        &moments,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// The names of clients, whoever's they are: a name is there for everybody whom the client asks for access.
pub async fn names(db: &mut PgConnection, clients: &[ClientId]) -> sqlx::Result<Vec<(ClientId, String)>> {
    let rows = sqlx::query!(
        r#"select id as "id: ClientId", name from clients where id = any($1)"#,
        clients as &[ClientId],
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| (row.id, row.name)).collect())
}
